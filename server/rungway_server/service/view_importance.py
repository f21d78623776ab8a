"""How much each hyperparameter of a search matters, from the columns of its view."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rungway_server.domain.importance import FEWEST, Axis, Bools, Floats, importances
from rungway_server.service.offload import in_thread
from rungway_server.service.view_cache import ViewCache
from rungway_server.service.view_columns import Standing, Values
from rungway_server.service.worker_thread import Priority

_SHARE = 20
"""An answer that took a second to work out is given again for so many."""
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Importance:
    """`shares` by the name of the parameter, the greatest first, each with those among the trials that reached each
    rung (NaN where they are too few). `too_early`: why there are none yet."""

    shares: Sequence[tuple[str, float, Sequence[float]]]
    trials: int
    too_early: str = ""


class ImportanceOf:
    """Works it out for one cache, beside the event loop, and rarely."""

    def __init__(self, cache: ViewCache) -> None:
        self._cache = cache
        self._answers: dict[int | None, _Answer] = {}

    async def get(self, bracket: int | None) -> Importance:
        """The importance in a bracket with each of its rungs; None = in all brackets, weighted by their trials."""
        answer = self._answers.get(bracket)
        if answer is None or (answer.version != self._cache.version and time.monotonic() > answer.good_until):
            answer = self._answers[bracket] = _Answer(self._cache, bracket)
        return await asyncio.shield(answer.task)


class _Answer:
    """An answer that is being worked out, or is there."""

    def __init__(self, cache: ViewCache, bracket: int | None) -> None:
        self.version, self._began = cache.version, time.monotonic()
        self.good_until = math.inf
        rungs = [len(each.rungs) for each in cache.definition.plan.brackets]
        work = in_thread(Priority.READ, cache.ref.namespace, importance, cache.columns.standing(), rungs, bracket)
        self.task = asyncio.ensure_future(work)
        self.task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Importance]") -> None:
        now = time.monotonic()
        failed = task.cancelled() or task.exception()
        self.good_until = -math.inf if failed else now + max(_SHARE * (now - self._began), _LEAST_SECONDS)
        self.version = -1 if failed else self.version


def importance(standing: Standing, rungs: Sequence[int], bracket: int | None) -> Importance:
    """The importance in one bracket or, weighted by their trials, in all that have enough results."""
    wanted = range(len(rungs)) if bracket is None else (bracket,)
    shares, weights, most = [], [], 0
    for each in wanted:
        which = standing.brackets == each
        most = max(most, int(np.count_nonzero(standing.rungs[which] >= 0)))
        found = importances(_axes(standing, which), standing.rungs[which], standing.scores[which])
        if found is not None:
            shares.append(found)
            weights.append(int(np.count_nonzero(which)))
    if not weights:
        return Importance((), 0, f"{most} trials have a result, {FEWEST} are needed")
    total = np.average(shares, axis=0, weights=weights)
    by_rung = [_among(standing, bracket, rung) for rung in range(rungs[bracket])] if bracket is not None else []
    named = [
        (values.parameter.name, float(total[i]), [float(found[i]) for found in by_rung])
        for i, values in enumerate(standing.parameters)
    ]
    return Importance(sorted(named, key=lambda item: -item[1]), sum(weights))


def _among(standing: Standing, bracket: int, rung: int) -> Floats:
    """The importance among the trials of a bracket that reached this rung."""
    which = (standing.brackets == bracket) & (standing.rungs >= rung)
    found = importances(_axes(standing, which), standing.rungs[which], standing.scores[which])
    return np.full(len(standing.parameters), np.nan) if found is None else found


def _axes(standing: Standing, which: Bools) -> list[Axis]:
    return [_axis(values).part(which) for values in standing.parameters]


def _axis(values: Values) -> Axis:
    if values.numbers is not None:
        return Axis(values.numbers, log=values.parameter.log)
    assert values.index is not None
    return Axis(values.index.astype(float), categorical=True)
