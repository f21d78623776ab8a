"""Raw HTTP/2, right and wrong: what a client without a gRPC library, or with a malicious one, can send to the port."""

import gzip
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress

from hpack import Encoder

from tests.support.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    WINDOW,
    frame,
    opened,
)

PREVIEW = "/rungway.v1.ExperimentService/PreviewSearch"
ASK = b"\x0a\x05known"
SECONDS = 5.0
"""Timeout of a socket (seconds)."""

Attack = Callable[[str, random.Random], None]


def head(path: str = PREVIEW, **changes: str) -> bytes:
    """Headers of a call; `_` in names stands for `-`."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "x",
        "content-type": "application/grpc",
    }
    fields |= {"te": "trailers"} | {name.replace("_", "-"): value for name, value in changes.items()}
    return bytes(Encoder().encode(list(fields.items()), huffman=False))


def message(data: bytes, *, compressed: bool = False, length: int | None = None) -> bytes:
    """A gRPC message with its prefix."""
    return struct.pack(">BI", compressed, len(data) if length is None else length) + data


def call(stream: int, body: bytes, **changes: str) -> bytes:
    """A whole call."""
    return frame(HEADERS, END_HEADERS, stream, head(**changes)) + frame(DATA, END_STREAM, stream, body)


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A connection; the service may close it, or stop reading."""
    with closing(_connection(address)) as connection, suppress(OSError):
        yield connection


def _connection(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    end = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection((host, int(port)), SECONDS)
        except (ConnectionRefusedError, ConnectionResetError):  # another server is about to take the port
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def say(address: str, data: bytes) -> None:
    """Send it, read for a moment, close."""
    with connected(address) as connection:
        connection.sendall(data)
        connection.settimeout(0.05)
        while connection.recv(1 << 16):
            pass


def random_bytes(address: str, chance: random.Random) -> None:
    for size in (1, 9, 24, 1_000, 100_000):
        say(address, chance.randbytes(size))
        say(address, opened(chance.randbytes(size)))


def random_frames(address: str, chance: random.Random) -> None:
    for _ in range(30):
        frames = [
            frame(
                chance.choice([*range(11), 0xFF]),
                chance.randrange(256),
                chance.choice([0, 1, 1, 2, 3, 2**31 - 1, 2**32 - 1]),
                chance.choice([b"", head(), message(ASK), chance.randbytes(chance.choice([1, 4, 5, 8, 6, 40]))]),
                chance.choice([None, None, None, 0, 1, 16_385, 2**24 - 1]),
            )
            for _ in range(chance.randrange(1, 12))
        ]
        say(address, opened(*frames))


def changed_calls(address: str, chance: random.Random) -> None:
    """A good conversation with some of its bytes changed, and cut off anywhere."""
    good = opened(call(1, message(ASK), path="/rungway.v1.SearchService/Ask"), call(3, message(b"")))
    for _ in range(40):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(24, len(data))] = chance.randrange(256)
        say(address, bytes(data[: chance.randrange(24, len(data) + 1)]))


def wrong_messages(address: str, chance: random.Random) -> None:
    bodies = (
        *(b"", b"\0", message(ASK)[:-1], message(ASK, length=0), message(ASK, length=2**32 - 1), message(ASK) * 3),
        *(message(b"", length=2**31), b"\x02" + message(ASK)[1:], message(ASK, compressed=True)),
        *(message(chance.randbytes(20)) for _ in range(10)),
    )
    say(address, opened(*(call(2 * i + 1, body) for i, body in enumerate(bodies))))


def wrong_headers(address: str, chance: random.Random) -> None:
    odd: tuple[Mapping[str, str], ...] = (
        *({"content_type": kind} for kind in ("", "text/html", "application/json", "application/grpc+json")),
        *({"path": path} for path in ("", "/", "*", "/a/b/c", "/\xff\xfe", "/" + "x" * 5_000, "../../etc/passwd")),
        *({":method": method} for method in ("GET", "PUT", "", "CONNECT")),
        *({"grpc_timeout": timeout} for timeout in ("0n", "-1S", "99999999H", "abc", "1", "9" * 50 + "S")),
        *({"grpc_encoding": encoding} for encoding in ("gzip", "deflate", "snappy", "", "\x00")),
        *({"authorization": value} for value in ("", "Bearer", "Bearer " + "\x01" * 40, "Basic eA==", "Bearer rwy_")),
        *({"rungway_namespace": value} for value in ("", "{x}", "../", "\x00", "a" * 4_000)),
        *(
            {"UPPER": "x"},
            {"connection": "close"},
            {"te": "gzip"},
            {"bad-bin": "%%%"},
            {"x\ny": "z"},
            {"cookie": "\r\n"},
        ),
    )
    for changes in odd:
        say(address, opened(call(1, message(ASK), **changes)))


def path_that_is_no_text(address: str, chance: random.Random) -> None:
    """The loop of grpc.aio itself ends over it."""
    odd = frame(HEADERS, END_HEADERS, 1, head().replace(b"Preview", b"Previe\xff"))
    say(address, opened(odd, frame(DATA, END_STREAM, 1, message(ASK))))


def large_headers(address: str, chance: random.Random) -> None:
    for size in (10_000, 1_000_000):
        block = head(x="v" * size)
        parts = [block[i : i + 16_000] for i in range(0, len(block), 16_000)]
        frames = [frame(HEADERS, END_STREAM, 1, parts[0])]
        frames += [frame(CONTINUATION, 0, 1, part) for part in parts[1:]]
        say(address, opened(*frames, frame(CONTINUATION, END_HEADERS, 1)))
    say(address, opened(frame(HEADERS, END_STREAM, 1, head()), *[frame(CONTINUATION, 0, 1)] * 20_000))  # without end


def header_bomb(address: str, chance: random.Random) -> None:
    """A large header, put into the table once and then referred to by one byte, thousands of times."""
    big = b"\x40\x01x" + b"\x7f\x81\x1e" + b"v" * 4_000  # literal with indexing; 4000 = 127 + 3873
    say(address, opened(frame(HEADERS, END_HEADERS | END_STREAM, 1, head() + big + b"\xbe" * 12_000)))


def compression_bomb(address: str, chance: random.Random) -> None:
    """Half a gigabyte of zeros in half a megabyte."""
    packed = message(gzip.compress(bytes(1 << 29), 9), compressed=True)
    for encoding in ("gzip", "deflate"):
        with connected(address) as connection:
            connection.sendall(opened(frame(HEADERS, END_HEADERS, 1, head(grpc_encoding=encoding))))
            for start in range(0, len(packed), 16_000):
                last = END_STREAM * (start + 16_000 >= len(packed))
                connection.sendall(frame(DATA, last, 1, packed[start : start + 16_000]))
                time.sleep(0.001)  # it opens its window as it reads
            connection.settimeout(0.5)
            while connection.recv(1 << 16):
                pass


def floods(address: str, chance: random.Random) -> None:
    """PING, SETTINGS, RESET of what was just opened (CVE-2023-44487), windows, priorities, calls that never end."""
    for body in (
        frame(PING, 0, 0, b"12345678") * 20_000,
        frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * 20_000,
        frame(WINDOW, 0, 0, b"\0\0\0\1") * 50_000,
        frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2,
        frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 2**32 - 1)),
        frame(DATA, 0, 1, b"x" * 10_000) * 100,
        frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1) * 50_000,
    ):
        say(address, opened(body))
    resets = (
        frame(HEADERS, END_HEADERS, 2 * i + 1, head()) + frame(RESET, 0, 2 * i + 1, b"\0\0\0\x08") for i in range(3_000)
    )
    say(address, opened(*resets))
    say(address, opened(*(frame(HEADERS, END_HEADERS, 2 * i + 1, head()) for i in range(3_000))))


def no_window(address: str, chance: random.Random) -> None:
    """Calls whose answers are never read."""
    closed = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    for _ in range(20):
        say(address, opened(closed, *(call(2 * i + 1, message(b"")) for i in range(50))))


def idle_and_slow(address: str, chance: random.Random) -> None:
    """Hundreds of connections that say nothing, the beginning of something, or a byte now and then."""
    host, _, port = address.rpartition(":")
    kept = []
    try:
        for number in range(300):
            with suppress(OSError):
                kept.append(socket.create_connection((host, int(port)), SECONDS))
                kept[-1].sendall((b"", PREFACE[:10], opened(frame(HEADERS, 0, 1, head()[:5], 16_384)))[number % 3])
        for byte in opened(call(1, message(ASK)))[24:60]:
            for connection in kept[::30]:
                with suppress(OSError):
                    connection.sendall(bytes((byte,)))
    finally:
        for connection in kept:
            connection.close()


ATTACKS: tuple[Attack, ...] = (
    *(
        random_bytes,
        random_frames,
        changed_calls,
        wrong_messages,
        wrong_headers,
        path_that_is_no_text,
        large_headers,
        header_bomb,
    ),
    *(compression_bomb, floods, no_window, idle_and_slow),
)
