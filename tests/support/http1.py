"""HTTP/1.1 by hand, to send what no HTTP client sends."""

import contextlib
import json
import socket
from typing import Any

from tests.support.waiting import SECONDS


class Wire:
    """One connection; whole or broken requests go out as they are."""

    def __init__(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), SECONDS)
        self._left = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes; that the other side has closed is seen by the next read."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def post(self, path: str, body: bytes, *headers: str, content_type: str = "application/json") -> "Answer":
        """A whole request, and its answer."""
        head = [f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {content_type}", *headers]
        self.send("\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body)
        return self.answer()

    def answer(self) -> "Answer":
        """The next answer. Raises EOFError when the other side closes before its end."""
        answer = self.head()
        if answer.headers.get("transfer-encoding") == "chunked":
            while chunk := self.chunk():
                answer.body += chunk
        else:
            length = int(answer.headers.get("content-length", 0))
            while len(self._left) < length:
                self._more()
            answer.body, self._left = self._left[:length], self._left[length:]
        return answer

    def head(self) -> "Answer":
        """The head of the next answer, whose body is read by `chunk`."""
        head, _, self._left = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return Answer(int(lines[0].split()[1]), headers, b"")

    def chunk(self) -> bytes:
        """The next chunk of a body; b"" at its end."""
        size, _, self._left = self._until(b"\r\n").partition(b"\r\n")
        wanted = int(size, 16)
        while len(self._left) < wanted + 2:
            self._more()
        data, self._left = self._left[:wanted], self._left[wanted + 2 :]
        return data

    def closed(self) -> bool:
        """Wait until the other side closes; whether it did without a word."""
        silent = not self._left
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return silent
            if not data:
                return silent
            silent = False

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._left:
            self._more()
        return self._left

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self._left += data


class Answer:
    """Status, headers (lower case) and body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def reason(self) -> str:
        """The reason of a refusal; "" if it has none."""
        details = self.json().get("details", []) if self.body[:1] == b"{" else []
        return next((str(each["debug"]["reason"]) for each in details if "reason" in each.get("debug", {})), "")
