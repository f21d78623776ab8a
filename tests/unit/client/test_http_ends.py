"""How a client over HTTP ends, is forgotten, or cannot begin."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig
from tests.support.canned import canned, hang, page
from tests.support.waiting import SECONDS, wait_until
from tests.unit.client.test_http import PROTO, REPLY, Asked, asked, settings

__all__ = ["asked"]


@pytest.fixture
def full() -> Iterator[str]:
    """A port that completes no connection: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_within_a_second(config: ClientConfig, is_under_way: Callable[[], object], method: str = "ask_once") -> None:
    """Close a client of each kind while calls are under way; all of them end with CLIENT_CLOSED."""
    reasons: list[str] = []

    def call(client: Client) -> None:
        with pytest.raises(rungway.RungwayError) as caught:
            list(getattr(client, method)())
        reasons.append(caught.value.reason)

    client = Client(config=config)
    threads = [threading.Thread(target=call, args=(client,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(is_under_way)
    begin = time.monotonic()
    client.close()
    for thread in threads:
        thread.join(SECONDS)
    assert time.monotonic() - begin < SECONDS / 4
    assert reasons == ["CLIENT_CLOSED"] * 3

    async def twin() -> None:
        client = AsyncClient(config=config)
        found = getattr(client, method)()
        task = asyncio.ensure_future(anext(found) if hasattr(found, "__anext__") else found)
        await asyncio.sleep(0.2)
        begin = time.monotonic()
        await client.close()
        with pytest.raises(rungway.FailedPrecondition, match="the client was closed"):
            await task
        assert time.monotonic() - begin < SECONDS / 4

    asyncio.run(twin())


@pytest.mark.parametrize("method", ["ask_once", "export_experiment"])
def test_close_ends_calls_without_an_answer(method: str) -> None:
    with canned(hang) as port:
        closed_within_a_second(settings(port.url), lambda: len(port.requests) == 3, method)


def test_close_ends_a_handshake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it accepts nothing, but the system connects
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        begin = time.monotonic()
        closed_within_a_second(settings(url), lambda: time.monotonic() > begin + 0.2)


def test_close_ends_a_connection_that_is_being_opened(full: str) -> None:
    begin = time.monotonic()
    closed_within_a_second(settings(full), lambda: time.monotonic() > begin + 0.2)


def test_close_ends_a_wait_for_a_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    looking, found = threading.Semaphore(0), threading.Event()

    def look_up(*_: object, **__: object) -> list[Any]:
        looking.release()
        found.wait(SECONDS)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = Client(config=settings("http://rungway.invalid", namespace="n"))
    reasons: list[str] = []

    def call() -> None:
        with pytest.raises(rungway.RungwayError) as caught:
            client.ask_once()
        reasons.append(caught.value.reason)

    thread = threading.Thread(target=call)
    thread.start()
    assert looking.acquire(timeout=SECONDS)
    begin = time.monotonic()
    client.close()
    thread.join(SECONDS)
    found.set()
    assert time.monotonic() - begin < SECONDS / 4
    assert reasons == ["CLIENT_CLOSED"]


def test_a_client_that_is_forgotten_leaves_no_connection() -> None:
    with canned(page("200 OK", PROTO, REPLY)) as port:
        Client(config=settings(port.url)).get_experiment()
        gc.collect()
        wait_until(lambda: not port.open)


def test_a_client_does_not_take_itself_for_the_service(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens to clients that try again and again where nobody listens: the system gives them that port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    connect = socket.socket.connect

    def bound(self: socket.socket, where: Any) -> None:
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind(address)
        connect(self, where)

    monkeypatch.setattr("socket.socket", type("Bound", (socket.socket,), {"connect": bound}))
    with pytest.raises(rungway.Unavailable, match="nobody listens there"):
        asked(settings(f"http://127.0.0.1:{address[1]}", backoff_initial=1e9, backoff_max=1e9), "get_experiment")


# Without the library.


def python(*lines: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return done.stdout.strip()


def test_without_a_url_the_library_is_not_loaded() -> None:
    loaded = python(
        "import sys, rungway",
        "rungway.Client('localhost:7077'), rungway.AsyncClient('localhost:7077')",
        "print([name for name in ('httpx', 'httpcore') if name in sys.modules])",
    )
    assert loaded == "[]"


@pytest.mark.parametrize("client", ["Client", "AsyncClient"])
def test_a_missing_library_is_named_with_its_extra(client: str) -> None:
    said = python(
        "import sys, rungway",
        "sys.modules['httpx'] = None",
        f"try: rungway.{client}('https://localhost')",
        "except rungway.InvalidArgument as error: print(error)",
    )
    assert said == "target: got 'https://localhost', which needs httpx: pip install 'rungway[http]'"
