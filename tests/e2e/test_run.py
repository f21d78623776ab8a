"""`rungway run` is a whole search of a script in one command, with a service of its own, and can be run again."""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from rungway import Client, ExperimentState
from tests.support.agents import Process, running, script
from tests.support.service import Service
from tests.support.waiting import is_running, wait_until

SEARCH = {
    "hyperparameters": {
        "lr": {"type": "log_uniform", "minval": 0.01, "maxval": 1},
        "kind": {"type": "categorical", "vals": ["a", "b"]},
    },
    "searcher": {"name": "random", "metric": "loss", "max_trials": 6, "max_length": {"epochs": 2}},
    "seed": 5,
}
BY_THE_SDK = """
import os
import pathlib
import time

import rungway

trial = rungway.current_trial()
with open("begun", "a") as begun:
    print(trial.number, os.getpid(), file=begun)
if trial.number == 3 and not pathlib.Path("go").exists():
    time.sleep(1000)
for epoch in range(trial.from_length + 1, trial.to_length + 1):
    trial.report(epoch, trial.hparams["lr"] / epoch, checkpoint=f"at {epoch}.pt")
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")


def search(folder: Path, **changes: object) -> str:
    """The path of the file of a search."""
    path = folder / "tuned.json"
    path.write_text(json.dumps(SEARCH | changes))
    return str(path)


def of(folder: Path) -> list[int]:
    """The running processes with this folder in their command line, or as working folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command, working = (entry / "cmdline").read_bytes(), os.readlink(entry / "cwd")
        except OSError:
            continue
        if (str(folder).encode() in command or working.startswith(str(folder))) and is_running(int(entry.name)):
            found.append(int(entry.name))
    return found


def begun(folder: Path, by: Process, trial: int) -> int:
    """The process that has begun a trial."""

    def found() -> list[int]:
        lines = (folder / "begun").read_text().splitlines() if (folder / "begun").exists() else []
        return [int(pid) for number, pid in map(str.split, lines) if int(number) == trial]

    wait_until(lambda: found() or by.process.poll() is not None)
    assert found(), by.said()
    return found()[-1]


def test_a_run_that_is_killed_goes_on_with_the_same_command(tmp_path: Path) -> None:
    """Its service, its store and its scripts end with it; the last trial waits for its lease of 3 seconds."""
    (tmp_path / "train.py").write_text(BY_THE_SDK)
    config = search(tmp_path, lease_seconds=3)
    command = ["run", config, "-n", "2", "--data", "data", "-o", "json", "--", sys.executable, "train.py"]
    with running(tmp_path, *command) as first:
        begun(tmp_path, first, 3)
        first.process.kill()
        first.wait()
    wait_until(lambda: not of(tmp_path))
    (tmp_path / "go").touch()
    with running(tmp_path, *command) as second:
        assert second.wait() == 0, second.said()
    found = second.document()
    assert (found["experiment"], found["state"], found["trials"], found["failed"]) == ("tuned", "done", 6, 0)
    assert found["best"]["metric"] == found["best"]["hparams"]["lr"] / 2
    assert found["best"]["checkpoint"] == "at 2.pt"
    starts = Counter(line.split()[0] for line in (tmp_path / "begun").read_text().splitlines())
    assert starts["3"] == 2
    assert sum(starts.values()) <= 8  # nothing that was told is run again: at most the two under way
    wait_until(lambda: not of(tmp_path))
    with running(tmp_path, *command) as third:  # it is over: nothing is run
        assert third.wait() == 0, third.said()
    assert third.document() == found


def test_ctrl_c_ends_everything_and_the_search_goes_on(tmp_path: Path) -> None:
    path = script(
        tmp_path, 'echo "$RUNGWAY_TRIAL $$" >>begun; [ -e go ] || exec sleep 1000; echo "rungway: epochs=2 loss=$1"'
    )
    command = ["run", search(tmp_path), "-n", "2", "--data", "data", "--", path, "{lr}", "{kind}"]
    with running(tmp_path, *command) as first:
        begun(tmp_path, first, 1)
        first.process.send_signal(signal.SIGINT)
        assert first.wait() == 128 + signal.SIGINT, first.said()
    assert of(tmp_path) == []
    (tmp_path / "go").touch()
    with running(tmp_path, *command) as second:
        assert second.wait() == 0, second.said()
    assert len((tmp_path / "begun").read_text().splitlines()) == 8  # the two that were given back began twice


def test_another_configuration_under_the_same_name_is_refused(tmp_path: Path, target: str) -> None:
    command = ["--name", "another", "--target", target, "--", "sh", "-c", "echo rungway: loss={lr} # {kind}"]
    with running(tmp_path, "run", search(tmp_path), *command) as process:
        assert process.wait() == 0, process.said()
    space = SEARCH["hyperparameters"] | {"kind": {"type": "categorical", "vals": ["a", "c"]}}  # type: ignore[operator]
    with running(tmp_path, "run", search(tmp_path, hyperparameters=space, max_restarts=2), *command) as process:
        assert process.wait() == 1
    assert "hyperparameters.kind.vals: stored " in process.said()
    assert "max_restarts: stored 5, given 2" in process.said()
    assert process.said().count("stored") == 2


def test_a_command_that_does_not_fit_is_refused(tmp_path: Path, target: str) -> None:
    with running(
        tmp_path, "run", search(tmp_path), "--name", "unfit", "--target", target, "--", "true", "{lr}"
    ) as process:
        assert process.wait() == 1
    assert "no placeholder for {kind}: add them or" in process.said()
    with Client(target, experiment="unfit") as client:
        assert client.get_experiment().state is ExperimentState.RUNNING
        assert client.list_trials() == []


def test_a_command_without_dashes_before_it_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, "run", search(tmp_path), "-n", "2", "python", "train.py", "--lr", "{lr}") as process:
        assert process.wait() == 2
    assert "no training command: write it after --" in process.said()


def test_a_search_that_fails_from_the_start_goes_on_once_the_command_is_corrected(tmp_path: Path, target: str) -> None:
    start = ["run", search(tmp_path, pause_after_failures=2), "--name", "corrected", "--target", target]
    with running(tmp_path, *start, "--partial", "--", "true") as wrong:
        assert wrong.wait() == 1
    assert "correct the command and run it again: the search is resumed" in wrong.said()
    with running(tmp_path, *start, "--partial", "--", "sh", "-c", "echo rungway: loss=1") as right:
        assert right.wait() == 0, right.said()


def test_the_service_that_holds_the_folder_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "serve").mkdir()
    service = Service(tmp_path / "serve", ("--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")))
    try:
        assert service.address
        command = ["run", search(tmp_path), "--data", "data", "--", "true"]
        with running(tmp_path, *command) as process:
            assert process.wait() == 1
        assert f"is in use by process {service.process.pid} (with " in process.said()
        with Client(service.address) as client:
            client.create_experiment("still-served", SEARCH)  # it reaches its store
    finally:
        service.kill()


def test_a_service_that_cannot_start_is_said_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = ["--data", str(tmp_path / "file" / "data"), "--", "true"]
    with running(tmp_path, "run", search(tmp_path), *command) as process:
        assert process.wait() == 1
    assert "the service did not start" in process.said()
    assert str(tmp_path / "file") in process.said()
