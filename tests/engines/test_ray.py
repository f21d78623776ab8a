"""Searches by actors on a real cluster of Ray, with nodes that are killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster

from rungway import Outcome
from tests.engines.traced import EXAMPLES, TRIALS, driver, script, search
from tests.support.waiting import SECONDS, wait_until

EXAMPLE = [str(EXAMPLES / "ray_workers.py")]


@pytest.fixture(scope="module")
def head() -> Iterator[Any]:
    """A head without places for workers, so that it may lose all other nodes."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield found
    finally:
        found.shutdown()


@pytest.fixture
def cluster(head: Any) -> Iterator[Any]:
    """The head alone; nodes that a test adds are gone after it."""
    yield head
    for node in [*head.worker_nodes]:
        head.remove_node(node, allow_graceful=False)
    head.wait_for_nodes(SECONDS)  # else an actor of the next test is sent to a dead one


def address(cluster: Any) -> dict[str, str]:
    """Variables that lead a driver to a cluster."""
    return {"RAY_ADDRESS": cluster.address}


def workers_of(node: Any) -> set[int]:
    """The processes that run actors on a node."""
    (raylet,) = node.all_processes["raylet"]
    return {child.pid for child in psutil.Process(raylet.process.pid).children(recursive=True)}


@pytest.mark.parametrize("another", [True, False], ids=["and-another-comes", "for-good"])
def test_a_node_is_killed(cluster: Any, target: str, tmp_path: Path, another: bool) -> None:
    cluster.add_node(num_cpus=2)
    other = cluster.add_node(num_cpus=2)
    with search(target) as client, driver(EXAMPLE, client, tmp_path, address(cluster)) as running:
        running.wait_steps(10)
        killed = workers_of(other)
        assert killed & {step.process for step in running.steps()}
        cluster.remove_node(other, allow_graceful=False)
        if another:
            cluster.add_node(num_cpus=2)
        running.check(killed)
        assert "replaced 1 times" in running.output()


def test_a_function_of_tune_goes_on_where_a_killed_actor_was(cluster: Any, target: str, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=2)
    with (
        search(target) as client,
        driver(script("ray", "tune"), client, tmp_path, address(cluster)) as running,
    ):
        running.wait_steps(10)
        killed = running.steps()[-1].process
        os.kill(killed, signal.SIGKILL)
        running.check({killed})
        assert sum(replaced for *_, replaced in running.result()["workers"]) == 1


@pytest.mark.parametrize("form", ["example", "plain"])
def test_ctrl_c_gives_every_trial_back(cluster: Any, target: str, tmp_path: Path, form: str) -> None:
    cluster.add_node(num_cpus=2)
    command = EXAMPLE if form == "example" else script("ray", "plain")
    with search(target, lease_seconds=3600) as client:
        with driver(command, client, tmp_path, address(cluster)) as running:
            running.wait_steps(10)
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(SECONDS) != 0
        assert client.list_workers() == [], running.output()  # leases last an hour
        with driver(command, client, tmp_path, address(cluster), 0) as running:
            running.check({step.process for step in running.steps()} if form == "plain" else ())


def test_an_actor_that_is_told_to_leave_gives_its_trial_back_and_is_replaced(
    cluster: Any, target: str, tmp_path: Path
) -> None:
    cluster.add_node(num_cpus=2)
    with (
        search(target, lease_seconds=3600) as client,
        driver(script("ray", "plain"), client, tmp_path, address(cluster)) as running,
    ):
        running.wait_steps(6)
        told = running.steps()[-1].process
        os.kill(told, signal.SIGTERM)
        running.check({told})
        found = running.result()
    assert sum(replaced for *_, replaced in found["workers"]) == 1
    assert sorted(trial for _, trials, _ in found["workers"] for trial in trials) == list(range(TRIALS))


def test_errors_devices_and_deaths(cluster: Any, target: str, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=2, num_gpus=2, resources={"fast": 2})
    with search(target, max_restarts=0) as client:
        with driver(script("ray", "wrong"), client, tmp_path, address(cluster), 0) as running:
            found = running.result()
        trials = client.list_trials()
    assert {int(number) for number in found["failed"]} == set(range(0, TRIALS, 3))
    assert found["failed"]["3"] == "ValueError: no data for 3"
    assert [trial.outcome for trial in trials if trial.trial % 3 == 0] == [Outcome.TRANSIENT] * (TRIALS // 3)
    assert [replaced for *_, replaced in found["workers"]] == [0, 0]

    folder = tmp_path / "devices"
    folder.mkdir()
    with search(target) as client:
        needs = {"CPU": 1, "GPU": 1, "fast": 1, "memory": 1e6}
        with driver(script("ray", "seen", resources=needs), client, folder, address(cluster)) as running:
            assert running.result()["failed"] == {}
    devices = {line.split()[1] for line in (folder / "trace").read_text().splitlines()}
    assert devices <= {"0", "1"}

    with search(target) as client:
        with driver(script("ray", "deadly", 1, most=1), client, folder, address(cluster)) as running:
            assert running.result()["reason"] == "WORKERS_DIED"
        with driver(script("ray", "unreadable"), client, folder, address(cluster)) as running:
            assert running.process.wait(SECONDS) != 0
        assert "pickle" in running.output()


def test_a_search_that_is_stopped_ends_its_workers(cluster: Any, target: str, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=1)
    with search(target) as client:
        with driver(script("ray", "plain", 3), client, tmp_path, address(cluster)) as running:
            running.wait_steps(2)  # two of three workers wait for a place
            client.stop_experiment()
            found = running.result()
        assert found["failed"] == {}
        wait_until(lambda: client.list_workers() == [])
    assert found["workers"][2][1] == []
