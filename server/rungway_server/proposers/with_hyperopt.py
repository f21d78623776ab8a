"""Hyperopt: its tree of Parzen estimators on the last result of each trial.

Its trials are documents, made here from what was seen. It is told what each proposal of a round is, as a job without a
result, and so proposes different ones by their numbers.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from hyperopt import Trials, hp, tpe
from hyperopt.base import JOB_STATE_DONE, STATUS_OK, Domain

from rungway import InvalidArgument
from rungway_server.proposers.parameters import Parameter
from rungway_server.proposers.seen import Seen, SeenTrial

_ATTEMPTS = 100
"""Suggestions until one meets the constraints."""


class Hyperopt:
    """Proposes by `tpe.suggest`."""

    def __init__(self) -> None:
        self._asked = 0

    def propose(self, seen: Seen, count: int) -> Sequence[dict[str, object]]:
        """See Proposer."""
        domain = Domain(lambda _: 0.0, _space(seen))
        trials, found = _trials(seen), list[dict[str, object]]()
        for _ in range(_ATTEMPTS * count):
            if len(found) == count:
                break
            self._asked += 1
            seed = int(np.random.SeedSequence([seen.seed % 2**32, seen.results, self._asked]).generate_state(1)[0])
            (document,) = tpe.suggest(trials.new_trial_ids(1), domain, trials, seed, verbose=False)
            hparams = seen.parameters.configuration(partial(_chosen, document["misc"]["vals"]))
            found += [hparams] if hparams is not None else []
        return found


def proposer(name: str) -> Hyperopt:
    """The one that there is."""
    if name:
        raise InvalidArgument.one("with", f"got hyperopt:{name}, wanted hyperopt")
    return Hyperopt()


def _chosen(values: Mapping[str, Sequence[float]], each: Parameter) -> float:
    return float(values[each.name][0])


def _space(seen: Seen) -> dict[str, Any]:
    """Each parameter on its own: one that does not exist in a trial has no value there."""
    return {each.name: _node(each.name, each.size, category=each.category) for each in seen.parameters}


def _node(name: str, size: int, *, category: bool) -> Any:
    if category:
        return hp.randint(name, size)
    return hp.quniform(name, 0, size - 1, 1) if size else hp.uniform(name, 0, 1)


def _trials(seen: Seen) -> Trials:
    names, worst = [each.name for each in seen.parameters], seen.worst()
    told = [trial for trial in seen.trials.values() if trial.results]
    trials = Trials()
    ids = trials.new_trial_ids(len(told))
    documents = trials.new_trial_docs(
        ids,
        [None] * len(told),
        [{"status": STATUS_OK, "loss": _loss(trial, worst)} for trial in told],
        [_misc(tid, trial, names) for tid, trial in zip(ids, told, strict=True)],
    )
    for document in documents:
        document["state"] = JOB_STATE_DONE
    trials.insert_trial_docs(documents)
    trials.refresh()
    return trials


def _misc(tid: int, trial: SeenTrial, names: Sequence[str]) -> dict[str, Any]:
    there = trial.choices
    return {
        "tid": tid,
        "cmd": ("domain_attachment", "FMinIter_Domain"),
        "idxs": {name: [tid] if name in there else [] for name in names},
        "vals": {name: [there[name]] if name in there else [] for name in names},
    }


def _loss(trial: SeenTrial, worst: float) -> float:
    """One that died is as bad as the worst."""
    last = trial.last
    return worst if last is None or math.isnan(last) else last
