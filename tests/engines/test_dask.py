"""Searches by tasks on a real cluster of Dask, with workers that are killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client as DaskClient

from rungway import Client, ExperimentState
from rungway.integrations import trials
from tests.engines.traced import EXAMPLES, TRIALS, driver, script, search
from tests.support.waiting import SECONDS, wait_while_it_runs

EXAMPLE = [str(EXAMPLES / "dask_workers.py")]


@contextmanager
def running(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of Dask, and those that it starts; all are killed at the end."""
    process = subprocess.Popen([sys.executable, "-m", *command], start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it has ended, and all that it started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Path]:
    """The file that says where a scheduler is."""
    file = tmp_path / "scheduler.json"
    arguments = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    with running("distributed.cli.dask_scheduler", *arguments) as process:
        assert wait_while_it_runs(process, lambda: file.exists() and file.stat().st_size)
        yield file


def node(scheduler: Path, *arguments: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """Two workers with their nannies, as on a node of a cluster."""
    flags = ("--scheduler-file", str(scheduler), "--nworkers", "2", "--nthreads", "1", "--no-dashboard", *arguments)
    return running("distributed.cli.dask_worker", *flags)


def address(scheduler: Path) -> dict[str, str]:
    """Variables that lead a driver to a cluster."""
    return {"DASK_SCHEDULER_ADDRESS": json.loads(scheduler.read_text())["address"]}


def workers_of(node: "subprocess.Popen[bytes]") -> set[int]:
    """The processes of a node."""
    return {child.pid for child in psutil.Process(node.pid).children(recursive=True)}


@pytest.mark.parametrize("another", [True, False], ids=["and-another-comes", "for-good"])
def test_a_node_is_killed(scheduler: Path, target: str, tmp_path: Path, another: bool) -> None:
    with node(scheduler), node(scheduler) as other, search(target) as client, ExitStack() as stack:
        drive = stack.enter_context(driver(EXAMPLE, client, tmp_path, address(scheduler)))
        drive.wait_steps(10)
        killed = workers_of(other)
        assert wait_while_it_runs(drive.process, lambda: killed & {step.process for step in drive.steps()})
        os.killpg(other.pid, signal.SIGKILL)
        if another:
            stack.enter_context(node(scheduler))
        drive.check(killed)
        assert f"{client.config.experiment}: done, 0 trials failed" in drive.output()


def test_a_worker_is_killed_and_its_nanny_starts_another(scheduler: Path, target: str, tmp_path: Path) -> None:
    with (
        node(scheduler) as only,
        search(target) as client,
        driver(EXAMPLE, client, tmp_path, address(scheduler)) as drive,
    ):
        drive.wait_steps(10)
        killed = drive.steps()[-1].process
        assert killed in workers_of(only)
        os.kill(killed, signal.SIGKILL)
        drive.check({killed})


def test_workers_that_are_closed_give_their_trials_back(scheduler: Path, target: str, tmp_path: Path) -> None:
    with (
        search(target, lease_seconds=3600) as client,
        node(scheduler) as first,
        driver(script("dask", "plain"), client, tmp_path, address(scheduler), 5) as drive,
    ):
        drive.wait_steps(2)
        first.send_signal(signal.SIGTERM)
        first.wait(SECONDS)
        assert client.list_workers() == [], drive.output()


@pytest.mark.parametrize("form", ["example", "plain"])
def test_ctrl_c_gives_every_trial_back(scheduler: Path, target: str, tmp_path: Path, form: str) -> None:
    command = EXAMPLE if form == "example" else script("dask", "plain")
    with node(scheduler), search(target, lease_seconds=3600) as client:
        with driver(command, client, tmp_path, address(scheduler)) as drive:
            drive.wait_steps(10)
            drive.process.send_signal(signal.SIGINT)
            assert drive.process.wait(SECONDS) != 0
        assert client.list_workers() == [], drive.output()  # leases last an hour
        with driver(command, client, tmp_path, address(scheduler), 0) as drive:
            drive.check({step.process for step in drive.steps()} if form == "plain" else ())


def test_errors_resources_and_deaths(scheduler: Path, target: str, tmp_path: Path) -> None:
    with node(scheduler, "--resources", "GPU=1"):
        with (
            search(target, max_restarts=0) as client,
            driver(script("dask", "wrong"), client, tmp_path, address(scheduler), 0) as drive,
        ):
            found = drive.result()
        assert {int(number) for number in found["failed"]} == set(range(0, TRIALS, 3))
        assert found["failed"]["3"] == "ValueError: no data for 3"
        assert sorted(trial for _, trials, _ in found["workers"] for trial in trials) == list(range(TRIALS))
        with search(target) as client:
            # The third has no place until one of the others has ended.
            with driver(script("dask", "seen", 3, {"GPU": 1}), client, tmp_path, address(scheduler)) as drive:
                assert drive.result()["failed"] == {}
            with driver(script("dask", "unreadable"), client, tmp_path, address(scheduler)) as drive:
                assert drive.process.wait(SECONDS) != 0
            assert "pickle" in drive.output()
        with (
            search(target) as client,
            driver(script("dask", "deadly", 1, most=0), client, tmp_path, address(scheduler)) as drive,
        ):
            assert drive.result()["reason"] == "WORKERS_DIED"


def loop(number: int, target: str, experiment: str, checkpoints: str) -> int:
    """What docs/integrations.md shows without any helper."""
    trained = 0
    with Client(target, experiment=experiment) as client:
        for trial in trials(client, checkpoints):
            with trial:
                for length in trial.lengths():
                    trial.report(length, trial.number + 1 / length, lambda folder: (folder / "state").touch())
                trained += 1
    return trained


def test_the_loop_over_trials_is_a_task_of_dask(scheduler: Path, target: str, tmp_path: Path) -> None:
    with node(scheduler), search(target) as client, DaskClient(scheduler_file=str(scheduler)) as dask:
        name = client.config.experiment
        given = {"target": target, "experiment": name, "checkpoints": str(tmp_path / "checkpoints")}
        futures = dask.map(loop, range(2), pure=False, retries=2, **given)
        assert sum(dask.gather(futures)) >= TRIALS
        assert client.get_experiment().state is ExperimentState.DONE
