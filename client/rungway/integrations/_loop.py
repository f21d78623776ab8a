"""The loop over the trials of a search, for one process or for a group: rank 0 asks, and all get the same trial."""

import os
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from rungway._core.enums import AskStatus, PromotionRule, Reason
from rungway._core.errors import Preempted
from rungway._core.exit import RELEASED
from rungway._core.run import unused
from rungway._core.waiting import Waiting, failing, pause_after
from rungway._sync.client import Client
from rungway.integrations._group import Alone, Group
from rungway.integrations._signals import Leaving
from rungway.integrations._trial import Desk, ManagedTrial, Search
from rungway.integrations.checkpoints import Checkpoints
from rungway.models.work import Assignment

if TYPE_CHECKING:
    from rungway._sync.run import TrialRun
    from rungway.models.experiments import Experiment

_SLICE_SECONDS = 0.2
_HOLD_SECONDS = 1.0
"""How long the service may hold an ask: as long as a signal may wait."""
_DONE = "done"


def trials(
    client: Client, checkpoints: Checkpoints | str | os.PathLike[str] | None = None
) -> Generator[ManagedTrial, None, None]:
    """Trials to run, one after the other, until the search is over.

    Write `for trial in trials(client):` and `with trial:` inside it. `checkpoints` is the root of all checkpoints, a
    folder or a URL; without one it is RUNGWAY_CHECKPOINTS. What leaves the block decides what becomes of the trial, as
    in `Client.trials`. While the loop runs, SIGTERM, SIGUSR1 and SIGUSR2 set a flag: at the next report the trial is
    saved and given back at no cost, and Preempted leaves the loop, as it does while the loop waits for work.

    Raises InvalidArgument where no place for checkpoints is given, and what `Client.trials` raises.
    """
    return managed_trials(Alone(), client, checkpoints)


def managed_trials(
    group: Group,
    client: Client | None,
    checkpoints: Checkpoints | str | os.PathLike[str] | None,
    leaving: Leaving | None = None,
) -> Generator[ManagedTrial, None, None]:
    """The same for a group; rank 0 alone needs a client. Who gives `leaving` can set its flag without a signal."""
    places = Checkpoints.of(checkpoints)
    with leaving or Leaving() as noted:
        loop = _Loop(Desk(group, places, noted, client if group.rank == 0 else None))
        try:
            while (trial := loop.next()) is not None:
                yield trial
                loop.check_used(trial)
        finally:
            loop.close()
            group.close()


class _Loop:
    """What rank 0 asks for, and the others hear."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._client = desk, desk.client
        self._run: TrialRun | None = None
        self._search: Search = desk.on_first(self._describe)

    def next(self) -> ManagedTrial | None:
        """The next trial; None when the search is over. Raises Preempted after a signal to any rank."""
        waiting = Waiting(self._search.experiment)
        while True:
            if any(self._desk.group.gather(self._desk.leaving.asked)):
                raise Preempted("a signal asked the process to leave")
            said = self._desk.on_first(lambda: self._ask(waiting))
            if said == _DONE:
                return None
            if isinstance(said, Assignment):
                return ManagedTrial(self._desk, self._search, said, self._run)
            self._sleep(said)

    def check_used(self, trial: ManagedTrial) -> None:
        """Raises FailedPrecondition when the loop went on without using the trial."""
        if not trial.used:
            self.close()
            raise unused(trial.number)

    def close(self) -> None:
        """The loop was left: a trial under way that is in no block is released."""
        if self._run is not None:
            self._run.leave(RELEASED)

    def _describe(self) -> Search:
        """On rank 0."""
        assert self._client is not None
        experiment: Experiment = self._client.get_experiment()
        assert experiment.plan is not None  # of lists only
        plan, metric = experiment.plan, experiment.config["searcher"]["metric"]
        return Search(experiment.experiment, plan.max_length, metric, plan.rule is not PromotionRule.POPULATION)

    def _ask(self, waiting: Waiting) -> Any:
        """On rank 0: the next work, that the search is over, or for how long to wait (seconds)."""
        assert self._client is not None
        self._run = None
        reply = self._client._ask_waiting(waiting, _HOLD_SECONDS)
        for assignment in reply.assignments:
            self._run = self._client._hold(assignment)
            return assignment
        if reply.status is AskStatus.DONE:
            return _DONE
        if reply.reason is Reason.FAILING:
            raise failing(self._search.experiment, reply)
        return pause_after(reply)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._desk.leaving.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
