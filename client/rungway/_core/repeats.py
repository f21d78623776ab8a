"""Results that the service has heard before: who goes on without a new checkpoint trains the same again."""

import dataclasses

from rungway._core.enums import Decision, Reason
from rungway._core.errors import InvalidArgument
from rungway._core.requests import Result
from rungway.models.work import Explanation, TellReply


def untold_part(result: Result) -> Result | None:
    """The result without what a continuing trial told before under the same lease; None when nothing is left.

    A continuation without a new checkpoint trains again from the old one, and the service has no use for a second
    result of the same length.
    """
    if not result.reports and not result.finished:
        raise InvalidArgument.one("reports", "at least one report is wanted")
    begin, told = result.assignment.from_length, result.assignment.told_length
    reports = [each for each in result.reports if not begin < each.length <= told]
    if len(reports) == len(result.reports):
        return result
    return dataclasses.replace(result, reports=reports) if reports or result.finished else None


def repeated(result: Result) -> TellReply:
    """What is answered to a result of which nothing is new."""
    assignment = result.assignment
    return TellReply(
        assignment.lease,
        Decision.CONTINUE,
        Explanation(Reason.BETWEEN_RUNGS, text="this length was told before under the same lease"),
        assignment.next_decision,
        assignment.to_length,
        assignment.deadline,
        assignment,
    )
