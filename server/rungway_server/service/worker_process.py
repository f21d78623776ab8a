"""A child process that runs functions for this one: they do not slow the event loop, and can be aborted."""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

from rungway_server.domain.errors import InvalidInput, RungwayError

R = TypeVar("R")

MOST_SECONDS = 10.0
"""Most processor time of one call. The limits of configurations stay well below it; this one catches the rest."""
_MOST_WALL_SECONDS = 120.0
"""After so long the process is killed: its work does not check for signals, or it gets no processor time."""
_NICE = 5
_COMMAND = "from rungway_server.service.worker_process import answer_calls; answer_calls()"


class WorkerProcess:
    """One child process, started by the first call and restarted after it ended. Call from one thread at a time."""

    def __init__(self, most_seconds: float = MOST_SECONDS, most_wall_seconds: float = _MOST_WALL_SECONDS) -> None:
        """`most_seconds` of processor time and `most_wall_seconds` by the clock are what a call may take."""
        self._limits = (most_seconds, most_wall_seconds)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before the first call."""
        return self._process.pid if self._process else None

    def call(self, work: Callable[..., R], *args: object, **kwargs: object) -> R:
        """What the function returns or raises in the child. Raises InvalidInput when it takes too long."""
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = self._started()
        assert process.stdin
        assert process.stdout
        watch = threading.Timer(self._limits[1], process.kill)
        watch.start()
        try:
            pickle.dump((self._limits[0], work, args, kwargs), process.stdin)
            process.stdin.flush()
            done, result = pickle.load(process.stdout)  # noqa: S301 # written by our own child
        except (OSError, EOFError, pickle.UnpicklingError):
            process.kill()
            process.wait()
            raise _too_long(self._limits[0]) from None
        finally:
            watch.cancel()
        if not done:
            raise result
        found: R = result
        return found

    def _started(self) -> "subprocess.Popen[bytes]":
        # -P: modules are not imported from the current folder. With its own session, Ctrl-C does not reach it.
        command = [sys.executable, "-P", "-c", _COMMAND]
        process = subprocess.Popen(  # noqa: S603 # our own command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        atexit.register(_end, process)
        return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


class _TooLong(BaseException):
    """Not an Exception, so that the work does not catch it."""


def answer_calls() -> None:
    """The child's main function: reads calls from standard input and writes answers to standard output until it
    ends."""
    calls, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the work prints must not mix with answers
    os.nice(_NICE)
    signal.signal(signal.SIGVTALRM, _stop)
    with suppress(EOFError, BrokenPipeError):
        while True:
            most_seconds, work, args, kwargs = pickle.load(calls)  # noqa: S301 # from the service only
            answers.write(_pickled(_answer(most_seconds, work, args, kwargs)))
            answers.flush()


def _answer(most_seconds: float, work: Callable[..., object], args: Any, kwargs: Any) -> tuple[bool, object]:
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, most_seconds)
        try:
            return True, work(*args, **kwargs)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TooLong:
        return False, _too_long(most_seconds)
    except Exception as error:
        if not isinstance(error, RungwayError):  # unexpected: the traceback is not pickled by itself
            error.add_note(traceback.format_exc())
        return False, error


def _pickled(answer: tuple[bool, object]) -> bytes:
    try:
        return pickle.dumps(answer)
    except Exception as error:
        return pickle.dumps((False, RuntimeError(f"an answer that cannot be pickled: {error!r}: {answer[1]!r}")))


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLong


def _too_long(most_seconds: float) -> InvalidInput:
    return InvalidInput.one(
        "config",
        f"takes more than {most_seconds:g} s of processor time, or more memory than there is, to work out: "
        "wanted fewer parameters, conditions or constraints",
    )
