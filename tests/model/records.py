"""What the reference model keeps of a trial, and of the answers it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rungway_server.domain.engine import SAMPLER, Lease, Objectives, Outcome, Report, TellReply, TrialState, TrialView
from rungway_server.domain.errors import RequestIdReused

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Parent:
    """Where a clone comes from: a trial, its rank in the rung where it was cloned, and what it had saved by then."""

    number: int
    rank: int
    hparams: Mapping[str, object]
    checkpoint: str
    checkpoint_length: int


@dataclass
class TrialRecord:
    """One trial; `length` is the last told under the current lease and starts at the assignment's from_length."""

    number: int
    bracket: int
    hparams: Mapping[str, object]
    created_ms: int
    state: TrialState = TrialState.RUNNING
    rung: int = 0
    length: int = 0
    from_length: int = 0
    fencing_token: int = -1
    to_length: int = 0
    restarts: int = 0
    checkpoint: str = ""
    checkpoint_length: int = 0
    metric: float | None = None
    best_metric: float | None = None
    best_length: int = 0
    best_checkpoint: str = ""
    worker: str = ""
    outcome: Outcome | None = None
    message: str = ""
    returns: int = 0
    reached: int = 0
    curve: list[Report] = field(default_factory=list)
    parent: Parent | None = None
    entry: int = 0
    source: str = SAMPLER

    @property
    def dead(self) -> bool:
        """It ended without a rung's leave (asked of in the promote form only, where no rung stops a trial)."""
        return self.state in (TrialState.FAILED, TrialState.STOPPED)

    @property
    def ended(self) -> bool:
        """It will never train again: it is dead, or its training ended by itself."""
        return self.dead or self.state is TrialState.COMPLETED

    def progress_to(self, length: int) -> None:
        """It has come further than ever before."""
        self.reached, self.restarts, self.returns = length, 0, 0

    def save(self, checkpoint: str, length: int) -> None:
        """A new checkpoint; progress when it is the first or longer than any before."""
        if not self.checkpoint or length > self.reached:
            self.progress_to(length)
        self.checkpoint, self.checkpoint_length = checkpoint, length
        if self.best_checkpoint == checkpoint:  # written over
            self.best_checkpoint = ""

    def save_best(self, checkpoint: str, length: int) -> None:
        """A checkpoint of this length belongs to the best result if that is the last one told."""
        if self.best_length == length and self.best_metric is not None and self.metric == self.best_metric:
            self.best_checkpoint = checkpoint

    def held_by(self, lease: Lease) -> bool:
        """Whether the lease is the one under which this trial runs; a deadline that passed does not end it."""
        return self.state is TrialState.RUNNING and self.fencing_token == lease.fencing_token

    def view(self, *, curve: bool, sources: bool = False, objectives: Objectives | None = None) -> TrialView:
        """The trial as the store shows it."""
        return TrialView(
            self.number, self.state, self.hparams, self.bracket, self.rung, self.length, self.metric,
            self.best_metric, self.best_length, self.restarts, self.checkpoint, self.checkpoint_length, self.worker,
            self.outcome, self.message, self.created_ms, tuple(self.curve) if curve else (),
            self.parent.number if self.parent else None, self.best_checkpoint, self.source if sources else "",
            objectives,
        )  # fmt: skip


class Remembered(Generic[Answer]):
    """Answers by key; the same key with another request is an error."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[object, Answer]] = {}

    def recall(self, request_id: str, *key: object, request: object) -> Answer | None:
        """The answer given before, None when there is none. Raises RequestIdReused for another request."""
        if not request_id or (request_id, *key) not in self._kept:
            return None
        asked, answer = self._kept[(request_id, *key)]
        if asked != request:
            raise RequestIdReused(request_id)
        return answer

    def keep(self, request_id: str, *key: object, request: object, answer: Answer) -> None:
        """Remember, unless the id is empty."""
        if request_id:
            self._kept[(request_id, *key)] = request, answer


@dataclass
class ReplyMemory:
    """Replies by request id: those that ended a lease for good, the last CONTINUE for as long as its lease lives."""

    ended: Remembered[TellReply] = field(default_factory=Remembered)
    going: dict[int, tuple[str, object, TellReply]] = field(default_factory=dict)

    def recall(self, request_id: str, trial: TrialRecord, lease: Lease, request: object) -> TellReply | None:
        """The reply given before, None when there is none. Raises RequestIdReused for another request."""
        if not trial.held_by(lease):
            return self.ended.recall(request_id, lease.trial, request=request)
        kept = self.going.get(lease.trial)
        if not request_id or kept is None or kept[0] != request_id:
            return None
        if kept[1] != request:
            raise RequestIdReused(request_id)
        return kept[2]

    def keep(self, request_id: str, trial: TrialRecord, request: object, reply: TellReply) -> None:
        """Remember the reply on this trial."""
        if trial.state is not TrialState.RUNNING:
            self.ended.keep(request_id, trial.number, request=request, answer=reply)
        elif request_id:
            self.going[trial.number] = request_id, request, reply
