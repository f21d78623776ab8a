"""What metrics add to the processor's time of a tell: in one process, and with files for several."""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from loadtests.judging import Bar, By, at_most
from rungway_server.settings import METRICS_FOLDER

_MOST_MICROSECONDS = 10.0
_ROUNDS, _CALLS = 9, 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


async def run(_: argparse.Namespace) -> tuple[list[Bar], list[Bar]]:
    """The rows to print and the rows for the JSON file: the same here."""
    bars = []
    with tempfile.TemporaryDirectory() as folder:
        for name, variables in (("one process", {}), ("--workers", {METRICS_FOLDER: folder})):
            # prometheus_client looks at the variable when it is imported.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, env={**os.environ, **variables}, stdout=subprocess.PIPE
            )
            printed, _error = await process.communicate()
            bars.append(at_most("metrics", f"µs of a tell, {name}", By.CPU, _MOST_MICROSECONDS, float(printed)))
    return bars, bars


async def added() -> float:
    """Microseconds that counting adds to a tell that does nothing else."""
    from rungway_server.metrics import Metrics
    from rungway_server.service.access import ROLES
    from rungway_server.store.redis.counting import SearchCounter
    from rungway_server.transport.counted import counted_call

    metrics = Metrics("1.0", ROLES)
    counter, seconds = SearchCounter(metrics), metrics.script("tell")
    answer = [b"told", 7, [b"continue", 9, 3, 1, b"between_rungs", 0]]
    args = ["", "id", "", 1, 1, 5, "", "", 1, 3, b"k"]

    async def script() -> list[Any]:
        return answer

    async def plain(_messages: object, _context: object) -> object:
        return await script()

    async def counting(_messages: object, _context: object) -> object:
        began = time.perf_counter()
        try:
            found = await script()
        finally:
            seconds(time.perf_counter() - began)
        counter.count("tell", "default", args, found, [])
        return found

    counted = counted_call(metrics.grpc, "rungway.v1.SearchService/Tell", counting)
    return await _least(counted) - await _least(plain)


async def _least(serve: Callable[[Any, Any], Awaitable[object]]) -> float:
    """Microseconds of the processor for a call, in the best round."""
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_CALLS):
            await serve(None, None)
        best = min(best, (time.process_time() - began) / _CALLS)
    return 1e6 * best


if __name__ == "__main__":
    print(asyncio.run(added()))
