"""The short form of every load test, each figure beside the bar it has to clear: what `make load` prints.

Bars that compare are ratios of measurements side by side; those of the throughput are medians over rounds of each
round's own ratio. A bar that is not met stays in the table, as "no": docs/adr has what was tried.
"""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

from loadtests import fleet, growth, overload, replicas, throughput
from loadtests.throughput import Measured
from loadtests.workloads import BATCH

_IN_FLIGHT = (64, 256, 1_000)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what was wanted, what was measured, in its own unit."""

    test: str
    bar: str
    wanted: str
    measured: str
    met: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say."""
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each kind (%(default)s)")
    parser.add_argument("--trials", type=int, default=100_000, help="most trials of growth (%(default)s)")
    parser.add_argument("--fleet", type=int, default=5_000, help="live trials of the fleet (%(default)s)")
    parser.add_argument("--only", choices=list(_TESTS), nargs="+", default=list(_TESTS), help="these tests alone")


async def run(arguments: argparse.Namespace) -> tuple[list[Bar], list[Bar]]:
    """The bars, twice: they are all there is."""
    bars: list[Bar] = []
    for name in arguments.only:
        print(f"measuring {name} …", flush=True)
        bars += await _TESTS[name](arguments)
    return bars, bars


async def _throughput(arguments: argparse.Namespace) -> list[Bar]:
    found = await throughput.measure(list(_IN_FLIGHT), arguments.seconds, arguments.rounds)
    bars = []
    for in_flight in _IN_FLIGHT:
        kinds = {kind: [one for one in found if (one.in_flight, one.kind) == (in_flight, kind)] for kind in _KINDS}
        bars += [
            _at_least("throughput", f"tell to no-op, {in_flight} in flight", 0.8, _to_noop(kinds["tell"])),
            _at_least("throughput", f"ask to no-op, {in_flight} in flight", 0.6, _to_noop(kinds["ask"])),
        ]
        if in_flight == 64:  # beyond it the rounds differ more than the bar is high
            gain = [batch.per_second / one.per_second for batch, one in zip(kinds["batch"], kinds["tell"], strict=True)]
            bars.append(_at_least("throughput", f"results by {BATCH} to one by one", 8, median(gain)))
        if in_flight == 256:
            slower = [one.p99_ms / noop.p99_ms for one, noop in zip(kinds["tell"], kinds["no-op"], strict=True)]
            bars.append(_at_most("throughput", "p99 of a tell to that of a no-op, 256 in flight", 1.6, median(slower)))
    return bars


_KINDS = ("no-op", "tell", "batch", "ask")


def _to_noop(found: list[Measured]) -> float:
    return median(one.to_noop for one in found)


async def _replicas(arguments: argparse.Namespace) -> list[Bar]:
    found = await replicas.measure([1, 2], [1], 64, arguments.seconds, arguments.rounds)
    one, two = replicas.medians(found)
    bar = "two server processes to one, by CPU time per call"
    return [_at_least("replicas", bar, 1.7, two.capacity / one.capacity)]


async def _growth(arguments: argparse.Namespace) -> list[Bar]:
    few, many = await growth.measure([1_000, arguments.trials])
    name = f"at {arguments.trials:,} trials to 1,000"
    stored = many.trials_bytes + many.configs_bytes + many.rungs_bytes
    costs = [
        _at_most("growth", f"script time of an ask {name}", 1.5, many.ask_us / few.ask_us),
        _at_most("growth", f"script time of a tell {name}", 1.5, many.tell_us / few.tell_us),
        _at_most("growth", f"script time of a tell at a rung {name}", 1.5, many.tell_at_rung_us / few.tell_at_rung_us),
        _at_most("growth", "bytes of Redis per trial: record, configuration, results at rungs", 600, stored),
        _at_most("growth", "bytes of Redis per trial: all there is, log and answers too", 600, many.bytes_per_trial),
    ]
    return costs


async def _fleet(arguments: argparse.Namespace) -> list[Bar]:
    seen = await fleet.measure(arguments.fleet, 5.0, 20.0)
    cores = seen.service_cores + seen.redis_cores + seen.generator_cores
    bars = [
        _at_least("fleet", "live trials that report every 5 s", arguments.fleet, seen.live),
        _at_most("fleet", "errors and lost leases of the fleet", 0, seen.errors + seen.lost_leases),
        _at_most("fleet", f"p99 of a decision of the fleet, ms ({cores:.2f} cores in all)", 250, seen.decision_p99_ms),
    ]
    return bars


async def _overload(arguments: argparse.Namespace) -> list[Bar]:
    _, during, after = await overload.measure(3.0, 5.0)
    bars = [
        _at_least("overload", "goodput to peak at three times the peak", 0.8, during.of_peak),
        _at_most("overload", "seconds until latency is back", 10, after.recovery_seconds or 0.0),
    ]
    return bars


_TESTS: dict[str, Callable[[argparse.Namespace], Awaitable[list[Bar]]]] = {
    "throughput": _throughput,
    "replicas": _replicas,
    "growth": _growth,
    "fleet": _fleet,
    "overload": _overload,
}


def _at_least(test: str, bar: str, wanted: float, measured: float) -> Bar:
    return Bar(test, bar, f">= {wanted:g}", _figure(measured), "yes" if measured >= wanted else "no")


def _at_most(test: str, bar: str, wanted: float, measured: float) -> Bar:
    return Bar(test, bar, f"<= {wanted:g}", _figure(measured), "yes" if measured <= wanted else "no")


def _figure(measured: float) -> str:
    return f"{measured:,.0f}" if measured >= 100 else f"{measured:.2f}"
