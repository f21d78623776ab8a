"""HEBO: heteroscedastic evolutionary Bayesian optimisation on the last result of each trial.

It is made anew for each round, from what was seen. It has no conditions: a parameter that does not exist in a trial is
told as the middle of its range, or the first of its places.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from rungway import InvalidArgument
from rungway_server.proposers.parameters import Parameter
from rungway_server.proposers.seen import Seen, SeenTrial

_MOST = 500
"""Trials that it learns from, the latest: its Gaussian process takes seconds with more."""
_ATTEMPTS = 5
"""Times that it is asked until enough meet the constraints."""


class Hebo:
    """Proposes by HEBO."""

    def propose(self, seen: Seen, count: int) -> Sequence[dict[str, object]]:
        """See Proposer."""
        space = DesignSpace().parse([_described(each) for each in seen.parameters])
        optimizer, found = HEBO(space, scramble_seed=seen.seed % 2**32 + seen.results), list[dict[str, object]]()
        told = [trial for trial in seen.trials.values() if trial.results][-_MOST:]
        if told:
            worst = seen.worst()
            rows = pd.DataFrame([_row(seen, trial) for trial in told])
            optimizer.observe(rows, np.array([[_loss(trial, worst)] for trial in told]))
        for _ in range(_ATTEMPTS):
            for _, row in optimizer.suggest(n_suggestions=count).iterrows():
                hparams = seen.parameters.configuration(partial(_chosen, row))
                found += [hparams] if hparams is not None and len(found) < count else []
            if len(found) == count:
                break
        return found


def proposer(name: str) -> Hebo:
    """The one that there is."""
    if name:
        raise InvalidArgument.one("with", f"got hebo:{name}, wanted hebo")
    return Hebo()


def _chosen(row: Mapping[str, float], each: Parameter) -> float:
    return float(row[each.name])


def _described(each: Parameter) -> dict[str, object]:
    if each.category:
        return {"name": each.name, "type": "cat", "categories": list(range(each.size))}
    if each.size:
        return {"name": each.name, "type": "int", "lb": 0, "ub": each.size - 1}
    return {"name": each.name, "type": "num", "lb": 0.0, "ub": 1.0}


def _row(seen: Seen, trial: SeenTrial) -> dict[str, float]:
    return {each.name: trial.choices.get(each.name, 0 if each.category else _middle(each)) for each in seen.parameters}


def _middle(each: Parameter) -> float:
    return (each.size - 1) // 2 if each.size else 0.5


def _loss(trial: SeenTrial, worst: float) -> float:
    last = trial.last
    return worst if last is None or math.isnan(last) else last
