"""Adapter: the service of OSS Vizier, random search, its datastore in memory.

Vizier has no rungs: a result completes its trial, and nothing is decided.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from multiprocessing.connection import Connection

from vizier.service import clients, servers
from vizier.service import pyvizier as vz

from loadtests.peers.adapter import Pair, Peer, loss, main

_PARAMETERS = {
    "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-4, "layers": 3, "batch_size": "32", "optimizer": "sgd"
}  # fmt: skip


class _Vizier:
    def __init__(self, endpoint: str, server_pid: int | None) -> None:
        self._endpoint, self._server_pid = endpoint, server_pid
        self._study = _study(endpoint)
        self._stored = 0

    def store(self, trials: int, until: float) -> int:
        while self._stored < trials and time.monotonic() < until:
            trial = vz.Trial(parameters=_PARAMETERS, final_measurement=vz.Measurement({"loss": loss()}))
            self._study.add_trial(trial)
            self._stored += 1
        return self._stored

    def client(self) -> None:
        return None

    def service_pids(self) -> list[int]:
        return [self._server_pid] if self._server_pid else []

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        return partial(_connected, self._endpoint)


@contextmanager
def _connected(endpoint: str) -> Iterator[Pair]:
    study = _study(endpoint)
    worker = f"worker-{os.getpid()}"

    def pair() -> int:
        (trial,) = study.suggest(count=1, client_id=worker)
        trial.complete(vz.Measurement({"loss": loss()}))
        return 1

    yield pair


def _study(endpoint: str) -> clients.Study:
    clients.environment_variables.server_endpoint = endpoint
    config = vz.StudyConfig(algorithm="RANDOM_SEARCH")
    config.metric_information.append(vz.MetricInformation("loss", goal=vz.ObjectiveMetricGoal.MINIMIZE))
    root = config.search_space.root
    root.add_float_param("learning_rate", 1e-5, 1e-1, scale_type=vz.ScaleType.LOG)
    root.add_float_param("momentum", 0.8, 0.99)
    root.add_float_param("weight_decay", 1e-6, 1e-2, scale_type=vz.ScaleType.LOG)
    root.add_int_param("layers", 1, 6)
    root.add_categorical_param("batch_size", ["32", "64", "128", "256"])
    root.add_categorical_param("optimizer", ["sgd"])
    return clients.Study.from_study_config(config, owner="peers", study_id="peers")


def _serve(started: Connection) -> None:
    server = servers.DefaultVizierServer(database_url=None)  # None: a dictionary in memory
    started.send(server.endpoint)
    multiprocessing.Event().wait()


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,), daemon=True)
    server.start()
    try:
        yield _Vizier(here.recv(), server.pid)
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main(_peer)
