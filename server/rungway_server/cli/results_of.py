"""`rungway enqueue EXP --results-of OTHER`: the results of another search become finished trials of this one."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rungway import Client, FailedPrecondition, InvalidArgument, TrialState
from rungway.models.experiments import Experiment
from rungway.models.work import Trial
from rungway_server.cli.connection import service
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import console, count, fail, print_json

_SAME = ("metric", "smaller_is_better")
"""Keys of a searcher without which results cannot be compared."""
_OTHER_SPACE, _NO_RESULT, _THERE = "do not fit the space", "have no result at a rung of it", "are there already"


@dataclass
class _Tally:
    """What became of the trials of the other search."""

    brought: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    is_full: bool = False
    """Whether this search takes no more."""


def bring_results(experiment_id: str, other: str, target: str, output: Output) -> None:
    """Bring each trial of `other` with its longest result at the length of a rung of this search, by number. What is
    there already, with the same configuration, is left out, so a repeat brings what is lacking."""
    with service(target, experiment_id) as client:
        search, source = client.get_experiment(), client.get_experiment(other)
        _check(search, source)
        tally, there = _Tally(), {_spelled(each.hparams) for each in client.list_trials()}
        for trial in client.list_trials(experiment=other):
            found = _result(client, other, trial, _lengths(search))
            if found is None or _spelled(trial.hparams) in there:
                tally.left_out[_NO_RESULT if found is None else _THERE] += 1
            else:
                _bring(client, trial, found, tally)
            if tally.is_full:
                break
    if output is Output.JSON:
        found_out = {"brought": tally.brought, "left_out": dict(tally.left_out)}
        print_json({"experiment": experiment_id, "results_of": other} | found_out)
    else:
        trials = f"{count(tally.brought)} trial{'s'[: tally.brought != 1]}"
        console().print(f"{trials} of {other} brought to {experiment_id}")
        for why, some in tally.left_out.items():
            console().print(f"left out: {count(some)} that {why}")
    if tally.is_full:
        more = f"rungway update {experiment_id} --max-trials N"
        raise fail(Exit.REFUSED, f"{experiment_id} starts no more trials: `{more}`, then repeat this")


def _bring(client: Client, trial: Trial, found: tuple[int, float], tally: _Tally) -> None:
    """Bring one trial. Raises what the service says, but for a configuration that it does not take."""
    try:
        client.enqueue_trial(trial.hparams, length=found[0], metric=found[1])
    except InvalidArgument as error:
        if error.reason == "POINT_USED":
            tally.left_out[_THERE] += 1
        elif all(name.startswith("hparams") for name, _ in error.violations):
            tally.left_out[_OTHER_SPACE] += 1
        else:
            raise
    except FailedPrecondition as error:
        # The last of all trials ends a search.
        if error.reason != "NO_TRIALS_LEFT" and not (error.reason == "WRONG_STATE" and tally.brought):
            raise
        tally.is_full = True
    else:
        tally.brought += 1


def _check(search: Experiment, source: Experiment) -> None:
    ours, theirs = search.config["searcher"], source.config["searcher"]
    for key in _SAME:
        if ours[key] != theirs[key]:
            wanted = f"{search.experiment} has {key} {ours[key]!r}, {source.experiment} has {theirs[key]!r}"
            raise fail(Exit.USAGE, f"--results-of: {wanted}: their results cannot be compared")


def _lengths(search: Experiment) -> set[int]:
    assert search.plan is not None  # of lists only
    return {rung.length for bracket in search.plan.brackets for rung in bracket.rungs}


def _result(client: Client, other: str, trial: Trial, lengths: set[int]) -> tuple[int, float] | None:
    """The longest result of a trial at one of these lengths: length and metric; None when there is none."""
    if trial.state is TrialState.INVALID or not trial.length:
        return None
    if trial.length in lengths and trial.metric is not None and not math.isnan(trial.metric):
        return trial.length, trial.metric
    curve = client.get_trial(trial.trial, experiment=other).curve or ()
    real = [(each.length, each.metric) for each in curve if each.length in lengths and not math.isnan(each.metric)]
    return max(real, default=None)


def _spelled(hparams: Mapping[str, Any]) -> str:
    return json.dumps(hparams, sort_keys=True)
