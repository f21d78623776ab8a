"""One run of a training command: a process group whose output is read line by line."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
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
_LONGEST_LINE = 1 << 16
"""Of a longer line its last bytes are kept: a progress bar may never end one, or a result may stand at its end."""
_LONGEST_IN_TAIL = 1_000
_log = logging.getLogger("rungway")


class Training:
    """A running command. Its output, errors included, goes to a log as well."""

    def __init__(
        self,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
        guard: Guard,
        wants: Callable[[str], bool],
    ) -> None:
        """`wants` says of a line whether it may be a result, and is called in another thread. Raises OSError when the
        command cannot be started, or its log not be written."""
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("RUNGWAY_")}
        self._guard, self._wants = guard, wants
        self._log = log.open("ab", buffering=0)
        try:
            self._process = self._started(arguments, inherited | environment)
        except BaseException:
            self._log.close()
            raise
        guard.watch(self._process.pid)
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._open = True
        self.tail: list[str] = []
        """The last lines it printed."""
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def _started(arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  (the command of the user)
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Python would hold back what it prints into a pipe.
            env={"PYTHONUNBUFFERED": "1"} | environment,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process number, and that of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, -9 when SIGKILL ended it."""
        return self._process.poll()

    def lines(self) -> Iterator[str | None]:
        """Its lines that may be results, until it has ended; None when there was none for a moment."""
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
        """Those that it has printed and that were not read yet, once it has ended."""
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
        with self._process.stdout as output, self._log:
            line = b""
            while piece := output.readline(_LONGEST_LINE):
                self._write(piece)
                line = (line + piece)[-_LONGEST_LINE:]
                if piece.endswith(b"\n"):
                    self._take(line)
                    line = b""
            if line:
                self._take(line)
        self._lines.put(None)

    def _take(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\n")
        self.tail = [*self.tail[1 - _TAIL :], line[-_LONGEST_IN_TAIL:]]
        if self._wants(line):  # the others would only take memory while the service is away
            self._lines.put(line)

    def _write(self, piece: bytes) -> None:
        """A log that can no longer be written, on a full disk for example, must not end the training."""
        if self._log.closed:
            return
        try:
            self._log.write(piece)
        except OSError as error:
            self._log.close()
            _log.warning("%s: the rest of its output is lost: %s", self._log.name, error.strerror)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
