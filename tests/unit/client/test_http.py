"""Both clients over HTTP: answers that are not replies, replies that are not whole, and waits that end."""

import asyncio
import base64
import gzip
import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig
from rungway._core.idle import IdleTransports
from rungway.v1 import errors_pb2, experiment_pb2, experiment_service_pb2, search_service_pb2
from tests.support.canned import Answerer, canned, hang, page

PROTO = "application/proto"
FOUND = experiment_service_pb2.GetExperimentResponse(experiment=experiment_pb2.Experiment(experiment="e"))
REPLY = FOUND.SerializeToString()
Asked = Callable[..., Any]


@pytest.fixture(params=["threads", "asyncio"])
def asked(request: pytest.FixtureRequest) -> Asked:
    """Makes one call with a client of either kind: `asked(config, "get_experiment")`."""

    def by_threads(config: ClientConfig, method: str, *arguments: object) -> Any:
        with Client(config=config) as client:
            found = getattr(client, method)(*arguments)
            return list(found) if isinstance(found, Iterator) else found

    async def twin(config: ClientConfig, method: str, *arguments: object) -> Any:
        async with AsyncClient(config=config) as client:
            found = getattr(client, method)(*arguments)
            return [each async for each in found] if hasattr(found, "__aiter__") else await found

    return by_threads if request.param == "threads" else lambda *words: asyncio.run(twin(*words))


def settings(url: str, **fields: Any) -> ClientConfig:
    quick = {"total_timeout": 20.0, "worker_timeout": 20.0, "backoff_initial": 0.01, "backoff_max": 0.05}
    return ClientConfig(**({"target": url, "experiment": "e"} | quick | fields))


def refused(
    asked: Asked, answer: bytes | Answerer, method: str = "get_experiment", **fields: Any
) -> rungway.RungwayError:
    """The error of a call that is answered so."""
    with canned(answer) as port:
        with pytest.raises(rungway.RungwayError) as caught:
            asked(settings(port.url, **fields), method)
        assert port.url in str(caught.value) or caught.value.reason not in ("", "NOT_RUNGWAY")
        return caught.value


SIGN_IN = (
    "<html><head><title>Sign in &amp; go\n on</title><style>p {}</style></head><body><p>Your password</p></body></html>"
)
GATEWAY = "<html>\r\n<head></head><body><center><h1>502 Bad Gateway</h1></center><hr>nginx\x00</body></html>"


@pytest.mark.parametrize("method", ["get_experiment", "ask_once"], ids=["person", "worker"])
def test_a_page_to_sign_in_is_told_at_once(method: str, asked: Asked) -> None:
    error = refused(asked, page("200 OK", "text/html; charset=utf-8", SIGN_IN), method)
    assert isinstance(error, rungway.FailedPrecondition)
    assert (error.reason, error.attempts) == ("NOT_RUNGWAY", 1)
    assert str(error).endswith("answered 200 OK with another page (text/html), perhaps one to sign in: Sign in & go on")


def test_a_redirect_is_not_followed(asked: Asked) -> None:
    with canned(page("200 OK", PROTO, REPLY)) as other:
        where = f"{other.url}/login?state=hidden"
        error = refused(asked, page("302 Found", "", b"", f"Location: {where}"), "ask_once")
        assert other.requests == []
    assert (error.reason, error.attempts) == ("NOT_RUNGWAY", 1)
    assert f"answered 302 Found, a redirect to {other.url}/login, which is not followed" in str(error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page("502 Bad Gateway", "text/html", GATEWAY), "answered 502 Bad Gateway: 502 Bad Gateway nginx"),
        (page("503 Service Unavailable", "text/plain", "no server\nis here " + "x" * 500), "no server is here xxx"),
        (page("504 Gateway Timeout", "", b""), "answered 504 Gateway Timeout"),
        (page("407 Proxy Authentication Required", "text/plain", "who are you?"), "Required: who are you?"),
        (page("404 Not Found", "text/html", "<h1>nothing here</h1>"), "answered 404 Not Found: nothing here"),
        (page("429 Too Many Requests", "application/json", '{"message": "slow down"}'), '{"message": "slow down"}'),
        (page("500 Internal Server Error", "application/json", '{"code": "no such code"}'), "no such code"),
        (page("499 What", "text/html", gzip.compress(b"<p>packed"), "Content-Encoding: gzip"), "answered 499: packed"),
        (page("500 Oh", "application/json", b"\xff[" * 9000), "answered 500 Internal Server Error"),
        (page("502 Bad Gateway", "text/html", "<script>" * 100_000), "answered 502 Bad Gateway"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_the_words_of_a_proxy_are_passed_on_and_the_call_may_be_repeated(
    answer: bytes, words: str, asked: Asked
) -> None:
    error = refused(asked, answer, backoff_initial=1e9, backoff_max=1e9)  # the second attempt would be in years
    assert isinstance(error, rungway.Unavailable)
    assert "gave no answer" in str(error)
    assert words in str(error)
    assert len(str(error)) < 500
    assert str(error).isprintable()


def test_a_proxy_says_when_to_come_back(asked: Asked) -> None:
    def answer(connection: socket.socket, _: bytes) -> bool:
        times.append(time.monotonic())
        busy = page("503 Service Unavailable", "text/plain", "busy", "Retry-After: 1")
        connection.sendall(busy if len(times) == 1 else page("200 OK", PROTO, REPLY))
        return True

    times: list[float] = []
    with canned(answer) as port:
        assert asked(settings(port.url), "get_experiment").experiment == "e"
    assert times[1] - times[0] >= 1


def connect_error(code: str, *details: dict[str, object]) -> bytes:
    return page("400 Bad Request", "application/json", json.dumps({"code": code, "message": "why", "details": details}))


def test_a_refusal_of_the_service_is_typed(asked: Asked) -> None:
    info = errors_pb2.ErrorInfo(reason="EXPERIMENT_NOT_FOUND", metadata={"experiment": "e"}).SerializeToString()
    for text in (base64.b64encode(info).decode(), base64.b64encode(info).decode().rstrip("=")):
        error = refused(asked, connect_error("not_found", {"type": "google.rpc.ErrorInfo", "value": text, "debug": {}}))
        assert isinstance(error, rungway.NotFound)
        assert (error.reason, error.details, str(error)) == ("EXPERIMENT_NOT_FOUND", {"experiment": "e"}, "why")


@pytest.mark.parametrize(
    "detail", [{}, {"type": 1, "value": "AA"}, {"type": "a", "value": "="}, {"type": "a"}, "text", None]
)
def test_details_that_cannot_be_read_are_left_out(detail: Any) -> None:
    with (
        canned(connect_error("permission_denied", detail)) as port,
        Client(config=settings(port.url)) as client,
        pytest.raises(rungway.PermissionDenied, match=r"^why$"),
    ):
        client.get_experiment()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (page("200 OK", PROTO, bytes((4 << 20) + 1)), "are more than 4194304"),
        (page("200 OK", PROTO, gzip.compress(bytes(16 << 20)), "Content-Encoding: gzip"), "are more than 4194304"),
        (page("200 OK", PROTO, gzip.compress(REPLY)[:-9], "Content-Encoding: gzip"), "cannot be unpacked"),
        (page("200 OK", PROTO, b"\x00" + gzip.compress(REPLY), "Content-Encoding: gzip"), "cannot be unpacked"),
        (page("200 OK", PROTO, REPLY, "Content-Encoding: br"), "cannot be unpacked (content-encoding 'br')"),
        (page("200 OK", PROTO, b"\xff\xff"), "are not a GetExperimentResponse"),
    ],
    ids=["large", "bomb", "cut off", "not packed", "unknown encoding", "no message"],
)
def test_a_reply_that_cannot_be_read(answer: bytes, why: str, asked: Asked) -> None:
    error = refused(asked, answer)
    assert isinstance(error, rungway.InternalError)
    assert (error.reason, error.attempts) == ("UNREADABLE_REPLY", 1)
    assert why in str(error)


def test_a_packed_reply_is_read(asked: Asked) -> None:
    with canned(page("200 OK", PROTO, gzip.compress(REPLY), "Content-Encoding: gzip")) as port:
        assert asked(settings(port.url), "get_experiment").experiment == "e"
        assert b"accept-encoding: gzip" in port.requests[0].lower()


@pytest.mark.parametrize(
    "lost",
    [b"", b"HTTP/1.1 200", page("200 OK", PROTO, REPLY)[:-1], b"\x00\x01 nonsense\r\n\r\n"],
    ids=["all", "half a head", "half a body", "nonsense"],
)
def test_a_lost_reply_is_asked_for_again(lost: bytes, asked: Asked) -> None:
    def answer(connection: socket.socket, request: bytes) -> bool:
        asks.append(request.partition(b"\r\n\r\n")[2])
        connection.sendall(page("200 OK", PROTO, answered) if len(asks) == 3 else lost)
        return len(asks) == 3

    asks: list[bytes] = []
    answered = search_service_pb2.AskResponse(status=search_service_pb2.ASK_STATUS_DONE).SerializeToString()
    with canned(answer) as port:
        assert asked(settings(port.url), "ask_once").status == "done"
    assert asks == asks[:1] * 3  # with the same request id


def drip(connection: socket.socket, _: bytes) -> bool:
    for letter in page("200 OK", PROTO, REPLY):
        connection.sendall(bytes((letter,)))
        time.sleep(0.2)
    return True


@pytest.mark.parametrize("answer", [hang, drip], ids=["silent", "in drops"])
def test_an_attempt_ends_in_time(answer: Answerer, asked: Asked) -> None:
    begin = time.monotonic()
    error = refused(asked, answer, "ask_once", attempt_timeout=0.5, worker_timeout=0.6)
    assert isinstance(error, rungway.OutcomeUnknown)
    assert "in time" in str(error)
    assert time.monotonic() - begin < 10


def test_calls_share_connections() -> None:
    with canned(page("200 OK", PROTO, REPLY)) as port, Client(config=settings(port.url)) as client:
        for _ in range(20):
            client.get_experiment()
        assert port.connections == 1
        threads = [threading.Thread(target=client.get_experiment) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(port.requests) == 36
        assert port.connections <= 17


def test_more_calls_than_connections_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for half in ("_sync", "_async"):
        monkeypatch.setattr(f"rungway.{half}.http_connection.MOST_CALLS", 3)

    def answer(connection: socket.socket, _: bytes) -> bool:
        time.sleep(0.02)
        connection.sendall(page("200 OK", PROTO, REPLY))
        return True

    async def twin() -> None:
        async with AsyncClient(config=settings(port.url)) as client:
            await asyncio.gather(*(client.get_experiment() for _ in range(40)))

    with canned(answer) as port:
        with Client(config=settings(port.url)) as client, ThreadPoolExecutor(40) as pool:
            list(pool.map(lambda _: client.get_experiment(), range(40)))
        assert port.connections <= 3
        asyncio.run(twin())
        assert port.connections <= 6
        assert len(port.requests) == 80


def test_a_call_that_no_connection_is_free_for_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rungway._sync.http_connection.MOST_CALLS", 0)
    never = {"backoff_initial": 1e9, "backoff_max": 1e9, "attempt_timeout": 0.01}
    with (
        Client(config=settings("http://127.0.0.1:1", **never)) as client,
        pytest.raises(rungway.Unavailable, match="100 calls of this client are under way"),
    ):
        client.get_experiment()


def test_transports_that_were_idle_for_long_are_closed() -> None:
    now = 0.0
    idle: IdleTransports[str] = IdleTransports(lambda: now)
    assert idle.take() is None
    assert [idle.give_back(transport) for transport in ("first", "second")] == [[], []]
    now = 40.0
    assert idle.take() == "second"
    now = 61.0
    assert idle.give_back("second") == ["first"]
    assert idle.close() == ["second"]
    assert idle.give_back("late") == ["late"]


@pytest.mark.parametrize("prefix", ["", "/", "/team/rungway/"])
def test_a_path_may_come_before_the_rpc(prefix: str, asked: Asked) -> None:
    with canned(page("200 OK", PROTO, REPLY)) as port:
        asked(settings(port.url + prefix, token="secret", namespace="vision"), "get_experiment")
        head = port.requests[0].partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert head[0] == f"post {prefix.rstrip('/')}/rungway.v1.experimentservice/getexperiment http/1.1"
    wanted = {"authorization: bearer secret", "rungway-namespace: vision", f"content-type: {PROTO}"}
    assert wanted <= set(head)
    assert any(line.startswith("connect-timeout-ms: ") for line in head)


# Streams.


def envelope(data: bytes, flags: int = 0) -> bytes:
    return bytes((flags,)) + len(data).to_bytes(4, "big") + data


def event(number: int) -> bytes:
    found = experiment_service_pb2.WatchEventsResponse()
    found.event.event_id = str(number)
    return found.SerializeToString()


def piece(text: str) -> bytes:
    return experiment_service_pb2.ExportExperimentResponse(text=text).SerializeToString()


def stream(*envelopes: bytes) -> bytes:
    return page("200 OK", "application/connect+proto", b"".join(envelopes))


END = envelope(b"{}", 2)


def test_messages_of_a_stream_may_be_packed(asked: Asked) -> None:
    packed = stream(envelope(gzip.compress(piece("a")), 1), envelope(piece("b")), envelope(gzip.compress(b"{}"), 3))
    with canned(packed) as port:
        assert asked(settings(port.url), "export_experiment") == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (stream(envelope(piece("a"))), rungway.Unavailable, "broke off"),
        (stream(envelope(piece("a"))[:-1]), rungway.Unavailable, "broke off"),
        (stream(envelope(piece("a")), END[:4]), rungway.Unavailable, "broke off"),
        (stream(envelope(b"{", 2)), rungway.Unavailable, "the end of the stream is unreadable"),
        (stream(envelope(b'{"error": 1}', 2)), rungway.Unavailable, "the stream ended with an error"),
        (stream(envelope(b'{"error": {"code": "not_found", "message": "why"}}', 2)), rungway.NotFound, "why"),
        (stream(b"\x00\xff\xff\xff\xff"), rungway.InternalError, "are more than 4194304"),
        (stream(envelope(gzip.compress(bytes(16 << 20)), 1)), rungway.InternalError, "are more than 4194304"),
        (stream(envelope(b"\xff"), END), rungway.InternalError, "are not a ExportExperimentResponse"),
        (connect_error("not_found"), rungway.NotFound, "why"),
        (page("200 OK", "text/html", SIGN_IN), rungway.FailedPrecondition, "perhaps one to sign in"),
        (page("502 Bad Gateway", "text/html", GATEWAY), rungway.Unavailable, "502 Bad Gateway nginx"),
    ],
    ids=itertools.count(),
)
def test_a_stream_that_does_not_end_well(answer: bytes, kind: type[Exception], text: str, asked: Asked) -> None:
    with canned(answer) as port, pytest.raises(kind, match=text):
        asked(settings(port.url), "export_experiment")


def test_a_silent_stream_is_opened_again_after_the_last_event(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    for half in ("_sync", "_async"):
        monkeypatch.setattr(f"rungway.{half}.http_connection.SILENCE_SECONDS", 0.3)

    def answer(connection: socket.socket, request: bytes) -> bool:
        if b"/GetExperiment " in request:
            connection.sendall(page("200 OK", PROTO, REPLY))
            return True
        sent = experiment_service_pb2.WatchEventsRequest.FromString(request.partition(b"\r\n\r\n")[2][5:])
        cursors.append(sent.after_event_id)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/connect+proto\r\nTransfer-Encoding: chunked\r\n\r\n"
        parts = envelope(event(len(cursors))) + (END if len(cursors) == 3 else b"")
        connection.sendall(head + f"{len(parts):x}\r\n".encode() + parts + b"\r\n")
        if len(cursors) == 3:
            connection.sendall(b"0\r\n\r\n")
        return True

    cursors: list[str] = []
    with canned(answer) as port:  # the random pause after a lost connection would take half an hour
        events = asked(settings(port.url, backoff_max=3600.0), "watch_events")
    assert [each.event_id for each in events] == ["1", "2", "3"]
    assert cursors == ["", "1", "2"]
