"""Searches by actors on a real cluster of Ray, with nodes that are killed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster

from tests.engines.traced import driver


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head without places for workers, so that it may lose all other nodes."""
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield found
    finally:
        found.shutdown()


def workers_of(node: Any) -> set[int]:
    """The processes that run actors on a node."""
    (raylet,) = node.all_processes["raylet"]
    return {child.pid for child in psutil.Process(raylet.process.pid).children(recursive=True)}


def test_a_node_is_killed_and_another_one_comes(cluster: Any, target: str, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=2)
    other = cluster.add_node(num_cpus=2)
    with driver("ray_workers.py", target, tmp_path, {"RAY_ADDRESS": cluster.address}) as running:
        running.wait_steps(10)
        killed = workers_of(other)
        assert killed & {step.process for step in running.steps()}
        cluster.remove_node(other, allow_graceful=False)
        cluster.add_node(num_cpus=2)
        running.check(killed)
        assert "replaced 1 times" in running.output()
