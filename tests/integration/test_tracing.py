"""Spans for OpenTelemetry: of calls over both ports, of their scripts, and what they are children of."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import httpx
import pytest

pytest.importorskip("opentelemetry.proto", reason="the extra `tracing` is not installed")
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from rungway_server import tracing
from tests.support.calls import SECONDS, Calls, calls_to, config, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Collector:
    """What a collector of OpenTelemetry is to those who send spans to it over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.resources: list[dict[str, str]] = []
        self.spans: list[trace_pb2.Span] = []

    def take(self, body: bytes) -> None:
        for each in trace_service_pb2.ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes(each.resource))
            self.spans += [span for scope in each.scope_spans for span in scope.spans]

    def of(self, name: str, trace: str = "") -> list[trace_pb2.Span]:
        """The spans of this name, and of this trace."""
        return [span for span in self.spans if span.name == name and (not trace or span.trace_id.hex() == trace)]

    def one(self, name: str, trace: str = "") -> trace_pb2.Span:
        wait_until(lambda: self.of(name, trace))
        (found,) = self.of(name, trace)
        return found


def attributes(owner: Any) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in owner.attributes}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the base class writes to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as found:
        yield found


def sends_to(url: str) -> dict[str, str]:
    """Variables for a service that sends its spans there, soon."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture(scope="module")
def traced(url: str, collector: Collector) -> Iterator[Service]:
    with services(url, 1, "--tracing", environment=sends_to(collector.url)) as (running,):
        yield running


@pytest.fixture
def calls(traced: Service) -> Iterator[Calls]:
    with calls_to(traced.address) as found:
        yield found


def test_a_call_over_grpc_is_a_span_and_its_script_a_child(calls: Calls, collector: Collector) -> None:
    name = unique_name("traced")
    calls.create(name, config())
    lease = calls.assignment(name).lease
    calls.tell(name, lease, (1, 0.5), request_id="the-tell")
    span = collector.one("rungway.v1.SearchService/Tell")
    assert span.kind == trace_pb2.Span.SPAN_KIND_SERVER
    about = attributes(span)
    assert (about["rpc.system"], about["rpc.service"], about["rpc.method"]) == (
        "grpc",
        "rungway.v1.SearchService",
        "Tell",
    )
    assert (about["rungway.experiment"], about["rungway.trial"]) == (name, "0")
    assert about["rungway.request_id"] == "the-tell"
    script = collector.one("redis tell", span.trace_id.hex())
    assert script.parent_span_id == span.span_id
    assert script.kind == trace_pb2.Span.SPAN_KIND_CLIENT
    assert span.start_time_unix_nano <= script.start_time_unix_nano <= script.end_time_unix_nano
    assert collector.resources[0]["service.name"] == "rungway"


def test_the_span_of_the_caller_is_the_parent(traced: Service, calls: Calls, collector: Collector) -> None:
    name = unique_name("traced")
    calls.create(name, config())
    path = "/rungway.v1.SearchService/Ask"
    body = {"experiment": name, "requestId": "over-http"}
    answer = httpx.post(f"http://{traced.http}{path}", json=body, headers={"traceparent": TRACEPARENT})
    assert answer.status_code == 200
    span = collector.one(path[1:], TRACE)
    assert span.parent_span_id.hex() == PARENT
    assert attributes(span)["rpc.system"] == "connect_rpc"
    over_grpc = TRACEPARENT.replace("4bf9", "5bf9")
    with grpc.insecure_channel(traced.address) as channel:
        ask: Any = channel.unary_unary(path)
        with pytest.raises(grpc.RpcError):
            ask(b"\x0a\x04none", timeout=SECONDS, metadata=[("traceparent", over_grpc)])
    assert collector.one(path[1:], TRACE.replace("4bf9", "5bf9")).parent_span_id.hex() == PARENT


def test_a_refusal_names_its_reason_and_is_no_error_of_the_service(traced: Service, collector: Collector) -> None:
    other = TRACEPARENT.replace("4bf9", "6bf9")
    url = f"http://{traced.http}/rungway.v1.ExperimentService/GetTrial"
    assert httpx.post(url, json={"experiment": "nobody"}, headers={"traceparent": other}).status_code == 404
    span = collector.one("rungway.v1.ExperimentService/GetTrial", TRACE.replace("4bf9", "6bf9"))
    assert attributes(span)["error.type"] == "EXPERIMENT_NOT_FOUND"
    assert span.status.code == trace_pb2.Status.STATUS_CODE_UNSET


@pytest.mark.parametrize("header", ["", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\xff" * 300])
def test_a_broken_traceparent_is_passed_over(traced: Service, header: str) -> None:
    url = f"http://{traced.http}/rungway.v1.ExperimentService/ListExperiments"
    answer = httpx.post(url, json={}, headers=[(b"traceparent", header.encode("latin-1"))])
    assert answer.status_code == 200


def test_an_unreachable_collector_costs_no_call_and_few_lines(url: str) -> None:
    with (
        services(url, 1, "--tracing", environment=sends_to("http://127.0.0.1:9")) as (service,),
        calls_to(service.address) as calls,
    ):
        name = unique_name("traced")
        calls.create(name, config())
        lease = calls.assignment(name).lease
        for length in range(1, 8):
            calls.tell(name, lease, (length, 0.5))
        wait_until(lambda: "while exporting spans" in service.log())
        assert service.terminate() == 0
        assert len([line for line in service.log().splitlines() if "opentelemetry" in line]) < 10


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(tracing.NotInstalled, match=r"pip install 'rungway\[tracing\]'"), tracing.started("1"):
        pass
    assert not tracing.is_on()


def test_the_last_spans_are_sent_when_the_service_stops(url: str, collector: Collector) -> None:
    later = sends_to(collector.url) | {"OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_SERVICE_NAME": "mine"}
    with services(url, 1, "--tracing", environment=later) as (service,):
        with calls_to(service.address) as calls:
            calls.create(name := unique_name("traced"), config())
        assert service.terminate() == 0
    created = [
        each
        for each in collector.of("rungway.v1.ExperimentService/CreateExperiment")
        if attributes(each).get("rungway.experiment") == name
    ]
    assert len(created) == 1
    assert "mine" in [each["service.name"] for each in collector.resources]
