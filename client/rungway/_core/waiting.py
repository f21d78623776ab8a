"""How a worker waits for work: how long an ask may be held, when to ask again, and what the log says of it: one line
when it has waited for a while, one when that is over."""

import logging
import random
import threading
import time
from collections.abc import Callable

from rungway._core.enums import PromotionRule, Reason
from rungway._core.errors import FailedPrecondition
from rungway.models.experiments import Experiment, Plan
from rungway.models.work import AskReply

_log = logging.getLogger("rungway")

LOG_AFTER = 10.0
"""Seconds without work after which a line is logged."""
HOLD_SECONDS = 30.0
"""How long an ask may be held by the service; proxies often end calls that are silent for 60 seconds."""
MOST_HELD = 50
"""Asks of a client that may be held at once: of the 100 calls on a connection, the others are for those who work."""
_SHORTEST_WAIT = 0.05


def pause_after(reply: AskReply) -> float:
    """How long to wait before asking again, in seconds: as the service says, and not all workers at once."""
    return max(reply.retry_after, _SHORTEST_WAIT) * (1 + random.random() / 4)  # noqa: S311 - jitter, no secret


def failing(experiment: str | None, reply: AskReply) -> FailedPrecondition:
    """The error of a worker that is told that its search has paused itself. With the experiment it says how to go on;
    None for commands, which have words of their own for that."""
    problem = f"the search has paused itself: its first trials all failed; the last error: {reply.message}"
    if experiment is not None:
        problem += f"; correct the training, then `rungway resume {experiment}` or client.resume_experiment()"
    return FailedPrecondition(problem, reason="FAILING", details={"message": reply.message})


class Waiting:
    """One wait of one worker."""

    def __init__(self, experiment: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._experiment, self._clock = experiment, clock
        self._begin = clock()
        self._lock = threading.Lock()
        self._logged: Reason | None = None

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self._clock() - self._begin

    def hold(self, most: float | None) -> float:
        """How long the next ask may be held, at most so long: at first until the reason for waiting is due."""
        due = LOG_AFTER - self.seconds
        hold = HOLD_SECONDS if due <= 0 or self._logged else due * (1 + random.random() / 2)  # noqa: S311 - jitter
        return max(min(hold, HOLD_SECONDS if most is None else most), 0.0)

    def is_due(self, reason: Reason) -> bool:
        """Whether to log this reason now: after LOG_AFTER seconds, each reason once in a row. One caller alone is told
        so."""
        with self._lock:
            due = self.seconds >= LOG_AFTER and reason is not self._logged
            self._logged = reason if due else self._logged
        return due

    def log(self, why: str) -> None:
        """Log it."""
        _log.warning("%s: waiting for work for %.0f s: %s", self._experiment, self.seconds, why)

    def over(self, what: str) -> None:
        """The wait is over; logged once, if its reason was."""
        with self._lock:
            logged, self._logged = self._logged, None
        if logged is not None:
            _log.warning("%s: %s after %.0f s of waiting", self._experiment, what, self.seconds)


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
