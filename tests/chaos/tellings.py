"""Which of the recorded results are in the curves: all of them, some twice, some not, and in which order.

Every result of a chaos run has a metric of its own within its trial, so a point of a curve names the call that told it.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rungway import Outcome, Trial
from rungway.v1 import trial_pb2
from tests.chaos.calls import Call

Lease = tuple[int, int]
"""Trial and fencing token."""
Point = tuple[int, int, float]
"""Trial, length, metric."""


@dataclass(eq=False)
class Telling:
    """One result of a tell."""

    call: Call
    result: Any
    reply: Any
    """The answer, None when there was none."""

    @property
    def lease(self) -> Lease:
        """The lease it was told under."""
        return self.result.lease.trial, self.result.lease.fence

    @property
    def points(self) -> list[Point]:
        """What it adds to the curve."""
        return [(self.result.lease.trial, report.length, report.metric) for report in self.result.reports]

    @property
    def acknowledged(self) -> bool:
        """Whether the service said that it counts."""
        return self.reply is not None and self.reply.decision != trial_pb2.DECISION_SUPERSEDED


@dataclass
class Tellings:
    """The recorded results compared with the curves."""

    acknowledged: int = 0
    lost: list[Telling] = field(default_factory=list)
    """Acknowledged, and in no curve."""
    duplicated: list[Point] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    kept: dict[int, deque[Telling]] = field(default_factory=dict)
    """By trial, those in its curve, in the order of the curve."""


def compare(calls: Iterable[Call], trials: Iterable[Trial]) -> Tellings:
    """Find the telling of every point, and the points of every acknowledged telling."""
    told = list(_tellings(calls))
    by_point = {point: telling for telling in told for point in telling.points}
    found = Tellings(acknowledged=sum(len(telling.points) for telling in told if telling.acknowledged))
    kept = set()
    for trial in trials:
        curve = [(trial.trial, report.length, report.metric) for report in trial.curve or ()]
        found.duplicated += [point for point, count in Counter(curve).items() if count > 1]
        found.problems += [f"no tell has {point}" for point in curve if point not in by_point]
        order = list(dict.fromkeys(by_point[point] for point in curve if point in by_point))
        if not found.duplicated and curve != [point for telling in order for point in telling.points]:
            found.problems.append(f"trial {trial.trial}: a call was stored in part, or out of order")
        order += _end_without_report(told, trial, order)
        found.kept[trial.trial] = deque(order)
        kept.update(order)
    found.lost = [telling for telling in told if telling.acknowledged and telling not in kept]
    return found


def _end_without_report(told: list[Telling], trial: Trial, order: list[Telling]) -> list[Telling]:
    """The telling that only says that the training is over: the last of its trial, as no point of the curve shows."""
    ends = [each for each in told if each.lease[0] == trial.trial and not each.points]
    if acknowledged := [each for each in ends if each.acknowledged]:
        return acknowledged
    ended_by_report = bool(order) and order[-1].result.finished
    return ends[-1:] if trial.outcome is Outcome.FINISHED and not ended_by_report else []


def _tellings(calls: Iterable[Call]) -> Iterable[Telling]:
    for call in calls:
        if call.rpc == "Tell":
            replies = call.reply.verdicts if call.reply else [None] * len(call.request.results)
            for result, reply in zip(call.request.results, replies, strict=True):
                yield Telling(call, result, reply)
