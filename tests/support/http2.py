"""HTTP/2 frames by hand (RFC 9113), to send what no gRPC client sends."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, body: bytes = b"", length: int | None = None) -> bytes:
    """A frame; `length` claims another length than that of the body."""
    return struct.pack(">IBI", (len(body) if length is None else length) << 8 | kind, flags, stream) + body


def opened(*frames: bytes) -> bytes:
    """The bytes that a client begins a connection with, followed by these frames."""
    return PREFACE + frame(SETTINGS, 0, 0) + b"".join(frames)
