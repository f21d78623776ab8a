"""Which checkpoints no trial can need any more, so that their owner may delete them.

A checkpoint is needed while a worker may be told to go on from it, while it is the last or the best of a trial that is
not over or that is completed, and while its trial is among the best. docs/adr/0017-superseded-checkpoints.md has the
reasons.
"""

from collections.abc import Iterable
from typing import NamedTuple

from rungway_server.domain.engine import ExperimentState, TrialState
from rungway_server.domain.ranking import WORST_KEY

KEPT_BEST = 10
"""The checkpoints of so many of the best trials are needed, whatever has become of these trials."""
_AT_WORK = (TrialState.RUNNING, TrialState.PAUSED, TrialState.QUEUED)


class Superseded(NamedTuple):
    """A checkpoint that a trial has had, and since when it has it no more, or is over (ms since 1970)."""

    trial: int
    checkpoint: str
    since_ms: int


class CheckpointStanding(NamedTuple):
    """Where the search of this uid stands: the trials that it has begun, the replaced checkpoints that it remembers by
    their numbers, its time and the time of its last decision (ms since 1970)."""

    uid: str
    state: ExperimentState
    target_reached: bool
    trials: int
    remembered: range
    now_ms: int
    decided_ms: int


class Holding(NamedTuple):
    """What a trial has: its last checkpoint and its best, "" for none.

    `parent_checkpoint`: where another clone of the same parent would begin if this one, a clone, turned out to be
    invalid; `compared`: it has a result in a rung, so that cannot happen any more. `best_key` and `last_key`: sort keys
    of metrics, b"" for none.
    `decided_ms`: when the trial was last decided on.
    """

    trial: int
    state: TrialState
    checkpoint: str
    best_checkpoint: str
    parent_checkpoint: str
    compared: bool
    best_key: bytes
    last_key: bytes
    decided_ms: int

    @property
    def held(self) -> tuple[str, str]:
        """Its own checkpoints."""
        return self.checkpoint, self.best_checkpoint


class _Best:
    """The best trials by one of their results."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, Holding]] = []

    def add(self, key: bytes, holding: Holding) -> None:
        if not key or key == WORST_KEY or (len(self.kept) == KEPT_BEST and key >= self.kept[-1][0]):
            return
        self.kept = sorted([*self.kept, (key, holding)])[:KEPT_BEST]


class Needs:
    """Is told what each trial holds, and then which checkpoints of these and of others nobody needs.

    What changed at `before_ms` (ms since 1970) or later may not have changed: a store that fails over may lose its last
    moments. `final`: a search that is done will not be given a larger plan.
    """

    def __init__(self, standing: CheckpointStanding, before_ms: int, *, final: bool) -> None:
        self._before_ms = before_ms
        done = standing.state is ExperimentState.DONE and (standing.target_reached or final)
        over = done or standing.state is ExperimentState.STOPPED
        self._for_good = over and standing.decided_ms < before_ms
        self._needed: set[str] = {""}
        self._held: list[Superseded] = []
        self._best, self._last = _Best(), _Best()

    def add(self, holding: Holding) -> None:
        """One more trial."""
        if holding.state is not TrialState.INVALID:
            self._best.add(holding.best_key, holding)
            self._last.add(holding.last_key, holding)
        recent = holding.decided_ms >= self._before_ms
        if recent or (holding.state in _AT_WORK and not holding.compared):
            self._needed.add(holding.parent_checkpoint)
        if recent or self._is_needed(holding.state):
            self._needed.update(holding.held)
        else:
            self._held += [Superseded(holding.trial, each, holding.decided_ms) for each in holding.held]

    def _is_needed(self, state: TrialState) -> bool:
        """Whether the checkpoints of a trial in this state are needed."""
        if state in (TrialState.PAUSED, TrialState.QUEUED):
            return not self._for_good
        return state in (TrialState.RUNNING, TrialState.COMPLETED)

    def unneeded(self, superseded: Iterable[Superseded]) -> list[Superseded]:
        """Of these, and of what the trials hold, those that nobody needs: each once, by trial and name."""
        for _, holding in (*self._best.kept, *self._last.kept):
            self._needed.update(holding.held)
        last: dict[str, Superseded] = {}
        for each in (*superseded, *self._held):
            if each.checkpoint not in self._needed and each.since_ms >= last.get(each.checkpoint, each).since_ms:
                last[each.checkpoint] = each
        return sorted(each for each in last.values() if each.since_ms < self._before_ms)
