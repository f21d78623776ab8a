"""Runs loadtests/locustfile.py with a real Locust against a service of this machine: to see that it works.

Locust is installed into an environment of its own below .venv-peers. To load your own deployment, run Locust yourself:
the file says how.
"""

import argparse
import asyncio
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from loadtests.meter import percentile
from loadtests.peers.environments import python_of
from loadtests.processes import running_stack

_FILE = Path(__file__).with_name("locustfile.py")


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one kind, as Locust counted them; times in ms."""

    name: str
    requests: int
    failures: int
    per_second: float
    p50_ms: float
    p99_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--users", type=int, default=100, help="workers (%(default)s)")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between reports of one (%(default)s)")
    parser.add_argument("--seconds", type=int, default=20, help="length of the run (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Requests], list[Requests]]:
    """The rows to print and the rows for the JSON file: the same here.

    Raises NotInstalled, and RuntimeError if a request failed.
    """
    rows = await measure(arguments.users, arguments.interval, arguments.seconds)
    return rows, rows


async def measure(users: int, interval: float, seconds: int) -> list[Requests]:
    """Run so many users for so long."""
    python = await python_of("locust")
    with tempfile.TemporaryDirectory(prefix="rw-load-") as folder:
        async with running_stack() as stack:
            process = await asyncio.create_subprocess_exec(
                *(python, "-m", "locust", "-f", _FILE, "--headless", "--host", f"http://{stack.http}"),
                *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"),
                *("--json-file", f"{folder}/run", "--only-summary", "--loglevel", "WARNING"),
                env={**os.environ, "LOAD_REPORT_SECONDS": str(interval)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"Locust ended with {process.returncode}: {output.decode(errors='replace')}")
        return _rows(Path(folder) / "run.json")


def _rows(file: Path) -> list[Requests]:
    rows = []
    for one in json.loads(file.read_text()):
        times = [float(ms) for ms, count in one["response_times"].items() for _ in range(count)]
        seconds = max(one["last_request_timestamp"] - one["start_time"], 1e-3)
        rows.append(
            Requests(
                one["name"].rpartition("v1.")[2],
                one["num_requests"],
                one["num_failures"],
                one["num_requests"] / seconds,
                percentile(times, 0.5),
                percentile(times, 0.99),
            )
        )
    return rows
