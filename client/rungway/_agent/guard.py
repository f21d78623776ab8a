"""A process that ends the training commands should the agent itself be killed."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from threading import Lock

# Reads process groups to end, with a minus those that have ended by themselves, until its input is closed: by `close`,
# or by the system when the agent is dead. It has no dependencies and lives in a session of its own.
_GUARD = """
import os, signal, sys, time
groups = set()
for line in iter(sys.stdin.buffer.readline, b""):
    number = int(line)
    groups.add(number) if number > 0 else groups.discard(-number)
def send(sent):
    for group in list(groups):
        try:
            os.killpg(group, sent)
        except OSError:
            groups.discard(group)
send(signal.SIGTERM)
deadline = time.monotonic() + float(sys.argv[1])
while groups and time.monotonic() < deadline:
    time.sleep(0.05)
    send(0)
send(signal.SIGKILL)
"""


class Guard:
    """Ends the process groups it was told of when this process is gone, after `grace` seconds with SIGKILL."""

    def __init__(self, grace: float) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-I", "-S", "-c", _GUARD, str(grace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """From now on this process group ends with us."""
        self._tell(group)

    def forget(self, group: int) -> None:
        """This process group has ended."""
        self._tell(-group)

    def close(self) -> None:
        """End what is left, and the guard."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, number: int) -> None:
        assert self._process.stdin
        with self._lock:
            self._process.stdin.write(f"{number}\n".encode())
            self._process.stdin.flush()


def end_group(group: int, number: signal.Signals) -> None:
    """Send a signal to every process of a group; nothing happens when there is none left."""
    with suppress(ProcessLookupError, PermissionError):  # the second is what macOS says of zombies
        os.killpg(group, number)
