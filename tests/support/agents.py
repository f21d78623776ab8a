"""Runs `rungway agent` and `rungway run` as processes, and training scripts in shell for them."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.support.forked import start
from tests.support.redis_server import embedded_binary
from tests.support.waiting import SECONDS


class Process:
    """A running `rungway` command in a folder; what it says is in files there."""

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self._out, self._err = folder / "out", folder / "err"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            given = inherited | embedded_binary() | dict(environment)
            self.process = start(*arguments, folder=folder, environment=given, out=out, err=err, new_session=True)

    def said(self) -> str:
        """Its log lines so far."""
        return self._err.read_text()

    def document(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self._out.read_text())

    def wait(self) -> int:
        """Its exit code when it has ended."""
        return self.process.wait(SECONDS)


@contextmanager
def running(folder: Path, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[Process]:
    """A command that is killed at the end, if it still runs."""
    folder.mkdir(exist_ok=True)
    process = Process(folder, *arguments, environment=environment)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            os.killpg(process.process.pid, signal.SIGKILL)
            process.process.wait()


def script(folder: Path, text: str) -> str:
    """The path of a shell script."""
    path = folder / "train.sh"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)
