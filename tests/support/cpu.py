"""`--cpu`: the processor time of each test file, with that of the processes it uses, as a table at the end.

What a server of a fixture does counts for the test that runs meanwhile. Linux only: it reads /proc.
"""

import os
from collections import defaultdict
from collections.abc import Generator
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any

import pytest

TICKS = os.sysconf("SC_CLK_TCK")


def used(process: int) -> float:
    """The processor time (s) of a process, of its children that have ended, and of those that have not."""
    fields = read(f"/proc/{process}/stat").rpartition(")")[2].split()
    children = " ".join(read(path) for path in glob(f"/proc/{process}/task/*/children"))
    return sum(map(int, fields[11:15])) / TICKS + sum(used(int(child)) for child in children.split())


def read(path: str) -> str:
    """A file of /proc; empty when its process or thread has just ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(path).read_text()
    return ""


class CpuOfFiles:
    """Counts in each process of the tests, and puts together what all of them have counted."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._so_far = used(os.getpid())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        found = yield
        now = used(os.getpid())
        self.seconds[item.location[0]] += now - self._so_far
        self._so_far = now
        return found

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        getattr(session.config, "workeroutput", {})["cpu"] = dict(self.seconds)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for file, seconds in getattr(node, "workeroutput", {}).get("cpu", {}).items():
            self.seconds[file] += seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(f"{sum(self.seconds.values()):.0f} s of processor time")
        for file, seconds in sorted(self.seconds.items(), key=lambda each: -each[1]):
            terminalreporter.line(f"{seconds:8.1f} s  {file}")
