"""examples/worker.sh searches: two of them, one is killed, a reply is lost; Ctrl-C gives the trial back."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rungway import Client, TrialState
from tests.support.proxy import proxy_to
from tests.support.redis_server import port_of, redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

SCRIPT = Path(__file__).parents[2] / "examples" / "worker.sh"
NAME = "sine-shell"
CONFIG = {
    "hyperparameters": {
        "learning_rate": {"type": "log", "base": 10, "minval": -3, "maxval": 0},
        "momentum": {"type": "double", "minval": 0, "maxval": 0.95},
        "degree": {"type": "int", "minval": 1, "maxval": 9},
    },
    "searcher": {
        "name": "async_halving",
        "metric": "error",
        "max_trials": 9,
        "max_length": {"epochs": 18},
        "divisor": 3,
        "num_rungs": 2,
    },
    "seed": 7,
    "lease_seconds": 10,  # long enough to be renewed in time on a busy machine
}
HANGS = """#!/bin/sh
echo >>"$CALLS"
[ "$(grep -c '' "$CALLS")" -gt 3 ] && exec sleep 1000
exec {awk} "$@"
"""
"""An awk that hangs from its fourth call on: a training that takes long."""

pytestmark = [
    pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")
    for program in ("curl", "jq", "awk")
]


@pytest.fixture
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (running,):
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    """A client of a new search."""
    with Client(service.address, experiment=NAME) as found:
        found.create_experiment(NAME, CONFIG)
        yield found


def _heeds_interrupts() -> None:
    """A shell that was started with SIGINT ignored, as one in the background is, cannot trap it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Worker:
    """One worker, its output in a file."""

    def __init__(self, http: str, folder: Path, *, hangs: bool = False) -> None:
        self._out = folder / f"out-{hangs}"
        environment = os.environ | {"RUNGWAY_HTTP": f"http://{http}", "CHECKPOINTS": str(folder / "checkpoints")}
        if hangs:
            slow = folder / "bin" / "awk"
            slow.parent.mkdir()
            slow.write_text(HANGS.format(awk=shutil.which("awk")))
            slow.chmod(0o755)
            environment |= {"PATH": f"{slow.parent}:{environment['PATH']}", "CALLS": str(folder / "calls")}
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                ["sh", SCRIPT],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heeds_interrupts,
            )

    def said(self) -> str:
        return self._out.read_text()

    def name(self) -> str:
        return f"{self.process.pid}@{os.uname().nodename}"


@contextmanager
def worker(http: str, folder: Path, *, hangs: bool = False) -> Iterator[Worker]:
    """A running worker; whatever is left of it is killed at the end."""
    running = Worker(http, folder, hangs=hangs)
    try:
        yield running
    finally:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()


def held(client: Client, by: Worker) -> list[int]:
    """The trials under leases of a worker."""
    return [
        trial.trial for trial in client.list_trials() if trial.state is TrialState.RUNNING and trial.worker == by.name()
    ]


def reasons(client: Client, trial: int) -> list[str]:
    """Why the trial was handed out, promoted, ended."""
    return [event.explanation.reason for event in client.explain_trial(trial) if event.explanation]


def hung(client: Client, by: Worker, folder: Path) -> int:
    """The trial of a worker that has begun to hang."""
    calls = folder / "calls"
    wait_until(lambda: calls.exists() and calls.read_text().count("\n") > 3)
    (number,) = held(client, by)
    return number


@pytest.mark.slow
def test_a_search_of_two_workers_of_which_one_is_killed(service: Service, client: Client, tmp_path: Path) -> None:
    with (
        proxy_to(port_of(service.http)) as proxy,
        worker(service.http, tmp_path, hangs=True) as lost,
        worker(f"127.0.0.1:{proxy.port}", tmp_path) as other,
    ):
        proxy.lose_replies(b"SearchService/Ask")
        number = hung(client, lost, tmp_path)
        wait_until(lambda: len(client.list_trials()) == 9 and held(client, other) == [])
        assert held(client, lost) == [number]  # its lease was renewed all the time
        lost.process.kill()
        lost.process.wait()
        assert other.process.wait(SECONDS) == 0, other.said()
        assert "best: trial" in other.said()
        assert proxy.lost.is_set()
    requeued = [trial.trial for trial in client.list_trials() if "requeued" in reasons(client, trial.trial)]
    assert requeued == [number]  # and none for the lost reply
    experiment, best = client.get_experiment(), client.best()
    assert (experiment.state, experiment.trials.started) == ("done", 9)
    assert best is not None
    assert best.best_metric is not None
    assert best.best_metric < 0.3
    assert best.length == 18
    assert Path(best.checkpoint).is_file()


def test_ctrl_c_gives_the_trial_back(service: Service, client: Client, tmp_path: Path) -> None:
    with worker(service.http, tmp_path, hangs=True) as running:
        number = hung(client, running, tmp_path)
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(SECONDS) == 130, running.said()
    trial = client.get_trial(number)
    assert (trial.state, trial.restarts) == (TrialState.QUEUED, 0)
