"""What Ray Tune has and `rungway.compat.tune` has not is refused by name; settings mean a search."""

import functools
import importlib
import subprocess
import sys
from typing import Any

import pytest

from rungway import FailedPrecondition, InvalidArgument, Unimplemented
from rungway.compat import tune
from rungway.compat.tune import _refused, schedulers
from rungway.compat.tune._results import Result, ResultGrid
from rungway.compat.tune._settings import LONGEST, order_of
from tests.support.waiting import SECONDS

SPACE = {"lr": tune.uniform(0, 1)}
LOSS = tune.TuneConfig(metric="loss", mode="min")


def train(config: dict[str, Any], epochs: int = 1) -> None:
    """A function trainable."""


def searcher(scheduler: Any = None, run: tune.RunConfig | None = None, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"metric": "loss", "mode": "min", "num_samples": 20, "scheduler": scheduler} | more
    return order_of(SPACE, tune.TuneConfig(**given), run or tune.RunConfig()).searcher


@pytest.mark.parametrize("name", _refused.NAMES)
def test_a_name_without_counterpart_is_refused(name: str) -> None:
    with pytest.raises(Unimplemented, match=rf"tune\.{name} is not offered: ...") as refused:
        getattr(tune, name)
    assert (refused.value.reason, refused.value.details) == ("NOT_OFFERED", {"name": f"tune.{name}"})


@pytest.mark.parametrize("name", _refused.SCHEDULERS)
def test_a_scheduler_without_counterpart_is_refused(name: str) -> None:
    with pytest.raises(Unimplemented, match=rf"tune\.schedulers\.{name} is not offered"):
        getattr(importlib.import_module("rungway.compat.tune.schedulers"), name)


@pytest.mark.parametrize(
    ("kind", "name"), [(Result, name) for name in _refused.RESULT] + [(ResultGrid, name) for name in _refused.GRID]
)
def test_an_attribute_of_a_result_without_counterpart_is_refused(kind: type[Any], name: str) -> None:
    with pytest.raises(Unimplemented, match=rf"{kind.__name__}\.{name} is not offered: ..."):
        getattr(object.__new__(kind), name)
    assert not hasattr(object.__new__(kind), "metric_frame")


def test_a_name_that_nobody_has_is_no_attribute() -> None:
    assert not hasattr(tune, "tuner")
    assert not hasattr(schedulers, "asha")


@pytest.mark.parametrize("name", _refused.ARGUMENTS)
def test_an_argument_without_counterpart_is_refused(name: str) -> None:
    kinds = [kind for kind in (tune.TuneConfig, tune.RunConfig) if name in kind.__dataclass_fields__]
    calls: list[Any] = kinds or [functools.partial(tune.run, train, config=SPACE, metric="loss", mode="min")]
    for call in calls:
        with pytest.raises(Unimplemented, match=rf"{name} is not offered"):
            call(**{name: object()})


def test_an_unknown_argument_is_an_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        tune.run(train, config=SPACE, metric="loss", mode="min", speed=3)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: tune.Tuner(train, param_space=SPACE), "metric"),
        (lambda: tune.Tuner(train, param_space=SPACE, tune_config=tune.TuneConfig(metric="loss")), "mode"),
        (lambda: tune.Tuner("PPO"), "trainable"),  # type: ignore[arg-type]
        (lambda: tune.Tuner(dict), "trainable"),
        (lambda: tune.Tuner(lambda: None), "trainable"),
        (lambda: tune.Tuner(train, tune_config=tune.RunConfig()), "tune_config"),  # type: ignore[arg-type]
        (lambda: searcher(num_samples=0), "num_samples"),
        (lambda: searcher(mode="smallest"), "mode"),
        (lambda: searcher("asha"), "scheduler"),
        (lambda: searcher(schedulers.ASHAScheduler(metric="accuracy")), "metric"),
        (lambda: searcher(schedulers.ASHAScheduler(time_attr="time_total_s")), "time_attr"),
        (lambda: searcher(schedulers.ASHAScheduler(stop_last_trials=False)), "stop_last_trials"),
        (lambda: tune.RunConfig(stop={"loss": "low"}), "stop.loss"),  # type: ignore[dict-item]
        (lambda: tune.Checkpoint.from_directory("/no/such/folder"), "checkpoint"),
        (lambda: tune.for_trial(tune), "trainable"),  # type: ignore[arg-type]
        (lambda: tune.with_resources(train, {"cpu": "two"}), "resources.cpu"),
        (lambda: tune.quniform(0, float("inf"), 0.1), "quniform.upper"),
        (lambda: tune.qrandint(0, 9, "2"), "qrandint.q"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        call()
    assert refused.value.violations[0][0] == field


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: searcher(num_samples=-1), "num_samples=-1"),
        (lambda: tune.RunConfig(stop=lambda trial, result: True), "stop"),  # type: ignore[arg-type]
        (lambda: tune.RunConfig(stop={"time_total_s": 60}), "stop.time_total_s"),
        (lambda: tune.with_resources(train, {"custom": 1}), "resources"),
        (lambda: tune.Tuner(tune.with_resources(train, {"gpu": 1}), tune_config=LOSS), "resources.gpu"),
        (
            lambda: tune.Tuner(
                tune.with_parameters(tune.with_resources(train, {"gpu": 1}), epochs=3),
                tune_config=tune.TuneConfig(metric="loss", mode="min", max_concurrent_trials=2),
            ),
            "resources.gpu",
        ),
        (lambda: tune.CheckpointConfig(num_to_keep=2), "tune.CheckpointConfig"),
        (lambda: tune.FailureConfig(max_failures=2), "tune.FailureConfig"),
        (lambda: tune.get_context().get_trial_dir(), "TuneContext.get_trial_dir"),
    ],
)
def test_a_value_without_counterpart_is_refused(call: Any, name: str) -> None:
    with pytest.raises(Unimplemented) as refused:
        call()
    assert refused.value.details == {"name": name}


@pytest.mark.parametrize(
    "call", [lambda: tune.report({"loss": 1}), tune.get_checkpoint, tune.get_context().get_trial_id]
)
def test_outside_of_a_trial_there_is_nothing_to_report(call: Any) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        call()
    assert refused.value.reason == "NO_CURRENT_TRIAL"


def test_schedulers_are_searchers() -> None:
    assert searcher() == {"name": "random", "max_length": LONGEST, "unit": "iterations"}
    stop = tune.RunConfig(stop={"training_iteration": 9, "accuracy": 0.9})
    assert searcher(schedulers.FIFOScheduler(), stop)["max_length"] == 9
    asha = schedulers.AsyncHyperBandScheduler(max_t=27, grace_period=3, reduction_factor=3, metric="loss")
    assert searcher(asha, metric=None, max_concurrent_trials=4) == {
        **{"name": "async_halving", "max_length": 27, "min_length": 3, "divisor": 3, "brackets": 1},
        **{"stop_once": True, "unit": "iterations", "max_concurrent_trials": 4},
    }
    assert searcher(asha, stop)["max_length"] == 9
    assert searcher({"name": "auto", "max_length": 27}) == {"name": "auto", "max_length": 27, "unit": "iterations"}


def test_a_checkpoint_has_notes(tmp_path: Any) -> None:
    checkpoint = tune.Checkpoint.from_directory(tmp_path)
    assert checkpoint.get_metadata() == {}
    checkpoint.set_metadata({"epoch": 1})
    checkpoint.update_metadata({"rate": 0.1})
    assert tune.Checkpoint(tmp_path).get_metadata() == {"epoch": 1, "rate": 0.1}
    with tune.Checkpoint(checkpoint.to_directory()).as_directory() as folder:
        assert folder != str(tmp_path)
        assert tune.Checkpoint(folder).get_metadata() == {"epoch": 1, "rate": 0.1}


def test_no_ray_is_needed() -> None:
    code = "import sys; from rungway.compat import tune; print(sorted({'ray', 'pandas', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout.strip() == "[]"
