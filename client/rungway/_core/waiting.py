"""Says in the log why a worker waits for work: one line when it has waited for a while, one when that is over."""

import logging
import time
from collections.abc import Callable

from rungway._core.enums import PromotionRule, Reason
from rungway.models.experiments import Experiment, Plan

_log = logging.getLogger("rungway")

LOG_AFTER = 10.0
"""Seconds without work after which a line is logged."""


class Waiting:
    """One wait of one worker."""

    def __init__(self, experiment: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._experiment, self._clock = experiment, clock
        self._begin = clock()
        self._logged: Reason | None = None

    def is_due(self, reason: Reason) -> bool:
        """Whether this reason is to be logged now: after LOG_AFTER seconds, and each reason once in a row."""
        return self._clock() - self._begin >= LOG_AFTER and reason is not self._logged

    def log(self, reason: Reason, why: str) -> None:
        """Log it."""
        self._logged = reason
        _log.warning("%s: waiting for work for %.0f s: %s", self._experiment, self._clock() - self._begin, why)

    def over(self, what: str) -> None:
        """The wait is over; logged if its reason was."""
        if self._logged is not None:
            _log.warning("%s: %s after %.0f s of waiting", self._experiment, what, self._clock() - self._begin)
            self._logged = None


def in_words(reason: Reason, experiment: Experiment | None) -> str:
    """Why nothing is handed out. Without the experiment, which could not be read, the reason alone."""
    plan = experiment.plan if experiment else None
    if experiment is None or plan is None:
        return reason.replace("_", " ")
    running = experiment.trials.running
    if reason is Reason.EXPERIMENT_PAUSED:
        return "the search is paused"
    if reason is Reason.CONCURRENCY_LIMIT:
        return f"{running} of {plan.max_concurrent_trials} trials that may run at once are running"
    if reason is Reason.WAITING_FOR_RESULTS:
        return f"{_results(plan)}; {running} running"
    return reason.replace("_", " ")


def _results(plan: Plan) -> str:
    """Which results are missing: of the lowest rung that is not full, where rungs have a size."""
    if plan.rule is not PromotionRule.ASYNC:
        for number, bracket in enumerate(plan.brackets):
            of = f" of bracket {number}" if len(plan.brackets) > 1 else ""
            for index, rung in enumerate(bracket.rungs):
                if rung.results < rung.size:
                    return f"waiting for results of rung {index}{of}: {rung.results} of {rung.size} are there"
    return "every trial is started, and the results of those that are running decide which go on"
