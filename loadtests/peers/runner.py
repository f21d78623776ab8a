"""What a pair of an ask and a tell costs the service, for Rungway and its peers, in one run, by trials stored.

A pair is one suggested configuration of six hyperparameters and one result reported at a rung, with a decision if the
peer makes one. It is judged by the CPU time of what a user has to run for it: the process of the service and its store.
Pairs per second are shown beside. Over the network, 8 client processes do pairs, each in one synchronous loop;
in-process peers need no network, and their process is the service. All peers that store trials in Redis use one with
the same settings: append-only file, synced every second. The first run installs the peers, each into an environment
below .venv-peers. If a peer cannot be installed or fails, its row says so and the others continue. A peer that does not
store its trials in time is measured with what it has stored, and its row says so: more trials would only slow it down.

Rungway takes part in four ways. "asha": each pair is one Ask and one Tell on the wire, as with the peers; bars are
judged by it. "asha, over HTTP": the same over the other port. "asha, batches of 16": each client process holds 16
trials with one Ask and one Tell for all; pairs are still counted one by one. "asha, promoted go on": the plain loop of
the README, where a worker whose trial is promoted continues without an Ask.

Rounds are interleaved, so that other load on the machine affects all alike, and medians over rounds are shown. A
measurement ends early when its share of pairs is done: over all rounds, the stored trials of a peer grow by at most
half, because most peers slow down with more. The same limit holds for Rungway.
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
from loadtests.peers.adapter import tree_cpu_seconds
from loadtests.peers.entrants import ENTRANTS, JOURNAL, RUNGWAY, Adapter, AdapterFailed, Entrant, running
from loadtests.peers.environments import NotInstalled, python_of
from loadtests.peers.measured import Measured, bars, contenders
from loadtests.processes import Stack, machine_cpu_seconds, running_stack
from rungway_server.store.redis.embedded.server import EmbeddedRedis

_LEAST_PAIRS = 50
_SHORT_TRIALS = [100, 1_000]


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds per measurement, measurements per entrant, and how long (seconds) it may store trials beforehand."""

    seconds: float
    rounds: int
    limit: float


_SHORT = Terms(seconds=2.0, rounds=1, limit=30.0)
_FOR_BARS = Terms(seconds=2.0, rounds=3, limit=60.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000], help="stored (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; medians are shown (%(default)s)")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds to store the trials in (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PEER", help="peers whose name begins so")
    parser.add_argument("--bars", action="store_true", help="only what the bars need, with 1,000 and 10,000 trials")
    parser.add_argument("--short", action="store_true", help="100 and 1,000 trials, 1 round, 2 s each: 2 to 3 minutes")


async def run(arguments: argparse.Namespace) -> tuple[list[Measured], list[Measured]]:
    """The medians to print, and every measurement for the JSON file."""
    if arguments.bars:
        found = await measure(contenders(), _FOR_BARS)
        return _medians(found), found
    trials, terms = arguments.trials, Terms(arguments.seconds, arguments.rounds, arguments.limit)
    if arguments.short:
        trials, terms = _SHORT_TRIALS, _SHORT
    chosen = [one for one in ENTRANTS if not arguments.only or one.peer.startswith(tuple(arguments.only))]
    empty, filled = [one for one in chosen if one.empty], [one for one in chosen if not one.empty]
    found = await measure([(empty, [0]), (filled, sorted(trials))], terms)
    return _medians(found), found


def judgements(found: list[Measured]) -> list[Bar]:
    """Each bar for Rungway, judged by the medians."""
    return bars(_medians(found))


async def install() -> None:
    """Make the environments that the bars need; if one cannot be made, its rows will say so."""
    names = dict.fromkeys(one.environment for group, _ in contenders() for one in group if one.environment)
    for name in names:
        with suppress(NotInstalled):
            await python_of(name)


async def judge() -> list[Bar]:
    """Judge the bars with the fewest trials by only the measurements that they need."""
    return judgements(await measure(contenders()[:1], _FOR_BARS))


async def measure(groups: Sequence[tuple[list[Entrant], list[int]]], terms: Terms) -> list[Measured]:
    """Every measurement; those of a group are interleaved, at each number of trials."""
    async with AsyncExitStack() as exits:
        stack = await exits.enter_async_context(running_stack())
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="rw-load-"))
        redis = await exits.enter_async_context(EmbeddedRedis(Path(folder)))
        contest = _Contest(terms, stack, redis)
        for entrants, sizes in groups:
            await contest.hold(entrants, sizes)
        return contest.found


class _Contest:
    """The measurements of some entrants, one at a time."""

    def __init__(self, terms: Terms, stack: Stack, redis: EmbeddedRedis) -> None:
        self._terms, self._stack, self._redis = terms, stack, redis
        self._adapters: dict[Entrant, Adapter] = {}
        self._notes: dict[Entrant, str] = {}
        self.found: list[Measured] = []

    async def hold(self, entrants: list[Entrant], sizes: list[int]) -> None:
        """Run all rounds of all entrants at each number of trials."""
        async with AsyncExitStack() as exits:
            for entrant in entrants:
                try:
                    target = f"http://{self._stack.http}" if entrant.http else self._stack.service
                    adapter = running(entrant, target, self._redis.url)
                    self._adapters[entrant] = await exits.enter_async_context(adapter)
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
            before = time.monotonic(), machine_cpu_seconds() - tree_cpu_seconds([os.getpid()])
            try:
                answer = await self._adapters[entrant].ask(
                    10 * seconds, do="pairs", clients=clients, seconds=seconds, most=most, pids=self._pids(entrant)
                )
            except AdapterFailed as failure:
                self._drop(entrant, size, f"failed: {failure}")
                return
            after = time.monotonic(), machine_cpu_seconds() - tree_cpu_seconds([os.getpid()])
            self.found.append(
                replace(
                    _row(entrant, clients, size, self._notes[entrant]),
                    pairs_per_second=answer["pairs"] / answer["took"],
                    service_us=1e6 * answer["cpu"] / max(answer["pairs"], 1),
                    other_cores=(after[1] - before[1]) / (after[0] - before[0]),
                )
            )

    def _pids(self, entrant: Entrant) -> list[int]:
        """The processes of its service that its adapter has not started."""
        if entrant.ours:
            return [self._stack.service_pid, self._stack.redis_pid]
        return [self._redis.process.pid] if entrant.over == JOURNAL else []

    def _drop(self, entrant: Entrant, size: int, note: str) -> None:
        """Exclude an entrant from further measurements; the note says why."""
        self._adapters.pop(entrant, None)
        self.found += [_row(entrant, clients, size, note) for clients in entrant.clients]


def _row(entrant: Entrant, clients: int, size: int, note: str) -> Measured:
    return Measured(entrant.peer, entrant.over, entrant.pruner, clients, size, note=note)


def _medians(found: list[Measured]) -> list[Measured]:
    """One row per peer, setting and number of trials, with the ratio of pairs per second of Rungway to its own."""
    groups: dict[tuple[object, ...], list[Measured]] = {}
    for one in found:
        key = (one.trials, one.peer, one.over, one.pruner, one.clients, one.pairs_per_second is None)
        groups.setdefault(key, []).append(one)
    rows = [_median(group) for group in groups.values()]
    rungway = {one.trials: one for one in rows if one.is_of(RUNGWAY, clients=8)}
    return [_beside(one, rungway.get(one.trials)) for one in rows]


def _median(group: list[Measured]) -> Measured:
    if group[0].pairs_per_second is None:
        return group[0]
    figures = {
        name: median(getattr(one, name) for one in group if getattr(one, name) is not None)
        for name in ("pairs_per_second", "service_us", "other_cores")
    }
    return replace(group[0], **figures)


def _beside(one: Measured, rungway: Measured | None) -> Measured:
    if not (rungway and rungway.pairs_per_second and rungway.service_us and one.pairs_per_second and one.service_us):
        return one
    times = rungway.pairs_per_second / one.pairs_per_second
    return replace(one, rungway_times=times, to_rungway=one.service_us / rungway.service_us)
