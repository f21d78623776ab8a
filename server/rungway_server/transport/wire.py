"""Values of the domain as messages of the wire, for the hot path."""

from functools import lru_cache
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from rungway.v1 import search_service_pb2 as search
from rungway.v1 import trial_pb2
from rungway.values import fill_map, to_map
from rungway_server.domain.decisions import (
    AskAnswer,
    AskStatus,
    Assignment,
    Decision,
    Explanation,
    Lease,
    LeaseStatus,
    Outcome,
    Reason,
    TellAnswer,
    TrialState,
    TrialView,
    Verdict,
)
from rungway_server.domain.explain import in_words

_REASONS = {reason: trial_pb2.Reason.Value(f"REASON_{reason.name}") for reason in Reason}
_DECISIONS = {decision: trial_pb2.Decision.Value(f"DECISION_{decision.name}") for decision in Decision}
_STATES = {state: trial_pb2.TrialState.Value(f"TRIAL_STATE_{state.name}") for state in TrialState}
_OUTCOMES = {outcome: trial_pb2.Outcome.Value(f"OUTCOME_{outcome.name}") for outcome in Outcome}
_ASK_STATUSES = {status: search.AskStatus.Value(f"ASK_STATUS_{status.name}") for status in AskStatus}

_Told = TypeVar("_Told", search.TellResponse, search.ReleaseResponse)


def timestamp(ms: int) -> Timestamp:
    """Milliseconds since the epoch as a Timestamp."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


@lru_cache(maxsize=64)
def duration(ms: int) -> Duration:
    """Milliseconds as a Duration. Not to be changed, being from the cache."""
    return Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def lease_message(lease: Lease) -> trial_pb2.Lease:
    """One lease."""
    return trial_pb2.Lease(trial=lease.trial, fence=lease.fence)


@lru_cache(maxsize=4096)
def explanation_message(why: Explanation) -> trial_pb2.Explanation:
    """Why, with its numbers and in words. Not to be changed: whoever holds it has it from the cache, or copied."""
    return trial_pb2.Explanation(
        reason=_REASONS[why.reason],
        bracket=why.bracket,
        rung=why.rung,
        rank=why.rank,
        rung_size=why.rung_size,
        quota=why.quota,
        cutoff=why.cutoff,
        text=in_words(why),
        parent=why.parent,
    )


def write_assignment(assignment: Assignment, lease_ms: int, message: trial_pb2.Assignment) -> None:
    """Fill in an empty message: cheaper than making parts and copying them into the whole."""
    message.lease.trial, message.lease.fence = assignment.lease
    fill_map(message.hparams, assignment.hparams)
    message.from_length = assignment.from_length
    message.to_length = assignment.to_length
    message.next_decision_length = assignment.next_decision_length
    message.checkpoint = assignment.checkpoint
    message.bracket = assignment.bracket
    message.rung = assignment.rung
    message.restarts = assignment.restarts
    message.lease_deadline.seconds = assignment.deadline_ms // 1000
    message.lease_deadline.nanos = assignment.deadline_ms % 1000 * 1_000_000
    message.lease_duration.CopyFrom(duration(lease_ms))
    message.explanation.CopyFrom(explanation_message(assignment.explanation))


def ask_message(answer: AskAnswer, best: TrialView | None, lease_ms: int) -> search.AskResponse:
    """What an ask came to."""
    message = search.AskResponse(
        status=_ASK_STATUSES[answer.status],
        reason=_REASONS[answer.reason] if answer.reason else trial_pb2.REASON_UNSPECIFIED,
        retry_after=duration(answer.retry_after_ms) if answer.status is AskStatus.WAIT else None,
        best_trial=trial_message(best) if best else None,
        revision=answer.revision,
        message=answer.message,
    )
    for assignment in answer.assignments:
        write_assignment(assignment, lease_ms, message.assignments.add())
    return message


def write_verdict(verdict: Verdict, message: trial_pb2.Verdict) -> None:
    """Fill in an empty message: cheaper than making parts and copying them into the whole."""
    lease = message.lease
    lease.trial, lease.fence = verdict.lease
    message.decision = _DECISIONS[verdict.decision]
    message.explanation.CopyFrom(explanation_message(verdict.explanation))
    if verdict.decision is Decision.CONTINUE:
        message.to_length = verdict.to_length
        message.next_decision_length = verdict.next_decision_length
        deadline = message.lease_deadline
        deadline.seconds, deadline.nanos = verdict.deadline_ms // 1000, verdict.deadline_ms % 1000 * 1_000_000


def told_message(answer: TellAnswer, message: _Told) -> _Told:
    """The verdicts of a tell or a release, in an empty message of its kind."""
    message.revision = answer.revision
    for verdict in answer.verdicts:
        write_verdict(verdict, message.verdicts.add())
    return message


def fail_message(verdict: Verdict, revision: int) -> search.FailResponse:
    """The verdict on a failed trial."""
    message = search.FailResponse(revision=revision)
    write_verdict(verdict, message.verdict)
    return message


def lease_status_message(status: LeaseStatus) -> search.LeaseStatus:
    """How one lease stands."""
    renewed = status.decision is Decision.CONTINUE
    return search.LeaseStatus(
        lease=lease_message(status.lease),
        decision=_DECISIONS[status.decision],
        lease_deadline=timestamp(status.deadline_ms) if renewed else None,
    )


def trial_message(trial: TrialView) -> trial_pb2.Trial:
    """One trial without its curve, which may be long."""
    return trial_pb2.Trial(
        trial=trial.trial,
        state=_STATES[trial.state],
        hparams=to_map(trial.hparams),
        bracket=trial.bracket,
        rung=trial.rung,
        length=trial.length,
        metric=trial.metric,
        best_metric=trial.best_metric,
        best_length=trial.best_length,
        restarts=trial.restarts,
        checkpoint=trial.checkpoint,
        checkpoint_length=trial.checkpoint_length,
        worker=trial.worker,
        outcome=_OUTCOMES[trial.outcome] if trial.outcome else trial_pb2.OUTCOME_UNSPECIFIED,
        message=trial.message,
        create_time=timestamp(trial.created_ms),
        parent=trial.parent,
    )
