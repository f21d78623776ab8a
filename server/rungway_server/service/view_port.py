"""What views need of the store. `store/redis` is its one implementation."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rungway_server.domain.engine import EventView, Objectives, Outcome, Progress, TrialState
from rungway_server.service.port import Definition, ExperimentRef, ExperimentStore, Piece


class RungResult(NamedTuple):
    """A result of a trial at a rung: `metric` is its sort key (domain/ranking.py); `number` counts all results of the
    search in the order in which they came."""

    rung: int
    metric: bytes
    number: int


class Row(NamedTuple):
    """What a view shows of a trial. Metrics are sort keys, b"" where there is none. `values` are those of its
    parameters in the order of the space: a number, or the place of a choice; None where the trial does not have it.
    `objectives` is what its last result ranks by, where that is not its metric alone."""

    trial: int
    state: TrialState
    outcome: Outcome | None
    bracket: int
    rung: int
    length: int
    metric: bytes
    best_metric: bytes
    best_length: int
    restarts: int
    created_ms: int
    worker: str
    parent: int
    results: Sequence[RungResult]
    values: Sequence[float | None]
    objectives: Objectives | None = None


class Seen(NamedTuple):
    """Where an earlier look at the changes ended: the last event, and the end (ms) of the last lease."""

    event: str = ""
    lease_ms: int = 0


class Changes(NamedTuple):
    """Where a search stands, and what tells which of its trials have changed.

    `next_result` is the number of the next result at a rung, `waiting` are clones without a configuration of their
    own, `leases` those renewed, by trial and end (ms). `complete` is False where events may be missing.
    """

    progress: Progress
    next_result: int
    waiting: frozenset[int]
    time_ms: int
    events: Sequence[EventView]
    leases: Sequence[tuple[int, int]]
    seen: Seen
    complete: bool


class Curve(NamedTuple):
    """Points of a learning curve."""

    lengths: NDArray[np.int64]
    metrics: NDArray[np.float64]


class FurtherOf(NamedTuple):
    """Which further values of reports to read: those of a name, or their costs where it is None."""

    name: str | None


class FurtherNames(NamedTuple):
    """What the reports of an experiment have beside the searcher's metric: names in order, and whether costs."""

    names: Sequence[str] = ()
    cost: bool = False


class ViewReader(Protocol):
    """Reads one experiment a piece at a time. Methods raise UnknownExperiment when it is gone, even if another one has
    its name, and StoreUnavailable."""

    definition: Definition
    """As it was when the reader was made."""

    async def changes(self, seen: Seen | None) -> Changes:
        """What has changed since then; None = the last events, and all leases."""
        ...

    async def rows(self, numbers: Sequence[int]) -> list[Row]:
        """The trials of these numbers that exist; call it with a few hundred at most."""
        ...

    async def with_results_since(self, number: int) -> list[int]:
        """Trials that have a result at a rung of this number or a later one."""
        ...

    async def best(self, most: int) -> list[int]:
        """The trials that came furthest, by their highest rung from the top, then by their result there."""
        ...

    async def curves(self, numbers: Sequence[int], most_points: int) -> dict[int, Curve]:
        """The curves of these trials; of one longer than `most_points`, stretches at equal distances."""
        ...

    async def further_curves(self, numbers: Sequence[int], most_points: int, which: FurtherOf) -> dict[int, Curve]:
        """The same of further values: of a report without one there is no point, and of a curve longer than
        `most_points` there are its last points alone."""
        ...

    def further_names(self) -> FurtherNames:
        """What the reports of all trials have beside the searcher's metric, as of when the reader was made."""
        ...


class ViewStore(ExperimentStore, Protocol):
    """The store, as views need it."""

    async def view_reader(self, ref: ExperimentRef, piece: Piece) -> ViewReader:
        """A reader of the experiment of this name. `piece` is entered before each piece of work."""
        ...
