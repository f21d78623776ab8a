"""Workers that wait at real servers: both ports, two servers on one Redis, callers that leave, servers that stop."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.duration_pb2 import Duration

from rungway import AskReply, AskStatus, AsyncClient, Client
from rungway.v1 import search_service_pb2 as pb
from rungway.v1.trial_pb2 import Lease
from tests.support import scraped
from tests.support.agents import running, script
from tests.support.calls import SECONDS, Calls, calls_to, config, tell_request, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, Service, services
from tests.support.waiting import wait_until

ASK = "/rungway.v1.SearchService/Ask"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def pair(redis_url: str) -> Iterator[list[Service]]:
    """Two services on one Redis."""
    with services(redis_url, 2) as running:
        yield running


@dataclass
class Search:
    """A search that lets one trial run at a time, and one does."""

    name: str
    calls: Calls
    lease: Lease

    def make_room(self) -> None:
        """That trial has ended."""
        self.calls.tell(self.name, self.lease, (1, 0.5))


@pytest.fixture
def search(pair: list[Service]) -> Iterator[Search]:
    name = unique_name("held")
    with calls_to(pair[0].address) as calls:
        calls.create(name, config(max_trials=9, max_concurrent_trials=1))
        yield Search(name, calls, calls.assignment(name).lease)


def held(service: Service) -> float:
    """How many asks a service holds."""
    return scraped.samples(scraped.page(service.http))["rungway_asks_held"][()]


def by_client(target: str, name: str) -> AskReply:
    with Client(target, experiment=name) as client:
        return client.ask_once(wait=30)


def by_async_client(target: str, name: str) -> AskReply:
    async def ask() -> AskReply:
        async with AsyncClient(target, experiment=name) as client:
            return await client.ask_once(wait=30)

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [by_client, by_async_client])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_worker_is_held_until_another_server_has_made_room(
    transport: str, ask: Callable[[str, str], AskReply], pair: list[Service], search: Search
) -> None:
    found: list[AskReply] = []
    worker = threading.Thread(target=lambda: found.append(ask(pair[1].target(transport), search.name)))
    worker.start()
    wait_until(lambda: held(pair[1]) == 1)
    search.make_room()
    worker.join()
    assert [each.status for each in found] == [AskStatus.ASSIGNED]


def request(name: str, seconds: int = 30) -> pb.AskRequest:
    return pb.AskRequest(experiment=name, worker="w", wait=Duration(seconds=seconds))


def test_a_caller_that_leaves_takes_nothing(pair: list[Service], search: Search) -> None:
    """A cancelled call, a closed channel, a connection that breaks: work goes to the one who still waits."""
    host, _, port = pair[1].http.rpartition(":")
    body = request(search.name).SerializeToString()
    lines = (f"POST {ASK} HTTP/1.1", f"Host: {host}", "Content-Type: application/proto", f"Content-Length: {len(body)}")
    with grpc.insecure_channel(pair[1].address) as channel, socket.create_connection((host, int(port))) as connection:
        gone = Calls(channel).search.Ask.future(request(search.name), timeout=SECONDS)
        wait_until(lambda: held(pair[1]) == 1)
        other = grpc.insecure_channel(pair[1].address, options=[("grpc.use_local_subchannel_pool", 1)])
        closed = Calls(other).search.Ask.future(request(search.name), timeout=SECONDS)
        connection.sendall("\r\n".join((*lines, "", "")).encode() + body)
        wait_until(lambda: held(pair[1]) == 3)
        left = Calls(channel).search.Ask.future(request(search.name), timeout=SECONDS)
        wait_until(lambda: held(pair[1]) == 4)
        gone.cancel()
        other.close()
        connection.close()
        wait_until(lambda: held(pair[1]) == 1)
        assert closed.code() is grpc.StatusCode.CANCELLED
        search.make_room()
        assert left.result().status == pb.ASK_STATUS_ASSIGNED


def test_a_call_is_answered_before_its_deadline(pair: list[Service], search: Search) -> None:
    answer = search.calls.search.Ask(request(search.name), timeout=2)
    assert (answer.status, answer.retry_after.ToMilliseconds()) == (pb.ASK_STATUS_WAIT, 0)
    reply = httpx.post(
        f"http://{pair[1].http}{ASK}",
        json={"experiment": search.name, "wait": "30s"},
        headers={"Connect-Timeout-Ms": "2000"},
        timeout=SECONDS,
    ).json()
    assert (reply["status"], reply["retryAfter"]) == ("ASK_STATUS_WAIT", "0s")


def test_no_answer_is_older_than_its_call(pair: list[Service]) -> None:
    """Who was told a revision by one server, and asks another where somebody waits already, is not told an earlier
    one."""
    name = unique_name("held")
    with calls_to(pair[0].address) as calls, calls_to(pair[1].address) as others:
        calls.create(name, config(max_trials=9, max_length=10_000, max_concurrent_trials=1, lease_seconds=600))
        lease = calls.assignment(name).lease
        first = others.search.Ask.future(request(name), timeout=SECONDS)
        wait_until(lambda: held(pair[1]) >= 1)
        for length in range(1, 31):
            told = calls.search.Tell(tell_request(name, lease, (length, 0.5)), timeout=SECONDS).revision
            short = pb.AskRequest(experiment=name, worker="w", wait=Duration(nanos=1_000_000))
            answer = others.search.Ask(short, timeout=SECONDS)
            assert answer.status == pb.ASK_STATUS_WAIT
            assert answer.revision >= told
        first.cancel()


@pytest.mark.parametrize("wrong", [{"wait": "-1s"}, {"wait": "1s", "waited": "-2s"}])
def test_a_negative_time_is_refused(wrong: dict[str, str], pair: list[Service], search: Search) -> None:
    reply = httpx.post(f"http://{pair[0].http}{ASK}", json={"experiment": search.name, **wrong}, timeout=SECONDS)
    assert reply.status_code == 400
    assert f"{list(wrong)[-1]}: got -" in reply.text


def test_a_server_that_stops_answers_those_who_wait(redis_url: str, search: Search) -> None:
    with services(redis_url, 1, "--drain-notice", "0") as (service,), grpc.insecure_channel(service.address) as channel:
        waits = [Calls(channel).search.Ask.future(request(search.name), timeout=SECONDS) for _ in range(3)]
        over_http: list[AskReply] = []
        worker = threading.Thread(target=lambda: over_http.append(by_client(f"http://{service.http}", search.name)))
        worker.start()
        wait_until(lambda: held(service) == 4)
        assert service.terminate() == 0
        assert {each.result().status for each in waits} == {pb.ASK_STATUS_WAIT}
        worker.join()
        assert over_http[0].status is AskStatus.WAIT


def test_an_agent_that_waits_leaves_at_once(pair: list[Service], search: Search, tmp_path: Path) -> None:
    train = script(tmp_path, "exit 1")
    target = ("--target", pair[1].address)
    with running(tmp_path, "agent", search.name, *target, "-n", "3", "--", train) as agent:
        wait_until(lambda: held(pair[1]) == 3 or agent.process.poll() is not None)
        agent.process.send_signal(signal.SIGTERM)
        assert agent.wait() == 128 + signal.SIGTERM, agent.said()
    wait_until(lambda: held(pair[1]) == 0)
