"""A short run of every load test, with each figure beside its bar: what `make load` prints.

Bars that compare are ratios of measurements in the same run; those of the throughput are medians over the ratios of the
rounds. A bar that is not met stays in the table as "no"; docs/adr says what was tried. Before the first run, the peers
optuna, syne-tune and vizier are installed, each into an environment below .venv-peers.
"""

import argparse
import time
from collections.abc import Awaitable, Callable
from statistics import median

from loadtests import fleet, growth, overload, ports, replicas, throughput, waiting, watchers
from loadtests.judging import Bar, at_least, at_most, no_bar
from loadtests.peers import runner as peers
from loadtests.throughput import Measured
from loadtests.workloads import BATCH

_KINDS = ("no-op", "tell", "ask")
_THROUGHPUT = {64: (*_KINDS, "batch"), 256: _KINDS, 1_000: _KINDS}
"""Workloads by calls in flight. With more than 64, rounds of batches vary too much for their bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each kind (%(default)s)")
    parser.add_argument("--trials", type=int, default=100_000, help="most trials of growth (%(default)s)")
    parser.add_argument("--fleet", type=int, default=5_000, help="live trials of the fleet (%(default)s)")
    parser.add_argument("--only", choices=list(_TESTS), nargs="+", default=list(_TESTS), help="these tests alone")


async def run(arguments: argparse.Namespace) -> tuple[list[Bar], list[Bar]]:
    """The rows to print and the rows for the JSON file: the same here."""
    if "peers" in arguments.only:
        await peers.install()
    bars, begins = list[Bar](), [time.monotonic()]
    for name in arguments.only:
        print(f"measuring {name} …", end=" ", flush=True)
        bars += await _TESTS[name](arguments)
        begins.append(time.monotonic())
        print(f"{begins[-1] - begins[-2]:.0f} s")
    print(f"measured in {(begins[-1] - begins[0]) / 60:.1f} minutes\n")
    return bars, bars


async def _throughput(arguments: argparse.Namespace) -> list[Bar]:
    found = await throughput.measure(_THROUGHPUT, arguments.seconds, arguments.rounds)
    bars = []
    for in_flight, names in _THROUGHPUT.items():
        kinds = {kind: [one for one in found if (one.in_flight, one.kind) == (in_flight, kind)] for kind in names}
        bars += [
            at_least("throughput", f"tell to no-op, {in_flight} in flight", 0.8, _to_noop(kinds["tell"])),
            at_least("throughput", f"ask to no-op, {in_flight} in flight", 0.6, _to_noop(kinds["ask"])),
        ]
        if "batch" in kinds:
            gain = [batch.per_second / one.per_second for batch, one in zip(kinds["batch"], kinds["tell"], strict=True)]
            bars.append(at_least("throughput", f"results by {BATCH} to one by one", 8, median(gain)))
        if in_flight == 256:
            slower = [one.p99_ms / noop.p99_ms for one, noop in zip(kinds["tell"], kinds["no-op"], strict=True)]
            bars.append(at_most("throughput", "p99 of a tell to that of a no-op, 256 in flight", 1.6, median(slower)))
    return bars


def _to_noop(found: list[Measured]) -> float:
    return median(one.to_noop for one in found)


async def _ports(arguments: argparse.Namespace) -> list[Bar]:
    found = {
        (each.port, each.beside): each
        for each in ports.medians(await ports.measure(64, arguments.seconds, arguments.rounds))
    }
    grpc, proto, as_json = (found[kind, ""].server_us for kind in ports.KINDS)
    bars = [
        at_most("ports", "CPU of the server for a tell by HTTP with protobuf to one by gRPC", 0.5, proto / grpc),
        at_most("ports", "CPU of the server for a tell by HTTP with JSON to one by gRPC", 0.7, as_json / grpc),
    ]
    for kind in ports.KINDS[1:]:
        least = min(found[ports.KINDS[0], kind].share, found[kind, ports.KINDS[0]].share)
        bars.append(at_least("ports", f"least share of the CPU, gRPC and {kind} both busy", 0.35, least))
    return bars + [
        no_bar("ports", f"tells per second and core, {kind}", found[kind, ""].per_core) for kind in ports.KINDS
    ]


async def _replicas(arguments: argparse.Namespace) -> list[Bar]:
    found = await replicas.measure([1, 2], [1], 64, arguments.seconds, arguments.rounds)
    one, two = replicas.medians(found)
    bar = "two server processes to one, by CPU time per call"
    return [at_least("replicas", bar, 1.7, two.capacity / one.capacity)]


async def _growth(arguments: argparse.Namespace) -> list[Bar]:
    few, many = await growth.measure([1_000, arguments.trials])
    name = f"at {arguments.trials:,} trials to 1,000"
    stored = many.trials_bytes + many.configs_bytes + many.rungs_bytes
    costs = [
        at_most("growth", f"script time of an ask {name}", 1.5, many.ask_us / few.ask_us),
        at_most("growth", f"script time of a tell {name}", 1.5, many.tell_us / few.tell_us),
        at_most("growth", f"script time of a tell at a rung {name}", 1.5, many.tell_at_rung_us / few.tell_at_rung_us),
        at_most("growth", "bytes of Redis per trial: record, configuration, results at rungs", 600, stored),
        at_most("growth", "bytes of Redis per trial: all there is, log and answers too", 600, many.bytes_per_trial),
    ]
    return costs


async def _fleet(arguments: argparse.Namespace) -> list[Bar]:
    loops = arguments.fleet + arguments.fleet // 100  # at any moment, a few loops are between two trials
    bars = []
    for port in fleet.PORTS:
        seen = await fleet.measure(loops, 5.0, 20.0, port)
        cores = f"{seen.service_cores:.2f} cores of the server, {seen.generator_cores:.2f} of the clients"
        bars += [
            at_least("fleet", f"live trials that report every 5 s over {port}", arguments.fleet, seen.live),
            at_most("fleet", f"errors and lost leases of the fleet over {port}", 0, seen.errors + seen.lost_leases),
            at_most("fleet", f"p99 of a decision of the fleet over {port}, ms", 250, seen.decision_p99_ms, cores),
        ]
    return bars


async def _overload(arguments: argparse.Namespace) -> list[Bar]:
    _, during, after = await overload.measure(3.0, 5.0)
    bars = [
        at_least("overload", "goodput to peak at three times the peak", 0.8, during.of_peak),
        at_most("overload", "seconds until latency is back", 10, after.recovery_seconds or 0.0),
    ]
    return bars


async def _waiting(arguments: argparse.Namespace) -> list[Bar]:
    return waiting.judgements([await waiting.measure(10_000, 200, 5.0, 5_000, 20.0)])


async def _watchers(arguments: argparse.Namespace) -> list[Bar]:
    rate = 200.0
    found = watchers.medians(await watchers.measure([1, 20], 10_000, rate, 4 * arguments.seconds, arguments.rounds))
    one, many = found
    cores = f"{one.server_cores:.2f} and {many.server_cores:.2f} cores"
    return [
        at_most(
            "watchers", "CPU of the server with 20 watchers to one", 1.3, many.server_cores / one.server_cores, cores
        ),
        at_least(
            "watchers", f"results taken with 20 watchers to the {rate:.0f} a second due", 0.95, many.results / rate
        ),
    ]


async def _peers(arguments: argparse.Namespace) -> list[Bar]:
    return await peers.judge()


_TESTS: dict[str, Callable[[argparse.Namespace], Awaitable[list[Bar]]]] = {
    "throughput": _throughput,
    "ports": _ports,
    "replicas": _replicas,
    "growth": _growth,
    "fleet": _fleet,
    "overload": _overload,
    "waiting": _waiting,
    "watchers": _watchers,
    "peers": _peers,
}
