"""A short run of every load test, with each figure beside its bar: what `make load` prints.

Figures that are judged are CPU time, script time, bytes and counts, which hold on a machine that has other work; rates
and latencies, "by clock", are mostly only shown. A bar that is not met stays in the table as "no"; docs/scaling.md says
why. `--twice` runs all of it twice and shows how far the two are apart; `--against FILE` does that with the JSON file
of an earlier run. Before the first run, the peers optuna and vizier are installed, each into an environment below
.venv-peers.
"""

import argparse
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from loadtests import costs, experiments, fleet, growth, overload, ports, replicas, sdk, searchers, waiting, watchers
from loadtests.judging import Bar, By, agreement, at_least, at_most, compare, no_bar, read_bars
from loadtests.peers import runner as peers
from loadtests.report import print_rows
from loadtests.slots import PORTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--calls", type=int, default=20_000, help="calls of each kind of `costs` (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one other measurement (%(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of the others; `costs` has four times as many (%(default)s)"
    )
    parser.add_argument("--trials", type=int, default=100_000, help="most trials of growth (%(default)s)")
    parser.add_argument("--fleet", type=int, default=10_000, help="live trials of the fleet (%(default)s)")
    parser.add_argument("--only", choices=list(_TESTS), nargs="+", default=list(_TESTS), help="these tests alone")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--twice", action="store_true", help="run all of it twice and compare the two")
    again.add_argument("--against", type=Path, metavar="FILE", help="compare with the JSON file of an earlier run")


async def run(arguments: argparse.Namespace) -> tuple[list[Bar], list[Bar]]:
    """The rows to print and the rows for the JSON file: the same here."""
    before = read_bars(arguments.against) if arguments.against else []
    if "peers" in arguments.only:
        await peers.install()
    if arguments.twice:
        before = await _all(arguments)
        print_rows(before)
        print()
    bars = await _all(arguments)
    if before:
        compared = compare(before, bars)
        if compared:
            print_rows(compared)
        print(f"{agreement(compared)}\n")
    return bars, bars


async def _all(arguments: argparse.Namespace) -> list[Bar]:
    bars, begins = list[Bar](), [time.monotonic()]
    for name in arguments.only:
        print(f"measuring {name} …", end=" ", flush=True)
        bars += await _TESTS[name](arguments)
        begins.append(time.monotonic())
        print(f"{begins[-1] - begins[-2]:.0f} s, load average {os.getloadavg()[0]:.1f}")
    print(f"measured in {(begins[-1] - begins[0]) / 60:.1f} minutes\n")
    return bars


async def _costs(arguments: argparse.Namespace) -> list[Bar]:
    return await costs.judge(arguments.calls, 4 * arguments.rounds)


async def _ports(arguments: argparse.Namespace) -> list[Bar]:
    found = {
        (each.port, each.beside): each
        for each in ports.medians(await ports.measure(64, arguments.seconds, arguments.rounds))
    }
    bars = []
    for kind in PORTS[1:]:
        least = min(found[PORTS[0], kind].share, found[kind, PORTS[0]].share)
        bars.append(at_least("ports", f"least share of the CPU, gRPC and {kind} both busy", By.CPU, 0.35, least))
    return bars


async def _replicas(arguments: argparse.Namespace) -> list[Bar]:
    return replicas.judgements(await replicas.measure([1, 2, 4], [1], 800.0, arguments.seconds, arguments.rounds))


async def _searchers(_: argparse.Namespace) -> list[Bar]:
    return searchers.judgements(await searchers.measure(2_000, list(searchers.SEARCHERS)))


async def _growth(arguments: argparse.Namespace) -> list[Bar]:
    return growth.judgements(await growth.measure([1_000, arguments.trials]))


async def _experiments(arguments: argparse.Namespace) -> list[Bar]:
    return experiments.judgements(await experiments.measure(1_000, arguments.calls // 2, 2 * arguments.rounds))


async def _fleet(arguments: argparse.Namespace) -> list[Bar]:
    return fleet.judgements([await fleet.measure(arguments.fleet, 5.0, 15.0, port) for port in fleet.PORTS])


async def _sdk(arguments: argparse.Namespace) -> list[Bar]:
    return sdk.judgements(await sdk.measure(arguments.calls // 8, arguments.rounds))


async def _overload(arguments: argparse.Namespace) -> list[Bar]:
    _, during, after = await overload.measure(3.0, 5.0)
    cost = f"{during.server_us:.0f} µs; {during.shed:,.0f} refused and {during.late:,.0f} late a second"
    return [
        at_most("overload", "server, a call answered at three times the peak to one at the peak", By.CPU, 1.25,
                during.to_peak, cost),
        no_bar("overload", "goodput to peak at three times the peak", By.CLOCK, during.of_peak),
        at_most("overload", "seconds until latency is back", By.CLOCK, 10, after.recovery_seconds or 0.0),
    ]  # fmt: skip


async def _waiting(arguments: argparse.Namespace) -> list[Bar]:
    return waiting.judgements([await waiting.measure(10_000, 200, 5.0, 5_000, 20.0)])


async def _watchers(arguments: argparse.Namespace) -> list[Bar]:
    rate = 200.0
    found = watchers.medians(await watchers.measure([1, 20], 10_000, rate, 3 * arguments.seconds, arguments.rounds))
    one, many = found
    cores, ratio = f"{one.server_cores:.2f} and {many.server_cores:.2f} cores", many.server_cores / one.server_cores
    due = f"results taken with 20 watchers to the {rate:.0f} a second due"
    return [
        at_most("watchers", "CPU of the server with 20 watchers to one", By.CPU, 1.3, ratio, cores),
        at_least("watchers", due, By.COUNT, 0.95, many.results / rate),
    ]


async def _peers(arguments: argparse.Namespace) -> list[Bar]:
    return await peers.judge()


_TESTS: dict[str, Callable[[argparse.Namespace], Awaitable[list[Bar]]]] = {
    "costs": _costs,
    "ports": _ports,
    "replicas": _replicas,
    "growth": _growth,
    "searchers": _searchers,
    "experiments": _experiments,
    "fleet": _fleet,
    "sdk": _sdk,
    "overload": _overload,
    "waiting": _waiting,
    "watchers": _watchers,
    "peers": _peers,
}
