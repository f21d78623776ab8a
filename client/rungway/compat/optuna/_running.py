"""One `optimize`: its threads, the trials they ask for, and what becomes of each."""

import gc
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rungway._core import requests
from rungway._core.enums import OVER, AskStatus, Outcome, Reason
from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway._core.exit import Exit, exit_of
from rungway._core.threads import run_in_threads
from rungway._core.waiting import Waiting, failing, pause_after
from rungway.compat.optuna._space import PARTS, Node
from rungway.compat.optuna.exceptions import NotOffered, SpaceDiffers, TrialPruned
from rungway.compat.optuna.trial import FrozenTrial, LiveTrial, RecordingTrial, Trial, _Recorded

if TYPE_CHECKING:
    from rungway._sync.run import TrialRun
    from rungway.compat.optuna.study import Study
    from rungway.models.work import AskReply

_HOLD_SECONDS = 1.0
"""How long the service may hold an ask: as long as `stop` may wait."""
_AHEAD = 100
"""Trials that a study is made for, or gets more, where nobody says how many."""
_log = logging.getLogger("rungway.optuna")
Objective = Callable[[Trial], Any]


@dataclass(frozen=True, slots=True)
class Record:
    """What the first call of an objective has shown."""

    space: dict[str, Node]
    params: dict[str, Any]
    reports: bool
    prunes: bool
    value: float | None
    """What it returned, if it never reported."""
    attrs: dict[str, float]


def recorded(
    study: "Study", objective: Objective, catch: tuple[type[Exception], ...], params: Mapping[str, Any]
) -> Record:
    """Call the objective once, with these hyperparameters where it asks for them, up to where it asks for pruning,
    reports for a second time or returns. Raises what it raises, unless it is caught and has asked for something by
    then. It may have more to ask for, so it is called again with other values; if it ends so each time, the space is
    the largest, and it may report and ask."""
    found: list[RecordingTrial] = []
    for turn in range(len(PARTS)):
        trial, value = RecordingTrial(study, {} if turn else params, turn), None
        found.append(trial)
        try:
            with suppress(_Recorded):
                value = _real(objective(trial))
        except TrialPruned:  # by its own rule
            trial.prunes = True
        except catch as error:
            if not trial.space:  # a study would have no space for ever
                raise
            _log.warning("the call that records the space failed: %s: %s", type(error).__name__, error)
            trial.prunes = True
            continue
        break
    else:
        trial = max(found, key=lambda each: len(each.space))
        _log.warning("each of the calls failed: the space may lack what comes after %s", list(trial.space)[-1])
    reports = trial.reports > 0 or trial.prunes
    _log.info("the space of the study has %s", ", ".join(trial.space) or "no hyperparameters")
    return Record(trial.space, trial.params, reports, trial.prunes, None if reports else value, trial.user_attrs)


def _real(value: object) -> float | None:
    """The returned value as a real number; None for NaN, None and texts. Raises NotOffered for several values."""
    if isinstance(value, list | tuple):
        raise NotOffered(f"an objective that returns {value!r:.60}", "one objective can be searched for")
    try:
        number = requests.metric_value(value, "value")
    except InvalidArgument:
        return None
    return None if math.isnan(number) else number


class Running:
    """The trials of one call of `optimize`."""

    def __init__(
        self,
        study: "Study",
        objective: Objective,
        n_trials: int | None,
        timeout: float | None,
        catch: Iterable[type[Exception]] | type[Exception],
        callbacks: Iterable[Callable[["Study", FrozenTrial], None]] | None,
        collect: bool,
    ) -> None:
        """Raises InvalidArgument."""
        self._study, self._objective, self._collect = study, objective, collect
        self._left = None if n_trials is None else requests.whole("n_trials", n_trials)
        seconds = float("inf") if timeout is None else requests.not_negative("timeout", timeout)
        self._end = time.monotonic() + seconds
        self.catch = (catch,) if isinstance(catch, type) else tuple(catch)
        """Errors of the objective that fail their trial and nothing else."""
        self._callbacks = tuple(callbacks or ())
        self._lock = threading.Lock()
        self._asking = 0
        self._stopped = False

    @property
    def is_over(self) -> bool:
        """Whether it is to start no more trials."""
        return self._stopped or self._left == 0 or self._is_late

    @property
    def _is_late(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def missing(self) -> int:
        """How many trials it still wants to start."""
        return max(1, _AHEAD if self._left is None else self._left + self._asking)

    def stop(self) -> None:
        """Start no more trials."""
        self._stopped = True

    def settle(self, record: Record) -> None:
        """The call that has recorded the space has returned the value of a trial: it is the first one."""
        client = self._study.client
        wanted = client.enqueue_trial(self._study.space.nested(record.params)).hparams
        for assignment in client.ask_once().assignments:
            run = client._hold(assignment)
            if assignment.hparams != wanted:  # another process was faster, and trains it
                run.leave(Exit(None, worker_goes_on=True))
                return
            run.report(1, record.value, metrics=record.attrs)
            self._left = None if self._left is None else self._left - 1
            self._after(run.number)

    def run(self, n_jobs: int) -> None:
        """Run them. Raises the first error that an objective or a callback has raised, once all threads are through."""
        jobs = (os.cpu_count() or 1) if n_jobs == -1 else requests.whole("n_jobs", n_jobs, least=1)
        run_in_threads(self._work, jobs, "optimize", self.stop)

    def _work(self) -> None:
        try:
            while self._claim():
                run = self._next()
                with self._lock:
                    self._asking -= 1
                if run is None:
                    return
                self._one(run)
                self._after(run.number)
                if self._collect:
                    gc.collect()
        except BaseException:
            self.stop()
            raise

    def _claim(self) -> bool:
        """Whether there is one more to start."""
        with self._lock:
            if self.is_over:
                return False
            self._left = None if self._left is None else self._left - 1
            self._asking += 1
            return True

    def _next(self) -> "TrialRun | None":
        """The next trial; None when there is none any more. Raises FailedPrecondition (FAILING)."""
        waiting, client = Waiting(self._study.study_name), self._study.client
        while not (self._stopped or self._is_late):
            reply = client._ask_waiting(waiting, max(0.0, min(_HOLD_SECONDS, self._end - time.monotonic())))
            for assignment in reply.assignments:
                return client._hold(assignment)
            if reply.reason is Reason.FAILING:
                raise failing(self._study.study_name, reply)
            if not self._has_more(reply):
                if reply.status is AskStatus.DONE:
                    return None
                time.sleep(pause_after(reply))
        return None

    def _has_more(self, reply: "AskReply") -> bool:
        """Let the study start as many more trials as are wanted here; whether it does so."""
        if reply.status is not AskStatus.DONE and reply.reason is not Reason.WAITING_FOR_RESULTS:
            return False
        return self.make_room(self.missing)

    def make_room(self, count: int) -> bool:
        """Let the study start so many more trials; whether it does so."""
        client = self._study.client
        with self._lock:
            experiment = client.get_experiment()
            plan = experiment.plan
            assert plan is not None  # of lists only
            wanted = experiment.trials.started + count
            if sum(bracket.max_trials for bracket in plan.brackets) >= wanted:
                return experiment.state not in OVER
            try:
                client.update_experiment(max_trials=wanted)
            except (InvalidArgument, FailedPrecondition) as error:  # a grid, or it was stopped
                _log.info("study %s starts no more trials: %s", self._study.study_name, error)
                return False
        return True

    def _one(self, run: "TrialRun") -> None:
        """Call the objective for one trial. Raises what is none of `catch`."""
        trial = LiveTrial(self._study, self._study.space, run)
        try:
            value = self._objective(trial)
            trial.check_space()
            if (number := _real(value)) is None:
                self._fail(run, f"the objective returned {value!r:.100}, wanted a real number")
                return
            trial.end(number)
            _log.info("trial %d returned %r with %s", run.number, number, trial.params)
        except TrialPruned:
            run.leave(Exit(Outcome.STOPPED, "the objective pruned it", worker_goes_on=True))
            _log.info("trial %d was pruned after %d steps", run.number, trial.length)
        except (SpaceDiffers, NotOffered):
            run.leave(Exit(None, worker_goes_on=True))
            raise
        except Exception as error:
            how = exit_of(error, worker_goes_on=True)
            run.leave(replace(how, outcome=Outcome.ERROR) if how.outcome is Outcome.TRANSIENT else how)
            _log.warning("trial %d failed: %s", run.number, how.message)
            if how.outcome is None or not isinstance(error, self.catch):
                raise
        except BaseException as error:
            run.leave(exit_of(error, worker_goes_on=False))
            raise

    def _fail(self, run: "TrialRun", message: str) -> None:
        _log.warning("trial %d failed: %s", run.number, message)
        run.leave(Exit(Outcome.ERROR, message, worker_goes_on=True))

    def _after(self, number: int) -> None:
        for callback in self._callbacks:
            callback(self._study, FrozenTrial(self._study, self._study.client.get_trial(number)))
