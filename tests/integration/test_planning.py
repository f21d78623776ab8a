"""Expensive plans and configurations are computed in worker processes: bounded, fair, and ended with the service."""

import itertools
import operator
import os
import signal
import subprocess
import sys
import threading
import timeit
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway.values import from_map, to_map
from rungway_server.domain.engine import Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling import sampling
from rungway_server.domain.sampling.sampling import is_quick, suggest_many
from rungway_server.service.experiments import Change, ExperimentUseCases, WarmStart, plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.service.worker_process import WorkerProcess
from rungway_server.store.redis import RedisStore
from tests.support.calls import SECONDS, calls_to, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import is_running, wait_until

INTS = {f"p{i}": {"type": "int", "minval": 0, "maxval": 9, "count": 10} for i in range(5)}
RANDOM = {"name": "random", "metric": "m", "max_trials": 1000, "max_length": {"epochs": 10}, "max_concurrent_trials": 0}
GRID: dict[str, Any] = {
    "name": "grid",
    "seed": 1,
    "hyperparameters": INTS,
    "searcher": {"name": "grid", "metric": "m", "max_length": {"epochs": 5}, "max_concurrent_trials": 0},
    "constraints": ["p0 + p1 > 1", "p2 < p3 or p4 > 2"],
}
LISTED: dict[str, Any] = {"name": "listed", "seed": 1, "hyperparameters": INTS, "searcher": RANDOM}
DOUBLES = {f"p{i:02}": {"type": "double", "minval": 0.0, "maxval": 1.0} for i in range(20)}
CHOICE = {"type": "categorical", "vals": ["a", "b"]}
DRAWN: dict[str, Any] = {
    "name": "drawn",
    "seed": 1,
    "hyperparameters": DOUBLES,
    "searcher": RANDOM,
    "constraints": ["p00 < 0.1", "p01 < 0.1", "p02 < 0.12"],
}


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    if process.pid:
        os.kill(process.pid, signal.SIGKILL)


def test_it_answers_and_keeps_one_process(process: WorkerProcess) -> None:
    assert process.pid is None
    assert process.call(operator.add, 1, 2) == 3
    first = process.pid
    assert process.call(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]
    assert process.pid == first


def test_errors_come_back_complete(process: WorkerProcess) -> None:
    with pytest.raises(InvalidInput) as here:
        plan_search({"name": 3, "hyperparameters": {"a": {"type": "double"}}, "searcher": {"name": "none"}})
    with pytest.raises(InvalidInput) as there:
        process.call(
            plan_search, {"name": 3, "hyperparameters": {"a": {"type": "double"}}, "searcher": {"name": "none"}}
        )
    assert there.value.violations == here.value.violations
    assert (str(there.value), there.value.reason) == (str(here.value), here.value.reason)
    with pytest.raises(ZeroDivisionError) as unexpected:
        process.call(operator.floordiv, 1, 0)
    assert "worker_process.py" in "".join(unexpected.value.__notes__)
    with pytest.raises(RuntimeError, match="an answer that cannot be pickled"):
        process.call(threading.Lock)
    assert process.call(operator.add, 1, 2) == 3


def test_a_plan_is_the_same_there(process: WorkerProcess) -> None:
    for document in (GRID, LISTED, DRAWN):
        planned = process.call(plan_search, document)
        assert planned == plan_search(document)
        assert suggest_many(planned.config.space, 1, range(5)) == suggest_many(parse(document)[0].space, 1, range(5))


@pytest.mark.parametrize(
    "work",
    [
        lambda process: process.call(timeit.timeit, number=10**12),
        lambda process: process.call(sum, itertools.repeat(1)),
    ],
    ids=["in Python", "where no signal is looked at"],
)
def test_work_that_takes_too_long_is_ended(work: Any) -> None:
    process = WorkerProcess(most_seconds=0.5, most_wall_seconds=5)
    with pytest.raises(InvalidInput, match=r"config: takes more than 0.5 s of processor time"):
        work(process)
    assert process.call(operator.add, 1, 2) == 3
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)


def test_a_process_that_dies_is_replaced(process: WorkerProcess) -> None:
    assert process.call(operator.add, 1, 2) == 3
    first = process.pid
    assert first
    with ThreadPoolExecutor(1) as pool:
        calling = pool.submit(process.call, timeit.timeit, number=10**12)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(InvalidInput):
            calling.result(SECONDS)
    assert process.call(operator.add, 1, 2) == 3
    assert process.pid != first


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_it_does_not_outlive_a_killed_service(busy: bool) -> None:
    work = "process.call(timeit.timeit, number=10**12)" if busy else "time.sleep(1000)"
    code = (
        "import operator, time, timeit; from rungway_server.service.worker_process import WorkerProcess; "
        f"process = WorkerProcess(most_seconds=3); process.call(operator.add, 1, 2); "
        f"print(process.pid, flush=True); {work}"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
        wait_until(lambda: not is_running(pid))


@pytest.mark.parametrize(
    ("document", "quick"),
    [
        (GRID, False),
        ({**GRID, "constraints": []}, True),  # counted, not listed
        (LISTED, False),  # a hundred thousand points are shuffled
        ({**LISTED, "hyperparameters": {"p": INTS["p0"]}}, True),
        ({**LISTED, "hyperparameters": INTS | {"q": INTS["p0"]}}, True),  # too many to list: drawn
        (DRAWN, False),
        ({**DRAWN, "constraints": []}, True),
        ({**DRAWN, "constraints": [], "searcher": {**RANDOM, "sampler": "sobol"}}, False),
        ({**LISTED, "hyperparameters": {f"p{i}": DOUBLES["p00"] for i in range(60)}}, False),
        ({**LISTED, "hyperparameters": INTS | {"q": {**INTS["p0"], "when": {"p0": [1]}}}}, False),
        ({**LISTED, "hyperparameters": DOUBLES | {"p": CHOICE, "q": {**INTS["p0"], "when": {"p": ["a"]}}}}, True),
    ],
)
def test_which_plans_are_quick(document: dict[str, Any], quick: bool) -> None:
    assert is_quick(parse(document)[0].space) is quick


def test_a_plan_puts_no_long_list_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without constraints the plan is made in a thread, and ordering a hundred thousand points would take long."""

    def refuse(*_: object) -> None:
        raise AssertionError("shuffled")

    monkeypatch.setattr(sampling, "_shuffled", refuse)
    for document in (LISTED, GRID, {**LISTED, "constraints": ["p0 < 5"]}):
        plan_search(document)


@pytest.mark.parametrize(
    "document",
    [
        {**GRID, "constraints": ["p0 + p1 > 2"]},
        {**LISTED, "constraints": ["p0 + p1 > 3"]},
        {**LISTED, "constraints": ["p0 > p1 or p2 < 7"], "searcher": {**RANDOM, "sampler": "sobol"}},
    ],
)
async def test_the_points_of_a_hard_space_are_listed_in_worker_processes_only(
    document: dict[str, Any], store: RedisStore, ref: ExperimentRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("points are listed beside the event loop")

    monkeypatch.setattr(sampling, "points_of", refuse)
    experiments = ExperimentUseCases(store)
    await experiments.create(ref, document, "")
    (given,) = (await store.ask(ref, "", 1, "w")).assignments
    await store.tell(ref, "", [Result(given.lease, [Report(1, 0.5)])])
    await TrialUseCases(store).enqueue(ref, "", {f"p{i}": 9 - i for i in range(5)})
    if document["searcher"]["name"] == "random":
        await experiments.update(ref, Change(max_trials=1200))
    warm = ExperimentRef(ref.namespace, f"{ref.experiment}-warm")
    await experiments.create(warm, document, "", WarmStart(ref, 1))
    (first,) = (await store.ask(warm, "", 1, "w")).assignments
    assert first.hparams == given.hparams


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service


@pytest.mark.parametrize("document", [GRID, LISTED, DRAWN], ids=lambda document: document["name"])
def test_a_hard_search_plays_the_configurations_of_its_plan(document: dict[str, Any], service: Service) -> None:
    name = unique_name("hard")
    with calls_to(service.address) as calls:
        calls.create(name, document)
        given = [each for _ in range(4) for each in calls.ask(name, count=20).assignments]
    expected = suggest_many(parse(document)[0].space, parse(document)[0].seed, range(len(given)))
    assert len(given) == 80
    assert in_order(expected) == in_order(from_map(each.hparams) for each in given)


def in_order(configurations: Iterable[Mapping[str, object]]) -> list[list[tuple[str, object]]]:
    return sorted(sorted(each.items()) for each in configurations)


@pytest.mark.slow
def test_one_namespace_cannot_keep_the_planner_to_itself(service: Service) -> None:
    """Its previews are refused when a few of them wait; then another namespace is next."""
    with grpc.insecure_channel(service.address) as channel, ThreadPoolExecutor(16) as pool:
        stub, order, lock = ExperimentServiceStub(channel), list[str](), threading.Lock()

        def preview(namespace: str, number: int) -> None:
            config = to_map({**GRID, "constraints": [*GRID["constraints"], f"p0 < {100 + number}"]})
            metadata = (("rungway-namespace", namespace),)
            try:
                stub.PreviewSearch(pb.PreviewSearchRequest(config=config), timeout=SECONDS, metadata=metadata)
                said = namespace
            except grpc.RpcError as error:
                said = f"{namespace}: {error.code().name}"
            with lock:
                order.append(said)

        greedy = [pool.submit(preview, "greedy", number) for number in range(12)]
        wait_until(lambda: "greedy: RESOURCE_EXHAUSTED" in order)
        others = [pool.submit(preview, f"other-{number}", 100 + number) for number in range(2)]
        for each in (*greedy, *others):
            each.result(SECONDS)
    assert order.count("greedy: RESOURCE_EXHAUSTED") >= 6
    served = [said for said in order if ":" not in said]
    assert {"other-0", "other-1"} <= set(served)
    assert served[-1] == "greedy"
    assert served.index("other-0") < len(served) - 1
