"""Lets models fill the stock of proposals, when an ask finds that it lacks some.

What they learn from is read each time, so that proposals follow from what is stored alone, whichever server makes them.
They compute in a process of their own. An ask waits for them for a moment only; what comes later is for the asks after
it. Each proposal has a number, and the first one that comes with it is kept, so servers that propose at the same time
agree.
"""

import asyncio
import pickle
import time
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, NamedTuple

import structlog

from rungway_server.domain.engine import Stock
from rungway_server.domain.errors import InvalidInput, RungwayError, WrongState
from rungway_server.domain.search.sources import EXTERNAL, WORDS
from rungway_server.proposals.observed import Source
from rungway_server.proposals.propose import is_due
from rungway_server.service.offload import in_model_process
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Argument
from rungway_server.store.redis.experiment_cache import CachedExperiment, ExperimentCache
from rungway_server.store.redis.observing import Lengths, Places, places_for, proposed, seen, trial_of
from rungway_server.store.redis.snapshot.copying import configuration_of
from rungway_server.store.redis.snapshot.piece_reader import POINTS, paired

LONGEST_WAIT = 0.1
"""How long an ask waits for models (seconds)."""
MOST_IN_STOCK, MOST_BYTES = 256, 1 << 18
"""Most proposals of a lane that wait for their trials, and most bytes of those that are added at once."""
_FEWEST, _MOST = 4, 32
"""Proposals that are made at once, unless more are needed: the more results there are, the longer these last."""
_PER_RESULT, _PER_DRAWN = 0.05, 0.125
_MOST_AFTER, _PER_RESULT_AFTER = 128, 0.0125
"""Then more are made from the same results, while nobody waits: a look at many results takes long."""
_REMEMBERED = 1_000
_ROUNDS, _FOR_EVER = 3, 3600.0
_RECORDS, _RECORD_BYTES, _POINTS = 100, 1 << 18, 500
POINTS_AT = POINTS - 1
"""How many keys a search has whose points are not counted."""
_SOURCES = {"forest": Source.FOREST, "local": Source.LOCAL, "kde": Source.KDE}
_log = structlog.get_logger()

Compute = Callable[..., Awaitable[Any]]
"""Calls a function of `observing.py` with these arguments; the namespace is before it."""


class Lane(NamedTuple):
    """What a lane lacks: its source, the number of its next proposal, how many are lacking, and whether their trials
    train long before they are judged."""

    lane: int
    source: Source
    first: int
    lacking: int
    unjudged: int


@dataclass(slots=True)
class Patience:
    """How long an ask waits for models: until a time (monotonic seconds), and how often it looks again."""

    deadline: float
    rounds: int = _ROUNDS


@dataclass(slots=True)
class _Search:
    """What is remembered of a search: what was seen of it last (pickled), from how many results and when; its
    configuration, pickled; the lanes whose models had too few results, and how many these were."""

    config: bytes
    lengths: Lengths
    seen: bytes = b""
    revision: int = 0
    results: int = -1
    configs: dict[int, bytes] = field(default_factory=dict)
    barren: dict[int, int] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None
    after: "asyncio.Task[None] | None" = None


class Models:
    """Proposals of the models of all searches. `longest_wait`: None waits for all proposals (simulations, tests)."""

    def __init__(
        self,
        experiments: ExperimentCache,
        longest_wait: float | None = LONGEST_WAIT,
        compute: Compute = in_model_process,
    ) -> None:
        self._experiments, self._longest_wait, self._compute = experiments, longest_wait, compute
        self._known: dict[str, _Search] = {}

    def patience(self) -> Patience:
        """That of an ask which begins now."""
        longest = _FOR_EVER if self._longest_wait is None else self._longest_wait
        return Patience(time.monotonic() + longest)

    async def fill(self, ref: ExperimentRef, known: CachedExperiment, answer: list[Any], patience: Patience) -> bool:
        """Fill the stock as an ask said that it lacks. Whether that ask should look again."""
        search = self._of(known)
        results = answer[2]
        lacking = [Lane(lane, _SOURCES[WORDS[code]], *numbers) for lane, code, *numbers in answer[3:]]
        lanes = [
            lane for lane in lacking if lane.lane not in search.barren or is_due(results, search.barren[lane.lane])
        ]
        left, patience.rounds = patience.deadline - time.monotonic(), patience.rounds - 1
        if not lanes or left <= 0 or patience.rounds < 0:
            return False
        if search.task is None or search.task.done():
            search.task = asyncio.create_task(self._fill(ref, known, search, results, lanes))
        await asyncio.wait({search.task}, timeout=left)
        return search.task.done()

    async def take(
        self, ref: ExperimentRef, first: int, proposals: Sequence[Mapping[str, object]], revision: int
    ) -> Stock:
        """Proposals of another program, as the port of the store says."""

        async def args(known: CachedExperiment) -> list[Argument]:
            names = known.definition.plan.sources.names if known.definition.plan.sources else ()
            lane = names.index(EXTERNAL) + 1 if EXTERNAL in names else 0
            return ["", lane, first, revision, 0, MOST_IN_STOCK, *map(known.configurations.pack, proposals)]

        _, answer = await self._experiments.run("propose", ref, args)
        if answer[0] == b"no lane":
            wanted = "wanted a search with proposals: external"
            raise InvalidInput.one("experiment", f"takes no proposals from elsewhere, {wanted}")
        if answer[0] == b"refused":
            raise WrongState(ref.experiment, answer[1].decode(), "an ended experiment starts no more trials")
        return Stock(*answer[1:])

    def _of(self, known: CachedExperiment) -> _Search:
        uid = known.definition.uid
        if uid not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            definition = known.definition
            self._known[uid] = _Search(pickle.dumps(definition.config), Lengths(definition.plan))
        return self._known[uid]

    async def _fill(
        self, ref: ExperimentRef, known: CachedExperiment, search: _Search, results: int, lanes: Sequence[Lane]
    ) -> None:
        try:
            await self._look(ref, known, search)
            made = [(lane, await self._propose(ref, known, search, lane)) for lane in lanes]
        except Exception as error:
            self._failed(ref, error)
            search.barren.update(dict.fromkeys((lane.lane for lane in lanes), results))
            return
        if search.after is None or search.after.done():
            search.after = asyncio.create_task(self._propose_after(ref, replace(search), made))
        if self._longest_wait is None:
            await search.after

    def _failed(self, ref: ExperimentRef, error: Exception) -> None:
        """Whatever is wrong with a model, the sampler steps in."""
        if not isinstance(error, RungwayError):
            _log.error("models_failed", namespace=ref.namespace, experiment=ref.experiment, exc_info=error)

    async def _propose(self, ref: ExperimentRef, known: CachedExperiment, search: _Search, lane: Lane) -> int:
        """What a lane lacks, and some more. How many were made."""
        ahead = max(_FEWEST, min(_MOST, int(_PER_RESULT * search.results)))
        if lane.unjudged:  # in most searches few of these are needed, in some nearly all
            ahead = min(ahead, int(_PER_DRAWN * lane.first))
        count = min(max(lane.lacking, ahead, known.asking), MOST_IN_STOCK)
        if await self._make(ref, search, lane, range(lane.first, lane.first + count)) < lane.lacking:
            search.barren[lane.lane] = search.results  # until there are more
        return count

    async def _propose_after(self, ref: ExperimentRef, search: _Search, made: Sequence[tuple[Lane, int]]) -> None:
        """More of these lanes, in pieces that keep nobody else waiting for long."""
        try:
            for lane, count in made:
                most = min(_MOST_AFTER, int(_PER_RESULT_AFTER * search.results))
                if lane.unjudged:
                    most = min(most, int(_PER_DRAWN * lane.first))
                for at in range(count, most, _MOST):
                    await self._make(ref, search, lane, range(lane.first + at, lane.first + min(at + _MOST, most)))
        except Exception as error:
            self._failed(ref, error)

    async def _make(self, ref: ExperimentRef, search: _Search, lane: Lane, numbers: range) -> int:
        """Proposals with these numbers for a lane. How many it has in stock."""
        entry = search.lengths.count - 1 if lane.unjudged else 0
        found = await self._compute(ref.namespace, proposed, search.config, search.seen, lane.source, numbers, entry)
        if not found:
            return 0
        args: list[Argument] = ["", lane.lane, numbers.start, search.revision, search.results, MOST_IN_STOCK]
        _, answer = await self._experiments.run("propose", ref, [*args, *_within(found)])
        return answer[1] if answer[0] == b"stock" else 0

    async def _look(self, ref: ExperimentRef, known: CachedExperiment, search: _Search) -> None:
        """Read what models learn from."""
        sources = known.definition.plan.sources
        assert sources is not None
        _, answer = await self._experiments.run("observe", ref, [""])
        _, _, _, sizes, dead, passes = answer
        counted = search.lengths.counted(sizes, dead)
        models = [_SOURCES[name] for name in sources.names if name in _SOURCES]
        places: Places = await self._compute(ref.namespace, places_for, search.config, models, counted)
        ranges = search.lengths.ranges(places, sizes)
        flat = [number for some in ranges for each in some for number in each]
        _, answer = await self._experiments.run("observe", ref, ["", *flat])
        revision, results, pieces = answer[1], answer[2], iter(answer[6:])
        members = [[member for _ in some for member in next(pieces)] for some in ranges]
        configs = await self._configs(ref, search, {trial_of(each) for some in members for each in some})
        used = await self._used(ref, passes) if len(known.keys) > POINTS_AT else ()
        search.configs, search.revision, search.results = configs, revision, results
        search.seen = pickle.dumps(seen(results, counted, places, members, configs, used))

    async def _configs(self, ref: ExperimentRef, search: _Search, trials: set[int]) -> dict[int, bytes]:
        """The packed configurations of these trials. They never change."""
        found = {trial: search.configs[trial] for trial in trials if trial in search.configs}
        lacking = sorted(trials - found.keys())
        while lacking:
            _, answer = await self._experiments.run("records", ref, [_RECORD_BYTES, *lacking[:_RECORDS]])
            for trial, record in zip(lacking, answer[1:], strict=False):
                if record:
                    found[trial] = configuration_of(record)
            del lacking[: len(answer) - 1]
        return found

    async def _used(self, ref: ExperimentRef, passes: int) -> tuple[bytes, ...]:
        """The points that are not free."""
        used, cursor = set[bytes](), b"0"
        while True:
            _, answer = await self._experiments.run("read", ref, ["HSCAN", POINTS, cursor, "COUNT", _POINTS])
            cursor, flat = answer[1]
            used.update(point for point, uses in paired(flat) if uses == b"invalid" or int(uses) > passes)
            if cursor == b"0":
                return tuple(sorted(used))


def _within(proposals: Sequence[bytes]) -> Sequence[bytes]:
    """As many of these as are not too large together, one at least."""
    ends = [*accumulate(map(len, proposals))]
    return proposals[: max(1, bisect_right(ends, MOST_BYTES))]
