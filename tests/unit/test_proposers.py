"""A search as other libraries see it."""

import math

import pytest

from rungway import Results, RungResult, TrialState
from rungway_server.proposers.parameters import Parameter, Parameters
from rungway_server.proposers.seen import SeenTrial
from tests.support.observed import MIXED
from tests.support.proposing import SEARCH

CONFIG = {
    "hyperparameters": MIXED,
    "searcher": {"name": "random", "metric": "loss", "max_trials": 9, "max_length": 1},
}


def test_a_configuration_is_made_of_choices_and_gives_them_back() -> None:
    parameters, asked = Parameters(CONFIG), list[Parameter]()

    def choose(each: Parameter) -> float:
        asked.append(each)
        return 1 if each.size else 0.25

    hparams = parameters.configuration(choose)
    assert hparams is not None
    assert hparams["optimizer"] == "adam"
    assert {each.name for each in parameters} - {each.name for each in asked} == {"momentum", "nesterov"}
    assert hparams["deep"] == {"constant": 3, "x": pytest.approx(-0.5)}
    choices = parameters.choices(hparams)
    assert choices.keys() == {each.name for each in asked}
    assert choices["layers"] == choices["size"] == 1
    assert choices["plain_log"] == pytest.approx(0.25)


def test_a_configuration_comes_back_from_the_columns_of_results() -> None:
    parameters = Parameters(SEARCH)
    flat = {"by": "proposer", "inner.x": 0.1, "inner.depth": 3.0, "momentum": 0.5}
    whole = {"by": "proposer", "inner": {"depth": 3, "x": 0.1}, "momentum": 0.5}
    assert parameters.nested(flat) == whole
    assert repr(parameters.nested(flat)["inner"]) == "{'depth': 3, 'x': 0.1}"


def test_constraints_make_no_configuration() -> None:
    assert Parameters(SEARCH).configuration(lambda each: 0 if each.size else 0.999) is None


def test_the_last_result_is_that_of_the_greatest_length() -> None:
    trial = SeenTrial(3, {}, {}, TrialState.PAUSED, {3: 0.5, 1: 0.7})
    assert trial.last == 0.5
    assert SeenTrial(3, {}, {}).last is None


def test_results_are_added_up() -> None:
    from rungway_server.proposers.seen import Seen

    seen = object.__new__(Seen)
    seen.parameters, seen.trials, seen.lengths, seen.results, seen._sign = Parameters(SEARCH), {}, [[1, 9]], 0, -1.0
    row = {"by": "proposer", "inner.x": 0.1, "inner.depth": 8}

    def new(trials: list[int], state: TrialState, *results: RungResult, reset: bool = False) -> Results:
        return Results("", reset, False, trials, [state] * len(trials), [row] * len(trials), results)

    seen.add(new([0, 1, 2], TrialState.RUNNING))
    assert seen.running == 3
    seen.add(new([0, 1], TrialState.PAUSED, RungResult(0, 0, 0, 0.5), RungResult(1, 0, 0, math.nan)))
    assert (seen.running, seen.results, seen.worst()) == (1, 2, -0.5)
    assert seen.trials[0].results == {1: -0.5}
    seen.add(new([0], TrialState.INVALID))
    assert seen.trials.keys() == {1, 2}
    seen.add(new([5], TrialState.RUNNING, reset=True))
    assert seen.trials.keys() == {5}
