"""Clocks of servers and workers that are hours wrong change nothing: only that of Redis counts."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rungway.v1 import experiment_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1 import search_service_pb2 as search_pb
from tests.support.audited import check_all_sound
from tests.support.calls import SECONDS, Calls, calls_to, config, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service
from tests.support.worker import start_worker

AHEAD, BEHIND = "+5h", "-3h"
FAR = 3000.0
"""More than any clock here is wrong by accident (seconds)."""
LEASE_SECONDS = 2.0
TRIALS = 30

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the library that shifts clocks is loaded as on Linux")


@pytest.fixture(scope="module")
def library() -> Path:
    """libfaketime: what a process that loads it first reads from the wall clock is shifted."""
    package = importlib.util.find_spec("libfaketime")
    assert package
    assert package.origin
    return next(Path(package.origin).parent.rglob("libfaketime.so.1"))


@contextmanager
def shifted(library: Path, by: str) -> Iterator[None]:
    """Processes started meanwhile have wall clocks that are wrong by so much, for as long as they live."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LD_PRELOAD", str(library))
        environment.setenv("DONT_FAKE_MONOTONIC", "1")  # setting a clock does not change that one
        environment.setenv("FAKETIME", by)
        yield


def start_server(stack: ExitStack, folder: Path, url: str) -> Service:
    folder.mkdir()
    server = Service(folder, ("--listen", "127.0.0.1:0", "--redis", url))
    stack.callback(server.kill)
    assert server.address
    return server


def test_a_search_with_clocks_that_are_hours_apart(library: Path, tmp_path: Path) -> None:
    experiment = unique_name("clocks")
    with ExitStack() as stack:
        url = stack.enter_context(redis_on_socket())
        with shifted(library, AHEAD):
            ahead = start_server(stack, tmp_path / "ahead", url)
        with shifted(library, BEHIND):
            behind = start_server(stack, tmp_path / "behind", url)
        calls = stack.enter_context(calls_to(behind.address))
        began = time.time()
        searcher = config(
            "adaptive_asha", max_trials=TRIALS, max_length={"epochs": 9}, divisor=3, lease_seconds=LEASE_SECONDS
        )
        calls.create(experiment, searcher)

        workers = []
        for name, server, by in (("w0", ahead, BEHIND), ("w1", behind, AHEAD), ("w2", ahead, "+0h")):
            with shifted(library, by):
                workers.append(start_worker(tmp_path / name, server.address, experiment, 0.02))
            stack.callback(workers[-1].kill)
        for worker in workers:
            assert worker.process.wait(SECONDS) == 0
            assert worker.events("done")

        first = [worker.events("asked")[0]["time"] - began for worker in workers]
        assert first[0] < -FAR  # the clocks are as wrong as this test says
        assert first[1] > FAR
        check(calls, experiment, began)
        check_all_sound(url)


def check(calls: Calls, experiment: str, began: float) -> None:
    """No lease expired, and every time is that of Redis."""
    found = calls.experiments.GetExperiment(pb.GetExperimentRequest(experiment=experiment), timeout=SECONDS).experiment
    assert found.state == experiment_pb2.EXPERIMENT_STATE_DONE
    assert abs(found.create_time.ToNanoseconds() / 1e9 - began) < FAR
    trials = [calls.trial(experiment, number) for number in range(TRIALS)]
    assert not any(trial.restarts for trial in trials)
    events = calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=experiment), timeout=SECONDS)
    times = [part.event.time.ToNanoseconds() / 1e9 for part in events]
    assert len(times) > TRIALS
    assert times == sorted(times)
    assert all(abs(moment - began) < FAR for moment in times)


@pytest.mark.parametrize("by", [AHEAD, BEHIND])
def test_a_lease_expires_by_the_clock_of_redis_alone(library: Path, tmp_path: Path, by: str) -> None:
    """Not at once where a server is ahead of Redis, and not hours later where it is behind."""
    experiment = unique_name("expire")
    with ExitStack() as stack:
        url = stack.enter_context(redis_on_socket())
        with shifted(library, by):
            server = start_server(stack, tmp_path / "server", url)
        calls = stack.enter_context(calls_to(server.address))
        calls.create(experiment, config("single", lease_seconds=LEASE_SECONDS))
        assert calls.assignment(experiment).lease.trial == 0
        granted = time.monotonic()
        while (answer := calls.ask(experiment)).status == search_pb.ASK_STATUS_WAIT:
            assert time.monotonic() - granted < SECONDS, "the lease does not expire"
            time.sleep(min(answer.retry_after.ToMilliseconds() / 1000, 0.2))
        assert time.monotonic() - granted > LEASE_SECONDS * 0.9
        assert answer.assignments[0].explanation.reason == trial_pb2.REASON_REQUEUED
