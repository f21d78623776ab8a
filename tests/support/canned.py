"""A port that answers each request over HTTP with bytes that a test has written, whatever was asked."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answerer = Callable[[socket.socket, bytes], bool]
"""Answers a request (its head and body) on a connection; whether the connection goes on."""


def page(status: str, kind: str, body: bytes | str, *headers: str) -> bytes:
    """A whole HTTP response."""
    data = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(data)}",
        *([f"Content-Type: {kind}"] if kind else []),
        *headers,
    ]
    return "\r\n".join((*lines, "", "")).encode() + data


class Canned:
    """The port, and what came to it."""

    def __init__(self, answer: bytes | Answerer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.open: set[socket.socket] = set()
        """Its connections."""
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        """Its address for a client."""
        return f"http://127.0.0.1:{self.port}"

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.add(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, ssl.SSLError):
            while (request := read_request(connection)) and not request.startswith(b"PRI "):  # nor HTTP/2
                self.requests.append(request)
                if callable(self._answer):
                    if not self._answer(connection, request):
                        break
                else:
                    connection.sendall(self._answer)
        self.open.discard(connection)


def read_request(connection: socket.socket) -> bytes:
    """The head and the body of the next request; empty at the end, and when a client begins with TLS."""
    data = b""
    while b"\r\n\r\n" not in data and not data.startswith(b"\x16"):
        if not (more := connection.recv(65536)):
            return b""
        data += more
    if data.startswith(b"\x16"):
        return b""
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(sizes):
        if not (more := connection.recv(65536)):
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def hang(connection: socket.socket, _: bytes) -> bool:
    """Never answer."""
    connection.recv(1)  # until the other side hangs up
    return False


@contextmanager
def canned(answer: bytes | Answerer) -> Iterator[Canned]:
    """A port that answers so while the block lasts."""
    port = Canned(answer)
    thread = threading.Thread(target=port.serve, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        port.stop()
        thread.join()
