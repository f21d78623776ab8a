"""One trial in a training loop, for threads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar

from rungway._core import requests
from rungway._core.calls import WorkerCalls
from rungway._core.exit import ABANDONED, NORMAL, RELEASED, Exit, exit_of, is_swallowed, log_swallowed
from rungway._core.run import LOOP_OVER, Loop, Run
from rungway._sync.driver import SyncDriver
from rungway.models.work import Assignment, Checkpoint

_Self = TypeVar("_Self", bound="TrialRun")


class TrialRun(Run):
    """One trial under one lease, renewed in the background; use it in a `with` block.

    What leaves the block decides what becomes of the trial: see `Client.trials` and `Client.trial`.
    """

    def __init__(
        self, driver: SyncDriver, calls: WorkerCalls, assignment: Assignment, loop: Loop | None = None
    ) -> None:
        super().__init__(calls, assignment, threading.Lock(), loop)
        self._driver = driver
        self._saver: Callable[[], Checkpoint] | None = None

    def lengths(self) -> Iterator[int]:
        """The lengths to train up to, one by one, as long as the service lets the trial go on.

        When nothing was reported at `next_decision`, the last report is told as the result of that length; a
        `checkpoint` function given with it is called again. Raises what `report` raises.
        """
        self._use()
        return self._lengths()

    def _lengths(self) -> Iterator[int]:
        while True:
            yield from self._steps()
            if not (self._is_report_missing() and self._report_missing()):
                return

    def _report_missing(self) -> bool:
        """Tell the last report as the result of the decision that has none; False when there is none."""
        saved = self._saver() if self._saver is not None else None
        return self._driver.run(self._locked(self._tell_missing(requests.checkpoint_text(saved))))

    def report(
        self,
        length: int,
        metric: object,
        checkpoint: Checkpoint | Callable[[], Checkpoint] = None,
        *,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
    ) -> bool:
        """Report a validation result at an absolute length (the experiment's unit); returns whether to train on.

        Before `next_decision` the report is held back and this returns at once. At `next_decision` everything held back
        is told in order; while the service is away this waits for it (`worker_timeout`). `metric` is a real number, NaN
        and infinities included. A `checkpoint` that is a function is called at a decision only.

        `metrics` are up to 32 further metrics by name (1 to 128 bytes), which are stored and shown with the curve and
        never ranked; `cost` is what the training since the report before took, in seconds: by it a cost-aware search
        shares out the training. `metric` may be a mapping instead, with the searcher's metric by its name among others:
        the first time, the service is asked for the name.

        Raises InvalidArgument for any other metric or cost, for a mapping without the searcher's metric, for a length
        that does not grow or is beyond `to_length`, and for what the service refuses; OutcomeUnknown after
        `worker_timeout` (the next report sends the same again); FailedPrecondition when the block, loop or client of
        this trial is over.
        """
        self._use()
        if isinstance(metric, Mapping):
            if self._ended:
                return False
            metric, metrics = self._driver.run(self._calls.by_name(metric, metrics))
        report = requests.report(length, metric, metrics, cost)
        if self._ended:
            return False
        self._check(report)
        self._saver = checkpoint if callable(checkpoint) else None
        if callable(checkpoint):
            checkpoint = checkpoint() if self._is_decision(report.length) else None
        if self._add(report, requests.checkpoint_text(checkpoint)):
            self._driver.run(self._locked(self._tell()))
        return not self.should_stop

    def finish(self, checkpoint: Checkpoint = None) -> None:
        """Say that the training is over before its assignment: the last result stands, and the trial is never handed
        out again. Raises what `report` raises."""
        self._use()
        text = requests.checkpoint_text(checkpoint)
        self._driver.run(self._locked(self._finish(text)))

    def release(self, checkpoint: Checkpoint = None) -> None:
        """Release the trial at no cost: another worker resumes it. A checkpoint is that of the length last reported."""
        self._use()
        self.leave(Exit(None, checkpoint=requests.checkpoint_text(checkpoint), worker_goes_on=True))

    def leave(self, how: Exit = NORMAL) -> None:
        """End the work on the trial, by default as at the normal end of its block. Raises nothing: where the service
        does not answer, the lease expires."""
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
            self.leave(NORMAL if raised is None else exit_of(raised, worker_goes_on=swallowed))
        finally:
            self._close("its block is over")
        return swallowed

    def abandon(self) -> None:
        """The loop that handed it out was left. A `with` block under way ends the trial itself."""
        if not self._entered:
            self.leave(ABANDONED if self._used else RELEASED)
            self._close(LOOP_OVER)

    def next(self) -> None:
        """The loop goes on with another trial. Raises FailedPrecondition (TRIAL_UNUSED) when this one was not used."""
        if not self._entered:
            self.leave(NORMAL if self._used else RELEASED)
            self._close("the loop has gone on to another trial")
            self._check_used()
