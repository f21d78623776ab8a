"""The scripted server over HTTP, written with the standard library from the text of the Connect protocol."""

import json
import socket
import threading
from base64 import b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rungway.v1 import errors_pb2
from tests.unit.client.scripted import SERVICES, Abort, ScriptedServer

METHODS = {f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods}
STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}


class ScriptedHttpServer(ScriptedServer):
    """Answers as ScriptedServer does."""

    def __init__(self) -> None:
        super().__init__()
        self._port = int(self.target.rpartition(":")[2])
        self.target = f"http://{self.target}"
        self._listener: Listener | None = None

    def start(self) -> None:
        self._listener = Listener(("127.0.0.1", self._port), self)
        threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


class Listener(ThreadingHTTPServer):
    """One life of the server: `stop` ends its connections, too."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], script: ScriptedServer) -> None:
        super().__init__(address, Handler)
        self.script = script
        self.open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        """A client that is gone is no error."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def do_POST(self) -> None:
        method = METHODS[self.path]
        size = int(self.headers["content-length"])
        if len(body := self.rfile.read(size)) < size:  # the client has left in the middle: this is no request
            self.close_connection = True
            return
        read = GetMessageClass(method.input_type).FromString
        if method.server_streaming:
            assert self.headers["content-type"] == "application/connect+proto"
            assert body[:5] == bytes(1) + (len(body) - 5).to_bytes(4, "big")
            self.send_stream(method.name, read(body[5:]))
            return
        assert self.headers["content-type"] == "application/proto"
        (found,) = self.server.script.answers(method.name, read(body))
        if isinstance(found, Abort):
            self.send(STATUS.get(found.code.name, 500), "application/json", json.dumps(error_of(found)).encode())
        else:
            self.send(200, "application/proto", found.SerializeToString())

    def send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_stream(self, name: str, request: Message) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/connect+proto")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        end: dict[str, object] = {}
        for found in self.server.script.answers(name, request):
            if isinstance(found, Abort):
                end = {"error": error_of(found)}
                break
            self.send_envelope(0, found.SerializeToString())
        self.send_envelope(2, json.dumps(end).encode())
        self.wfile.write(b"0\r\n\r\n")

    def send_envelope(self, flags: int, data: bytes) -> None:
        envelope = bytes((flags,)) + len(data).to_bytes(4, "big") + data
        self.wfile.write(f"{len(envelope):x}\r\n".encode() + envelope + b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Tests say themselves what went wrong."""


def error_of(found: Abort) -> dict[str, object]:
    """The error as the Connect protocol writes it."""
    details = [
        {"type": each.type_url.rpartition("/")[2], "value": b64encode(each.value).decode().rstrip("=")}
        for each in errors_pb2.RpcStatus.FromString(found.status_bytes()).details
    ]
    code = {"CANCELLED": "canceled"}.get(found.code.name, found.code.name.lower())
    return {"code": code, "message": found.message, "details": details}
