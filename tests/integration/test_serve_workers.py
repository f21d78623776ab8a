"""`rungway serve --workers 2` on a port that was in use a moment ago."""

import socket
from pathlib import Path

import pytest

from tests.support.redis_server import free_port
from tests.support.service import Service
from tests.support.waiting import SECONDS


def leave_in_time_wait(port: int) -> None:
    """Leave a connection that the side of this port closed first."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as gRPC does
        listening.bind(("127.0.0.1", port))
        listening.listen()
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listening.accept()
            accepted.close()
            assert client.recv(1) == b""


def test_a_connection_in_time_wait_holds_no_port(redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    leave_in_time_wait(port)
    flags = ("--listen", f"127.0.0.1:{port}", "--http", "off", "--redis", redis_url, "--workers", "2")
    service = Service(tmp_path, flags)
    try:
        assert service.address == f"127.0.0.1:{port}"
    finally:
        assert service.terminate() == 0


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "with SO_REUSEPORT"])
def test_a_port_in_use_is_refused(redis_url: str, tmp_path: Path, shared: bool) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        service = Service(tmp_path, ("--listen", address, "--redis", redis_url, "--workers", "2"))
        assert service.process.wait(SECONDS) == 1
        assert "cannot listen" in service.log()
