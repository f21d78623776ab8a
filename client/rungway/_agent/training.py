"""One run of a training command: a process group whose output is read line by line."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from rungway._agent.guard import Guard, end_group

TICK_SECONDS = 0.1
"""How often the reader of the lines gets a turn while nothing is printed."""
_DRAIN_SECONDS = 2.0
"""How long the output may stay open after the command has ended: a process of its own may hold it."""
_TAIL = 8
"""Last lines that are kept, to say why a command failed."""


class Training:
    """A running command. Its output, errors included, goes to a log as well."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path, guard: Guard) -> None:
        """Raises OSError when the command cannot be started."""
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("RUNGWAY_")}
        self._guard, self._log = guard, log
        self._process = subprocess.Popen(  # noqa: S603  (the command of the user)
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Python would hold back what it prints into a pipe.
            env={"PYTHONUNBUFFERED": "1"} | inherited | environment,
            start_new_session=True,
        )
        guard.watch(self._process.pid)
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._open = True
        self.tail: list[str] = []
        """The last lines it printed."""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process number, and that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, -9 when SIGKILL ended it."""
        return self._process.poll()

    def lines(self) -> Iterator[str | None]:
        """Its lines until it has ended; None when there was none for a moment."""
        deadline = None
        while self._open:
            try:
                line = self._lines.get(timeout=TICK_SECONDS)
            except Empty:
                if self.exit_code is not None:
                    deadline = deadline or time.monotonic() + _DRAIN_SECONDS
                    if time.monotonic() > deadline:
                        return
                yield None
                continue
            if line is None:
                self._open = False
            else:
                yield line
        self._process.wait()

    def rest(self) -> Iterator[str]:
        """The lines it has printed and that were not read yet, once it has ended."""
        with suppress(Empty):
            while self._open:
                line = self._lines.get(timeout=_DRAIN_SECONDS)
                if line is None:
                    self._open = False
                else:
                    yield line

    def end(self, grace: float) -> None:
        """SIGTERM to the whole group and, after `grace` seconds, SIGKILL; returns when the command has ended."""
        if self.exit_code is None:
            end_group(self.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        end_group(self.pid, signal.SIGKILL)  # also what the command has left behind
        self._process.wait()
        self._guard.forget(self.pid)

    def how_it_ended(self) -> str:
        """Its exit code, or the signal that ended it, and the end of what it printed."""
        code = self._process.returncode
        how = f"exit code {code}" if code >= 0 else f"ended by {_signal_name(-code)}"
        return "\n".join([how, *self.tail])

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output, self._log.open("ab") as log:
            for raw in output:
                log.write(raw)
                log.flush()
                line = raw.decode(errors="replace").rstrip("\n")
                self.tail = [*self.tail[1 - _TAIL :], line]
                self._lines.put(line)
        self._lines.put(None)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
