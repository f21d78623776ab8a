"""Objectives written for Optuna run on a service: what they ask for, how they are pruned, and what is refused."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import rungway
from rungway import Client
from rungway.compat import optuna
from rungway.compat.optuna.exceptions import DuplicatedStudyError, NoCompletedTrial, NotOffered, SpaceDiffers
from rungway.compat.optuna.study import MaxTrialsCallback, Study, StudyDirection
from rungway.compat.optuna.trial import FrozenTrial, Trial, TrialState
from tests.support.calls import unique_name
from tests.support.waiting import SECONDS, wait_until

STEPS = 6


def pruned(trial: Trial) -> float:
    """Every second trial is worse from the first step on."""
    x = trial.suggest_float("x", 0.0, 1.0)
    for step in range(STEPS):
        value = x + trial.number % 2 + 1 / (step + 1)
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("twice", 2 * x)
    return value


@pytest.fixture
def made(target: str) -> Callable[..., Study]:
    """Makes studies of the service."""

    def make(**arguments: Any) -> Study:
        config = {"seed": 3} | arguments.pop("config", {})
        return optuna.create_study(study_name=unique_name("study"), target=target, config=config, **arguments)

    return make


def test_trials_are_pruned_by_the_service_and_never_paused(made: Callable[..., Study]) -> None:
    study = made()
    with pytest.raises(NoCompletedTrial):
        _ = study.best_value
    seen: list[int] = []
    study.optimize(pruned, n_trials=12, n_jobs=3, callbacks=[lambda _, trial: seen.append(trial.number)])
    states = Counter(trial.state for trial in study.trials)
    assert sorted(seen) == list(range(12))
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert [*map(len, (study.trials, study.get_trials(states=[TrialState.PRUNED])))] == [12, states[TrialState.PRUNED]]

    best = study.best_trial
    complete = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    assert best.value == min(trial.value for trial in complete if trial.value is not None) == study.best_value
    assert best.params == study.best_params
    assert best.user_attrs == {"twice": 2 * best.params["x"]}
    # The marked report of the returned value is no step.
    assert best.intermediate_values == {s: best.params["x"] + 1 / (s + 1) for s in range(STEPS)}
    lost = next(trial for trial in study.trials if trial.state is TrialState.PRUNED)
    assert (lost.last_step or 0) < STEPS - 1
    assert lost.value == lost.intermediate_values[lost.last_step or 0]


def test_a_study_goes_on_with_as_many_trials_as_each_call_wants(made: Callable[..., Study]) -> None:
    study = made(direction="maximize")
    study.optimize(pruned, n_trials=3)
    study.optimize(pruned, n_trials=4)
    assert len(study.trials) == 7
    assert study.direction is StudyDirection.MAXIMIZE
    name, target = study.study_name, study.client.config.target
    with pytest.raises(DuplicatedStudyError):
        optuna.create_study(study_name=name, target=target)
    with pytest.raises(rungway.InvalidArgument, match="direction: got minimize"):
        optuna.create_study(study_name=name, target=target, load_if_exists=True, direction="minimize")
    again = optuna.create_study(study_name=name, target=target, load_if_exists=True)
    again.optimize(pruned, n_trials=100, callbacks=[MaxTrialsCallback(9, states=None)])
    assert len(again.trials) == 9
    assert again.best_value == max(each.value or 0 for each in again.get_trials(states=[TrialState.COMPLETE]))


def test_what_is_returned_without_a_report_is_paid_for_once(made: Callable[..., Study]) -> None:
    calls: list[tuple[int, dict[str, Any]]] = []

    def objective(trial: Trial) -> float:
        value = trial.suggest_int("n", 1, 9) + len(trial.suggest_categorical("word", ["a", "bb", None]) or "")
        calls.append((trial.number, trial.params))
        return value

    study = made()
    study.enqueue_trial({"n": 9})
    study.optimize(objective, n_trials=5)
    assert len(calls) == len(study.trials) == 5
    assert [number for number, _ in calls] == [-1, 1, 2, 3, 4]  # the call that records the space is a trial, too
    assert [each.params for each in study.trials[1:]] == [params for _, params in calls[1:]]
    assert study.trials[0].params == {"n": 9, "word": "a"}  # what was enqueued, and the first choice
    assert all(each.state is TrialState.COMPLETE and each.intermediate_values == {} for each in study.trials)
    study.enqueue_trial({"n": 9}, skip_if_exists=True)  # there is one
    study.enqueue_trial({"n": 8, "word": "bb"}, skip_if_exists=True)
    study.optimize(objective, n_trials=1)
    assert calls[-1] == (5, {"n": 8, "word": "bb"})
    study.enqueue_trial({"n": 10})
    with pytest.raises(rungway.InvalidArgument, match="n"):
        study.optimize(objective, n_trials=1)


def conditional(trial: Trial) -> float:
    """Its space is not the same in every trial."""
    kind = trial.suggest_categorical("kind", ["adam", "sgd"])
    return trial.suggest_float("momentum", 0.0, 0.9) if kind == "sgd" else 1.0


def test_a_space_that_changes_is_refused_and_a_condition_is_the_way(made: Callable[..., Study]) -> None:
    study = made()
    with pytest.raises(SpaceDiffers, match=r"'momentum': rungway.uniform\(0.0, 0.9, when=") as refusal:
        study.optimize(conditional, n_trials=20)
    assert refusal.value.reason == "SPACE_DIFFERS"
    assert TrialState.FAIL not in {trial.state for trial in study.trials}

    kinds = {"kind": rungway.choice(["adam", "sgd"]), "momentum": rungway.uniform(0.0, 0.9, when={"kind": "sgd"})}
    study = made(space=kinds)
    study.optimize(conditional, n_trials=8)
    assert {len(trial.params) for trial in study.trials} == {1, 2}
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}

    with pytest.raises(SpaceDiffers, match="without asking for 'momentum'"):
        made(space=kinds).optimize(lambda trial: float(trial.suggest_categorical("kind", ["adam", "sgd"]) == "adam"), 9)
    with pytest.raises(SpaceDiffers, match=r"there only when \{'kind': \['sgd'\]\}"):
        made(space=kinds).optimize(lambda trial: trial.suggest_float("momentum", 0.0, 0.9), 9)


def test_another_range_is_refused_with_both(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        return trial.suggest_float("x", 0.0, 1.0 + trial.number)

    with pytest.raises(SpaceDiffers, match=r"as rungway.uniform\(0.0, 2.0\), and its study has rungway.uniform\(0.0, "):
        made(space={"x": rungway.uniform(0.0, 1.0)}).optimize(objective, n_trials=4)
    with pytest.raises(SpaceDiffers, match="twice, in two ranges"):
        made().optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("x", 0, 2), n_trials=4)


def _any(**arguments: Any) -> dict[str, Any]:
    """Arguments that mypy shall not see."""
    return arguments


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (lambda: optuna.create_study(**_any(storage="sqlite:///a.db")), "storage='sqlite"),
        (lambda: optuna.samplers.TPESampler(), r"optuna.samplers.TPESampler is not offered"),
        (lambda: optuna.create_study(**_any(sampler=object())), "sampler=object"),
        (lambda: optuna.pruners.MedianPruner(), "optuna.pruners.MedianPruner is not offered: leave the pruner out"),
        (lambda: optuna.pruners.HyperbandPruner(), "max_resource='auto'"),
        (lambda: optuna.pruners.SuccessiveHalvingPruner(bootstrap_count=3), "bootstrap_count=3"),
        (lambda: optuna.create_study(**_any(pruner=object())), "pruner=object"),
        (lambda: optuna.create_study(directions=["minimize", "maximize"]), "directions="),
        (lambda: optuna.visualization, "`rungway plot EXPERIMENT`"),
        (lambda: optuna.integration, "rungway.integrations"),
        (lambda: optuna.logging.enable_propagation(), "handlers are those of the program"),
        (lambda: optuna.exceptions.ExperimentalWarning, "leave it out"),
        (lambda: optuna.create_study(searcher={"stop_once": False}), "cannot be resumed"),
        (lambda: optuna.create_study(searcher={"name": "pbt"}), "need not pause trials"),
    ],
)
def test_what_is_not_there_is_refused_by_its_name(use: Callable[[], object], named: str) -> None:
    with pytest.raises((NotOffered, rungway.InvalidArgument), match=named):
        use()


def test_the_logger_of_optuna_is_that_of_the_package() -> None:
    assert optuna.logging.get_logger("optuna").name == "rungway.optuna"
    assert optuna.logging.get_logger("mine").name == "mine"


def test_methods_that_are_not_there_are_refused_by_their_names(made: Callable[..., Study]) -> None:
    study: Any = made()
    with pytest.raises(NotOffered, match=r"study\.best_trials is not offered"):
        _ = study.best_trials
    with pytest.raises(NotOffered, match="show_progress_bar"):
        study.optimize(pruned, n_trials=1, show_progress_bar=True)
    with pytest.raises(NotOffered, match=r"suggest_categorical\('layers'\) with \(1, 2\)"):
        study.optimize(lambda trial: trial.suggest_categorical("layers", [(1, 2)]), n_trials=1)
    with pytest.raises(NotOffered, match=r"trial.suggest_loguniform is not offered: suggest_float with log=True"):
        study.optimize(lambda trial: trial.suggest_loguniform("x", 1, 2), n_trials=1)
    with pytest.raises(NotOffered, match=r"returns \(1.0, 2.0\)"):
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) * 0 + 1, 2.0), n_trials=1)
    with pytest.raises(NotOffered, match=r"set_user_attr\('path', 'a.pt'\)"):
        study.optimize(lambda trial: trial.set_user_attr("path", "a.pt"), n_trials=1)
    assert study.trials == []
    assert not hasattr(study, "no_name_of_optuna")


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda trial: trial.suggest_float("x", "0.1", 1), "x.low"),
        (lambda trial: trial.suggest_float("x", 0, None), "x.high"),
        (lambda trial: trial.suggest_float("x", 0, float("inf")), "x.high"),
        (lambda trial: trial.suggest_float("x", 0, 1, log=True), "x.low"),
        (lambda trial: trial.suggest_float("x", 0, 1, step=0), "x.step"),
        (lambda trial: trial.suggest_int("x", 1.5, 3), "x.low"),
        (lambda trial: trial.suggest_int("x", 0, 3, log=True), "x.low"),
        (lambda trial: trial.suggest_int("x", 0, 3, step=0), "x.step"),
        (lambda trial: trial.suggest_int("x", 0, 3, step=1.5), "x.step"),
        (lambda trial: trial.suggest_int(3, 0, 3), "name"),
    ],
)
def test_what_is_no_range_is_refused_with_its_field(
    made: Callable[..., Study], ask: Callable[[Any], float], field: str
) -> None:
    study = made()
    with pytest.raises(rungway.InvalidArgument) as refusal:
        study.optimize(ask, n_trials=1)
    assert [name for name, _ in refusal.value.violations] == [field]
    assert study.trials == []


@pytest.mark.parametrize("bounds", [{"n_trials": 0}, {"timeout": 0}])
def test_nothing_is_called_where_no_trial_is_wanted(made: Callable[..., Study], bounds: dict[str, Any]) -> None:
    study, calls = made(), []

    def objective(trial: Trial) -> float:
        calls.append(trial.number)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return trial.suggest_float("x", 0, 1)

    study.optimize(objective, **bounds)
    assert (calls, study.trials) == ([], [])
    study.optimize(objective, n_trials=2)
    assert (calls, len(study.trials)) == ([-1, 1], 2)


def test_an_error_before_the_first_parameter_makes_no_study(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        if not there:
            raise OSError("no data")
        return trial.suggest_float("x", 0, 1)

    study, there = made(), []
    with pytest.raises(OSError, match="no data"):
        study.optimize(objective, n_trials=2, catch=OSError)
    there.append(True)
    study.optimize(objective, n_trials=2, catch=OSError)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2


def test_a_caught_error_between_two_parameters_does_not_cut_the_space(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        if trial.number < 0 and x not in (0.25, 0.9):
            raise MemoryError("too large")
        return x + trial.suggest_int("layers", 1, 3)

    study = made()
    study.enqueue_trial({"x": 0.75})
    study.optimize(objective, n_trials=4, catch=MemoryError)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    assert [trial.params["x"] for trial in study.trials[:2]] == [0.25, 0.75]  # what was enqueued is not lost
    assert all({*trial.params} == {"x", "layers"} for trial in study.trials)


def test_numbers_of_numpy_are_numbers(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        trial.set_user_attr("half", numpy.float32(0.5))
        return float(trial.suggest_categorical("layers", [*numpy.array([2, 4])]))

    study = made()
    study.optimize(objective, n_trials=2)
    assert study.best_trial.user_attrs == {"half": 0.5}
    assert study.best_value in (2, 4)


def test_an_error_fails_its_trial_and_goes_on_only_if_it_is_caught(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        if trial.number in raising:
            raise ValueError("no such model")
        if trial.number == 2:
            return float("nan")
        trial.report(x, 0)
        trial.should_prune()
        if trial.number == 3:
            raise optuna.TrialPruned  # by itself: with the best value of all
        return 1 + x

    raising, study = [-1, 1], made()
    with pytest.raises(ValueError, match="no such model"):
        study.optimize(objective, n_trials=5)
    assert study.trials == []
    study.optimize(objective, n_trials=1, catch=ValueError)  # the space is what was asked for before the error
    with pytest.raises(ValueError, match="no such model"):
        study.optimize(objective, n_trials=4)
    study.optimize(objective, n_trials=3, catch=ValueError)
    states = {trial.number: trial.state for trial in study.trials}
    assert (states[1], states[2], states[3]) == (TrialState.FAIL, TrialState.FAIL, TrialState.PRUNED)
    assert study.best_value > 1
    assert study.trials[1].value is None
    assert "no such model" in study.client.get_trial(1).message


def test_an_interrupt_gives_the_trial_back_and_it_is_trained_again(made: Callable[..., Study]) -> None:
    begun: list[int] = []

    def objective(trial: Trial) -> float:
        trial.suggest_float("x", 0.0, 1.0)
        trial.report(1.0, 0)
        trial.should_prune()
        begun.append(trial.number)
        if len(begun) == 1:
            raise KeyboardInterrupt
        return 1.0

    study = made()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=2)
    assert study.trials[0].state is TrialState.WAITING
    study.optimize(objective, n_trials=2)
    assert begun == [0, 0, 1]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_an_objective_that_does_not_ask_is_not_pruned(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        for step in range(4):
            trial.report(x + trial.number, step)
        return x

    study = made()
    study.optimize(objective, n_trials=6)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.best_value == min(trial.params["x"] for trial in study.trials)
    assert study.trials[5].intermediate_values == {s: study.trials[5].params["x"] + 5 for s in range(4)}
    # With a space there is no call that would show it.
    with pytest.raises(rungway.FailedPrecondition, match="the objective never asked"):
        made(space={"x": rungway.uniform(0.0, 1.0)}).optimize(objective, n_trials=6)


def test_hyperband_goes_up_to_its_steps_and_the_value_counts_after_them(made: Callable[..., Study]) -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        for step in range(9):
            trial.report(x, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x - 1

    study = made(pruner=optuna.pruners.HyperbandPruner(max_resource=9), sampler=optuna.samplers.RandomSampler(5))
    study.optimize(objective, n_trials=9)
    plan = study.client.get_experiment().plan
    assert plan is not None
    assert plan.max_length == 10
    best = study.best_trial
    assert best.value == best.params["x"] - 1
    assert best.intermediate_values == dict.fromkeys(range(9), best.params["x"])


def test_threads_end_with_the_time_and_the_first_error(made: Callable[..., Study]) -> None:
    study = made()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), timeout=0.3, n_jobs=2)
    assert study.trials
    met = threading.Barrier(2)

    def fails(trial: Trial) -> float:
        met.wait()
        raise RuntimeError(f"trial {trial.suggest_float('x', 0, 1)}")

    with pytest.raises(RuntimeError, match="trial 0"):
        study.optimize(fails, n_jobs=2)


SCRIPT = """
import sys, time
from rungway.compat import optuna

def objective(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    for step in range(3):
        trial.report(x, step)
        if trial.should_prune():
            raise optuna.TrialPruned
        if trial.number == 2 and sys.argv[1] == "hang":
            print("hangs", flush=True)
            time.sleep(1000)
    return x

study = optuna.create_study(study_name="killed", load_if_exists=True, config={"lease_seconds": 1})
study.optimize(objective, n_trials=int(sys.argv[2]))
"""


def test_a_study_goes_on_after_its_process_was_killed(target: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
    environment["RUNGWAY_TARGET"] = target

    def start(how: str, count: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", SCRIPT, how, str(count)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    with start("hang", 5) as process:
        assert process.stdout
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(signal.SIGKILL)
    with Client(target, experiment="killed") as client:
        wait_until(lambda: client.list_workers()[0].silent_seconds > 1)  # its lease has expired
        with start("go on", 3) as process:
            assert process.wait() == 0
        study = optuna.create_study(study_name="killed", target=target, load_if_exists=True)
        assert [trial.number for trial in study.trials] == list(range(5))
        assert all(trial.state.is_finished() for trial in study.trials)
        assert study.trials[2].intermediate_values.keys() >= {0, 1}


def test_it_is_a_study_of_any_search_that_pauses_nothing(target: str, tmp_path: Path) -> None:
    name = unique_name("made")
    with Client(target, experiment=name) as client:
        space = {"x": rungway.uniform(0.0, 1.0)}
        searcher = {"name": "async_halving", "metric": "loss", "max_trials": 4, "max_length": 4, "num_rungs": 2}
        client.create_experiment(name, {"hyperparameters": space, "searcher": searcher})
        with pytest.raises(rungway.FailedPrecondition, match="pauses trials, and an objective cannot be resumed"):
            optuna.create_study(study_name=name, target=target, load_if_exists=True)


def test_a_frozen_trial_is_a_picture_of_its_moment(made: Callable[..., Study]) -> None:
    study, frozen = made(), list[FrozenTrial]()
    study.optimize(pruned, n_trials=1, callbacks=[lambda _, trial: frozen.append(trial)])
    assert str(frozen[0]).startswith("FrozenTrial(number=0, state=COMPLETE, value=")
    assert frozen[0].values == [frozen[0].value]
    with pytest.raises(NotOffered, match=r"FrozenTrial\.duration is not offered"):
        _ = frozen[0].duration


TWO_STUDIES = """
from rungway._local import place
from rungway.compat import optuna

studies = [optuna.create_study(study_name=name) for name in ("first", "second")]
for study in studies:
    study.optimize(lambda trial: trial.suggest_categorical("x", [0.5, 0.5 + 1e-9]) * 0 + 0.5, n_trials=1)
    print(study.best_value)
print(len(place._started))
del study, studies
print(len(place._started))
"""


def test_studies_of_one_process_share_the_service_that_was_started(tmp_path: Path) -> None:
    """It has one folder for all studies that have a name, and stops when the last of them is gone."""
    script = tmp_path / "two.py"
    script.write_text(TWO_STUDIES, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
    found = subprocess.run(
        [sys.executable, script],
        env=environment | {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["0.5", "0.5", "1", "0"]
