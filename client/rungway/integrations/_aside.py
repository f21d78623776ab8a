"""A call of the client in a thread of its own, so that the process can do something while the service is away."""

import threading
from collections.abc import Callable
from typing import Any

TICK_SECONDS = 1.0
"""How often the others of a group are told that the call is still under way."""


class Aside:
    """Runs one call. The thread is a daemon: it keeps no process that has to leave."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._done = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True, name="rungway-aside").start()

    def wait(self, seconds: float) -> bool:
        """Whether it is over, at the latest after so many seconds."""
        return self._done.wait(seconds)

    def result(self) -> Any:
        """What it returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:
            self._error = error
        self._done.set()
