"""A client behind a balancer that has no live service: it retries until a service answers."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig
from rungway._core.tls import tls_problem
from tests.integration.test_secure import Files, settings
from tests.support.calls import config, unique_name
from tests.support.network import Link
from tests.support.proxy import running
from tests.support.redis_server import port_of
from tests.support.service import TRANSPORTS, Service, services
from tests.support.waiting import wait_until

End = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang_up_after_the_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(5)
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def say_internal_error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1 << 14)
    writer.write(b"\x15\x03\x03\x00\x02\x02\x50")
    writer.close()


async def say_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1 << 14)
    writer.write(b"\x15\x03\x03\x00\x02\x01\x00")
    writer.close()


async def break_off_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1 << 14)
    writer.write(b"\x16\x03\x03\x00\x7a\x02\x00")
    writer.close()


ENDS = {
    "hangs up": hang_up,
    "hangs up after the hello": hang_up_after_the_hello,
    "resets": reset,
    "says internal error": say_internal_error,
    "says goodbye": say_goodbye,
    "breaks off": break_off_in_the_middle,
}
VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"]
)


class Balancer(Link):
    """Passes everything on; while no service runs, ends each connection by `end`."""

    def __init__(self, port: int, end: End | None = None) -> None:
        super().__init__(port)
        self.end = end

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.end is None:
            await super()._carry(reader, writer)
            return
        await self.end(reader, writer)  # type: ignore[misc]  # each is a coroutine


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def encrypted(redis_url: str, files: Files) -> Iterator[Service]:
    with services(redis_url, 1, *files.flags) as (running_,):
        yield running_


def behind(balancer: Balancer, files: Files, **fields: object) -> ClientConfig:
    patient = {"target": f"127.0.0.1:{balancer.port}", "tls_ca": files.ca, "attempt_timeout": 0.5, "backoff_max": 0.2}
    return ClientConfig(**(patient | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", ["threads", "asyncio"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_worker_waits_until_a_service_is_there(
    end: End, kind: str, transport: str, encrypted: Service, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, found = unique_name("balanced"), []

    def looked(*words: Any) -> object:
        found.append(tls_problem(*words))
        return found[-1]

    for module in ("_sync.grpc_connection", "_async.grpc_connection", "_core.http_library"):
        monkeypatch.setattr(f"rungway.{module}.tls_problem", looked)
    with Client(config=settings(encrypted, tls_ca=files.ca)) as direct:
        direct.create_experiment(name, config())
    with (
        running(Balancer(port_of(encrypted.target(transport)), end)) as balancer,
        ThreadPoolExecutor(1) as threads,
    ):
        target = f"{'https://' if transport == 'http' else ''}127.0.0.1:{balancer.port}"
        asking = threads.submit(ask, behind(balancer, files, target=target, experiment=name), kind)
        wait_until(lambda: len(found) >= 2 or asking.done())
        assert not asking.done(), asking.exception()
        balancer.end = None
        assert asking.result(60) == 0
    assert not any(found)


def ask(config: ClientConfig, kind: str) -> int:
    """The number of the trial that is assigned."""
    if kind == "threads":
        with Client(config=config) as client:
            return client.ask_once().assignments[0].lease.trial

    async def twin() -> int:
        async with AsyncClient(config=config) as client:
            return (await client.ask_once()).assignments[0].lease.trial

    return asyncio.run(twin())


@pytest.mark.parametrize("scheme", ["", "https://"], ids=TRANSPORTS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_user_is_told_that_nobody_answers(end: End, scheme: str, files: Files) -> None:
    with running(Balancer(1, end)) as balancer:
        short = behind(balancer, files, target=f"{scheme}127.0.0.1:{balancer.port}", total_timeout=1.5)
        with Client(config=short) as client, pytest.raises(rungway.Unavailable) as failed:
            client.list_experiments()
    assert "gave no answer" in str(failed.value)
    assert failed.value.attempts > 1
    assert "does not speak TLS" not in str(failed.value)


@VERSIONS
def test_a_balancer_that_ends_tls_itself_without_a_service(version: ssl.TLSVersion, files: Files) -> None:
    with tls_ended_here(files, version) as port:
        alone = ClientConfig(target=f"127.0.0.1:{port}", tls_ca=files.ca, attempt_timeout=1.0, total_timeout=1.5)
        with Client(config=alone) as client, pytest.raises(rungway.Unavailable):
            client.list_experiments()


@VERSIONS
def test_a_wanted_certificate_is_named_in_each_version_of_tls(version: ssl.TLSVersion, files: Files) -> None:
    with tls_ended_here(files, version, wants=True) as port:
        alone = ClientConfig(target=f"127.0.0.1:{port}", tls_ca=files.ca, attempt_timeout=1.0, total_timeout=1.5)
        with (
            Client(config=alone) as client,
            pytest.raises(rungway.FailedPrecondition, match="the service wants a client certificate"),
        ):
            client.list_experiments()


class tls_ended_here:
    """A port that speaks TLS, may ask for a certificate, and hangs up after the handshake."""

    def __init__(self, files: Files, version: ssl.TLSVersion, wants: bool = False) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = self._context.maximum_version = version
        if wants:
            self._context.verify_mode = ssl.CERT_OPTIONAL  # required would say so in an alert
            self._context.load_verify_locations(files.ca)
        self._context.load_cert_chain(files.cert, files.key)
        self._context.set_alpn_protocols(["h2"])
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            try:
                self._context.wrap_socket(accepted, server_side=True).close()
            except OSError:
                accepted.close()


def test_a_service_that_wants_a_certificate_is_still_named_through_a_balancer(
    redis_url: str, files: Files, tmp_path: Path
) -> None:
    strangers = Files(tmp_path)
    with services(redis_url, 1, *files.flags, "--tls-client-ca", files.ca) as (strict,):
        port = int(strict.address.rpartition(":")[2])
        with running(Balancer(port)) as balancer:
            for fields, text in (
                ({}, "the service wants a client certificate"),
                (
                    {"tls_cert": strangers.client_cert, "tls_key": strangers.client_key},
                    "does not accept the client certificate",
                ),
            ):
                with (
                    Client(config=behind(balancer, files, experiment="e", **fields)) as client,
                    pytest.raises(rungway.FailedPrecondition, match=text),
                ):
                    client.ask_once()
