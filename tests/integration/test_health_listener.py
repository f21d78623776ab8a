"""Probes in plain text: what kubelets and HEALTHCHECK ask, beside TLS, tokens, drains and a busy service."""

import asyncio
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

import rungway_server.healthprobe
from rungway_server.transport import health_listener
from rungway_server.transport.health_listener import HealthListener
from tests.support.redis_server import free_port, redis_on_port
from tests.support.service import Service
from tests.support.waiting import SECONDS, happens, wait_until

PROBE = (sys.executable, "-I", "-S", rungway_server.healthprobe.__file__)
READY, STARTING = (200, "ok\n"), (503, "starting\n")


def ask(address: str, path: str = "/readyz", method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def probe(address: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"RUNGWAY_HEALTH_LISTEN": address}
    return subprocess.run(
        [*PROBE, *words], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def begun(stack: ExitStack, folder: Path, *flags: str) -> Service:
    service = Service(folder, ("--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", *flags))
    stack.callback(service.kill)
    return service


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_follows_the_store_and_the_drain(workers: str, tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        service = begun(
            stack, tmp_path, "--redis", f"redis://127.0.0.1:{port}", "--workers", workers, "--drain-notice", "1"
        )
        assert ask(service.probes, "/livez") == READY
        wait_until(lambda: ask(service.probes) == (503, "store unavailable\n"))
        with redis_on_port(port=port):
            wait_until(lambda: ask(service.probes) == READY)
        wait_until(lambda: ask(service.probes) == (503, "store unavailable\n"))
        assert ask(service.probes, "/livez") == READY
        with redis_on_port(port=port):
            wait_until(lambda: ask(service.probes) == READY)
            service.process.send_signal(signal.SIGTERM)
            wait_until(lambda: service.lines("stopping"))
            assert not service.lines("drained")
            assert ask(service.probes) == (503, "stopping\n")
            assert ask(service.probes, "/livez") == READY
            assert service.process.wait(SECONDS) == 0


def test_it_is_there_before_the_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        service = begun(stack, tmp_path, "--redis", url, "--redis-timeout", "60")
        connection, _ = silent.accept()
        with connection:
            assert ask(service.probes) == STARTING
            assert ask(service.probes, "/livez") == READY


def test_it_is_ready_while_one_process_of_several_serves(redis_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        service = begun(stack, tmp_path, "--redis", redis_url, "--workers", "2")
        assert service.address
        first, second = (int(str(line["pid"])) for line in service.lines("worker_started"))
        os.kill(second, signal.SIGSTOP)
        try:
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: service.lines("worker_died"))
            assert ask(service.probes) == READY
        finally:
            os.kill(second, signal.SIGCONT)
        assert service.terminate() == 0


def test_the_probe_beside_tls_client_certificates_and_tokens(redis_url: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    with ExitStack() as stack:
        guarded = ("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca, "--tokens")
        service = begun(stack, tmp_path, "--redis", redis_url, *guarded)
        assert service.address
        found = probe(service.probes)
        assert (found.returncode, found.stdout) == (0, "ok\n")
        any_interface = probe(f"0.0.0.0:{service.probes.rpartition(':')[2]}", "livez")
        assert (any_interface.returncode, any_interface.stdout) == (0, "ok\n")
        service.terminate()
        gone = probe(service.probes)
        assert (gone.returncode, "Connection refused" in gone.stdout, gone.stderr) == (1, True, "")


def test_the_probe_says_no() -> None:
    for address in ("", "off", "host"):
        found = probe(address)
        assert (found.returncode, found.stderr) == (1, "")
        assert f"got {address!r}: wanted HOST:PORT" in found.stdout


async def test_the_probe_costs_little() -> None:
    """It runs for ever; on a busy machine the least of several says what it takes."""

    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert probe(listener.address).stdout == "starting\n"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    with HealthListener("127.0.0.1", 0) as listener:
        await happens(lambda: cost() < 0.03)


async def test_it_answers_while_the_service_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_a_thread(path: str, wanted: tuple[int, str]) -> None:
        asking = threading.Thread(target=wait_until, args=(lambda: ask(listener.address, path) == wanted,))
        asking.start()
        asking.join()  # the loop of the test, in which the service would run, does nothing else meanwhile

    with HealthListener("127.0.0.1", 0) as listener:
        from_a_thread("/livez", READY)
        from_a_thread("/readyz", STARTING)
        listener.report("")
        from_a_thread("/readyz", READY)
        monkeypatch.setattr(health_listener, "_DEAD_SECONDS", 0.2)
        from_a_thread("/livez", (503, "stuck\n"))
    with pytest.raises(ConnectionRefusedError):
        ask(listener.address)


async def test_connections_that_say_nothing_keep_no_probe_out() -> None:
    def hold_many() -> None:
        with ExitStack() as stack:
            host, port = listener.address.split(":")
            for _ in range(250):
                stack.enter_context(socket.create_connection((host, int(port))))
                assert ask(listener.address) == STARTING

    with HealthListener("127.0.0.1", 0) as listener:
        await asyncio.to_thread(hold_many)


async def test_it_tells_nothing_else() -> None:
    def check() -> None:
        assert ask(listener.address, "/readyz?verbose") == READY
        assert ask(listener.address, "/livez", "HEAD") == (200, "")
        assert ask(listener.address, "/readyz", "POST") == (405, "wanted GET\n")
        for path in ("/", "/metrics", "/readyz/", "/%72eadyz", "/../readyz"):
            assert ask(listener.address, path) == (404, "there are /livez and /readyz\n")
        for bytes_ in (b"\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET " + b"x" * 100_000 + b"\r\n\r\n", b"GET /livez"):
            with socket.create_connection(listener.address.split(":")) as connection:  # type: ignore[arg-type]  # the port may be text
                connection.sendall(bytes_)
                connection.shutdown(socket.SHUT_WR)
                assert b" 200 " not in received(connection)

    with HealthListener("127.0.0.1", 0) as listener:
        listener.report("")
        await asyncio.to_thread(check)


def received(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(4096):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_in_use_is_refused(workers: str, redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        flags = ("--listen", "127.0.0.1:0", "--redis", redis_url, "--workers", workers, "--health-listen", address)
        service = Service(tmp_path, flags)
        assert service.process.wait(SECONDS) == 1
        assert f"cannot listen on {address}: Address already in use" in service.log()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
async def test_both_families() -> None:
    with HealthListener("::", 0) as listener:
        port = listener.address.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            assert await asyncio.to_thread(ask, f"{host}:{port}") == STARTING
