"""Servers restarted in turn, as an update does: the users of the SDK do not notice, neither workers nor people."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rungway import Client, ClientConfig
from tests.support.calls import config, unique_name
from tests.support.redis_server import free_port
from tests.support.service import Service
from tests.support.waiting import SECONDS
from tests.support.worker import Worker, start_worker

TRIALS = 5000
"""More than are trained until the restarts are over; the search is stopped then."""
SERVERS = 3
ROUNDS = 2


class Replica:
    """A server with an address of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        self.address = f"127.0.0.1:{free_port()}"
        self._folder, self._flags = folder, ("--listen", self.address, "--redis", url, "--drain-notice", "0.2")
        self.start()

    def start(self) -> None:
        self.service = Service(self._folder, self._flags)
        assert self.service.address == self.address

    def kill(self) -> None:
        self.service.kill()

    def restart(self) -> None:
        assert self.service.terminate() == 0
        self.start()


class Person:
    """A person who reads the search all the time, through one client."""

    def __init__(self, target: str, experiment: str) -> None:
        settings = ClientConfig(target=target, experiment=experiment, total_timeout=60.0)
        self.client = Client(config=settings)
        self.looks = 0
        self.errors: list[Exception] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                self.client.get_experiment()
                self.client.best(3)
                self.client.list_trials(5)
            except Exception as error:
                self.errors.append(error)
            self.looks += 1
            time.sleep(0.01)

    def leave(self) -> None:
        self._over.set()
        self._thread.join(SECONDS)
        self.client.close()


def results(workers: list[Worker]) -> int:
    """How many have been acknowledged."""
    return sum(len(worker.events("told")) for worker in workers)


@pytest.mark.slow
def test_a_rolling_restart_fails_no_call_of_a_user(redis_url: str, tmp_path: Path) -> None:
    experiment = unique_name("rolling")
    with ExitStack() as stack:
        replicas = [Replica(tmp_path / f"server {number}", redis_url) for number in range(SERVERS)]
        for replica in replicas:
            stack.callback(replica.kill)
        target = f"ipv4:{','.join(replica.address for replica in replicas)}"
        client = stack.enter_context(Client(target, experiment=experiment))
        client.create_experiment(
            experiment, config("adaptive_asha", max_trials=TRIALS, max_length={"epochs": 27}, divisor=3)
        )
        person = Person(target, experiment)
        stack.callback(person.leave)
        workers = [start_worker(tmp_path / f"worker {number}", target, experiment, 0.1) for number in range(4)]
        for worker in workers:
            stack.callback(worker.kill)
        for worker in workers:
            worker.wait_for("told")

        looks, told = person.looks, results(workers)
        for _ in range(ROUNDS):
            for replica in replicas:
                replica.restart()
        assert person.looks > looks
        assert results(workers) > told
        client.stop_experiment()

        for worker in workers:
            assert worker.process.wait(SECONDS) == 0  # an error that reaches its loop ends a worker with another code
            assert worker.events("done")
            assert all(event["decision"] != "superseded" for event in worker.events("told"))
        person.leave()
        assert person.errors == []
        trials = client.list_trials()
        assert not any(trial.restarts for trial in trials)
        assert results(workers) == sum(len(client.get_trial(trial.trial).curve or ()) for trial in trials)
