"""The words of the protocol as enums, and its times as Python's.

Words that this version of the client does not know are read as `UNKNOWN`, so that a newer service can be used.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from rungway._core.compat import StrEnum


class Decision(StrEnum):
    """What a worker does next."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"
    SUPERSEDED = "superseded"
    """The lease was no longer this worker's and nothing was changed: drop the work and ask again. A decision that
    this client does not know is read as this one, for it asks for the same."""


class Reason(StrEnum):
    """Why something was decided."""

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


class Outcome(StrEnum):
    """How a trial ended that did not end by itself; see the comments in trial.proto for what each one does."""

    UNKNOWN = "unknown"
    PREEMPTED = "preempted"
    TRANSIENT = "transient"
    INVALID = "invalid"
    DIVERGED = "diverged"
    ERROR = "error"
    STOPPED = "stopped"
    FINISHED = "finished"
    """The training ended by itself with a result; said with a Result, not in a failure."""


class TrialState(StrEnum):
    """Where a trial stands."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    PAUSED = "paused"
    QUEUED = "queued"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INVALID = "invalid"


class ExperimentState(StrEnum):
    """Where an experiment stands."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    UNREADABLE = "unreadable"
    """In lists only: written by another version of the service; the notes say more."""


class PromotionRule(StrEnum):
    """Which of a rung's results go up."""

    UNKNOWN = "unknown"
    ASYNC = "async"
    """The best floor(results / divisor), at any time."""
    SYNC = "sync"
    """Those that can no longer be displaced from the rung's best."""
    POPULATION = "population"
    """The best, once all results are there; some of them are cloned as well."""


class DecisionForm(StrEnum):
    """What happens to a trial at a rung."""

    UNKNOWN = "unknown"
    PROMOTE = "promote"
    """It pauses and may be promoted later."""
    STOP = "stop"
    """It runs on until a rung stops it."""


class AskStatus(StrEnum):
    """What an ask came to."""

    UNKNOWN = "unknown"
    ASSIGNED = "assigned"
    WAIT = "wait"
    DONE = "done"


class _EnumNames(Protocol):
    def keys(self) -> Sequence[str]: ...
    def Name(self, number: Any) -> str: ...


_Word = TypeVar("_Word", bound=StrEnum)


def word(names: _EnumNames, number: int, prefix: str, default: _Word) -> _Word:
    """The word for an enum number of the protocol; `default` for one that this client does not know."""
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
