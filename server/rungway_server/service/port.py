"""The store as the service sees it. `store/redis` is its one implementation."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from rungway_server.domain.about import About, AboutChange
from rungway_server.domain.checkpoints import CheckpointStanding, Holding, Superseded
from rungway_server.domain.engine import (
    AskAnswer,
    Available,
    EventView,
    ExperimentState,
    Lease,
    LeaseStatus,
    Outcome,
    Progress,
    Release,
    Report,
    Result,
    Standing,
    Stock,
    TellAnswer,
    TellReply,
    TrialView,
)
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.vectors import Vector

Piece = Callable[[], AbstractAsyncContextManager[Any]]
"""Begins a piece of a long read, when others have had their turn. See service/reading.py."""


class ExperimentRef(NamedTuple):
    """Which experiment of which namespace."""

    namespace: str
    experiment: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What never changes in an experiment: cached by servers, recognised by `uid` after a delete and create."""

    uid: str
    config: ExperimentConfig
    plan: Plan
    notes: tuple[str, ...]
    created_ms: int
    config_text: str
    """The configuration as it is stored: tells whether it has changed."""
    about: About = field(default_factory=About)
    """May change, like the plan: only a fresh one is as it is now."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What a list shows of a definition: all that is small."""

    uid: str
    plan: Plan
    notes: tuple[str, ...]
    created_ms: int
    about: About


class DecisionStore(Protocol):
    """What workers need: atomic decisions about trials.

    Every method raises StoreUnavailable when the store does not answer, and those that name an experiment raise
    UnknownExperiment when it does not exist. `request_id` may be empty; a repeat with the same non-empty id answers the
    same and changes nothing. `now_ms` is for tests: production leaves it None and the store's own clock decides.
    """

    async def ask(
        self, ref: ExperimentRef, request_id: str, count: int, worker: str, *, now_ms: int | None = None
    ) -> AskAnswer:
        """Hand out up to `count` assignments."""
        ...

    async def available(self, ref: ExperimentRef, request_ids: Sequence[str] = ()) -> Available:
        """Whether an ask would find something, and which of these asks were answered before. Nothing is changed."""
        ...

    async def tell(
        self, ref: ExperimentRef, request_id: str, results: list[Result], *, now_ms: int | None = None
    ) -> TellAnswer:
        """Take results, each for another lease. Raises UnknownTrial, or InvalidInput for a length that does not grow
        or lies beyond the assignment (then no result of the call was taken)."""
        ...

    async def heartbeat(
        self, ref: ExperimentRef, leases: list[Lease], *, now_ms: int | None = None
    ) -> list[LeaseStatus]:
        """Renew leases."""
        ...

    async def release(
        self, ref: ExperimentRef, request_id: str, releases: list[Release], *, now_ms: int | None = None
    ) -> TellAnswer:
        """Requeue trials, at no cost to their restarts."""
        ...

    async def fail(
        self,
        ref: ExperimentRef,
        request_id: str,
        lease: Lease,
        outcome: Outcome,
        message: str,
        *,
        now_ms: int | None = None,
    ) -> tuple[TellReply, int]:
        """End a trial, or requeue it, as `outcome` says. Returns the reply and the revision."""
        ...


class ExperimentStore(Protocol):
    """What people need: experiments are made, changed, read and deleted. Errors, `request_id` and `now_ms` are as in
    `DecisionStore`."""

    async def create(
        self,
        ref: ExperimentRef,
        config: ExperimentConfig,
        plan: Plan,
        notes: tuple[str, ...],
        request_id: str,
        *,
        enqueued: Sequence[Mapping[str, object]] = (),
        origin: str = "",
        about: About | None = None,
    ) -> Definition:
        """Store a new experiment; `enqueued` are configurations for its first trials. `origin` says where these come
        from: a repeat must name the same, though it may find others there, and the same labels, owner and comment.
        Raises ExperimentExists unless it was created by the same request_id."""
        ...

    async def change_about(self, ref: ExperimentRef, change: AboutChange) -> None:
        """Change labels, owner or comment, also of an ended experiment. Raises InvalidInput."""
        ...

    async def about(self, ref: ExperimentRef) -> About:
        """Labels, owner and comment as they are now; nothing else is read."""
        ...

    async def change_plan(
        self,
        ref: ExperimentRef,
        seen: Definition,
        config: ExperimentConfig,
        plan: Plan,
        notes: tuple[str, ...] | None = None,
    ) -> bool:
        """Give an experiment another configuration than the one `seen`, its plan, and the notes on them (None: those
        it has): with other numbers of trials or leases, or another retention; brackets and rungs must be the same.
        False when the configuration is not the one seen any more, or a bracket has started more trials by now. Raises
        WrongState from an ended experiment unless it is the retention alone that changes, and InvalidInput when
        enqueued configurations would find no new trial."""
        ...

    async def set_state(self, ref: ExperimentRef, state: ExperimentState) -> None:
        """Pause (PAUSED), resume (RUNNING) or stop (STOPPED). Raises WrongState from an ended experiment."""
        ...

    async def enqueue(
        self, ref: ExperimentRef, request_id: str, hparams: Mapping[str, object], *, now_ms: int | None = None
    ) -> int:
        """Enqueue a configuration for the next new trial; returns how many wait in front of it. Raises WrongState from
        an ended experiment, NoTrialsLeft, and InvalidInput for a point of a finite space that is used already."""
        ...

    async def enqueue_part(
        self,
        ref: ExperimentRef,
        request_id: str,
        part: str,
        draw: Callable[[int], Awaitable[Sequence[Mapping[str, object]]]],
        *,
        now_ms: int | None = None,
    ) -> tuple[int, Mapping[str, object]]:
        """The same for a configuration in part (its text tells whether a request is repeated): `draw` makes whole ones
        for the number of the trial that will take it, and the first that is free is enqueued, and returned, too."""
        ...

    async def enqueue_known(
        self,
        ref: ExperimentRef,
        request_id: str,
        hparams: Mapping[str, object],
        result: Report,
        *,
        now_ms: int | None = None,
    ) -> int:
        """Add a trial of elsewhere that is finished, with its result at the length of a rung; returns its number.
        Raises what `enqueue` does: NoTrialsLeft, too, when all trials of the brackets with such a rung are started."""
        ...

    async def fill_stock(
        self, ref: ExperimentRef, first: int, proposals: Sequence[Mapping[str, object]], revision: int = 0
    ) -> Stock:
        """Add configurations that another program proposes for trials to come, numbered from `first` on; `revision`:
        that of the results they were made from. Each counts by its number, and the first one that comes with a number
        is kept, so it may be repeated, and others may do the same. Without proposals it only looks. Raises WrongState
        from an ended experiment, and InvalidInput for a search that takes none."""
        ...

    async def delete(self, ref: ExperimentRef, uid: str = "") -> None:
        """Remove everything stored of the experiment, also of a version that cannot be read. With a `uid`, raises
        UnknownExperiment when another experiment has the name by now."""
        ...

    async def definition(self, ref: ExperimentRef, *, fresh: bool = False) -> Definition:
        """What the experiment was defined as, from the cache unless it must be `fresh`: the plan may have changed."""
        ...

    async def progress(self, ref: ExperimentRef) -> Progress:
        """How far the experiment is."""
        ...

    async def brief(self, ref: ExperimentRef) -> tuple[Brief, Progress]:
        """What a list shows of it; its configuration, which may be large, is not read."""
        ...

    async def trials(self, ref: ExperimentRef, numbers: list[int], *, curve: bool = False) -> list[TrialView]:
        """The trials of these numbers that exist, in this order."""
        ...

    async def leases(self, ref: ExperimentRef, most: int) -> tuple[list[tuple[int, int]], int]:
        """The trials under a lease with their deadlines (ms), the nearest first, at most so many; and how many there
        are in all."""
        ...

    async def ranked(self, ref: ExperimentRef, count: int) -> list[int]:
        """The trials with the best metric, best first, ties by trial number; at most 1,000. Trials without a real
        metric are left out."""
        ...

    async def outcomes(
        self, ref: ExperimentRef, bracket: int, rung: int, after: bytes, count: int
    ) -> tuple[list[tuple[int, Vector]], bytes]:
        """A page of the results in a rung that ranks by fronts, in the order of their telling: trials and vectors, and
        what the next page begins after, b"" for the last."""
        ...

    async def standings(self, ref: ExperimentRef, numbers: Sequence[int]) -> list[Standing]:
        """The last results of the trials of these numbers, as far as these exist; at most a few hundred."""
        ...

    async def checkpoint_standing(self, ref: ExperimentRef) -> CheckpointStanding:
        """Where the search stands, as far as checkpoints are concerned."""
        ...

    async def superseded(
        self, ref: ExperimentRef, standing: CheckpointStanding, numbers: Sequence[int]
    ) -> list[Superseded]:
        """Those of the replaced checkpoints of these numbers that are still remembered; at most a few hundred. Raises
        UnknownExperiment when another search has the name by now."""
        ...

    async def holdings(self, ref: ExperimentRef, standing: CheckpointStanding, numbers: Sequence[int]) -> list[Holding]:
        """What the trials of these numbers have, as far as these exist; at most a few hundred. Raises as above."""
        ...

    async def best(self, ref: ExperimentRef, count: int) -> list[TrialView]:
        """The same trials, read one after the other: not as of one moment."""
        ...

    async def explain(self, ref: ExperimentRef, trial: int, before: int, count: int) -> tuple[list[EventView], int]:
        """At most `count` of the decisions about a trial, oldest first, after the first `before` of its life; and how
        many come before the next page (0 = this was the last). Raises UnknownTrial."""
        ...

    async def events(self, ref: ExperimentRef, after: str, count: int) -> tuple[list[EventView], bool]:
        """A piece of the event log after this event id ("" = from the beginning), and whether the search is over."""
        ...

    def export(self, ref: ExperimentRef, piece: Piece | None = None) -> AsyncIterator[str]:
        """Everything stored of the experiment, as of one moment, as the text of an export file (docs/export.md), in
        pieces that fit into messages. `piece` is entered before each piece of work."""
        ...

    async def experiments(self, namespace: str, after: str, count: int) -> list[tuple[str, str]]:
        """Up to so many ids, oldest first, each with the token of those after it."""
        ...


class Store(DecisionStore, ExperimentStore, Protocol):
    """The whole store."""
