"""What models learn from: results at rungs by their ranks, as read from Redis, and proposals from these.

Rungs of several brackets that are equally long are one rung for models. Only the results that a model looks at are
read, a few hundred however large the search is. The functions that compute run in a process of their own, and keep the
last few searches there.
"""

import pickle
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.ranking import WORST_KEY
from rungway_server.domain.sampling.sampling import point_of
from rungway_server.domain.search.plan import Plan
from rungway_server.proposals.observed import Observed, Rung, Source
from rungway_server.proposals.propose import propose, wanted
from rungway_server.store.redis.layout.configurations import Configurations

_KEY = slice(2, 10)
"""Where a member of RUNGS has its sort key; the number of its trial is at its end."""

Places = tuple[tuple[int, ...], ...]
"""Of each length of the plan, lowest first, ranks in the rung."""


class Range(NamedTuple):
    """Ranks of a rung of a bracket that are read together, the last one included."""

    bracket: int
    rung: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many results there are at each length of the plan, lowest first, and how many of these are dead."""

    sizes: tuple[int, ...]
    dead: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of a search: how many results it has in all; of each length some places, the keys of the results
    there, and their trials."""

    results: int
    counted: Counted
    places: Places
    keys: tuple[tuple[bytes, ...], ...]
    trials: Places
    configs: Mapping[int, bytes]
    """Packed configurations of these trials."""
    used: tuple[bytes, ...] = ()
    """Packed configurations of points that are not free."""


class Lengths:
    """The lengths of a plan, and which rungs of which brackets are at each."""

    def __init__(self, plan: Plan) -> None:
        at: dict[int, list[tuple[int, int, int]]] = {}
        index = 0
        for b, bracket in enumerate(plan.brackets):
            for k, rung in enumerate(bracket.rungs):
                at.setdefault(rung.length, []).append((b, k, index))
                index += 1
        self._rungs = [at[length] for length in sorted(at)]
        self.count = len(self._rungs)

    def counted(self, sizes: Sequence[int], dead: Sequence[int]) -> Counted:
        """From the counts of all rungs, one after the other."""
        sums = [tuple(sum(each[i] for _, _, i in rungs) for rungs in self._rungs) for each in (sizes, dead)]
        return Counted(*sums)

    def ranges(self, places: Places, sizes: Sequence[int]) -> list[list[Range]]:
        """What to read for these places, by length. Where several brackets have the length, each gives its part."""
        return [[*self._read(rungs, some, sizes)] for rungs, some in zip(self._rungs, places, strict=True)]

    def _read(
        self, rungs: list[tuple[int, int, int]], places: tuple[int, ...], sizes: Sequence[int]
    ) -> Iterator[Range]:
        whole = sum(sizes[i] for _, _, i in rungs)
        for turn, (b, k, i) in enumerate(rungs):
            own = sorted({place * sizes[i] // whole for place in places[turn :: len(rungs)]}) if sizes[i] else []
            first = 0
            for at in range(1, len(own) + 1):
                if at == len(own) or own[at] != own[at - 1] + 1:
                    yield Range(b, k, own[first], own[at - 1])
                    first = at


def seen(
    results: int,
    counted: Counted,
    places: Places,
    members: Sequence[Sequence[bytes]],
    configs: Mapping[int, bytes],
    used: tuple[bytes, ...],
) -> Seen:
    """What was read; `members` has for each length the members of RUNGS, of all brackets together."""
    found: list[tuple[int, ...]] = []
    keys: list[tuple[bytes, ...]] = []
    trials: list[tuple[int, ...]] = []
    for some, wanted_at in zip(members, places, strict=True):
        ranked = sorted(some, key=lambda member: member[2:])[: len(wanted_at)]
        found.append(tuple(wanted_at[i * len(wanted_at) // len(ranked)] for i in range(len(ranked))))
        keys.append(tuple(member[_KEY] for member in ranked))
        trials.append(tuple(trial_of(member) for member in ranked))
    return Seen(results, counted, tuple(found), tuple(keys), tuple(trials), configs, used)


def trial_of(member: bytes) -> int:
    """The number of the trial of a result."""
    return int.from_bytes(member[-4:], "big")


def places_for(config: bytes, sources: Sequence[Source], counted: Counted) -> Places:
    """The places of each length that the models of these sources look at. `config`: a pickled ExperimentConfig."""
    offsets = [sum(counted.sizes[:k]) for k in range(len(counted.sizes))]
    rungs = [
        Rung(tuple(range(first, first + size)), tuple(range(size)), dead)
        for first, size, dead in zip(offsets, counted.sizes, counted.dead, strict=True)
    ]
    space = _unpickled(config).space
    found = sorted(set[int]().union(*(wanted(space, source, rungs) for source in sources)))
    ends = [bisect_left(found, first) for first in (*offsets, sum(counted.sizes))]
    return tuple(
        tuple(place - first for place in found[start:end])
        for first, start, end in zip(offsets, ends, ends[1:], strict=False)
    )


def proposed(config: bytes, seen_pickled: bytes, source: Source, numbers: range, entry: int) -> list[bytes] | None:
    """Proposals of a model, packed; None where it has none. `config` and `seen_pickled`: an ExperimentConfig and what
    was seen of its search, pickled."""
    parsed = _unpickled(config)
    observed, used = _observed(config, seen_pickled)
    found = propose(parsed.space, parsed.seed, observed, source, numbers, entry, used)
    return None if found is None else [*map(Configurations(parsed.space).pack, found)]


@lru_cache(maxsize=32)
def _unpickled(config: bytes) -> ExperimentConfig:
    """The same object each time, so that caches keyed by its space are hit."""
    found: ExperimentConfig = pickle.loads(config)  # noqa: S301 # pickled by this service
    return found


def observed_of(config: bytes, seen_pickled: bytes) -> Observed:
    """What models see, from what was read (both pickled, see `proposed`)."""
    return _observed(config, seen_pickled)[0]


@lru_cache(maxsize=8)
def _observed(config: bytes, seen_pickled: bytes) -> tuple[Observed, frozenset[int]]:
    space = _unpickled(config).space
    unpack = Configurations(space).unpack
    found: Seen = pickle.loads(seen_pickled)  # noqa: S301 # pickled by this service
    columns = zip(found.counted.sizes, found.counted.dead, found.places, found.keys, found.trials, strict=True)
    rungs = tuple(_rung(*each) for each in columns)
    configs = {trial: unpack(packed) for trial, packed in found.configs.items()}
    points = (point_of(space, unpack(packed)) for packed in found.used)
    return Observed(found.results, rungs, configs), frozenset(point for point in points if point is not None)


def _rung(size: int, dead: int, places: Sequence[int], keys: Sequence[bytes], trials: Sequence[int]) -> Rung:
    """The whole rung of some of its results. The trials of the others are -1; those between two equal results are equal
    to these, and all others differ."""
    whole, classes = [-1] * size, list(range(size))
    for place, trial in zip(places, trials, strict=True):
        whole[place] = trial
    for at in range(1, len(places)):
        if keys[at] == keys[at - 1] and keys[at] != WORST_KEY:
            before = classes[places[at - 1]]
            classes[places[at - 1] : places[at] + 1] = [before] * (places[at] - places[at - 1] + 1)
    return Rung(tuple(whole), tuple(classes), dead)
