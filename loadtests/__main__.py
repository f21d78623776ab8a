"""`python -m loadtests [throughput|growth]`: run a load test on this machine, print a table, write JSON."""

import argparse
import asyncio
from dataclasses import asdict
from pathlib import Path

from loadtests import growth, throughput
from loadtests.report import print_table, write_json
from rungway_server.bootstrap import loop_factory

_HEAD = (
    "in flight",
    "call",
    "per second",
    "p50 ms",
    "p99 ms",
    "to no-op",
    "server µs",
    "redis µs",
    "generator µs",
    "server cores",
    "other cores",
)
_GROWTH_HEAD = ("trials", "ask µs", "tell µs", "tell at rung µs", "bytes per trial")
_JSON = "where to write the results (loadtests/results/)"


def main() -> None:
    """Read the command line and run the test it names."""
    arguments = _parser().parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_growth(arguments) if arguments.test == "growth" else _throughput(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    tests = parser.add_subparsers(dest="test")
    throughput_ = tests.add_parser("throughput", help="asks and tells per second beside a no-op rpc")
    for one in (parser, throughput_):  # throughput is what runs when no test is named
        one.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
        one.add_argument("--in-flight", type=int, nargs="+", default=[16, 64, 256], help="calls at once (%(default)s)")
        one.add_argument(
            "--rounds", type=int, default=3, help="measurements of each kind; medians are shown (%(default)s)"
        )
        one.add_argument("--json", type=Path, help=_JSON)
    growth_ = tests.add_parser("growth", help="Redis's time per ask and tell by the number of trials")
    growth_.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000], help="(%(default)s)")
    growth_.add_argument("--json", type=Path, help=_JSON)
    return parser


async def _throughput(arguments: argparse.Namespace) -> None:
    found = await throughput.measure(arguments.in_flight, arguments.seconds, arguments.rounds)
    rows = [list(asdict(one).values()) for one in throughput.medians(found)]
    print_table(_HEAD, rows)
    print(f"\nwritten: {write_json(arguments.json, 'throughput', [asdict(one) for one in found])}")


async def _growth(arguments: argparse.Namespace) -> None:
    costs = [asdict(cost) for cost in await growth.measure(arguments.trials)]
    print_table(_GROWTH_HEAD, [list(cost.values()) for cost in costs])
    print(f"\nwritten: {write_json(arguments.json, 'growth', costs)}")


if __name__ == "__main__":
    main()
