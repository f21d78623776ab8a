"""The port for HTTP belongs to the first program that asks for it, also to one of two that start at the same time."""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from rungway_server.transport.http.listener import bound

HOST = "127.0.0.1"


def port_of(sock: socket.socket) -> int:
    """Where it is bound."""
    port: int = sock.getsockname()[1]
    return port


@pytest.fixture
def taken() -> Iterator[int]:
    """The port of one that has not begun to serve."""
    first = bound(HOST, 0)
    with closing(first):
        yield port_of(first)


def test_the_second_is_refused(taken: int) -> None:
    with pytest.raises(OSError) as refused:
        bound(HOST, taken)
    assert refused.value.errno == errno.EADDRINUSE


def test_the_second_gets_another_port_if_any_will_do(taken: int) -> None:
    with closing(bound(HOST, taken, else_free=True)) as second:
        assert port_of(second) not in (0, taken)


def test_processes_that_share_a_port_share_it_with_no_other() -> None:
    with closing(bound(HOST, 0, shared=True)) as first, closing(bound(HOST, port_of(first), shared=True)) as second:
        assert port_of(second) == port_of(first)
        for sock in first, second:
            sock.listen()
        with pytest.raises(OSError) as refused:
            bound(HOST, port_of(first))
        assert refused.value.errno == errno.EADDRINUSE
