"""A trial in a training loop."""

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

from rungway._core import requests
from rungway._core.calls import WorkerCalls
from rungway._core.ending import EndingRun
from rungway._core.exit import AT_ITS_END, LEFT_BEHIND, RELEASED, Exit, exit_of, is_swallowed, log_swallowed
from rungway._core.requests import Checkpoint
from rungway._core.run import LOOP_OVER, Loop
from rungway._sync.driver import SyncDriver
from rungway.models.work import Assignment

_Self = TypeVar("_Self", bound="TrialRun")


class TrialRun(EndingRun):
    """One trial under one lease, renewed in the background; use it in a `with` block.

    What leaves the block decides what becomes of the trial: see `Client.trials` and `Client.trial`.
    """

    def __init__(
        self, driver: SyncDriver, calls: WorkerCalls, assignment: Assignment, loop: Loop | None = None
    ) -> None:
        """In a loop, errors that are the trial's own are swallowed, so that the worker goes on with the next one."""
        super().__init__(calls, assignment, threading.Lock(), loop)
        self._driver = driver
        self._saver: Callable[[], Checkpoint] | None = None

    def lengths(self) -> Iterator[int]:
        """The lengths to train up to, one by one, as long as the service says to go on.

        Where a report is wanted (`next_decision`) and none came, the last one is told as the result of that length; a
        `checkpoint` function given with it is called anew.
        """
        self._use()
        return self._lengths()

    def _lengths(self) -> Iterator[int]:
        while True:
            yield from self._steps()
            if not (self._due() and self._settle_now()):
                return

    def _settle_now(self) -> bool:
        saved = self._saver() if self._saver is not None else None
        return self._driver.run(self._alone(self._settle(requests.checkpoint_text(saved))))

    def report(self, length: int, metric: object, checkpoint: Checkpoint | Callable[[], Checkpoint] = None) -> bool:
        """Report a validation result at an absolute length; whether to train on.

        Where nothing is decided yet, the report is held back and this returns at once. At a decision everything held
        back is told in order, and while the service is away this waits for it (`worker_timeout`). A `checkpoint` that
        can be called is called at a decision only.

        Raises InvalidArgument for a metric that is no real number or a length that does not grow or is too large, and
        what the service refuses; OutcomeUnknown after `worker_timeout`, and the next report sends the same again.
        """
        self._use()
        report = requests.report(length, metric)
        if self._ended:
            return False
        self._check(report)
        self._saver = checkpoint if callable(checkpoint) else None
        if callable(checkpoint):
            checkpoint = checkpoint() if self._decides(report.length) else None
        if self._add(report, requests.checkpoint_text(checkpoint)):
            self._driver.run(self._alone(self._tell()))
        return not self.should_stop

    def finish(self, checkpoint: Checkpoint = None) -> None:
        """Say that the training is over before its assignment: the last result stands, and it is never run again."""
        self._use()
        text = requests.checkpoint_text(checkpoint)
        self._driver.run(self._alone(self._finish(text)))

    def release(self, checkpoint: Checkpoint = None) -> None:
        """Give the trial back at no cost; a checkpoint is of the length last reported."""
        self._use()
        self.leave(Exit(None, checkpoint=requests.checkpoint_text(checkpoint), stays=True))

    def leave(self, how: Exit = AT_ITS_END) -> None:
        """Be done with the trial, by default as at the normal end of its block."""
        self._driver.run(self._leave(how))

    def __enter__(self: _Self) -> _Self:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        swallowed = self._loop is not None and is_swallowed(raised)
        if swallowed:
            log_swallowed(self.number, raised)
        try:
            self.leave(AT_ITS_END if raised is None else exit_of(raised, stays=swallowed))
        finally:
            self._close("its block is over")
        return swallowed

    def abandon(self) -> None:
        """The loop that handed it out is over; a block under way ends it by itself."""
        if not self._entered:
            self.leave(LEFT_BEHIND if self._used else RELEASED)
            self._close(LOOP_OVER)

    def next(self) -> None:
        """The loop goes on with another one. Raises FailedPrecondition when nothing was done with this one."""
        if not self._entered:
            self.leave(AT_ITS_END if self._used else RELEASED)
            self._close("the loop has gone on to another trial")
            self._check_used()
