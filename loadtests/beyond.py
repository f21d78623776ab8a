"""One experiment with 100,000 workers, simulated from measured costs: which resource is full first, and at what rate?

The costs of calls are measured as `costs` does, or read from its JSON file. Workers are played one by one: each reports
every few seconds, tells what it reported between two decisions once in ten seconds (as the SDK does), and at a rung
goes on or asks for another trial, one of four going on (asynchronous halving). Their calls go through a number of
server processes, then through the one shard of Redis that holds the experiment; each does one call at a time, in the
order in which they come, for a time drawn around the measured cost. `need` is the work that arrives in a second,
divided by what the resource does: above 1 it falls behind, and latencies grow without end.
"""

import argparse
import heapq
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtests import costs
from loadtests.meter import percentile

_TELL_INTERVAL = 10.0
"""Seconds for which the SDK holds back what is not at a decision."""
_DIVISOR, _RUNGS = 4, 5
_BYTES_PER_TRIAL, _BYTES_PER_POINT = 550, 20
_BYTES_PER_CALL = 830
"""Both ways, as `sdk` measures them."""
_NETWORK = 125e6
"""Bytes per second of 1 Gbit/s."""
_SEED = 7
_WORKERS = [10_000, 30_000, 100_000, 300_000]
Call = tuple[float, str]
"""When it is sent (s), and which: "ask", "decision" or "between"."""


@dataclass(frozen=True, slots=True)
class CallCost:
    """CPU time (s) of a call in a server process and in Redis."""

    server: float
    redis: float


@dataclass(frozen=True, slots=True)
class Played:
    """So many workers. Rates per second; `servers` and `redis`: need, of so many server processes and of one shard;
    `hours`: until the memory is full."""

    workers: int
    interval: float
    reports: float
    decisions: float
    asks: float
    calls: float
    server_processes: int
    servers: float
    redis: float
    network: float
    hours: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Resource:
    """Where a resource is full: with so many workers, which make so many calls a second."""

    resource: str
    need_of_the_most: float
    full_at_workers: float
    full_at_calls: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--workers", type=int, nargs="+", default=_WORKERS, help="(%(default)s)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between reports of one (%(default)s)")
    parser.add_argument("--first-rung", type=int, default=16, help="reports up to the first rung (%(default)s)")
    parser.add_argument("--servers", type=int, default=16, help="server processes, with a core each (%(default)s)")
    parser.add_argument("--memory", type=float, default=64.0, help="GiB of Redis (%(default)s)")
    parser.add_argument("--port", choices=["gRPC", "HTTP proto"], default="gRPC", help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="simulated time (%(default)s)")
    parser.add_argument("--costs", type=Path, help="the JSON file of a run of `costs`; else they are measured now")


async def run(arguments: argparse.Namespace) -> tuple[list[Played], list[Played]]:
    """The rows to print and the rows for the JSON file: the same here. Raises ValueError for a file of other costs."""
    if arguments.costs:
        measured = _read(arguments.costs)
    else:
        measured = costs.over_rounds(await costs.measure(costs.FOR_DECISIONS, 64, 8_000, 4))
    prices = _prices(measured, arguments.port)
    for name, price in prices.items():
        print(f"{name}: {1e6 * price.server:.0f} µs of a server, {1e6 * price.redis:.0f} µs of Redis")
    rows = [_played(workers, prices, arguments) for workers in sorted(arguments.workers)]
    return rows, rows


def judgements(rows: list[Played]) -> list[Resource]:
    """The resources, in the order in which they are full."""
    most = rows[-1]
    needs = {
        f"{most.server_processes} server processes": most.servers,
        "one shard of Redis": most.redis,
        "network of 1 Gbit/s": most.network,
    }
    found = [Resource(name, need, most.workers / need, most.calls / need) for name, need in needs.items()]
    return sorted(found, key=lambda one: -one.need_of_the_most)


def _read(path: Path) -> list[costs.Cost]:
    try:
        return costs.over_rounds([costs.Cost(**row) for row in json.loads(path.read_text())["results"]])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the JSON file of a run of `costs`: {error}") from error


def _prices(measured: list[costs.Cost], port: str) -> dict[str, CallCost]:
    """What each call costs. Pairs are asks and tells at rungs, half and half."""
    busy = {one.call: one for one in measured if one.port == port and one.load == "64 in flight"}
    found = {}
    for name, call in (("ask", "pair"), ("decision", "pair"), ("between", "tell")):
        if call not in busy:
            raise ValueError(f"the costs have no {call!r} over {port} with 64 in flight")
        found[name] = CallCost(busy[call].server_us / 1e6, busy[call].redis_us / 1e6)
    return found


def _played(workers: int, prices: dict[str, CallCost], given: argparse.Namespace) -> Played:
    draw = random.Random(_SEED)
    reports, calls = 0, list[Call]()
    for _ in range(workers):
        told, of = _worker(draw, given)
        reports += told
        calls += of
    calls.sort()
    counts = Counter(kind for _, kind in calls)
    latencies = _latencies(calls, prices, given.servers, draw)
    per_second = {kind: counts[kind] / given.seconds for kind in prices}
    rate = len(calls) / given.seconds
    bytes_ = per_second["ask"] * _BYTES_PER_TRIAL + reports / given.seconds * _BYTES_PER_POINT
    return Played(
        workers=workers,
        interval=given.interval,
        reports=reports / given.seconds,
        decisions=per_second["decision"],
        asks=per_second["ask"],
        calls=rate,
        server_processes=given.servers,
        servers=sum(per_second[kind] * price.server for kind, price in prices.items()) / given.servers,
        redis=sum(per_second[kind] * price.redis for kind, price in prices.items()),
        network=rate * _BYTES_PER_CALL / _NETWORK,
        hours=given.memory * 2**30 / bytes_ / 3600,
        p50_ms=1e3 * percentile(latencies, 0.5),
        p99_ms=1e3 * percentile(latencies, 0.99),
    )


def _worker(draw: random.Random, given: argparse.Namespace) -> tuple[int, list[Call]]:
    """One worker that has been at work for long: how often it reports in the simulated time, and its calls."""
    calls, reports = list[Call](), 0
    now = -draw.random() * given.interval * given.first_rung
    while now < given.seconds:
        calls.append((now, "ask"))
        for rung in range(_RUNGS):
            some = given.first_rung * (_DIVISOR**rung - (_DIVISOR ** (rung - 1) if rung else 0))
            held = now
            for report in range(1, some + 1):
                now += given.interval
                reports += 0 <= now < given.seconds
                if report == some:
                    calls.append((now, "decision"))
                elif now - held >= _TELL_INTERVAL:
                    calls.append((now, "between"))
                    held = now
                if now >= given.seconds:
                    break
            if now >= given.seconds or draw.random() * _DIVISOR >= 1:
                break
    return reports, [call for call in calls if 0 <= call[0] < given.seconds]


def _latencies(calls: list[Call], prices: dict[str, CallCost], servers: int, draw: random.Random) -> list[float]:
    """Seconds from each call to its answer, through the server processes and then through Redis."""
    free = [0.0] * servers
    at_redis: list[tuple[float, float, str]] = []
    for sent, kind in calls:
        process = draw.randrange(servers)
        free[process] = max(free[process], sent) + draw.expovariate(1 / prices[kind].server)
        heapq.heappush(at_redis, (free[process], sent, kind))
    return list(_through_redis(at_redis, prices, draw))


def _through_redis(
    calls: list[tuple[float, float, str]], prices: dict[str, CallCost], draw: random.Random
) -> Iterator[float]:
    free = 0.0
    while calls:
        came, sent, kind = heapq.heappop(calls)
        free = max(free, came) + draw.expovariate(1 / prices[kind].redis)
        yield free - sent
