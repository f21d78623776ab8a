"""`rungway.minimize` and `maximize`: a function, its space, and the best of it. Workers die, the process is killed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rungway
from rungway import Client, ConfigDiffers, TrialRun, TrialState, uniform
from tests.support.calls import unique_name
from tests.support.redis_server import embedded_binary
from tests.support.terminal import on_terminal
from tests.support.waiting import SECONDS, is_running, wait_until, wait_while_it_runs

SPACE = {"x": uniform(-3, 3), "y": uniform(-1, 1)}


def test_two_lines_of_numpy_with_a_service_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that say how to reach another service, or where another one is kept, are not followed."""
    monkeypatch.delenv("RUNGWAY_TARGET", raising=False)
    monkeypatch.setenv("RUNGWAY_TOKEN", "of-another-service")
    for name, value in embedded_binary().items():
        monkeypatch.setenv(name, value)

    def bowl(hparams: dict[str, Any]) -> Any:
        return np.sum(np.square([hparams["x"] - 1, hparams["y"]]))

    found = rungway.minimize(bowl, SPACE, max_trials=30, n_workers=2)
    assert found.experiment.state == "done"
    assert [trial.trial for trial in found.trials] == list(range(30))
    assert {trial.state for trial in found.trials} == {TrialState.COMPLETED}
    assert found.metric == min(bowl(trial.hparams) for trial in found.trials) == bowl(found.hparams)
    assert (found.length, found.checkpoint, found.best.curve is None) == (1, "", False)
    assert repr(found).startswith(f"SearchResult(metric={found.metric!r}, hparams={{'x': ")


def by_epochs(trial: TrialRun) -> None:
    score = float(trial.checkpoint or 0)
    for epoch in trial.lengths():
        score += trial.hparams["x"]
        if not trial.report(epoch, score, checkpoint=str(score)):
            break


def test_a_function_that_reports_along_its_training(target: str) -> None:
    name = unique_name("maximize")
    found = rungway.maximize(
        by_epochs, SPACE, max_trials=9, max_length={"epochs": 9}, n_workers=2, name=name, metric="score", target=target
    )
    assert (found.experiment.experiment, found.experiment.config["searcher"]["name"]) == (name, "auto")
    assert found.experiment.config["searcher"]["smaller_is_better"] is False
    assert found.length == found.best.length == 9
    assert found.metric == pytest.approx(9 * found.hparams["x"])
    assert float(found.checkpoint) == found.metric
    assert len({trial.length for trial in found.trials}) > 1
    again = rungway.maximize(  # it is over: nothing is run
        by_epochs, SPACE, max_trials=9, max_length={"epochs": 9}, n_workers=1, name=name, metric="score", target=target
    )
    assert again.trials == found.trials
    assert again.experiment.revision == found.experiment.revision


def test_a_search_of_the_earlier_default_goes_on(target: str) -> None:
    """Where `searcher` names none, it was adaptive_asha; another difference is still refused."""
    name = unique_name("earlier")
    order: dict[str, Any] = {"max_length": {"epochs": 9}, "n_workers": 1, "target": target}
    earlier: dict[str, Any] = {"searcher": {"name": "adaptive_asha"}, "metric": "score", "max_trials": 4}
    found = rungway.maximize(by_epochs, SPACE, name=name, **earlier, **order)
    again = rungway.maximize(by_epochs, SPACE, name=name, metric="score", max_trials=4, **order)
    assert again.experiment == found.experiment
    with pytest.raises(ConfigDiffers, match=r"max_trials|searcher"):
        rungway.maximize(by_epochs, SPACE, name=name, metric="score", max_trials=5, **order)
    with pytest.raises(ConfigDiffers):
        rungway.maximize(
            by_epochs, SPACE, name=name, searcher={"name": "random"}, metric="score", max_trials=4, **order
        )


def test_an_exception_fails_its_trial_for_good_and_not_the_search(
    target: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def half(hparams: dict[str, Any]) -> float:
        print("looks at", hparams["x"] > 0)
        if hparams["x"] > 0:
            raise ValueError("x is too large")
        return float(hparams["x"])

    name = unique_name("half")
    found = rungway.minimize(half, SPACE, max_trials=12, n_workers=2, name=name, target=target)
    failed = [trial for trial in found.trials if trial.state is TrialState.FAILED]
    assert 0 < len(failed) < 12
    assert all(trial.hparams["x"] > 0 and trial.restarts == 0 for trial in failed)
    assert all("ValueError: x is too large (test_minimize.py, line " in trial.message for trial in failed)
    said = capfd.readouterr().out
    assert said.count("looks at True") == len(failed)
    assert said.count("looks at") == 12
    assert said.count("failed: ValueError: x is too large") == len(failed)


WRONG = [
    (lambda hparams: None, "InvalidArgument: fn: returned None, wanted a real number: does it end with `return`?"),
    (lambda hparams: "low", "InvalidArgument: metric: got 'low', wanted a real number"),
]


@pytest.mark.parametrize(("fn", "message"), WRONG)
def test_a_search_whose_first_trials_all_fail_says_why(target: str, fn: Any, message: str) -> None:
    with pytest.raises(rungway.FailedPrecondition, match="the first trials all failed") as caught:
        rungway.minimize(fn, SPACE, n_workers=2, name=unique_name("wrong"), target=target)
    assert caught.value.reason == "FAILING"
    assert str(caught.value).endswith(message)  # no line of this package: the fault is in what was returned


def test_an_error_in_a_call_names_the_line_of_the_function(target: str) -> None:
    def wrong(trial: rungway.TrialRun) -> None:
        trial.report(1, "low")

    with pytest.raises(rungway.FailedPrecondition, match=r"got 'low', wanted a real number \(test_minimize\.py, line"):
        rungway.minimize(wrong, SPACE, max_length=3, n_workers=1, name=unique_name("line"), target=target)


def test_a_search_without_any_result_says_so(target: str) -> None:
    def fails(hparams: dict[str, Any]) -> float:
        raise rungway.Diverged("always")

    with pytest.raises(rungway.FailedPrecondition, match="Diverged: always") as caught:
        rungway.minimize(fails, SPACE, max_trials=2, n_workers=1, name=unique_name("none"), target=target)
    assert caught.value.reason == "NO_RESULT"


def test_a_function_that_returns_where_it_should_report(target: str) -> None:
    with pytest.raises(rungway.FailedPrecondition, match=r"fn returned 0\.5: with max_length, report results"):
        rungway.minimize(
            lambda trial: 0.5, SPACE, max_length=3, name=unique_name("returns"), target=target, n_workers=1
        )


def test_a_worker_that_is_killed_is_replaced_and_its_trial_run_again(target: str, tmp_path: Path) -> None:
    def deadly(hparams: dict[str, Any]) -> float:
        import os
        import pathlib

        marker = pathlib.Path(folder, "died")
        if hparams["x"] > 0 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), 9)
        return float(hparams["x"])

    folder = str(tmp_path)
    name = unique_name("deadly")
    found = rungway.minimize(
        deadly, SPACE, max_trials=8, n_workers=2, name=name, target=target, config={"lease_seconds": 6}
    )
    assert (tmp_path / "died").exists()
    assert {trial.state for trial in found.trials} == {TrialState.COMPLETED}
    with Client(target, experiment=name) as client:
        begun = sum(event.kind == "assign" for number in range(8) for event in client.explain_trial(number))
    assert begun == 9


@pytest.mark.slow
def test_workers_that_always_die_end_the_search(target: str) -> None:
    def leaves(hparams: dict[str, Any]) -> float:
        import os

        os._exit(7)

    with pytest.raises(rungway.FailedPrecondition, match="ended with exit code 7") as caught:
        rungway.minimize(leaves, SPACE, n_workers=1, name=unique_name("dies"), target=target)
    assert caught.value.reason == "WORKERS_DIED"


RESUMED = """
import pathlib, sys, time, rungway

def slow(hparams):
    with open("begun", "a") as begun:
        print(hparams["x"], file=begun)
    while not pathlib.Path("go").exists() and len(open("begun").readlines()) > 4:
        time.sleep(0.01)
    return hparams["x"] ** 2

space = {"x": rungway.uniform(-3, 3)}
found = rungway.minimize(slow, space, max_trials=int(sys.argv[1]), n_workers=2, name="resumed", data="data",
    config={"lease_seconds": 3})
print("found", len(found.trials), len({trial.hparams["x"] for trial in found.trials}))
"""


def resumed(folder: Path, trials: int) -> subprocess.Popen[str]:
    (folder / "search.py").write_text(RESUMED)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
    return subprocess.Popen(
        [sys.executable, "search.py", str(trials)],
        cwd=folder,
        env=inherited | embedded_binary(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )


def processes_of(folder: Path) -> list[int]:
    """The running processes whose working folder this is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            working = os.readlink(entry / "cwd")
        except OSError:
            continue
        if working == str(folder) and is_running(int(entry.name)):
            found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("sent", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGKILL])
def test_the_same_call_goes_on_after_an_end_from_outside(tmp_path: Path, sent: signal.Signals) -> None:
    """Ctrl-C gives the trials under way back; after SIGKILL they wait for their leases. Nothing is left running."""
    begun = tmp_path / "begun"
    first = resumed(tmp_path, 8)
    started = wait_while_it_runs(first, lambda: begun.exists() and len(begun.read_text().splitlines()) > 4)
    assert started, first.communicate()
    first.send_signal(sent)
    _, said = first.communicate(timeout=SECONDS)
    assert ("KeyboardInterrupt" in said) is (sent is signal.SIGINT)
    wait_until(lambda: not processes_of(tmp_path))
    (tmp_path / "go").touch()
    second = resumed(tmp_path, 8)
    out, said = second.communicate(timeout=SECONDS)
    assert (second.returncode, out) == (0, "found 8 8\n"), said
    assert 8 < len(begun.read_text().splitlines()) <= 10  # only those under way begin again
    third = resumed(tmp_path, 9)
    out, said = third.communicate(timeout=SECONDS)
    assert (third.returncode, out) == (1, "")
    assert (
        "rungway._core.errors.ConfigDiffers: there is already an experiment 'resumed', with another configuration"
        in said
    )
    assert "searcher.max_trials: stored 8, given 9" in said
    assert processes_of(tmp_path) == []


def test_a_terminal_shows_the_search_as_it_goes_on(target: str, tmp_path: Path) -> None:
    code = (
        "import rungway\n"
        f"rungway.minimize(lambda p: p['x'] ** 2, {{'x': rungway.uniform(-1, 1)}}, max_trials=8, n_workers=2, "
        f"name={unique_name('seen')!r}, target={target!r})\n"
    )
    shown = on_terminal([sys.executable, "-c", code], cwd=tmp_path)
    assert "100%" in shown
    assert "8 trials started" in shown
    assert "best so far: " in shown


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"fn": 3}, "fn: got 3, wanted a function"),
    ({"fn": threading.Lock().acquire}, "fn: cannot be sent to a worker process: TypeError"),
    ({"space": ["x"]}, "space: got ['x'], wanted a mapping from names to parameters"),
    ({"n_workers": 0}, "n_workers: got 0, wanted an integer of at least 1"),
    ({"max_length": 0}, "max_length: got 0, wanted an integer of at least 1"),
    ({"name": ""}, "name: got '', wanted the id of an experiment"),
    ({"config": 3}, "config: got 3, wanted a mapping"),
    ({"config": {"searcher": {}}}, "config.searcher: give it as the argument `searcher`"),
    ({"config": {"hyperparameters": {}}}, "config.hyperparameters: give it as the argument `space`"),
    ({"data": "folder"}, "data: got 'folder' beside the target"),
    ({"space": {"x": {"type": "doubl"}}}, "hyperparameters.x.type: got 'doubl'"),
]


@pytest.mark.parametrize(("changes", "problem"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_wrong_arguments(target: str, changes: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"fn": by_epochs, "space": SPACE, "target": target, "max_trials": 1} | changes
    with pytest.raises(rungway.InvalidArgument) as caught:
        rungway.minimize(given.pop("fn"), given.pop("space"), **given)
    assert problem in str(caught.value)


async def coroutine(hparams: dict[str, Any]) -> float:
    return 0.5


def test_a_coroutine_function_is_refused() -> None:
    with pytest.raises(rungway.InvalidArgument, match="got a coroutine function, wanted a plain one"):
        rungway.minimize(coroutine, SPACE)


def test_a_live_view_without_its_package_is_refused(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rich" else real(name))
    with pytest.raises(rungway.InvalidArgument, match="live: got True, but rich is not installed"):
        rungway.minimize(by_epochs, SPACE, name=unique_name("live"), target=target, live=True)


def test_without_the_packages_of_a_service_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.delenv("RUNGWAY_TARGET", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "redis" else real(name))
    with pytest.raises(
        rungway.FailedPrecondition, match=r"redis not installed\. pip install 'rungway\[local\]'"
    ) as caught:
        rungway.minimize(by_epochs, SPACE)
    assert caught.value.reason == "NO_LOCAL_SERVICE"
