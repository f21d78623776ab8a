"""Whatever is sent to the port: other callers notice nothing, and what a peer holds is bounded."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import hpack
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from rungway import Client, Report, Result
from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway_server.transport.anonymous_calls import MOST_IN_ALL, MOST_OF_A_PEER
from rungway_server.transport.messages import MESSAGE_SECONDS
from tests.support.calls import config, unique_name
from tests.support.http2 import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, frame, opened
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

PATHS = {
    "no UTF-8": b"/\xff\xfe/x",
    "cut off": b"/rungway.v1.SearchService/As\xc3",
    "a surrogate": b"/rungway.v1.ExperimentService/\xed\xa0\x80",
    "overlong": b"/\xc0\xaf",
    "of another coding": "/Pr\xe9view/x".encode("latin-1"),
    "long": b"/" + b"\xff" * 4_000,
}


@pytest.fixture(scope="module", params=["--no-tokens", "--tokens"])
def service(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Service]:
    flags = ("--tokens",) if request.param == "--tokens" else ()
    with services(redis_url, 1, *flags) as (running,):
        yield running


@pytest.fixture(scope="module")
def reflecting(redis_url: str) -> Iterator[Service]:
    """A service for all who leave it as they found it."""
    with services(redis_url, 1, "--reflection") as (running,):
        yield running


@pytest.fixture(scope="module")
def trained(reflecting: Service) -> str:
    """A search with many results."""
    name = unique_name("trained")
    with Client(reflecting.address, experiment=name) as client:
        client.create_experiment(name, config(max_trials=3_000))
        for _ in range(20):
            reply = client.ask_once(64)
            client.tell_many([Result(each, [Report(1, 0.5)]) for each in reply.assignments])
    return name


@pytest.fixture
def health(service: Service) -> Iterator[health_pb2_grpc.HealthStub]:
    with grpc.insecure_channel(service.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


class Connection:
    """HTTP/2 by hand, to send what no gRPC client sends."""

    def __init__(self, address: str, source: str = "") -> None:
        """`source`: another address of the loopback interface to connect from."""
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), 20, (source, 0) if source else None)
        self._decoder = hpack.Decoder()
        self._left = b""
        self.socket.sendall(opened())

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def call(self, path: bytes, *, stream: int = 1, ended: bool = False, message: bytes = b"") -> None:
        """Send the headers of a call, and its message if one is given."""
        found = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
        found += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
        flags = END_HEADERS | (END_STREAM if ended else 0)
        body = frame(DATA, 0, stream, message) if message else b""
        self.socket.sendall(frame(HEADERS, flags, stream, hpack.Encoder().encode(found)) + body)

    def read_some(self) -> None:
        """Wait until some bytes arrive."""
        self._left += self.socket.recv(1)

    def status(self) -> int:
        """The gRPC status of the next response."""
        while True:
            length, kind, stream = int.from_bytes(self._read(3), "big"), self._read(2)[0], self._read(4)
            body = self._read(length)
            assert kind != GOAWAY, f"the server has closed the connection: {stream!r} {body!r}"
            if kind == HEADERS:
                headers = dict(self._decoder.decode(body, raw=True))
                if b"grpc-status" in headers:
                    return int(headers[b"grpc-status"])

    def _read(self, count: int) -> bytes:
        while len(self._left) < count:
            more = self.socket.recv(1 << 16)
            assert more, "the server has closed the connection"
            self._left += more
        found, self._left = self._left[:count], self._left[count:]
        return found


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_that_is_not_text_is_unimplemented_and_others_are_served(
    path: bytes, service: Service, health: health_pb2_grpc.HealthStub
) -> None:
    watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    for _ in range(20):
        with Connection(service.address) as stranger:
            stranger.call(path)
            assert stranger.status() == grpc.StatusCode.UNIMPLEMENTED.value[0]
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS).status == 1
    assert watch.is_active(), "the server was put up again"
    watch.cancel()
    assert service.process.poll() is None
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("path", ["/", "/a/b/c", "/rungway.v1.SearchService/Later", "*"])
def test_an_unknown_method_is_unimplemented(path: str, service: Service) -> None:
    with Connection(service.address) as stranger:
        stranger.call(path.encode())
        assert stranger.status() == grpc.StatusCode.UNIMPLEMENTED.value[0]


@pytest.mark.parametrize(
    "rpc", ["SearchService/Tell", "ExperimentService/GetExperiment", "ExperimentService/WatchEvents"]
)
@pytest.mark.parametrize("service", ["--tokens"], indirect=True)
def test_without_a_token_a_call_is_refused_before_its_message(rpc: str, service: Service) -> None:
    with Connection(service.address) as stranger:
        stranger.call(f"/rungway.v1.{rpc}".encode())
        assert stranger.status() == grpc.StatusCode.UNAUTHENTICATED.value[0]


def test_a_call_whose_message_never_comes_is_ended_after_a_while(reflecting: Service) -> None:
    assert MESSAGE_SECONDS < 20  # the timeout of the connections below
    with ExitStack() as stack:
        strangers = {}  # all wait at the same time
        for path in ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/rungway.v1.SearchService/Ask"):
            strangers[path] = stack.enter_context(Connection(reflecting.address))
            strangers[path].call(path.encode())
        for path, stranger in strangers.items():
            assert stranger.status() == grpc.StatusCode.DEADLINE_EXCEEDED.value[0], path


def test_a_call_that_ends_without_a_message_is_bad_input(reflecting: Service) -> None:
    with Connection(reflecting.address) as stranger:
        stranger.call(b"/rungway.v1.SearchService/Ask", ended=True)
        assert stranger.status() == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_a_peer_has_so_many_health_watches_and_others_go_on(redis_url: str) -> None:
    with services(redis_url) as (service,):
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(service.address, options=options) for _ in range(3)]
        stubs = [health_pb2_grpc.HealthStub(channel) for channel in channels]
        watches = [stubs[i % 2].Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS) for i in range(MOST_OF_A_PEER)]
        for watch in watches:
            next(watch)
        with pytest.raises(grpc.RpcError) as failed:
            next(stubs[2].Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        ExperimentServiceStub(channels[2]).ListExperiments(pb.ListExperimentsRequest(), timeout=SECONDS)
        watches[0].cancel()
        wait_until(lambda: checks(stubs[2]))
        for channel in channels:
            channel.close()


def checks(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        return bool(stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS).status == 1)
    except grpc.RpcError:
        return False


def test_health_is_answered_however_many_calls_strangers_hold(redis_url: str) -> None:
    holders = range(2, 2 + MOST_IN_ALL // MOST_OF_A_PEER)
    with services(redis_url) as (service,), ExitStack() as stack:
        for number in holders:
            strange = stack.enter_context(Connection(service.address, f"127.0.0.{number}"))
            for i in range(MOST_OF_A_PEER - 1):
                strange.call(WATCH, stream=2 * i + 1, message=b"\0\0\0\0\0")
        wait_until(lambda: service.lines("many_calls_for_health"))
        assert len(service.lines("many_calls_for_health")) == 1
        for number in holders:  # as many as allowed
            strange = stack.enter_context(Connection(service.address, f"127.0.0.{number}"))
            strange.call(WATCH, message=b"\0\0\0\0\0")
        with Connection(service.address, "127.0.0.2") as greedy:
            for i in range(MOST_OF_A_PEER // 2):  # some may be answered before the last of the others arrive
                greedy.call(WATCH, stream=2 * i + 1, message=b"\0\0\0\0\0")
            assert greedy.status() == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        with grpc.insecure_channel(service.address) as channel:  # another peer: 127.0.0.1
            assert checks(health_pb2_grpc.HealthStub(channel))
            ExperimentServiceStub(channel).ListExperiments(pb.ListExperimentsRequest(), timeout=20)


WATCH = b"/grpc.health.v1.Health/Watch"
REFLECTION = b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def test_reflection_is_bounded_too(redis_url: str) -> None:
    with services(redis_url, 1, "--reflection") as (service,), ExitStack() as stack:
        strange = stack.enter_context(Connection(service.address, "127.0.0.2"))
        for i in range(11):
            strange.call(REFLECTION, stream=2 * i + 1)
        assert strange.status() == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "the eleventh of a peer"
        assert strange.status() == grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "no message came"
        strange.call(REFLECTION, stream=101, message=b"\0\0\0\0\2\x3a\1")  # cut off
        while (status := strange.status()) == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]:
            pass
        assert status == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        strange.call(REFLECTION, stream=103, message=b"\0\0\0\0\2\x3a\0")  # list the services
        assert strange.status() == grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "answered, and then no message came"
        assert "Traceback" not in service.log()


def test_the_log_warns_before_all_calls_are_in_use(redis_url: str) -> None:
    with services(redis_url, 1, "--max-concurrent-rpcs", "1") as (service,), ExitStack() as stack:
        for _ in range(9):  # of the 1,004 open calls
            strange = stack.enter_context(Connection(service.address))
            for i in range(95):
                strange.call(b"/rungway.v1.SearchService/Ask", stream=2 * i + 1)
        wait_until(lambda: service.lines("many_calls"))
        (line,) = service.lines("many_calls")
        assert line["level"] == "warning"
        assert line["most"] == 1_004


def leave_by_cancelling(stream: grpc.Call, _: grpc.Channel) -> None:
    stream.cancel()


def leave_by_hanging_up(_: grpc.Call, channel: grpc.Channel) -> None:
    channel.close()


@pytest.mark.parametrize("leave", [leave_by_cancelling, leave_by_hanging_up])
@pytest.mark.parametrize("rpc", ["WatchEvents", "ExportExperiment", "Watch", "Reflection"])
def test_leaving_a_stream_midway_is_not_an_incident(
    rpc: str, leave: Callable[[grpc.Call, grpc.Channel], None], reflecting: Service, trained: str
) -> None:
    for _ in range(20):
        channel = grpc.insecure_channel(reflecting.address, options=[("grpc.use_local_subchannel_pool", 1)])
        leave(begun(streams(channel, trained)[rpc]), channel)
        channel.close()
    with Client(reflecting.address, experiment=trained) as client:
        assert client.get_experiment().experiment == trained
    assert not [line for line in reflecting.log().splitlines() if '"level": "error"' in line]
    assert "Traceback" not in reflecting.log()


def begun(stream: Callable[[], Any]) -> Any:
    """A stream that has begun. Those that were left take their places until the server has noticed."""
    while True:
        found = stream()
        try:
            next(found)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            time.sleep(0.05)
        else:
            return found


def streams(channel: grpc.Channel, name: str) -> dict[str, Callable[[], Any]]:
    stub, asked = ExperimentServiceStub(channel), reflection_pb2.ServerReflectionRequest(list_services="*")
    return {
        "WatchEvents": lambda: stub.WatchEvents(pb.WatchEventsRequest(experiment=name), timeout=60),
        "ExportExperiment": lambda: stub.ExportExperiment(pb.ExportExperimentRequest(experiment=name), timeout=60),
        "Watch": lambda: health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60),
        "Reflection": lambda: reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([asked] * 1_000), timeout=60
        ),
    }


@pytest.mark.parametrize("rpc", ["WatchEvents", "ExportExperiment"])
def test_hanging_up_before_all_is_written_is_not_an_incident(rpc: str, reflecting: Service, trained: str) -> None:
    message = pb.WatchEventsRequest(experiment=trained).SerializeToString()  # that of the export is the same
    body = b"\0" + len(message).to_bytes(4, "big") + message
    with ExitStack() as stack:
        for _ in range(3):
            strange = stack.enter_context(Connection(reflecting.address))
            for i in range(30):  # more than the windows of a connection hold: they wait in the middle of a write
                strange.call(f"/rungway.v1.ExperimentService/{rpc}".encode(), stream=2 * i + 1, message=body)
            strange.read_some()
    with Client(reflecting.address, experiment=trained) as client:
        assert client.get_experiment().experiment == trained
    assert not reflecting.lines("unexpected_error")
    assert "Traceback" not in reflecting.log()
