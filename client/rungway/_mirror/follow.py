"""Follows a search and says to a target what is new, until the search is over.

Curves have points between decisions, of which the event log has no line. So a round looks at the list of trials, and
reads those that are not as they were in the round before: their curve, and the decisions that promoted them.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from rungway._core.enums import OVER, Reason, TrialState
from rungway._core.errors import DeadlineExceeded, OutcomeUnknown, Unavailable
from rungway._mirror.changes import Change, Known, Search, Target, TargetAway, refused
from rungway._sync.client import Client
from rungway.models.experiments import Event
from rungway.models.work import Report, Trial

_CLIMBS = (Reason.PROMOTED, Reason.GOING_ON)
_MOST_POINTS = 100_000
"""As many as `get_trial` reads, the last ones: of a longer curve the place of a point is not known."""


class Follower:
    """One search and one target.

    `say` is called with a line whenever something has to be waited for, and when it is there again. `stop` ends the
    work after the trial under way.
    """

    def __init__(
        self, client: Client, target: Target, search: Search, say: Callable[[str], None], stop: threading.Event
    ) -> None:
        self._client, self._target, self._search, self._say, self._stop = client, target, search, say, stop
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._marks: dict[int, tuple[int, dict[str, str]]] = {}
        self._revision = -1
        self._too_long: set[int] = set()
        self._outage = ""
        self.runs, self.points = 0, 0

    def follow(self, every: float, *, once: bool = False) -> bool:
        """Write what is new, every so many seconds (`once`: in one round). Returns whether the search is over and all
        of it is there; False after `stop`. Outages of the service and of the target are waited through. Raises NotFound
        when the search was deleted."""
        while not self._stop.is_set():
            whole = self._round_through_outages()
            if whole is not None and (whole or once):
                return whole
            self._stop.wait(every)
        return False

    def _round_through_outages(self) -> bool | None:
        try:
            over = self.round()
        except (Unavailable, OutcomeUnknown, DeadlineExceeded) as error:
            self._wait_for("the service", error)
            return None
        except TargetAway as error:
            self._target.forget()
            self._seen.clear()
            self._revision = -1
            self._wait_for("the target", error)
            return None
        if self._outage:
            self._say(f"{self._outage} is there again")
            self._outage = ""
        return over and not self._stop.is_set()

    def _wait_for(self, what: str, error: Exception) -> None:
        if self._outage != what:
            self._say(f"waiting for {what}: {error}")
            self._outage = what

    def round(self) -> bool:
        """Write all that is new now; returns whether the search was over before it was looked at."""
        self._target.beat()
        experiment = self._client.get_experiment(self._search.name)
        if Search.of(experiment).created != self._search.created:
            raise refused(f"{self._search.name} was deleted, and is now another search")
        if experiment.revision != self._revision:
            for trial in self._client.list_trials(experiment=self._search.name):
                if self._stop.is_set():
                    return False
                if self._seen.get(trial.trial) != (now := _looks(trial)):
                    self._write(trial.trial)
                    self._seen[trial.trial] = now
            self._revision = experiment.revision
        return experiment.state in OVER

    def _write(self, number: int) -> None:
        trial = self._client.get_trial(number, experiment=self._search.name)
        known = self._target.known(number)
        change = Change(trial, known, self._new_points(trial, known), self._marks_of(trial))
        if change.is_empty:
            return
        self._target.write(change)
        self.runs += not known.state
        self.points += len(change.points)

    def _new_points(self, trial: Trial, known: Known) -> Sequence[Report]:
        curve = trial.curve or ()
        if len(curve) < _MOST_POINTS:
            return curve[known.points :]
        if trial.trial not in self._too_long:
            self._too_long.add(trial.trial)
            self._say(f"trial {trial.trial} has {_MOST_POINTS:,} points or more: those to come are left out")
        return ()

    def _marks_of(self, trial: Trial) -> dict[str, str]:
        """Its promotions; they are asked for anew only when it has come to another rung."""
        if trial.parent is None and trial.rung == 0:
            return {}
        rung, marks = self._marks.get(trial.trial, (-1, {}))
        if rung != trial.rung:
            marks = _marks(self._client.explain_trial(trial.trial, experiment=self._search.name))
            if trial.state is not TrialState.RUNNING:  # the event of one that runs may be still to come
                self._marks[trial.trial] = trial.rung, marks
        return marks


def search_of(client: Client, name: str) -> Search:
    """What is to be mirrored. Raises NotFound."""
    return Search.of(client.get_experiment(name))


def _looks(trial: Trial) -> tuple[Any, ...]:
    """What differs when a trial has a further point, another state, or another rung. NaN is not equal to itself."""
    return trial.state, trial.rung, trial.length, repr(trial.metric), trial.restarts, trial.outcome, trial.worker


def _marks(events: Sequence[Event]) -> dict[str, str]:
    found = {}
    for event in events:
        why = event.explanation
        if why is None:
            continue
        if why.reason in _CLIMBS and event.kind in ("assign", "continue"):
            found[f"promoted to rung {why.rung + 1}"] = why.text
        elif why.reason is Reason.CLONED and why.parent is not None:
            found[f"cloned from trial {why.parent}"] = why.text
    return found
