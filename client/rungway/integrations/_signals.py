"""Signals that take a worker away set a flag, and the training loop acts: saving in a handler could find the state in
the middle of a step."""

import os
import signal
import threading
from types import FrameType, TracebackType

_NAMES = ("SIGTERM", "SIGUSR1", "SIGUSR2")
"""What clusters send: everybody; Slurm (`--signal=USR1@120`); submitit."""


class Leaving:
    """Notes these signals while its block runs; the handlers from before are back afterwards. Outside the main thread,
    where Python takes no signals, it notes nothing."""

    def __init__(self) -> None:
        self.asked = False
        """Whether one has come."""
        self._process = os.getpid()
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Leaving":
        if threading.current_thread() is threading.main_thread():
            for number in [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if os.getpid() == self._process:
                # None: a handler that was not set from Python, and cannot be set again.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]

    def _note(self, number: int, _: FrameType | None) -> None:
        if os.getpid() == self._process:
            self.asked = True
            return
        # A forked helper (of a data loader, of a pool): it has to end as it would have without us.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
