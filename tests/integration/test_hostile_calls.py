"""What anybody who reaches the port may send: nobody else notices, and what it holds is bounded."""

import socket
import struct
from collections.abc import Iterator

import grpc
import hpack
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway_server.transport.messages import FIRST_MESSAGE_SECONDS
from rungway_server.transport.strangers import MOST_OF_A_PEER
from tests.support.service import Service, services
from tests.support.waiting import wait_until

HEADERS, END_HEADERS, END_STREAM = 1, 4, 1
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


@pytest.fixture
def health(service: Service) -> Iterator[health_pb2_grpc.HealthStub]:
    with grpc.insecure_channel(service.address) as channel:
        yield health_pb2_grpc.HealthStub(channel)


class Connection:
    """HTTP/2 by hand, for what no gRPC client sends."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), 20)
        self._decoder = hpack.Decoder()
        self._left = b""
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def call(self, path: bytes, *, stream: int = 1, ended: bool = False) -> None:
        """The headers of a call, and no message."""
        found = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
        found += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
        flags = END_HEADERS | (END_STREAM if ended else 0)
        self.socket.sendall(frame(HEADERS, flags, stream, hpack.Encoder().encode(found)))

    def status(self) -> int:
        """The gRPC status of the next call that is answered."""
        while True:
            length, kind, stream = int.from_bytes(self._read(3), "big"), self._read(2)[0], self._read(4)
            body = self._read(length)
            assert kind != 7, f"the server has closed the connection: {stream!r} {body!r}"
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


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + struct.pack(">I", stream) + body


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_that_is_no_text_is_unimplemented_and_nobody_notices(
    path: bytes, service: Service, health: health_pb2_grpc.HealthStub
) -> None:
    watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    for _ in range(20):
        with Connection(service.address) as stranger:
            stranger.call(path)
            assert stranger.status() == grpc.StatusCode.UNIMPLEMENTED.value[0]
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == 1
    assert watch.is_active(), "the server was put up again"
    watch.cancel()
    assert service.process.poll() is None
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("path", ["/", "/a/b/c", "/rungway.v1.SearchService/Later", "*"])
def test_a_method_that_is_not_there_is_unimplemented(path: str, service: Service) -> None:
    with Connection(service.address) as stranger:
        stranger.call(path.encode())
        assert stranger.status() == grpc.StatusCode.UNIMPLEMENTED.value[0]


@pytest.mark.parametrize(
    "rpc", ["SearchService/Tell", "ExperimentService/GetExperiment", "ExperimentService/WatchEvents"]
)
def test_without_a_token_a_call_is_refused_before_its_message(rpc: str, redis_url: str) -> None:
    with services(redis_url, 1, "--tokens") as (service,), Connection(service.address) as stranger:
        stranger.call(f"/rungway.v1.{rpc}".encode())
        assert stranger.status() == grpc.StatusCode.UNAUTHENTICATED.value[0]


@pytest.mark.parametrize(
    "path", ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/rungway.v1.SearchService/Ask"]
)
def test_a_message_that_never_comes_is_waited_for_for_a_while(path: str, redis_url: str) -> None:
    assert FIRST_MESSAGE_SECONDS < 20  # the patience of the connection below
    with services(redis_url) as (service,), Connection(service.address) as stranger:
        stranger.call(path.encode())
        assert stranger.status() == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


def test_a_call_that_ends_without_a_message_is_bad_input(redis_url: str) -> None:
    with services(redis_url) as (service,), Connection(service.address) as stranger:
        stranger.call(b"/rungway.v1.SearchService/Ask", ended=True)
        assert stranger.status() == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_a_peer_has_so_many_health_watches_and_others_go_on(redis_url: str) -> None:
    with services(redis_url) as (service,):
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(service.address, options=options) for _ in range(3)]
        stubs = [health_pb2_grpc.HealthStub(channel) for channel in channels]
        watches = [stubs[i % 2].Watch(health_pb2.HealthCheckRequest(), timeout=60) for i in range(MOST_OF_A_PEER)]
        for watch in watches:
            next(watch)
        with pytest.raises(grpc.RpcError) as failed:
            next(stubs[2].Watch(health_pb2.HealthCheckRequest(), timeout=20))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        listed = ExperimentServiceStub(channels[2]).ListExperiments(pb.ListExperimentsRequest(), timeout=20)
        assert listed.next_page_token == ""
        watches[0].cancel()
        wait_until(lambda: checks(stubs[2]))
        for channel in channels:
            channel.close()


def checks(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        return bool(stub.Check(health_pb2.HealthCheckRequest(), timeout=20).status == 1)
    except grpc.RpcError:
        return False
