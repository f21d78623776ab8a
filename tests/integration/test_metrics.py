"""The counters of /metrics beside what the event log and the trials say."""

import os
import signal
import subprocess
import sys
import urllib.error
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest

from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import trial_pb2
from rungway.v1 import view_service_pb2 as view_pb
from rungway_server.domain.engine import EventView, TrialState, TrialView
from rungway_server.service.port import ExperimentRef
from rungway_server.service.tokens import EVERY_NAMESPACE, Role, make_token
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.tokens import RedisTokens
from tests.support import scraped
from tests.support.calls import SECONDS, Calls, calls_to, config, new_id, tell_request, unique_name
from tests.support.http_channel import HttpChannel
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import wait_until

_DECISIONS = {"pause": "pause", "stop": "stop", "continue": "continue", "release": "pause", "retry": "pause"} | {
    "failed": "stop",
    "invalid": "stop",
}
"""The decision that a worker was told, by the kind of the line in the event log."""
_ENDED = (TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED, TrialState.INVALID)
_LOCAL = (("grpc.use_local_subchannel_pool", 1),)


@contextmanager
def callers(service: Service) -> Iterator[list[Calls]]:
    """Four connections to a service over each port."""
    with ExitStack() as stack:
        found = [Calls(stack.enter_context(grpc.insecure_channel(service.address, _LOCAL))) for _ in range(4)]
        for _ in range(4):
            channel: Any = stack.enter_context(HttpChannel(service.http, as_json=False))
            found.append(Calls(channel))
        yield found


class Worker:
    """Works on a search over all connections in turn, asks and tells everything twice with one request id, and counts
    what it was told."""

    def __init__(self, experiment: str) -> None:
        self._experiment = experiment
        self.tells = self.assigned = self.between_rungs = self.transient = 0
        self.asks = Counter[str]()

    def work(self, calls: list[Calls], most: int) -> int:
        """At most so many assignments; returns how many there were."""
        done = 0
        while done < most:
            caller = calls[self.assigned % len(calls)]
            request = search_pb.AskRequest(experiment=self._experiment, count=1, request_id=new_id(), worker="w")
            given = caller.search.Ask(request, timeout=SECONDS)
            if not given.assignments:
                self.asks["done"] += 1
                break
            self.asks["assigned"] += 1
            assert caller.search.Ask(request, timeout=SECONDS).assignments == given.assignments
            self.assigned, done = self.assigned + 1, done + 1
            self._train(calls[(self.assigned + 1) % len(calls)], given.assignments[0])
        return done

    def _train(self, caller: Calls, given: trial_pb2.Assignment) -> None:
        lease, at = given.lease, self.assigned
        if at % 7 == 0:
            outcome = trial_pb2.OUTCOME_TRANSIENT if at % 2 else trial_pb2.OUTCOME_DIVERGED
            self.transient += outcome == trial_pb2.OUTCOME_TRANSIENT
            caller.search.Fail(
                search_pb.FailRequest(
                    experiment=self._experiment, request_id=new_id(), lease=lease, outcome=outcome, message="m"
                ),
                timeout=SECONDS,
            )
            return
        if at % 5 == 0:
            release = search_pb.Release(lease=lease)
            caller.search.Release(
                search_pb.ReleaseRequest(experiment=self._experiment, request_id=new_id(), releases=[release]),
                timeout=SECONDS,
            )
            return
        length, end = given.from_length, given.next_decision_length
        while length < end:
            length += 1
            request = tell_request(self._experiment, lease, (length, 1.0 / (lease.trial + 2)), request_id=new_id())
            (verdict,) = caller.search.Tell(request, timeout=SECONDS).verdicts
            assert caller.search.Tell(request, timeout=SECONDS).verdicts == [verdict]
            self.tells += 2
            if verdict.decision != trial_pb2.DECISION_CONTINUE:
                return
            self.between_rungs += length < end
            end = verdict.next_decision_length


async def history(url: str, ref: ExperimentRef) -> tuple[list[EventView], list[TrialView]]:
    """The event log, and all trials with their curves."""
    async with connect(url, timeout_seconds=5) as router:
        store = RedisStore(router)
        events = list[EventView]()
        while some := (await store.events(ref, events[-1].event_id if events else "", 1_000))[0]:
            events += some
        created = (await store.progress(ref)).trials_created
        return events, await store.trials(ref, range(created), curve=True)


def check_counters(text: str, ref: ExperimentRef, worker: Worker, events: list[EventView], trials: Any) -> None:
    """Every counter of the namespace equals what is recorded."""

    def counted(name: str) -> Counter[tuple[str, ...]]:
        return scraped.of_namespace(text, f"rungway_{name}_total", ref.namespace)

    lines = [(event.kind, event.explanation.reason.value) for event in events if event.explanation]
    assigned = Counter((reason,) for kind, reason in lines if kind == "assign")
    assert counted("assignments") == assigned
    assert counted("asks") == Counter({(status,): count for status, count in worker.asks.items()})
    verdicts = Counter((_DECISIONS[kind], reason) for kind, reason in lines if kind in _DECISIONS)
    lapsed = verdicts["pause", "retry"] - worker.transient
    assert counted("leases_lapsed") == Counter({(): lapsed})
    verdicts["pause", "retry"] -= lapsed
    verdicts["continue", "between_rungs"] = worker.between_rungs
    assert counted("verdicts") == +verdicts
    assert counted("results") == Counter({(): sum(len(trial.curve) for trial in trials)})
    ended = Counter((trial.outcome or "none", trial.state.value) for trial in trials if trial.state in _ENDED)
    assert counted("trials_ended") == ended
    states = scraped.of_namespace(text, "rungway_store_trials", ref.namespace)
    assert states == Counter((trial.state.value,) for trial in trials)


def lapse(caller: Calls, experiment: str, worker: Worker) -> None:
    """Let the lease of a trial expire, take it back, and finish it."""
    document = config("random", max_trials=1, lease_seconds=0.1)
    caller.create(experiment, document)
    caller.assignment(experiment)
    worker.asks["assigned"] += 1

    def requeued() -> search_pb.AskResponse | None:
        answer = caller.ask(experiment)
        worker.asks["assigned" if answer.assignments else "wait"] += 1
        return answer if answer.assignments else None

    wait_until(requeued)


def kill_a_process(service: Service) -> None:
    """SIGKILL one of the processes behind the port, between calls; returns once another has its place."""
    started = len(service.lines("worker_started"))
    os.kill(int(str(service.lines("worker_started")[0]["pid"])), signal.SIGKILL)
    wait_until(lambda: len(service.lines("worker_started")) > started)


def tells_counted(service: Service) -> float:
    """Tells that went well, over both ports."""
    found = scraped.samples(scraped.page(service.http))["rungway_rpcs_total"]
    return sum(count for (code, method, _), count in found.items() if code == "OK" and method.endswith("/Tell"))


@pytest.mark.parametrize("processes", [1, 2, pytest.param(4, marks=pytest.mark.long)])
async def test_the_counters_equal_the_history(processes: int) -> None:
    name, flags = unique_name("counted"), ("--workers", str(processes)) if processes > 1 else ()
    rungs: dict[str, Any] = {"num_rungs": 3, "divisor": 3, "max_length": {"epochs": 9}}
    with redis_on_socket() as url, services(url, 1, *flags) as (service,):
        worker = Worker(name)
        with callers(service) as calls:
            calls[0].create(name, config("async_halving", max_trials=30, **rungs))
            assert worker.work(calls, 25) == 25
        if processes > 1:
            kill_a_process(service)
        with callers(service) as calls:
            assert worker.work(calls, 1_000) > 5
            lapse(calls[0], f"{name}-lapse", worker)
        events, trials = list[EventView](), list[TrialView]()
        for each in (name, f"{name}-lapse"):
            some, more = await history(url, ExperimentRef("default", each))
            events, trials = events + some, trials + more
        wait_until(lambda: tells_counted(service) == worker.tells)  # over HTTP once the answer has been sent
        check_counters(scraped.page(service.http), ExperimentRef("default", name), worker, events, trials)


def refused(service: Service, token: str = "", path: str = "/metrics") -> int:
    """The status of the page; 200 where it is shown."""
    try:
        scraped.page(service.http, token, path)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


async def test_with_tokens_the_page_wants_one_for_all_namespaces(redis_url: str) -> None:
    async with connect(redis_url, timeout_seconds=5) as router:
        texts = []
        for namespace in ("mine", EVERY_NAMESPACE):
            token, text = make_token(namespace, Role.READ)
            await RedisTokens(router).add(token)
            texts.append(text)
    with services(redis_url, 1, "--tokens") as (service,):
        assert refused(service) == 401
        assert refused(service, texts[0]) == 403
        assert refused(service, texts[1]) == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_of_their_own_wants_no_token(redis_url: str, workers: str) -> None:
    with services(redis_url, 1, "--tokens", "--workers", workers, "--metrics-listen", "127.0.0.1:0") as (service,):
        text = scraped.page(service.metrics)
        assert scraped.samples(text)["rungway_redis_up"] in ({(): 1.0}, {(): 0.0})
        processes = scraped.samples(text)["process_resident_memory_bytes"]
        assert 1 <= len(processes) <= int(workers)
        assert all(value > 0 for value in processes.values())
        assert refused(service) == 404
        with pytest.raises(urllib.error.HTTPError, match="404"):
            scraped.page(service.metrics, path="/other")


def test_off_shows_and_counts_nothing(redis_url: str) -> None:
    with services(redis_url, 1, "--metrics-listen", "off") as (service,):
        assert refused(service) == 404
    code = (
        "import asyncio, sys\n"
        "from rungway_server.bootstrap import serve\n"
        "from rungway_server.settings import Settings\n"
        "async def main(settings):\n"
        "    task = asyncio.ensure_future(serve(settings, ready.put_nowait))\n"
        "    await ready.get()\n"
        "    print('loaded:', 'prometheus_client' in sys.modules)\n"
        "    task.cancel()\n"
        "    await asyncio.gather(task, return_exceptions=True)\n"
        "ready = asyncio.Queue()\n"
        "asyncio.run(main(Settings.load(listen='127.0.0.1:0', redis_url=sys.argv[1], metrics_listen=sys.argv[2])))\n"
    )
    for where, loaded in (("off", "False"), ("http", "True")):
        words = [sys.executable, "-c", code, redis_url, where]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=True)
        assert f"loaded: {loaded}" in ran.stdout.splitlines()


def test_refusals_and_unknown_methods_are_counted(redis_url: str) -> None:
    with services(redis_url) as (service,):
        with grpc.insecure_channel(service.address) as channel:
            calls = Calls(channel)
            with pytest.raises(grpc.RpcError):
                calls.ask(unique_name("absent"))
            for path in ("/rungway.v1.SearchService/Nothing", "/other.Service/Nothing"):
                with pytest.raises(grpc.RpcError):
                    channel.unary_unary(path)(b"")  # type: ignore[arg-type]  # its stub has no such call
            over_http: Any
            with HttpChannel(service.http, as_json=True) as over_http, pytest.raises(grpc.RpcError):
                Calls(over_http).ask(unique_name("absent"))
            assert refused(service, path="/rungway.v1.SearchService/Nothing") == 404

        def counted() -> bool:
            found = scraped.samples(scraped.page(service.http))
            rpcs, ask = found["rungway_rpcs_total"], "rungway.v1.SearchService/Ask"
            return (
                found["rungway_refusals_total"] == {("EXPERIMENT_NOT_FOUND",): 2.0}
                and all(rpcs["NOT_FOUND", ask, transport] == 1 for transport in ("grpc", "http"))
                and rpcs["UNIMPLEMENTED", "_OTHER", "grpc"] == 2
                and rpcs["UNIMPLEMENTED", "_OTHER", "http"] == 1
            )

        wait_until(counted, 60)


def test_an_experiment_has_metrics_where_they_are_asked_for() -> None:
    name = unique_name("shown")
    with redis_on_socket() as url, services(url, 1, "--metrics-experiments", "1") as (service,):
        with calls_to(service.address) as calls:
            calls.create(unique_name("older"), config())
            calls.create(name, config("async_halving", max_trials=9, num_rungs=2, divisor=3, max_length={"epochs": 9}))
            given = calls.assignment(name)
            calls.tell(name, given.lease, (given.next_decision_length, 0.25))
            calls.assignment(name)
        found = scraped.samples(scraped.page(service.http))
        assert found["rungway_experiment_best_metric"] == {(name, "default"): 0.25}
        assert found["rungway_experiment_leases"] == {(name, "default"): 1}
        assert 0 < found["rungway_experiment_progress_ratio"][name, "default"] < 1
        assert found["rungway_experiment_rung_results"]["0", name, "default", "0"] == 1
        assert found["rungway_store_experiments"] == {("default", "running"): 2}


def open_streams(service: Service) -> float:
    """Of gRPC."""
    return scraped.samples(scraped.page(service.http))["rungway_streams_open"]["grpc",]


def test_streams_are_counted_while_they_are_open(redis_url: str) -> None:
    name = unique_name("watched")
    with services(redis_url) as (service,), calls_to(service.address) as calls:
        calls.create(name, config())
        watching = calls.views.WatchView(view_pb.WatchViewRequest(experiment=name))
        next(watching)
        wait_until(lambda: scraped.samples(scraped.page(service.http))["rungway_view_watchers"][()] == 1)
        assert scraped.samples(scraped.page(service.http))["rungway_view_refresh_seconds_count"][()] >= 1
        watching.cancel()
        wait_until(lambda: scraped.samples(scraped.page(service.http))["rungway_view_watchers"][()] == 0)
        wait_until(lambda: open_streams(service) == 0)
        stream = calls.experiments.WatchEvents(experiment_pb.WatchEventsRequest(experiment=name))
        wait_until(lambda: open_streams(service) == 1)
        stream.cancel()
        wait_until(lambda: open_streams(service) == 0)
        rpcs = scraped.samples(scraped.page(service.http))["rungway_rpcs_total"]
        assert rpcs["CANCELLED", "rungway.v1.ExperimentService/WatchEvents", "grpc"] == 1
