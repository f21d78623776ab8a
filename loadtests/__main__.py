"""`python -m loadtests TEST`: run a load test on this machine, print a table, write JSON."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from loadtests import (
    bars,
    beyond,
    costs,
    experiments,
    fleet,
    growth,
    locust_run,
    metrics_cost,
    overload,
    ports,
    proposals,
    reads,
    replicas,
    sdk,
    searchers,
    soak,
    waiting,
    watchers,
)
from loadtests.peers import runner as peers
from loadtests.report import print_rows, write_json
from rungway_server.event_loop import loop_factory

TESTS: dict[str, Any] = {
    "bars": bars,
    "beyond": beyond,
    "costs": costs,
    "experiments": experiments,
    "fleet": fleet,
    "growth": growth,
    "locust": locust_run,
    "metrics": metrics_cost,
    "overload": overload,
    "ports": ports,
    "proposals": proposals,
    "reads": reads,
    "replicas": replicas,
    "sdk": sdk,
    "searchers": searchers,
    "soak": soak,
    "waiting": waiting,
    "watchers": watchers,
    "peers": peers,
}
"""Each has `add_arguments(parser)` and `run(arguments)`, which returns rows to print and rows for the JSON file:
dataclasses of one kind. Some also have `judgements(rows)`, which returns rows of another kind."""


def main() -> None:
    """Run the load test that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    tests = parser.add_subparsers(dest="test", required=True, metavar="TEST")
    for name, test in TESTS.items():
        one = tests.add_parser(name, help=(test.__doc__ or "").splitlines()[0], description=test.__doc__)
        test.add_arguments(one)
        one.add_argument("--markdown", action="store_true", help="print the table as one of Markdown")
        one.add_argument("--json", type=Path, help="where to write the results (loadtests/results/)")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        rows, everything = runner.run(TESTS[arguments.test].run(arguments))
    print_rows(rows, arguments.markdown)
    judged: list[Any] = getattr(TESTS[arguments.test], "judgements", lambda _: [])(everything)
    if judged:
        print()
        print_rows(judged, arguments.markdown)
    print(f"\nwritten: {write_json(arguments.json, arguments.test, everything)}")


if __name__ == "__main__":
    main()
