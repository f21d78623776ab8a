"""Ask-and-tell pairs per second of Rungway and its peers, in the same run on the same machine, by trials stored.

A pair is one configuration of six hyperparameters suggested, and one result reported at a rung and decided upon, where
the peer decides. Over the network 8 client processes do pair after pair, each in one synchronous loop; those that
work in process have no network in their way. All that keep trials in a Redis use one with the same settings:
append-only file, synced every second. The first run installs the peers, each into an environment of its own below
.venv-peers; what does not install or fails says so in its row, and the others go on. What does not store its trials in
time is measured with what it has stored, as its row says: more would only cost it more.

Rungway has three ways here. "asha": each pair is one Ask and one Tell on the wire, as it is with the peers; the bars
are judged by it. "asha, batches of 16": each client process holds 16 trials, asked for in one call and told in one, and
pairs are still counted one by one. "asha, promoted go on": the plain loop of the README, where who told a result that
is promoted trains on and needs no Ask.

Rounds are interleaved, so that whatever else the machine does falls on all alike, and medians over them are shown. A
measurement ends early when its share of pairs is done: over all rounds, what a peer has stored grows by a half at most,
for the cost of most grows with it. Rungway is not spared that.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from loadtests.judging import Bar
from loadtests.peers.entrants import ENTRANTS, RUNGWAY, Adapter, AdapterFailed, Entrant, running
from loadtests.peers.environments import NotInstalled, python_of
from loadtests.peers.measured import Measured, bars, contenders
from loadtests.processes import machine_cpu_seconds, running_stack, tree_cpu_seconds
from rungway_server.store.redis.embedded.server import EmbeddedRedis

_LEAST_PAIRS = 50
_SHORT_TRIALS = [100, 1_000]


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a measurement takes, how many there are of each entrant, and how long it may store its trials before
    (seconds)."""

    seconds: float
    rounds: int
    limit: float


_SHORT = Terms(seconds=2.0, rounds=1, limit=30.0)
_FOR_BARS = Terms(seconds=2.0, rounds=3, limit=60.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say."""
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000], help="stored (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; medians are shown (%(default)s)")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds to store the trials in (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PEER", help="peers whose name begins so")
    parser.add_argument("--short", action="store_true", help="100 and 1,000 trials, 1 round, 2 s each: 2 to 3 minutes")


async def run(arguments: argparse.Namespace) -> tuple[list[Measured], list[Measured]]:
    """The medians, and every measurement."""
    trials, terms = arguments.trials, Terms(arguments.seconds, arguments.rounds, arguments.limit)
    if arguments.short:
        trials, terms = _SHORT_TRIALS, _SHORT
    wanted = [one for one in ENTRANTS if not arguments.only or one.peer.startswith(tuple(arguments.only))]
    empty, filled = [one for one in wanted if one.empty], [one for one in wanted if not one.empty]
    found = await measure([(empty, [0]), (filled, sorted(trials))], terms)
    return _medians(found), found


def judgements(found: list[Measured]) -> list[Bar]:
    """Each bar that Rungway is held to, by the medians."""
    return bars(_medians(found))


async def install() -> None:
    """Make the environments of those that the bars need; one that cannot be made will say so in its rows."""
    names = dict.fromkeys(one.environment for group, _ in contenders() for one in group if one.environment)
    for name in names:
        with suppress(NotInstalled):
            await python_of(name)


async def judge() -> list[Bar]:
    """The bars, by measurements of no more than they need."""
    return judgements(await measure(contenders(), _FOR_BARS))


async def measure(groups: Sequence[tuple[list[Entrant], list[int]]], terms: Terms) -> list[Measured]:
    """Every measurement; those of a group are interleaved, at each of its numbers of trials."""
    async with AsyncExitStack() as exits:
        stack = await exits.enter_async_context(running_stack())
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="rw-load-"))
        redis = await exits.enter_async_context(EmbeddedRedis(Path(folder)))
        contest = _Contest(terms, stack.service, redis.url)
        for entrants, sizes in groups:
            await contest.hold(entrants, sizes)
        return contest.found


class _Contest:
    """The measurements of some entrants, one after the other, never two at once."""

    def __init__(self, terms: Terms, target: str, redis_url: str) -> None:
        self._terms, self._target, self._redis_url = terms, target, redis_url
        self._adapters: dict[Entrant, Adapter] = {}
        self._notes: dict[Entrant, str] = {}
        self.found: list[Measured] = []

    async def hold(self, entrants: list[Entrant], sizes: list[int]) -> None:
        """All rounds of all entrants, at each number of trials."""
        async with AsyncExitStack() as exits:
            for entrant in entrants:
                try:
                    self._adapters[entrant] = await exits.enter_async_context(
                        running(entrant, self._target, self._redis_url)
                    )
                except NotInstalled as failure:
                    self._drop(entrant, sizes[0], f"not installed: {failure}")
            for size in sizes:
                for entrant in list(self._adapters):
                    await self._store(entrant, size)
                for _ in range(self._terms.rounds):
                    for entrant in list(self._adapters):
                        await self._round(entrant, size)
        self._adapters.clear()

    async def _store(self, entrant: Entrant, size: int) -> None:
        limit = self._terms.limit
        try:
            answer = await self._adapters[entrant].ask(limit, do="store", trials=size, seconds=limit)
        except AdapterFailed as failure:
            self._drop(entrant, size, f"failed: {failure}")
            return
        stored = answer["stored"]
        self._notes[entrant] = f"with {stored:,} stored, no more in {limit:.0f} s" if stored < size else ""

    async def _round(self, entrant: Entrant, size: int) -> None:
        seconds, rounds = self._terms.seconds, self._terms.rounds
        bounded = size and not entrant.ours
        most = max(size // (2 * rounds), _LEAST_PAIRS) if bounded else None
        for clients in entrant.clients:
            before = time.monotonic(), machine_cpu_seconds() - tree_cpu_seconds(os.getpid())
            try:
                answer = await self._adapters[entrant].ask(
                    10 * seconds, do="pairs", clients=clients, seconds=seconds, most=most
                )
            except AdapterFailed as failure:
                self._drop(entrant, size, f"failed: {failure}")
                return
            after = time.monotonic(), machine_cpu_seconds() - tree_cpu_seconds(os.getpid())
            self.found.append(
                replace(
                    _row(entrant, clients, size, self._notes[entrant]),
                    pairs_per_second=answer["pairs"] / answer["took"],
                    other_cores=(after[1] - before[1]) / (after[0] - before[0]),
                )
            )

    def _drop(self, entrant: Entrant, size: int, note: str) -> None:
        """It takes no further part, and this is why."""
        self._adapters.pop(entrant, None)
        self.found += [_row(entrant, clients, size, note) for clients in entrant.clients]


def _row(entrant: Entrant, clients: int, size: int, note: str) -> Measured:
    return Measured(entrant.peer, entrant.over, entrant.pruner, clients, size, note=note)


def _medians(found: list[Measured]) -> list[Measured]:
    """One row per peer, setting and number of trials, with how often Rungway's pairs go into the time of one of its."""
    groups: dict[tuple[object, ...], list[Measured]] = {}
    for one in found:
        key = (one.trials, one.peer, one.over, one.pruner, one.clients, one.pairs_per_second is None)
        groups.setdefault(key, []).append(one)
    rows = [_median(group) for group in groups.values()]
    rungway = {one.trials: one.pairs_per_second for one in rows if one.is_of(RUNGWAY, clients=8)}
    return [replace(one, rungway_times=_ratio(rungway.get(one.trials), one.pairs_per_second)) for one in rows]


def _median(group: list[Measured]) -> Measured:
    if group[0].pairs_per_second is None:
        return group[0]
    pairs = median(one.pairs_per_second for one in group if one.pairs_per_second is not None)
    others = median(one.other_cores for one in group if one.other_cores is not None)
    return replace(group[0], pairs_per_second=pairs, other_cores=others)


def _ratio(rungway: float | None, peer: float | None) -> float | None:
    return rungway / peer if rungway and peer else None
