"""The enums of the protocol as Python enums, and its times as Python's.

A value that this version of the client does not know is read as `UNKNOWN`, so that it works with a newer service.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from rungway._core.compat import StrEnum


class Decision(StrEnum):
    """The answer to a tell: what the worker does next."""

    CONTINUE = "continue"
    """Train on, up to `to_length`, under the same lease."""
    PAUSE = "pause"
    """The trial waits at its rung and may be promoted; the lease has ended."""
    STOP = "stop"
    """The trial has ended, and the lease with it."""
    SUPERSEDED = "superseded"
    """The lease was lost before, and nothing was changed: drop the work and ask again. A decision that this client
    does not know is read as SUPERSEDED, because the worker can always ask again."""


class Reason(StrEnum):
    """Why something was decided, or why nothing was handed out."""

    UNKNOWN = "unknown"
    NEW_TRIAL = "new_trial"
    REQUEUED = "requeued"
    PROMOTED = "promoted"
    BETWEEN_RUNGS = "between_rungs"
    NOT_PROMOTED = "not_promoted"
    STOPPED_AT_RUNG = "stopped_at_rung"
    COMPLETED = "completed"
    EXPERIMENT_PAUSED = "experiment_paused"
    EXPERIMENT_STOPPED = "experiment_stopped"
    LEASE_LOST = "lease_lost"
    CONCURRENCY_LIMIT = "concurrency_limit"
    WAITING_FOR_RESULTS = "waiting_for_results"
    SEARCH_DONE = "search_done"
    PREEMPTED = "preempted"
    RETRY = "retry"
    FAILED = "failed"
    INVALID = "invalid"
    TARGET_REACHED = "target_reached"
    ENQUEUED = "enqueued"
    CLONED = "cloned"
    FINISHED = "finished"
    FAILING = "failing"
    GOING_ON = "going_on"
    BLIND = "blind"
    BUDGET_SPENT = "budget_spent"
    PROMOTED_AMONG_OWN = "promoted_among_own"
    RUNG_FULL = "rung_full"
    OUTRANKED = "outranked"


class Outcome(StrEnum):
    """How a worker or a user ended a trial. `Client.fail` takes all but UNKNOWN and FINISHED."""

    UNKNOWN = "unknown"
    PREEMPTED = "preempted"
    """The worker had to leave: the trial is requeued, at no cost."""
    TRANSIENT = "transient"
    """A failure that may pass: the trial is requeued up to `max_restarts` times, then it has failed."""
    INVALID = "invalid"
    """The configuration makes no sense: the results are removed and a new trial replaces it; it does not count."""
    DIVERGED = "diverged"
    """Training diverged: the trial ranks after every result and is never run again."""
    ERROR = "error"
    """Failed for good: ranks and ends as DIVERGED."""
    STOPPED = "stopped"
    """Ended by its user: ranks as DIVERGED."""
    FINISHED = "finished"
    """The training ended by itself with a result; told with `finished`."""


class TrialState(StrEnum):
    """The state of a trial."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    """A worker holds its lease."""
    PAUSED = "paused"
    """It waits at a rung and may be promoted."""
    QUEUED = "queued"
    """Requeued: released, expired or failed, and waiting for a worker."""
    COMPLETED = "completed"
    """It reached the top rung, or its training ended by itself."""
    STOPPED = "stopped"
    """A rung or its user stopped it."""
    FAILED = "failed"
    """It diverged, failed for good, or used up its restarts."""
    INVALID = "invalid"
    """Its configuration was invalid, and a new trial replaced it."""


class ExperimentState(StrEnum):
    """The state of an experiment."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    UNREADABLE = "unreadable"
    """In lists only: another version of the service wrote it; its notes say more."""


OVER = (ExperimentState.DONE, ExperimentState.STOPPED)
"""The states in which no trial is trained any more."""


class PromotionRule(StrEnum):
    """Which results of a rung are promoted."""

    UNKNOWN = "unknown"
    ASYNC = "async"
    """The best floor(results / divisor), at any time."""
    SYNC = "sync"
    """Those that no later result can displace from the top-k."""
    POPULATION = "population"
    """The best, once the rung holds all its results; some of them are cloned, too."""


class BestBy(StrEnum):
    """Which result of a trial counts when the best are looked for."""

    BEST = "best"
    """The best that it reported, at any length."""
    LAST = "last"
    """The one that it reported last."""
    FINAL = "final"
    """The one that it reported last, of completed trials alone: trained to the end, or ended by themselves."""


class DecisionForm(StrEnum):
    """What happens to a trial at a rung."""

    UNKNOWN = "unknown"
    PROMOTE = "promote"
    """It pauses and may be promoted later."""
    STOP = "stop"
    """It runs on until a rung stops it."""


class AskStatus(StrEnum):
    """The answer to an ask: work, or why there is none."""

    UNKNOWN = "unknown"
    ASSIGNED = "assigned"
    """There is work."""
    WAIT = "wait"
    """Nothing to hand out now: ask again after `retry_after` seconds."""
    DONE = "done"
    """The search is over: nothing is handed out any more."""


class _EnumNames(Protocol):
    def keys(self) -> Sequence[str]: ...
    def Name(self, number: Any) -> str: ...


_Word = TypeVar("_Word", bound=StrEnum)


def word(names: _EnumNames, number: int, prefix: str, default: _Word) -> _Word:
    """The member for an enum number of the protocol; `default` for a number that this client does not know."""
    try:
        return type(default)(names.Name(number).removeprefix(prefix).lower())
    except ValueError:
        return default


def moment(message: Timestamp) -> datetime:
    """A time of the service's clock, in UTC."""
    return message.ToDatetime(tzinfo=timezone.utc)


def seconds(message: Duration) -> float:
    """A span in seconds."""
    return message.ToNanoseconds() / 1e9
