"""A process with many training loops of the fleet, each of which holds one trial: `fleet` starts some of them.

`python -m loadtests.fleet_host TARGET LOOPS INTERVAL FIRST` prints a line when each loop has a trial. A line of its
input begins the measurement and the next one ends it; then it prints what it measured as JSON. The end of its input
ends it.
"""

import argparse
import asyncio
import dataclasses
import json
import logging
import random
import sys
import time
from dataclasses import dataclass, field

from loadtests.training_host import further_metrics
from rungway import AsyncClient, ClientConfig, Decision, RungwayError
from rungway_server.event_loop import loop_factory

EXPERIMENT = "fleet"
RAMP = 3
"""Intervals in which all loops begin."""


@dataclass(slots=True)
class Seen:
    """What loops measured: latencies in seconds from the time due, of all reports and of decisions alone."""

    reports: list[float] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)
    errors: int = 0
    lost: int = 0


class _Loops:
    """The loops, and what they measure while `recording`."""

    def __init__(self, client: AsyncClient, trials: int, interval: float) -> None:
        self._client, self._trials, self._interval = client, trials, interval
        self._holding = 0
        self.all_hold = asyncio.Event()
        """Set when each loop has a trial."""
        self.recording = False
        self.seen = Seen()

    async def run(self, offset: float) -> None:
        """One training loop, which starts after `offset` seconds and restarts after an error."""
        due = time.perf_counter() + offset
        await asyncio.sleep(offset)
        while True:
            try:
                await self._train(due)
                return
            except RungwayError:
                self.seen.errors += self.recording
                due = time.perf_counter()

    async def _train(self, due: float) -> None:
        """Train trials one after the other with a report at each length, the first one interval after `due`."""
        asked = None
        async for trial in self._client.trials():
            if asked is None:
                self._note_holding()
            else:
                self._record(self.seen.decisions, asked)
            async with trial:
                async for length in trial.lengths():
                    due += self._interval
                    await asyncio.sleep(due - time.perf_counter())
                    decides = length >= trial.next_decision
                    await trial.report(
                        length, random.random(), checkpoint=f"length {length}", metrics=further_metrics()
                    )
                    self._record(self.seen.reports, due)
                    if decides:
                        self._record(self.seen.decisions, due)
            told = trial.last_reply
            if told is None or told.decision in (Decision.CONTINUE, Decision.SUPERSEDED):
                self.seen.lost += self.recording  # no reply ended it, or its lease had expired
            asked = time.perf_counter()

    def _note_holding(self) -> None:
        self._holding += 1
        if self._holding == self._trials:
            self.all_hold.set()

    def _record(self, latencies: list[float], due: float) -> None:
        if self.recording:
            latencies.append(time.perf_counter() - due)


async def _run(target: str, many: int, interval: float, first: float) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with AsyncClient(config=ClientConfig(target=target, experiment=EXPERIMENT)) as client:
        loops = _Loops(client, many, interval)
        tasks = [asyncio.create_task(loops.run((i + first) * RAMP * interval / many)) for i in range(many)]
        begin = asyncio.ensure_future(lines.readline())
        holding = asyncio.ensure_future(loops.all_hold.wait())
        await asyncio.wait((begin, holding), return_when=asyncio.FIRST_COMPLETED)
        print("holding", flush=True)
        await begin
        loops.recording = True
        await lines.readline()
        loops.recording = False
        print(json.dumps(dataclasses.asdict(loops.seen)), flush=True)
        await lines.read()
        holding.cancel()
        logging.getLogger("rungway").setLevel(logging.ERROR)  # thousands of loops release their trials at once
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.fleet_host", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("loops", type=int)
    parser.add_argument("interval", type=float, help="seconds between reports of one")
    parser.add_argument("first", type=float, help="when the first loop begins, as a share of the step between two")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(given.target, given.loops, given.interval, given.first))


if __name__ == "__main__":
    _main()
