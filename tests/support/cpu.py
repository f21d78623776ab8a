"""`--cpu`: the processor time of each test file, with that of the processes it uses, as a table at the end.

What a process that outlives a test does meanwhile is counted for the test that runs: a server of a fixture costs those
who call it. Linux only: it reads /proc. What a process leaves behind when it ends before its children is not counted.
"""

import os
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

TICKS = os.sysconf("SC_CLK_TCK")


def used(process: int) -> float:
    """The processor time (s) of a process, of its children that have ended, and of those that have not."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS + sum(used(child) for child in children(process))
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0


def children(process: int) -> Iterator[int]:
    for task in Path(f"/proc/{process}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


class CpuOfFiles:
    """Counts in each process of the tests, and puts together what all of them have counted."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._so_far = used(os.getpid())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        try:
            return (yield)
        finally:
            now = used(os.getpid())
            self.seconds[item.location[0]] += now - self._so_far
            self._so_far = now

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if output := getattr(session.config, "workeroutput", None):
            output["cpu"] = dict(self.seconds)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for file, seconds in getattr(node, "workeroutput", {}).get("cpu", {}).items():
            self.seconds[file] += seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(f"{sum(self.seconds.values()):.0f} s of processor time")
        for file, seconds in sorted(self.seconds.items(), key=lambda each: -each[1]):
            terminalreporter.line(f"{seconds:8.1f} s  {file}")
