"""SIGTERM at any moment of a start ends `rungway serve` in order, also where it is process 1 of a container."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rungway_server.store.redis.embedded.binary import server_at
from tests.support.redis_server import find_redis_server, redis_on_socket
from tests.support.service import COMMAND, Service
from tests.support.waiting import SECONDS, is_running, wait_until, wait_while_it_runs

# Process 1 of a PID namespace of its own: like that of a container, it gets no signal that it has no handler for.
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--kill-child")
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0
    or not shutil.which("unshare")
    or subprocess.run([*AS_PROCESS_1, "true"], check=False).returncode != 0,
    reason="only root makes PID namespaces, with unshare of util-linux",
)


def status(pid: int, field: str) -> str:
    """A field of /proc/PID/status; "" when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{field}:")), "")


def hears_sigterm(pid: int) -> bool:
    return bool(int(status(pid, "SigCgt") or "0", 16) >> signal.SIGTERM - 1 & 1)


def child_of(pid: int) -> int:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[0]) if found else 0


@contextmanager
def process_1(folder: Path, *flags: str) -> Iterator[tuple[Service, int]]:
    """A service as process 1 of its namespace, from the moment at which it hears SIGTERM; with its PID out here."""
    service = Service(folder, ("--listen", "127.0.0.1:0", *flags), command=(*AS_PROCESS_1, *COMMAND))
    try:
        wait_until(lambda: hears_sigterm(child_of(service.process.pid)))
        yield service, child_of(service.process.pid)
    finally:
        service.kill()


@needs_namespaces
@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "moments"),
    [("1", 6), ("2", 2), *(pytest.param(*each, marks=pytest.mark.long) for each in (("1", 20), ("2", 4)))],
)
def test_process_1_hears_sigterm_at_any_moment_of_its_start(workers: str, moments: int, tmp_path: Path) -> None:
    def try_at(moment: int) -> None:
        folder = tmp_path / str(moment)
        folder.mkdir()
        flags = ("--data", str(folder / "data"), "--workers", workers, "--drain-notice", "0")
        with process_1(folder, *flags) as (service, pid):
            time.sleep(2 * moment / moments)  # not a wait for anything: the moment that is tried
            os.kill(pid, signal.SIGTERM)
            assert service.process.wait(SECONDS) == 0, service.log()
            assert "Traceback" not in service.log()

    with ThreadPoolExecutor(4) as several:
        list(several.map(try_at, range(moments)))


@needs_namespaces
def test_it_is_heard_before_anything_large_is_loaded(tmp_path: Path) -> None:
    with process_1(tmp_path, "--data", str(tmp_path / "data")) as (_, pid):
        os.kill(pid, signal.SIGSTOP)
        assert "cygrpc" not in Path(f"/proc/{pid}/maps").read_text()
        os.kill(pid, signal.SIGCONT)


@needs_namespaces
def test_a_second_one_ends_it_at_once(redis_url: str, tmp_path: Path) -> None:
    with process_1(tmp_path, "--redis", redis_url, "--drain-notice", "60") as (service, pid):
        assert service.address
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: service.lines("stopping"))
        os.kill(pid, signal.SIGTERM)
        assert service.process.wait(SECONDS) == 128 + signal.SIGTERM


def begun(folder: Path, *flags: str) -> Service:
    return Service(folder, ("--listen", "127.0.0.1:0", "--drain-notice", "60", *flags), command=COMMAND)


def test_while_a_redis_gives_no_answer(tmp_path: Path) -> None:
    """It accepts connections and is silent, so that only the limit of 60 seconds would end the wait."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        service = begun(tmp_path, "--redis", url, "--redis-timeout", "60", "--health-listen", "127.0.0.1:0")
        try:
            connection, _ = silent.accept()
            with connection:
                began = time.monotonic()
                assert service.terminate() == 0
                assert time.monotonic() - began < 50
        finally:
            service.kill()
    assert service.lines("stopping")
    assert not service.lines("ready")


def write_slow_data(folder: Path) -> None:
    """Data that take a store seconds to load: each command of its file makes a set of 5,000 members anew. A store
    that is told to end while it loads does so when it has loaded them."""
    files = folder / "appendonlydir"
    files.mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    members = [f"m{number}" for number in range(5_000)]

    def command(*words: str) -> str:
        return f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)

    name = "appendonly.aof.1.incr.aof"
    (files / "appendonly.aof.manifest").write_text(f"file {name} seq 1 type i\n")
    with (files / name).open("w", newline="") as log:
        log.write(command("SADD", "s", *members))
        log.write(command("SUNIONSTORE", "t", "s", "s") * 20_000)


def test_while_the_embedded_store_loads_its_data(tmp_path: Path) -> None:
    if server_at(Path(find_redis_server())).version < (7,):
        pytest.skip("the slow data is in the form of Redis 7")
    data = tmp_path / "data"
    write_slow_data(data)
    service = begun(tmp_path, "--data", str(data), "--health-listen", "127.0.0.1:0")
    try:
        log = data / "redis.log"
        assert wait_while_it_runs(service.process, lambda: log.exists() and "Server initialized" in log.read_text())
        store = child_of(service.process.pid)
        assert service.terminate() == 0
        assert not is_running(store)
    finally:
        service.kill()
    assert service.lines("stopping")
    assert not service.lines("ready")
    assert "killed" not in service.log()


def test_with_several_processes_that_are_not_ready(tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(redis_on_socket())
        service = begun(tmp_path, "--redis", url, "--workers", "2")
        stack.callback(service.kill)
        assert wait_while_it_runs(service.process, lambda: service.lines("worker_started"))
        assert service.terminate() == 0
