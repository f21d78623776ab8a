"""Reading Katib's experiments: what is refused, under the user's own words, and how ladders are sized."""

from collections.abc import Callable

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.katib.experiment import plan_ladder, read_experiment, runs_of, size_ladder
from rungway_server.katib.parameters import parsed, shown
from rungway_server.katib.suggesting import check
from rungway_server.katib.wire import api_pb2 as pb
from tests.support.katib import experiment


def parameter(index: int, **space: str | list[str]) -> Callable[[pb.Experiment], None]:
    def change(made: pb.Experiment) -> None:
        given = made.spec.parameter_specs.parameters[index].feasible_space
        for key, value in space.items():
            if isinstance(value, list):
                given.list[:] = value
            else:
                setattr(given, key, value)

    return change


def objective(made: pb.Experiment) -> None:
    made.spec.objective.Clear()


def normal(made: pb.Experiment) -> None:
    made.spec.parameter_specs.parameters[0].feasible_space.distribution = pb.NORMAL


def twice(made: pb.Experiment) -> None:
    made.spec.parameter_specs.parameters[2].name = "lr"


def untyped(made: pb.Experiment) -> None:
    made.spec.parameter_specs.parameters[2].parameter_type = pb.UNKNOWN_TYPE


@pytest.mark.parametrize(
    ("made", "change", "problem"),
    [
        (experiment("tpe"), None, r"algorithm_name: got 'tpe', wanted one of asha, adaptive-asha"),
        (experiment(brakets="2"), None, r"algorithm_settings\[brakets\]: unknown to asha, wanted brackets, divisor"),
        (experiment(resource_name="steps"), None, r"got 'steps', which is no parameter"),
        (experiment(resource_name=""), None, r"algorithm_settings\[resource_name\]: missing"),
        (experiment(resource_name="lr"), None, r"parameters\[lr\]: takes the length of runs, wanted parameterType int"),
        (experiment(divisor="1"), None, r"algorithm_settings\[divisor\]: got 1"),
        (experiment(divisor="three"), None, r"algorithm_settings\[divisor\]: got 'three'"),
        (experiment(eta="3"), None, r"algorithm_settings\[eta\]: given together with divisor"),
        (experiment(r_l="28"), None, r"algorithm_settings\[r_l\]: got 28, wanted 1 to 27, as epochs may be"),
        (experiment(r_l="9", max_length="9"), None, r"r_l\]: given together with max_length"),
        (experiment(max_length="many"), None, r"max_length\]: got 'many', wanted a number"),
        (experiment(min_length="99"), None, r"min_length\]: got 99, wanted 1 to 27"),
        (experiment(num_rungs="3", max_rungs="2"), None, r"max_rungs\]: given together with"),
        (experiment(random_state="-1"), None, r"random_state\]: got -1, wanted 0 to"),
        (experiment("adaptive-asha", mode="wild"), None, r"algorithm_settings\[mode\]: got 'wild'"),
        (experiment("pbt", n_population="5"), None, r"suggestion_trial_dir\]: missing"),
        (experiment("pbt", n_population="0", suggestion_trial_dir="/x"), None, r"n_population\]: got 0"),
        (experiment("sync-halving", runs=3), None, r"max_trial_count: got 3, wanted as many runs as one configuration"),
        (experiment(), objective, r"objective.type: missing.*objective_metric_name: missing"),
        (experiment(), normal, r"parameters\[lr\].distribution: got NORMAL, wanted uniform or logUniform"),
        (experiment(), twice, r"parameters: one name stands for several"),
        (experiment(), untyped, r"parameters\[width\]: has no type"),
        (experiment(), parameter(0, min="a"), r"parameters\[lr\].min: got 'a', wanted a number"),
        (experiment(), parameter(0, min="1_0"), r"parameters\[lr\].min: got '1_0', wanted a number"),
        (experiment(), parameter(0, min="-1"), r"parameters\[lr\].minval: got -1.0, wanted more than 0"),
        (experiment(), parameter(1, step="2"), r"parameters\[epochs\].step: got '2', wanted none"),
        (experiment(), parameter(1, min="0"), r"parameters\[epochs\]: got 0 to 27"),
        (experiment(), parameter(2, min="8.5"), r"parameters\[width\].min: got '8.5', wanted an integer"),
        (experiment(), parameter(2, min="99"), r"parameters\[width\].minval: got 99"),
        (experiment(), parameter(3, list=[]), r"parameters\[optimizer\].list: missing"),
    ],
)
def test_what_is_wrong_is_named(
    made: pb.Experiment, change: Callable[[pb.Experiment], None] | None, problem: str
) -> None:
    copy = pb.Experiment()
    copy.CopyFrom(made)
    if change:
        change(copy)
    with pytest.raises(InvalidInput, match=problem):
        check(copy)


@pytest.mark.parametrize("algorithm", ["asha", "rungway-asha", "adaptive-asha", "sync-halving", "adaptive"])
@pytest.mark.parametrize("runs", [13, 40, 100, 1000])
def test_ladders_take_the_runs_that_there_are(algorithm: str, runs: int) -> None:
    search = read_experiment(experiment(algorithm, runs=runs, parallel=1, longest=9))
    size = size_ladder(search, runs)
    fitting = runs_of(plan_ladder(search, size, 1, 0).plan, 1)
    larger = runs_of(plan_ladder(search, size + 1, 1, 0).plan, 1)
    assert fitting <= runs < larger
    assert runs - fitting <= 6


def test_a_constant_and_texts_stay_as_they_are() -> None:
    made = experiment()
    parameter(2, min="8", max="8", step="")(made)
    parameter(3, list=["01", "1e3", "0.10"])(made)
    search = read_experiment(made)
    assert search.document["hyperparameters"]["width"] == {"type": "const", "val": 8}
    assert search.document["hyperparameters"]["optimizer"]["vals"] == ["01", "1e3", "0.10"]
    check(made)


@pytest.mark.parametrize("text", ["", "unavailable", "nan", "inf", "-inf", "acc=0.9", "1_0", "0.5 0.6"])
def test_what_is_no_metric(text: str) -> None:
    assert parsed(text) is None


def test_values_read_back_equal() -> None:
    assert [shown(value) for value in (1, 0.1, 1e-7, "01")] == ["1", "0.1", "1e-07", "01"]
