"""Large reads: pages are bounded in bytes, scripts read in pieces, and what many clients follow is read once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import grpc
import pytest
from redis import Redis

from rungway import Client, ClientConfig
from rungway.v1 import experiment_service_pb2 as pb
from rungway_server.store.redis.reads import MOST_POINTS
from tests.support.calls import SECONDS, Calls, calls_to, config, refusal_of, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import wait_until

LARGE = config(space={"c": {"type": "categorical", "vals": [f"v{i:04d}" + "x" * 60 for i in range(7_000)]}})
"""A configuration of half a megabyte."""
WIDE = {f"p{i}": {"type": "const", "val": "x" * 3_000} for i in range(10)}
FOUR_MIB = 4 << 20


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[Service]:
    with services(url) as (running,):
        yield running


@pytest.fixture
def calls(service: Service) -> Iterator[Calls]:
    with calls_to(service.address) as calls:
        yield calls


@pytest.fixture(scope="module")
def twelve(service: Service) -> list[str]:
    """A namespace with six megabytes of configurations."""
    names = [f"e{number}" for number in range(12)]
    with Client(config=ClientConfig(target=service.address, namespace="large")) as client:
        for name in names:
            client.create_experiment(name, LARGE)
    return names


def test_a_namespace_of_large_configurations_is_listed(service: Service, twelve: list[str]) -> None:
    with Client(config=ClientConfig(target=service.address, namespace="large")) as client:
        briefly, whole = client.list_experiments(), client.list_experiments(with_config=True)
        assert [each.experiment for each in briefly] == twelve
        assert [each.experiment for each in whole] == twelve
        assert all(each.config == {} for each in briefly)
        assert whole[3].config == client.get_experiment("e3").config
        assert [each.experiment for each in client.list_experiments(5)] == twelve[:5]


def test_pages_are_bounded_in_bytes(calls: Calls, twelve: list[str]) -> None:
    headers = (("rungway-namespace", "large"),)
    for with_config, pages in ((False, 1), (True, 3)):
        names: list[str] = []
        token, count = "", 0
        while count == 0 or token:
            request = pb.ListExperimentsRequest(page_size=1000, page_token=token, with_config=with_config)
            page = calls.experiments.ListExperiments(request, timeout=SECONDS, metadata=headers)
            assert page.ByteSize() < FOUR_MIB
            names += [each.experiment for each in page.experiments]
            token, count = page.next_page_token, count + 1
        assert (names, count >= pages) == (twelve, True)


@pytest.mark.parametrize("rpc", ["ListTrials", "BestTrials"])
def test_pages_of_large_trials(rpc: str, calls: Calls) -> None:
    """300 trials of 30 KB: nine megabytes."""
    name = unique_name()
    calls.create(name, config(space=WIDE, max_trials=300, max_concurrent_trials=0))
    for _ in range(5):
        for given in calls.ask(name, 60).assignments:
            calls.tell(name, given.lease, (1, float(given.lease.trial)), checkpoint="c" * 4_000)
    if rpc == "BestTrials":
        best = calls.experiments.BestTrials(pb.BestTrialsRequest(experiment=name, count=1000), timeout=SECONDS)
        assert [trial.trial for trial in best.trials] == list(range(len(best.trials)))
        assert 1 << 20 < best.ByteSize() < FOUR_MIB
        return
    numbers: list[int] = []
    token = ""
    while not numbers or token:
        request = pb.ListTrialsRequest(experiment=name, page_size=1000, page_token=token)
        page = calls.experiments.ListTrials(request, timeout=SECONDS)
        assert page.ByteSize() < FOUR_MIB
        numbers += [trial.trial for trial in page.trials]
        token = page.next_page_token
    assert numbers == list(range(300))


@pytest.mark.parametrize("points", [15, 16, 17, 4_000, MOST_POINTS + 40])
def test_a_long_curve_comes_to_its_last_points(points: int, calls: Calls) -> None:
    name = unique_name()
    calls.create(name, config(max_length={"epochs": points}, max_trials=1))
    given = calls.assignment(name)
    for first in range(1, points + 1, 4_000):
        calls.tell(name, given.lease, *((n, float(n)) for n in range(first, min(first + 4_000, points + 1))))
    curve = calls.trial(name, 0).curve
    assert len(curve) >= min(points, MOST_POINTS)
    assert [(point.length, point.metric) for point in curve] == [
        (n, float(n)) for n in range(points - len(curve) + 1, points + 1)
    ]


def test_an_experiment_that_many_follow_is_read_once(url: str, calls: Calls) -> None:
    """Forty streams of one experiment cost about as many scripts as one."""
    name = unique_name()
    calls.create(name, config(max_trials=600, max_concurrent_trials=0))
    for _ in range(10):
        for given in calls.ask(name, 60).assignments:
            calls.tell(name, given.lease, (1, 0.5))

    def follow(_: int) -> int:
        return sum(1 for _ in calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=name), timeout=60))

    with closing(Redis.from_url(url)) as redis, ThreadPoolExecutor(40) as pool:
        before = scripts_run(redis)
        assert set(pool.map(follow, range(40))) == {1201}
        assert scripts_run(redis) - before < 40 * 13 / 2


def scripts_run(redis: Redis) -> int:
    stats: dict[str, dict[str, int]] = redis.info("commandstats")
    return stats["cmdstat_evalsha"]["calls"]


def test_a_page_costs_its_namespace_what_it_reads(url: str) -> None:
    with services(url, 1, "--quota-calls-per-second", "20") as (service,), calls_to(service.address) as calls:
        name = unique_name()
        calls.create(name, config(max_trials=1))
        costly = pb.ListTrialsRequest(experiment=name, page_size=1000)
        with ThreadPoolExecutor(8) as pool:  # each counts as ten calls
            failures = [each for each in pool.map(lambda _: failure(calls, costly), range(8)) if each]
        assert len(failures) >= 5
        refusal = refusal_of(failures[0])
        assert (refusal.reason, refusal.metadata["quota"]) == ("QUOTA_EXCEEDED", "calls_per_second")
        assert refusal.retry_seconds
        wait_until(lambda: not failure(calls, pb.ListTrialsRequest(experiment=name, page_size=1)))


def failure(calls: Calls, request: pb.ListTrialsRequest) -> grpc.RpcError | None:
    try:
        calls.experiments.ListTrials(request, timeout=SECONDS)
    except grpc.RpcError as error:
        return error
    return None


def test_tells_go_on_while_much_is_read(service: Service, calls: Calls, twelve: list[str]) -> None:
    """Counted: while large pages are read, a worker of another namespace gets many replies."""
    name = unique_name()
    calls.create(name, config(max_trials=1, max_length={"epochs": 10**9}))
    given, told, stop = calls.assignment(name), [0], threading.Event()

    def work() -> None:
        with calls_to(service.address) as own:
            while not stop.is_set():
                told[0] += 1
                own.tell(name, given.lease, (told[0], 0.5))

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: told[0] > 0)
    request = pb.ListExperimentsRequest(page_size=1000, with_config=True)
    before = told[0]
    for _ in range(5):
        calls.experiments.ListExperiments(request, timeout=SECONDS, metadata=(("rungway-namespace", "large"),))
    between = told[0] - before
    stop.set()
    worker.join()
    assert between > 5
