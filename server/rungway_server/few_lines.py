"""Bounds how many log lines of a kind are written, so that callers cannot flood the log of a server."""

import threading
import time
from collections.abc import Callable

MOST_PER_SECOND = 10
"""Lines of a kind that are written within a second."""
_SECONDS = 1.0
_MOST_KINDS = 1_000


class _Window:
    """One second of a kind."""

    __slots__ = ("began", "seen")

    def __init__(self, began: float) -> None:
        self.began, self.seen = began, 0


class FewLines:
    """Lets the first lines of each kind and second through, and tells how many were left out when the second is over.

    It may be used by several threads.
    """

    def __init__(self, left_out: Callable[[str, int], None], most: int = MOST_PER_SECOND) -> None:
        """`left_out` is called with a kind and a count, in a thread of its own."""
        self._left_out, self._most = left_out, most
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()

    def allow(self, kind: str) -> bool:
        """Whether one more line of this kind may be written now."""
        with self._lock:
            now, window = time.monotonic(), self._windows.get(kind)
            if window is None or now >= window.began + _SECONDS:
                if window is None and len(self._windows) >= _MOST_KINDS:
                    self._windows.pop(next(iter(self._windows)))
                window = self._windows[kind] = _Window(now)
            window.seen += 1
            if window.seen == self._most + 1:
                self._tell_later(kind, window, window.began + _SECONDS - now)
            return window.seen <= self._most

    def _tell_later(self, kind: str, window: _Window, seconds: float) -> None:
        def tell() -> None:
            with self._lock:
                if self._windows.get(kind) is window:
                    del self._windows[kind]
            self._left_out(kind, window.seen - self._most)

        timer = threading.Timer(seconds, tell)
        timer.daemon = True
        timer.start()
