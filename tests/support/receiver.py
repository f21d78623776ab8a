"""A program that hears of searches by webhooks: a real HTTP server, which can fail, hang, end and come back."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Received:
    """One request: its headers in lower case, its body, and what it was answered."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.message["type"])

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.message["data"])

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


class Receiver:
    """`statuses` are answered one after the other, and then 200; 0 = not at all, until `release` is called."""

    def __init__(self, port: int, statuses: list[int]) -> None:
        self.received: list[Received] = []
        self.statuses = statuses
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        body = request.rfile.read(int(request.headers["content-length"]))
        status = self.statuses.pop(0) if self.statuses else 200
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(headers, body, status))
        if status == 0:
            self._released.wait()
            return
        request.send_response(status)
        request.send_header("content-length", "0")
        if 300 <= status < 400:
            request.send_header("location", self.url)
        request.end_headers()

    def taken(self, *types: str) -> list[Received]:
        """The requests that were answered with 200, of these types or of all."""
        return [each for each in self.received if each.status == 200 and (not types or each.type in types)]

    def waits_for(self, type_of: str, count: int = 1) -> Received:
        """The last of so many taken messages of a type."""
        wait_until(lambda: len(self.taken(type_of)) >= count)
        return self.taken(type_of)[count - 1]

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver(port: int = 0, *statuses: int) -> Iterator[Receiver]:
    """A receiver on this port (0 = a free one)."""
    found = Receiver(port, list(statuses))
    try:
        yield found
    finally:
        found.close()
