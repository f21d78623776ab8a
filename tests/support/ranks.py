"""torchrun with an example, and its ranks as processes that can be killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.support.disturbed import Example, Run
from tests.support.waiting import wait_while_it_runs


def torchrun(script: str, ranks: int, *, searcher: dict[str, object] | None = None) -> Example:
    """An example that so many processes train together; when one dies, torchrun ends the others, and itself."""
    command = [str(Path(sys.executable).parent / "torchrun"), "--standalone", "--monitor-interval", "0.1"]
    return Example(script, [*command, "--nproc-per-node", str(ranks)], searcher=searcher or {})


def ranks_of(torchrun: int) -> dict[int, int]:
    """The process of each rank, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == torchrun:
                variables = dict(
                    each.split("=", 1) for each in (folder / "environ").read_text().split("\0") if "=" in each
                )
                if "RANK" in variables:
                    found[int(variables["RANK"])] = int(folder.name)
    return found


def has_trained(run: Run, steps: int) -> bool:
    """Whether so many steps were trained in all."""
    return len(run.lines()) >= steps


class Hung(AssertionError):
    """The group did not end after the death of a rank."""


def run_with_kills(run: Run, kills: list[tuple[int, int]], *, longest: float = 60.0) -> float:
    """Train the search of `run` to its end; when so many steps are trained in all, a rank is killed, and torchrun is
    started anew once it has ended. Returns the most seconds that this took; raises Hung after `longest`.
    """
    slowest = 0.0
    for steps, rank in kills:
        process = run.start(steps)
        try:
            assert wait_while_it_runs(process, partial(has_trained, run, steps)), run.output()
            os.kill(ranks_of(process.pid)[rank], signal.SIGKILL)
            run.go()
            begin = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                process.wait(longest)
            slowest = max(slowest, time.monotonic() - begin)
            if process.poll() is None:
                raise Hung(run.output())
            assert process.returncode != 0
        finally:
            end(process)
    assert run.until(None) == 0, run.output()
    return slowest


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill torchrun and its ranks, if they still run."""
    if process.poll() is None:
        for pid in [process.pid, *ranks_of(process.pid).values()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def handed_over_once(run: Run) -> bool:
    """Whether no process trained a trial after another one had begun to."""
    order: dict[int, list[int]] = {}
    for trial, _, _, process, _ in sorted(run.lines(), key=lambda line: line[4]):
        seen = order.setdefault(trial, [])
        if process not in seen:
            seen.append(process)
        elif seen[-1] != process:
            return False
    return True
