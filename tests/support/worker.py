"""A worker process for tests: it tells one result per unit of length, without training, and logs the replies.

`python -m tests.support.worker TARGET EXPERIMENT LOG [STEP_SECONDS [HANG_AT [HANG_SECONDS]]]`: from its
HANG_AT-th assignment on, in the first that has more than one unit of length, it hangs after one result for HANG_SECONDS
and keeps the lease.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rungway import Client
from tests.support.forked import Process, start
from tests.support.waiting import wait_while_it_runs


def metric_of(trial: int, length: int) -> float:
    """The metric: some trials are better than others, and all improve with length."""
    return trial * 7919 % 101 / 101 + 1 / length


@dataclass
class Worker:
    """A worker process and its log."""

    process: Process
    path: Path

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Lines of its log of one kind: `asked` (an assignment), `told` (an acknowledged result), `hanging`, `done`."""
        lines = self.path.read_text().splitlines(keepends=True) if self.path.exists() else []
        events: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["event"] == kind]

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The count-th event of a kind."""
        if not wait_while_it_runs(self.process, lambda: len(self.events(kind)) >= count):
            raise AssertionError(f"no {kind}, exit code {self.process.poll()}, in {self.path.read_text()}")
        return self.events(kind)[count - 1]


def start_worker(log: Path, target: str, experiment: str, *options: float) -> Worker:
    """Start a worker; `options` as in the command line."""
    environment = os.environ | {"GRPC_VERBOSITY": "NONE"}
    words = (target, experiment, log, *options)
    return Worker(start(*words, module="tests.support.worker", environment=environment), log)


def _main(target: str, experiment: str, log: str, *options: str) -> None:
    step, hang_at, hang_seconds = (*map(float, options), *(0.0, 0.0, 0.0))[:3]
    with Path(log).open("a", buffering=1) as out, Client(target, experiment=experiment) as client:

        def note(event: str, **values: object) -> None:
            out.write(json.dumps({"event": event, "time": time.time(), **values}) + "\n")

        assignments = 0
        while assignment := client.ask():
            assignments += 1
            note(
                "asked",
                trial=assignment.trial,
                fencing_token=assignment.lease.fencing_token,
                restarts=assignment.restarts,
            )
            for length in range(assignment.from_length + 1, assignment.next_decision + 1):
                time.sleep(step)
                if 0 < hang_at <= assignments and length > assignment.from_length + 1:
                    hang_at = 0
                    note("hanging", trial=assignment.trial)
                    time.sleep(hang_seconds)
                metric = metric_of(assignment.trial, length)
                reply = client.tell(assignment, metric, length=length, checkpoint=f"at {length}")
                note("told", trial=assignment.trial, length=length, metric=metric, decision=reply.decision)
                if not reply:
                    break
        note("done")


if __name__ == "__main__":
    _main(*sys.argv[1:])
