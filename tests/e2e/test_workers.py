"""`rungway serve --workers N`: several processes, one port, one store."""

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest

from rungway import Client
from rungway.v1 import search_service_pb2 as pb
from rungway.v1.search_service_pb2_grpc import SearchServiceStub
from tests.support.redis_server import port_of
from tests.support.service import Service
from tests.support.waiting import SECONDS, is_running, wait_until

_CONFIG = {
    "hyperparameters": {"rate": {"type": "double", "minval": 0, "maxval": 1}},
    "searcher": {"name": "random", "metric": "loss", "max_trials": 1_000, "max_length": 1, "max_concurrent_trials": 0},
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    flags = ("--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--workers", "2", "--drain-notice", "0.1")
    service = Service(tmp_path, flags)
    yield service
    if service.process.poll() is None:
        service.terminate()


@contextmanager
def stubs(address: str, count: int) -> Iterator[list[SearchServiceStub]]:
    """Stubs with a connection each: channels of one process share theirs otherwise."""
    with ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        yield [
            SearchServiceStub(stack.enter_context(grpc.insecure_channel(address, options=options)))
            for _ in range(count)
        ]


def ask(stub: SearchServiceStub) -> int:
    """The trial handed out."""
    answer = stub.Ask(pb.AskRequest(experiment="shared", request_id=uuid.uuid4().hex), timeout=SECONDS)
    assert answer.assignments, answer
    return answer.assignments[0].lease.trial


def workers(service: Service) -> list[int]:
    """The processes started so far, in order."""
    return [int(str(line["pid"])) for line in service.lines("worker_started")]


def connections(pid: int, address: str) -> int:
    """How many established connections to the address the process serves."""
    port = port_of(address)
    owned = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
    tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]  # gRPC listens on both
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    here = [row for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == "01"]
    return sum(f"socket:[{row[9]}]" in owned for row in here)


def test_processes_share_a_port_and_a_store(service: Service) -> None:
    address = service.address
    with Client(address) as client:
        client.create_experiment("shared", _CONFIG)
    with stubs(address, 24) as asking:
        assert [ask(stub) for stub in asking] == list(range(24))
        assert all(connections(pid, address) > 0 for pid in workers(service))
    began = workers(service)
    assert service.terminate() == 0
    assert not any(map(is_running, began))


def test_a_process_that_dies_is_replaced(service: Service) -> None:
    address = service.address
    with Client(address) as client:
        client.create_experiment("shared", _CONFIG)
    os.kill(workers(service)[0], signal.SIGKILL)
    wait_until(lambda: len(workers(service)) == 3)
    assert service.lines("worker_died")[0]["code"] == -signal.SIGKILL
    with stubs(address, 24) as asking:  # none of them is sent to the dead one
        assert [ask(stub) for stub in asking] == list(range(24))

    def takes_connections() -> bool:
        with stubs(address, 24) as asking:
            return all(ask(stub) >= 24 for stub in asking) and connections(workers(service)[2], address) > 0

    wait_until(takes_connections)
    assert service.terminate() == 0


def test_processes_do_not_outlive_their_parent(service: Service) -> None:
    assert service.address
    pids = workers(service)
    service.kill()
    wait_until(lambda: not any(map(is_running, pids)))


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        service = Service(tmp_path, ("--listen", address, "--data", str(tmp_path / "data"), "--workers", "2"))
        assert service.process.wait(SECONDS) == 1
    assert "cannot listen" in service.log()


def test_a_process_that_cannot_start_ends_all(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("no key")
    flags = ("--tls-cert", str(key), "--tls-key", str(key), "--data", str(tmp_path / "data"), "--workers", "2")
    service = Service(tmp_path, ("--listen", "127.0.0.1:0", *flags))
    assert service.process.wait(SECONDS) == 1
    assert not any(map(is_running, workers(service)))


def test_no_workers_is_a_wrong_setting() -> None:
    rungway = Path(sys.executable).parent / "rungway"
    done = subprocess.run([rungway, "serve", "--workers", "0"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 2
    assert "workers (RUNGWAY_WORKERS): got 0" in done.stderr
