"""The lines about calls: which call was refused and why, over both ports; which lease expired; what is the best now."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from redis import Redis

from rungway.v1 import experiment_service_pb2 as experiments_pb
from rungway.v1 import search_service_pb2 as search_pb
from tests.support.calls import SECONDS, Calls, calls_to, config, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import wait_until

SECRET = "rwy_0123456789abcdef_" + "S" * 43
FIELDS = ("reason", "level", "rpc", "namespace", "experiment", "trial", "request_id", "transport", "peer")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as found:
        yield found


@pytest.fixture(scope="module")
def quiet(url: str) -> Iterator[Service]:
    """A service that logs as it does by default."""
    with services(url) as (running,):
        yield running


@pytest.fixture
def calls(quiet: Service) -> Iterator[Calls]:
    with calls_to(quiet.address) as found:
        yield found


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(grpc.RpcError):
        call()


def line_of(service: Service, request_id: str) -> dict[str, object]:
    """The one line about a request."""
    (line,) = [line for line in service.lines("call_refused") if line.get("request_id") == request_id]
    return {name: line[name] for name in FIELDS if name in line}


def test_a_refused_call_is_one_line(quiet: Service, calls: Calls) -> None:
    refused(lambda: calls.ask("nobody", request_id="over-grpc"))
    body = {"experiment": "nobody", "requestId": "over-http"}
    headers = {"rungway-namespace": "vision"}
    answer = httpx.post(f"http://{quiet.http}/rungway.v1.SearchService/Ask", json=body, headers=headers)
    assert answer.status_code == 404
    about = {"reason": "EXPERIMENT_NOT_FOUND", "level": "info", "rpc": "Ask", "experiment": "nobody"}
    own = {"namespace": "default", "request_id": "over-grpc", "transport": "grpc", "peer": "127.0.0.1"}
    assert line_of(quiet, "over-grpc") == about | own
    own = {"namespace": "vision", "request_id": "over-http", "transport": "http", "peer": "127.0.0.1"}
    assert line_of(quiet, "over-http") == about | own


def test_the_trials_of_a_refused_call_are_named(quiet: Service, calls: Calls) -> None:
    name = unique_name("log")
    calls.create(name, config())
    lease = calls.assignment(name).lease
    refused(lambda: calls.tell(name, lease, (5, 0.5), request_id="too-long"))
    line = line_of(quiet, "too-long")
    assert (line["reason"], line["experiment"], line["trial"]) == ("LENGTH_BEYOND_ASSIGNMENT", name, 0)
    request = experiments_pb.GetTrialRequest(experiment=name, trial=99)
    refused(lambda: calls.experiments.GetTrial(request, timeout=SECONDS))
    lines = [line for line in quiet.lines("call_refused") if line["reason"] == "TRIAL_NOT_FOUND"]
    assert [(line["rpc"], line["trial"]) for line in lines] == [("GetTrial", 99)]


def test_served_calls_are_lines_at_debug_only(url: str, quiet: Service, calls: Calls) -> None:
    name = unique_name("log")
    calls.create(name, config())
    with services(url, 1, "--log-level", "debug") as (loud,), calls_to(loud.address) as others:
        given = others.ask(name, request_id="r-1", worker="gpu-3").assignments[0]
        others.tell(name, given.lease, (1, 0.5))
        wait_until(lambda: len(loud.lines("call")) == 2)
        ask, tell = loud.lines("call")
    assert (ask["rpc"], ask["worker"], ask["request_id"], ask["trial"]) == ("Ask", "gpu-3", "r-1", 0)
    assert ask["decisions"] == [{"trial": 0, "decision": "RUN", "reason": "NEW_TRIAL"}]
    assert tell["decisions"] == [{"trial": 0, "decision": "STOP", "reason": "COMPLETED"}]
    assert float(str(ask["ms"])) > 0
    assert quiet.lines("call") == []


def test_requests_over_http_that_are_no_calls(quiet: Service) -> None:
    base = f"http://{quiet.http}"
    httpx.get(f"{base}/nowhere?token={SECRET}")
    httpx.put(f"{base}/rungway.v1.SearchService/Ask")
    httpx.post(f"{base}/rungway.v1.SearchService/Ask", content=b"x", headers={"content-type": "text/plain"})
    httpx.get(f"{base}/livez")
    lines = [line for line in quiet.lines("call_refused") if line["reason"] == "UNIMPLEMENTED"]
    assert [(line["rpc"], line["why"]) for line in lines] == [
        ("/nowhere", "HTTP 404"),
        ("Ask", "HTTP 405"),
        ("Ask", "HTTP 415"),
    ]


def test_secrets_in_the_wrong_place_are_in_no_line(quiet: Service, calls: Calls) -> None:
    """Whatever field a token is put into by mistake."""
    refused(lambda: calls.ask(SECRET, request_id="planted"))
    refused(lambda: calls.ask("nobody", request_id=SECRET))
    refused(lambda: calls.create("planted", {"hyperparameters": {}, "redis://me:hunter2@host": SECRET}))
    httpx.post(f"http://{quiet.http}/rungway.v1.SearchService/Ask", headers={"rungway-namespace": SECRET}, json={})
    httpx.post(f"http://{quiet.http}/{SECRET}", json={})
    assert line_of(quiet, "planted")["reason"] == "INVALID_FIELD"
    assert "ssss" not in quiet.log().lower()
    assert "hunter2" not in quiet.log()
    assert "rwy_0123456789abcdef…" in str(quiet.lines("call_refused"))


def test_no_caller_makes_a_second_line(quiet: Service, calls: Calls) -> None:
    forged = 'x\n{"event": "ready", "address": "evil:1"}\x1b[2J'
    refused(lambda: calls.ask(forged, request_id="forged"))
    assert line_of(quiet, "forged")["reason"] == "INVALID_FIELD"
    assert [line["address"] for line in quiet.lines("ready")] == [quiet.address]
    assert "\x1b" not in quiet.log()


def test_a_flood_of_refused_calls_is_a_few_lines_and_a_count(url: str) -> None:
    with services(url) as (service,), grpc.insecure_channel(service.address) as channel:
        ask: grpc.UnaryUnaryMultiCallable[search_pb.AskRequest, bytes] = channel.unary_unary(
            "/rungway.v1.SearchService/Ask", request_serializer=search_pb.AskRequest.SerializeToString
        )
        for _ in range(12):  # a server takes so many at once of a connection
            flood = [ask.future(search_pb.AskRequest(experiment="nobody"), timeout=SECONDS) for _ in range(50)]
            assert {each.code() for each in flood} == {grpc.StatusCode.NOT_FOUND}

        def counted() -> int:
            left_out = sum(int(str(line["left_out"])) for line in service.lines("call_refused_more"))
            return len(service.lines("call_refused")) + left_out

        wait_until(lambda: counted() == 600)
        seconds = 1 + len(service.lines("call_refused_more"))
        assert 10 <= len(service.lines("call_refused")) <= 10 * seconds < 600


def test_an_expired_lease_and_the_trial_that_is_lost(quiet: Service, calls: Calls) -> None:
    name = unique_name("log")
    calls.create(name, config(max_trials=1, lease_seconds=1, max_restarts=1))
    for worker in ("gpu-1", "gpu-2"):
        wait_until(lambda worker=worker: bool(calls.ask(name, worker=worker).assignments))  # type: ignore[misc]
    wait_until(lambda: calls.ask(name).status == search_pb.ASK_STATUS_DONE)
    lines = [line for line in quiet.lines("lease_expired") if line["experiment"] == name]
    assert [(line["trial"], line["worker"], line["requeued"], line["restarts"]) for line in lines] == [
        (0, "gpu-1", True, 1),
        (0, "gpu-2", False, 2),
    ]
    assert {(line["namespace"], line["level"]) for line in lines} == {("default", "warning")}


def test_each_new_best_is_a_line(url: str, quiet: Service, calls: Calls) -> None:
    """Whichever server it was told; worse results, and repeats of the best one, are none."""
    name = unique_name("log")
    calls.create(name, config(max_trials=9, max_length={"epochs": 9}))
    with services(url) as (second,), calls_to(second.address) as others:
        leases = [given.lease for given in calls.ask(name, count=4).assignments]
        metrics = (0.5, 0.7, 0.3, 0.4)
        for server, lease, metric in zip((calls, calls, others, calls), leases, metrics, strict=True):
            for _ in range(2):
                server.tell(name, lease, (1, metric), request_id=f"told-{metric}")
        calls.tell(name, leases[0], (2, float("nan")))
        wait_until(lambda: second.lines("new_best"))
        assert [(line["trial"], line["metric"], line["length"]) for line in second.lines("new_best")] == [(2, 0.3, 1)]
        found = [(line["trial"], line["metric"]) for line in quiet.lines("new_best") if line["experiment"] == name]
        assert found == [(0, 0.5)]


def test_a_line_for_a_store_that_is_full(url: str, quiet: Service, calls: Calls) -> None:
    name = unique_name("log")
    calls.create(name, config())
    with Redis.from_url(url) as direct:
        direct.config_set("maxmemory", 1)
        try:
            refused(lambda: calls.ask(name, request_id="full"))
        finally:
            direct.config_set("maxmemory", 0)
    line = line_of(quiet, "full")
    assert (line["reason"], line["level"], line["experiment"]) == ("STORE_FULL", "error", name)


def test_lines_of_the_c_core_are_in_the_log(url: str, tmp_path: Path) -> None:
    """A peer that does not speak HTTP/2 makes gRPC write a line at the verbosity that an operator may set."""
    flags = ("--listen", "127.0.0.1:0", "--redis", url)
    service = Service(tmp_path, flags, environment={"GRPC_VERBOSITY": "debug", "GRPC_TRACE": "http"})
    try:
        host, _, port = service.address.rpartition(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.settimeout(SECONDS)
            stranger.recv(100)
        wait_until(lambda: bool(service.lines("grpc")))
        assert re.fullmatch(r"\S+\.(cc|h):\d+", str(service.lines("grpc")[0]["source"]))
        assert not re.search(r"^[IWE]\d{4} ", service.log(), re.MULTILINE)
        assert service.terminate() == 0
    finally:
        service.kill()
