"""`rungway enqueue NEW --results-of OLD`: models of a new search learn from the results of another one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from rungway import Client
from tests.support.audited import check_all_sound
from tests.support.calls import unique_name
from tests.support.command_line import run
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import wait_until

SPACE = {"x": {"type": "double", "minval": 0, "maxval": 1}, "y": {"type": "double", "minval": 0, "maxval": 1}}
OLD: dict[str, Any] = {
    "hyperparameters": SPACE,
    "searcher": {
        "name": "async_halving",
        "metric": "loss",
        "max_trials": 40,
        "max_length": 9,
        "num_rungs": 3,
        "divisor": 3,
    },
}


def new(**searcher: Any) -> dict[str, Any]:
    base = {
        "name": "auto",
        "metric": "loss",
        "max_trials": 60,
        "max_length": 9,
        "min_length": 1,
        "divisor": 3,
        "max_concurrent_trials": 0,
    }
    return {"hyperparameters": SPACE, "searcher": base | {"proposals": "forest"} | searcher}


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address
        check_all_sound(url)


@pytest.fixture(scope="module")
def old(target: str) -> str:
    with Client(target, experiment="old") as client:
        client.create_experiment("old", OLD)
        for trial in client.trials():
            with trial:
                for length in trial.lengths():
                    if not trial.report(length, abs(trial.hparams["x"] - 0.3) + 1 / length):
                        break
    return "old"


def test_models_learn_from_what_was_brought(target: str, old: str) -> None:
    name = unique_name()
    with Client(target, experiment=name) as client:
        client.create_experiment(name, new(max_trials=5_000))
        printed = json.loads(run(target, "enqueue", name, "--results-of", old, "--output", "json")[1])
        assert printed == {"experiment": name, "results_of": old, "brought": 40, "left_out": {}}
        there = client.list_trials()
        with Client(target, experiment=old) as before:
            assert [(each.hparams, each.metric, each.length) for each in there] == [
                (each.hparams, each.metric, each.length) for each in before.list_trials()
            ]
        assert {each.source for each in there} == {"elsewhere"}
        plan = client.get_experiment().plan
        assert plan
        assert {each.credit for each in plan.entries} == {0}  # no entry had training for them
        # The sampler steps in for a model that is not ready within a tenth of a second.
        wait_until(lambda: client.get_trial(client.ask_once().assignments[0].trial).source == "forest")
        again = run(target, "enqueue", name, "--results-of", old)
        assert again[:2] == (0, f"0 trials of {old} brought to {name}\nleft out: 40 that are there already\n")


def test_what_does_not_fit_is_counted_and_the_rest_is_brought(target: str, old: str) -> None:
    name = unique_name()
    narrow = new(proposals="random") | {
        "hyperparameters": SPACE | {"x": {"type": "double", "minval": 0, "maxval": 0.5}}
    }
    with Client(target, experiment=old) as client:
        fitting = [each for each in client.list_trials() if each.hparams["x"] <= 0.5]
    with Client(target, experiment=name) as client:
        client.create_experiment(name, narrow)
        code, out, _ = run(target, "enqueue", name, "--results-of", old)
        assert code == 0
        assert out.splitlines() == [
            f"{len(fitting)} trials of {old} brought to {name}",
            f"left out: {40 - len(fitting)} that do not fit the space",
        ]
        assert [each.hparams for each in client.list_trials()] == [each.hparams for each in fitting]


def test_a_search_that_is_full_says_so_and_a_repeat_brings_the_rest(target: str, old: str) -> None:
    name = unique_name()
    with Client(target, experiment=name) as client:
        client.create_experiment(name, new(max_trials=10))
        code, out, err = run(target, "enqueue", name, "--results-of", old)
        assert (code, out) == (1, f"10 trials of {old} brought to {name}\n")
        assert f"rungway update {name} --max-trials" in err
        assert run(target, "update", name, "--max-trials", "60")[0] == 0
        assert run(target, "enqueue", name, "--results-of", old)[1].startswith("30 trials")
        assert len(client.list_trials()) == 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metric": "error"}, "metric 'error'"),
        ({"smaller_is_better": False}, "smaller_is_better False"),
    ],
)
def test_results_that_cannot_be_compared_are_refused(target: str, old: str, change: dict[str, Any], said: str) -> None:
    name = unique_name()
    with Client(target, experiment=name) as client:
        client.create_experiment(name, new(**change))
        code, out, err = run(target, "enqueue", name, "--results-of", old)
        assert (code, out, said in err) == (2, "", True)
        assert run(target, "enqueue", name, "--results-of", "nobody")[0] == 1
        assert run(target, "enqueue", name, "--results-of", old, "--set", "x=0.5")[0] == 2
        assert client.list_trials() == []
