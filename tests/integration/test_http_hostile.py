"""Whatever is sent to the HTTP port: other callers notice nothing, and what a caller holds is bounded."""

import gzip
import json
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from rungway import Client
from rungway_server.transport.http.protocol import BODY_SECONDS, HEAD_SECONDS, MOST_HEAD_BYTES
from tests.support.calls import config, unique_name
from tests.support.http1 import Answer, Wire
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

ASK = "/rungway.v1.SearchService/Ask"
LIST = "/rungway.v1.ExperimentService/ListExperiments"
WATCH = "/rungway.v1.ExperimentService/WatchEvents"
MOST = 1 << 20
"""Bytes of a message: the default of max_message_bytes."""


@pytest.fixture(scope="module")
def service(redis_url: str) -> Iterator[Service]:
    with services(redis_url) as (running,):
        yield running


@pytest.fixture(autouse=True)
def _nothing_unexpected(service: Service) -> Iterator[None]:
    yield
    assert service.process.poll() is None
    assert "Traceback" not in service.log()
    assert not service.lines("unexpected_error")
    assert served(service.http)


def served(address: str) -> bool:
    with Wire(address) as wire:
        return wire.post(LIST, b"{}").status == 200


def request(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


POST = (f"POST {LIST} HTTP/1.1", "host: localhost", "content-type: application/json")
UNREADABLE = {
    "both lengths": request(*POST, "content-length: 2", "transfer-encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "two lengths": request(*POST, "content-length: 2", "content-length: 3", body=b"{} "),
    "a length that is no number": request(*POST, "content-length: two", body=b"{}"),
    "a negative length": request(*POST, "content-length: -2", body=b"{}"),
    "a length with a sign": request(*POST, "content-length: +2", body=b"{}"),
    "a coding that is unknown": request(*POST, "transfer-encoding: gzip", body=b"{}"),
    "chunked is not the last coding": request(*POST, "transfer-encoding: chunked, identity", body=b"{}"),
    "a chunk size that is no number": request(*POST, "transfer-encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "a space before the colon": request(*POST, "content-length : 2", body=b"{}"),
    "a header that goes on": request(*POST, "x-a: b", " c", "content-length: 2", body=b"{}"),
    "a header without a colon": request(*POST, "content-length", body=b"{}"),
    "a line feed in a header": request(*POST, "x-a: b\x00c", "content-length: 2", body=b"{}"),
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "noise": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_http_is_refused_and_the_connection_closed(data: bytes, service: Service) -> None:
    with Wire(service.http) as wire:
        wire.send(data)
        assert wire.answer().status in (400, 431)
        assert wire.closed()


PATHS = [
    "/%ff%fe",
    "/%00",
    "/..%2f..%2fetc/passwd",
    "/rungway.v1.SearchService",
    "//",
    "/" + "a" * 8_000,
    "/?" + "b" * 99,
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "HEAD"])
def test_an_unknown_path_is_not_found(method: str, path: str, service: Service) -> None:
    with Wire(service.http) as wire:
        wire.send(request(f"{method} {path} HTTP/1.1", "host: localhost"))
        answer = wire.head() if method == "HEAD" else wire.answer()
    expected = {"GET": 200, "HEAD": 200}.get(method, 405) if path.startswith("/?") else 404
    assert answer.status == expected
    assert not {name for name in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize("target", ["localhost:22", "http://[::1", "*", "/\xff\xfe", "http://evil.example/livez"])
@pytest.mark.parametrize("method", ["GET", "CONNECT", "OPTIONS"])
def test_a_target_of_a_proxy_is_served_to_nobody(method: str, target: str, service: Service) -> None:
    with Wire(service.http) as wire:
        wire.send(request(f"{method} {target} HTTP/1.1", "host: localhost"))
        answer = wire.answer()
    assert answer.status in (400, 404, 405) or (answer.status == 200 and answer.body == b"ok\n")


def test_a_head_is_bounded(service: Service) -> None:
    for filler in (f"x-a: {'a' * MOST_HEAD_BYTES}", "\r\n".join(f"x-{i}: {i}" for i in range(2_000))):
        with Wire(service.http) as wire:
            wire.send(request(*POST, filler, "content-length: 2", body=b"{}"))
            assert wire.answer().status == 431
            assert wire.closed()
    for large in (MOST_HEAD_BYTES, MOST_HEAD_BYTES * 3 // 4):  # one that comes in two pieces
        with Wire(service.http) as wire:
            wire.send(request(*POST, f"x-a: {'a' * large}")[:-2])
            time.sleep(0.2)  # so that they are read one by one: if they are not, they are refused as well
            wire.send(request(f"x-b: {'b' * (MOST_HEAD_BYTES // 2)}", "content-length: 2", body=b"{}"))
            assert wire.answer().status == 431
            assert wire.closed()
    with Wire(service.http) as wire:  # one that never ends
        wire.send(request(*POST)[:-2])
        for _ in range(200):
            wire.send(b"x-a: " + b"a" * 1_000 + b"\r\n")
        assert wire.answer().status == 431
        assert wire.closed()


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


def test_a_body_is_bounded_as_sent_and_as_unpacked(service: Service) -> None:
    refused: list[Answer] = []
    with Wire(service.http) as wire:  # refused by its header, before it is sent
        wire.send(request(*POST, f"content-length: {MOST + 1}"))
        refused.append(wire.answer())
    with Wire(service.http) as wire:  # without a length
        wire.send(request(*POST, "transfer-encoding: chunked"))
        for _ in range(40):
            wire.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        refused.append(wire.answer())
    for size in (MOST + 1, 200 * MOST):
        with Wire(service.http) as wire:
            refused.append(wire.post(LIST, bomb(size), "content-encoding: gzip"))
    with Wire(service.http) as wire:
        packed = bomb(200 * MOST)
        envelope = struct.pack(">BI", 1, len(packed)) + packed
        answer = wire.post(WATCH, envelope, "connect-content-encoding: gzip", content_type="application/connect+json")
    assert [answer.status for answer in refused] == [413] * 4
    assert {answer.reason() for answer in refused} == {"REQUEST_TOO_LARGE"}
    assert b"REQUEST_TOO_LARGE" in answer.body
    assert b" " * 100 not in refused[0].body


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"{}", "gzip"),
        (bomb(9)[:-3], "gzip"),
        (bomb(9) + b"x", "gzip"),
        (bomb(9) * 2, "gzip"),
        (b"{}", "br"),
        (b"{}", "gzip, gzip"),
    ],
    ids=["not gzip", "cut off", "more after its end", "two members", "another coding", "twice"],
)
def test_a_body_that_cannot_be_unpacked_is_bad_input(body: bytes, encoding: str, service: Service) -> None:
    with Wire(service.http) as wire:
        answer = wire.post(LIST, body, f"content-encoding: {encoding}")
    assert answer.status == 400
    assert answer.json()["code"] == "invalid_argument"


ENVELOPES = {
    "nothing": b"",
    "half a head": b"\0\0\0",
    "less than it says": struct.pack(">BI", 0, 100) + b"{}",
    "more than it says": struct.pack(">BI", 0, 2) + b"{}{}",
    "two": (struct.pack(">BI", 0, 2) + b"{}") * 2,
    "unknown flags": struct.pack(">BI", 64, 2) + b"{}",
    "an end": struct.pack(">BI", 2, 2) + b"{}",
    "gzip without a word": struct.pack(">BI", 1, 2) + b"{}",
    "4 GB": struct.pack(">BI", 0, 2**32 - 1),
}


@pytest.mark.parametrize("body", ENVELOPES.values(), ids=ENVELOPES)
def test_a_broken_envelope_is_bad_input(body: bytes, service: Service) -> None:
    with Wire(service.http) as wire:
        answer = wire.post(WATCH, body, content_type="application/connect+json")
    assert answer.status == 200  # errors of streams are in their last message
    flags, length = struct.unpack_from(">BI", answer.body)
    assert flags == 2
    assert json.loads(answer.body[5 : 5 + length])["error"]["code"] == "invalid_argument"


def test_many_requests_at_once_on_one_connection_are_answered_in_order(service: Service) -> None:
    with Wire(service.http) as wire:
        several = [request(*POST, "content-length: 2", body=body) for body in (b"{}", b"{ ") * 100]
        wire.send(b"".join(several))
        found = [wire.answer().status for _ in several]
    assert found == [200, 400] * 100


def test_a_header_that_is_checked_must_not_be_there_twice(service: Service) -> None:
    for line in ("host: localhost", "content-type: application/json", "authorization: Bearer x", "origin: http://a"):
        with Wire(service.http) as wire:
            lines = [*POST, line] if line[0] in "hc" else [*POST, line, line]
            wire.send(request(*lines, "content-length: 2", body=b"{}"))
            assert wire.answer().status == 400


def test_who_is_slow_is_let_go(service: Service, redis_url: str, tmp_path: Path) -> None:
    """Heads, bodies and the next head on a connection that was used, byte by byte; each has its deadline."""
    part = b"POST / HTTP/1.1\r\nx-a: "
    slow = {
        "no byte": (b"", b"", HEAD_SECONDS),
        "head": (part, b"b", HEAD_SECONDS),
        "second head": (request(*POST, "content-length: 2", body=b"{}") + part, b"b", HEAD_SECONDS),
        "body": (request(*POST, "content-length: 9999"), b" ", BODY_SECONDS),
        "chunks": (request(*POST, "transfer-encoding: chunked"), b"1\r\n \r\n", BODY_SECONDS),
    }

    def seconds(first: bytes, then: bytes) -> float:
        begun = time.monotonic()
        with Wire(service.http) as wire:
            wire.send(first)
            wire.socket.settimeout(0.5)
            while time.monotonic() < begun + SECONDS:
                try:
                    while wire.socket.recv(1 << 16):
                        pass
                    break
                except TimeoutError:
                    wire.send(then)
                except ConnectionResetError:
                    break
        return time.monotonic() - begun

    with ThreadPoolExecutor(len(slow)) as threads:
        took = {name: threads.submit(seconds, first, then) for name, (first, then, _) in slow.items()}
        assert served(service.http)
        for name, (_, _, deadline) in slow.items():
            assert deadline - 1 <= took[name].result() < SECONDS, name
    assert max(took["head"].result(), took["no byte"].result()) < took["body"].result()


def test_connections_are_bounded_and_those_without_a_request_end(redis_url: str, service: Service) -> None:
    most = 4 * 25
    with services(redis_url, 1, "--max-concurrent-rpcs", "25") as (small,), ExitStack() as stack:
        held = [stack.enter_context(Wire(small.http)) for _ in range(most)]
        assert held[-1].post(LIST, b"{}").status == 200
        with Wire(small.http) as beyond:
            beyond.send(request(*POST, "content-length: 2", body=b"{}"))
            assert beyond.closed()
        assert small.lines("many_http_connections")
        with Client(small.address) as client:  # the other port has room of its own
            client.create_experiment(unique_name(), config())
        assert held[0].post(LIST, b"{}").status == 200
        wait_until(lambda: served_or_not(small.http))


def served_or_not(address: str) -> bool:
    try:
        return served(address)
    except EOFError:
        return False


@pytest.mark.slow
def test_ten_thousand_connections(redis_url: str, service: Service) -> None:
    with services(redis_url) as (busy,), ExitStack() as stack:
        held = []
        try:
            for _ in range(10_000):
                held.append(stack.enter_context(Wire(busy.http)))
        except OSError as error:
            pytest.skip(f"this machine does not allow so many: {error}")
        with Client(busy.address) as client:
            client.create_experiment(unique_name(), config())
        wait_until(lambda: served_or_not(busy.http))
        resident = int(Path(f"/proc/{busy.process.pid}/statm").read_text().split()[1]) * 4096
        assert resident < 600 << 20


def test_a_slow_handshake_is_let_go(redis_url: str, tmp_path: Path, service: Service) -> None:
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    flags = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with services(redis_url, 1, *flags) as (secure,), Wire(secure.http) as silent:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        host, port = secure.http.rsplit(":", 1)
        with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname="localhost") as good:
            good.sendall(request("GET /livez HTTP/1.1", "host: localhost"))
            assert good.recv(100).startswith(b"HTTP/1.1 200")
        assert silent.closed()


@pytest.mark.parametrize("kind", ["application/connect+json", "events"])
def test_a_caller_that_leaves_ends_its_stream(kind: str, redis_url: str, service: Service) -> None:
    """With one stream allowed, the next one is refused until the work of the first has ended."""
    with services(redis_url, 1, "--max-concurrent-rpcs", "4") as (small,):
        name = unique_name()
        with Client(small.address, experiment=name) as client:
            client.create_experiment(name, config())
            client.ask()  # an event, so that a stream begins at once
        for _ in range(3):
            with Wire(small.http) as first:
                open_stream(first, name, kind)
                with Wire(small.http) as second:
                    assert b"QUOTA_EXCEEDED" in open_stream(second, name, kind, whole=True)
            left = time.monotonic()
            wait_until(lambda: opens(small.http, name, kind), 60)
            assert time.monotonic() - left < 20  # about 20 ms on an idle machine


def opens(address: str, name: str, kind: str) -> bool:
    with Wire(address) as wire:
        return b"QUOTA_EXCEEDED" not in open_stream(wire, name, kind)


def open_stream(wire: Wire, name: str, kind: str, *, whole: bool = False) -> bytes:
    """The first bytes of a stream of events, or all of them."""
    body = json.dumps({"experiment": name}).encode()
    if kind == "events":
        head = request(*POST, "accept: text/event-stream", f"content-length: {len(body)}").replace(
            LIST.encode(), WATCH.encode()
        )
        wire.send(head + body)
    else:
        lines = (
            f"POST {WATCH} HTTP/1.1",
            "host: localhost",
            f"content-type: {kind}",
            f"content-length: {len(body) + 5}",
        )
        wire.send(request(*lines, body=struct.pack(">BI", 0, len(body)) + body))
    if whole:
        return wire.answer().body
    return wire.chunk() if wire.head().headers.get("transfer-encoding") else b"QUOTA_EXCEEDED"
