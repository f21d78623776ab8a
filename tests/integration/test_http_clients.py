"""Clients over HTTP and the real service: through a company's proxy, with TLS, and at ports that are not the right."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig
from tests.integration.test_secure import Files, command, make_token, write
from tests.support.calls import config, unique_name
from tests.support.canned import canned, page
from tests.support.command_line import run
from tests.support.forward_proxy import forward_proxy
from tests.support.redis_server import free_port, redis_on_socket
from tests.support.service import Service, services

NAME = "rungway.test"
"""A name that only the proxy can resolve."""
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as found:
        yield found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    found = Files(tmp_path_factory.mktemp("tls"))
    write(found.authority.issue_cert("localhost", "127.0.0.1", NAME), found.cert, found.key)
    return found


@pytest.fixture(scope="module")
def plain(url: str) -> Iterator[Service]:
    with services(url, 1, "--http-hosts", NAME) as (running,):
        yield running


@pytest.fixture(scope="module")
def encrypted(url: str, files: Files) -> Iterator[Service]:
    """A service with TLS and tokens."""
    with services(url, 1, "--tokens", *files.flags) as (running,):
        yield running


@pytest.fixture(scope="module")
def token(url: str) -> str:
    """Of an administrator."""
    return make_token(url, "--namespace", "team", "--role", "admin")


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def settings(target: str, **fields: Any) -> ClientConfig:
    quick = {"attempt_timeout": 20.0, "total_timeout": 20.0, "worker_timeout": 20.0, "backoff_max": 0.2}
    return ClientConfig(**({"target": target, "experiment": "e"} | quick | fields))


def told_why(config: ClientConfig, kind: type[rungway.RungwayError], text: str, reason: str = "") -> None:
    """Both clients must fail so."""
    with Client(config=config) as client, pytest.raises(kind, match=text) as failed:
        client.ask_once()
    assert failed.value.reason == reason

    async def twin() -> None:
        async with AsyncClient(config=config) as client:
            await client.get_experiment()

    with pytest.raises(kind, match=text) as failed:
        asyncio.run(twin())
    assert failed.value.reason == reason


def searched(config: ClientConfig) -> None:
    """A whole search with one client, and its events with the other."""
    name = unique_name("searched")
    with Client(config=config, experiment=name) as client:
        client.create_experiment(name, CONFIG)
        for trial in client.trials():
            with trial:
                for length in trial.lengths():
                    trial.report(length, 0.5)
        assert client.get_experiment().trials.completed == 2

    async def twin() -> list[str]:
        async with AsyncClient(config=config, experiment=name) as client:
            assert "".join([text async for text in client.export_experiment()])
            return [event.kind async for event in client.watch_events()]

    assert asyncio.run(twin())[-1] == "done"


CONFIG = config(max_trials=2, max_length={"epochs": 3})


def test_the_sdk_works_over_https_with_a_token(encrypted: Service, url: str, token: str, files: Files) -> None:
    searched(settings(f"https://{encrypted.http}", token=token, tls_ca=files.ca))
    reader = make_token(url, "--namespace", "team", "--role", "read")
    told_why(
        settings(f"https://{encrypted.http}", tls_ca=files.ca), rungway.Unauthenticated, "token", "UNAUTHENTICATED"
    )
    with (
        Client(config=settings(f"https://{encrypted.http}", token=reader, tls_ca=files.ca)) as client,
        pytest.raises(rungway.PermissionDenied, match="needs the role work, the token has read"),
    ):
        client.ask_once()  # at once, although workers retry without an end


def test_tokens_are_in_no_log_and_no_error(encrypted: Service, files: Files, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = f"rwy_{'a' * 16}_{'w' * 43}"
    given = settings(f"https://{encrypted.http}", token=token, tls_ca=files.ca)
    told_why(given, rungway.Unauthenticated, "token", "UNAUTHENTICATED")
    assert "w" * 43 not in caplog.text


# TLS.


def test_settings_of_tls_that_do_not_match_are_named(plain: Service, encrypted: Service, files: Files) -> None:
    def why(target: str, text: str, **fields: object) -> None:
        told_why(settings(target, **fields), rungway.FailedPrecondition, text, "TLS_MISMATCH")

    why(f"http://{encrypted.http}", "the service speaks TLS: write https:// in the target")
    why(f"https://{plain.http}", "the service does not speak TLS: write http:// in the target")
    why(f"https://{encrypted.http}", "the certificate of the service is not accepted")
    other = {"tls_ca": files.ca, "tls_server_name": "example.org"}
    why(f"https://{encrypted.http}", "the certificate of the service is not accepted: Hostname", **other)


def test_the_name_in_the_certificate_may_be_another(encrypted: Service, token: str, files: Files) -> None:
    fields = {"tls_ca": files.ca, "token": token}
    with Client(config=settings(f"https://{encrypted.http}", tls_server_name=NAME, **fields)) as client:
        assert client.list_experiments() is not None


def test_clients_must_show_a_certificate(url: str, files: Files, tmp_path: Path) -> None:
    strangers = Files(tmp_path)
    with services(url, 1, *files.flags, "--tls-client-ca", files.ca) as (strict,):

        def shown(**fields: object) -> ClientConfig:
            return settings(f"https://{strict.http}", tls_ca=files.ca, **fields)

        kind, reason = rungway.FailedPrecondition, "TLS_MISMATCH"
        told_why(shown(), kind, "the service wants a client certificate", reason)
        stranger = shown(tls_cert=strangers.client_cert, tls_key=strangers.client_key)
        told_why(stranger, kind, "does not accept the client certificate", reason)
        searched(shown(tls_cert=files.client_cert, tls_key=files.client_key))


def test_the_other_port_is_recognised(plain: Service, encrypted: Service, files: Files) -> None:
    for scheme, service, fields in (("http", plain, {}), ("https", encrypted, {"tls_ca": files.ca})):
        for target, protocol, other in (
            (f"{scheme}://{service.address}", "HTTP/2", f'for gRPC write "{service.address}"'),
            (service.http, "HTTP/1.1", f'for HTTP write "{scheme}://{service.http}"'),
        ):
            quick = settings(target, attempt_timeout=2.0, **fields)  # gRPC only says that the time is over
            told_why(
                quick,
                rungway.FailedPrecondition,
                f"{target} speaks {protocol} only, as the .* port does: {other}",
                "NOT_RUNGWAY",
            )


# Proxies.


@pytest.fixture
def proxied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What a proxy, which every variable names, was asked for."""
    log = tmp_path / "log"
    log.touch()
    with forward_proxy(log) as address:
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        monkeypatch.setenv("HTTPS_PROXY", address)
        yield lambda: log.read_text().splitlines()


def test_a_search_through_a_proxy(proxied: Callable[[], list[str]], plain: Service) -> None:
    target = f"http://{NAME}:{port_of(plain.http)}"
    searched(settings(target))
    assert {line.partition("/rungway.v1.")[0] for line in proxied()} == {f"POST {target}"}


def test_a_search_through_a_tunnel(
    proxied: Callable[[], list[str]], encrypted: Service, token: str, files: Files
) -> None:
    host = f"{NAME}:{port_of(encrypted.http)}"
    searched(settings(f"https://{host}/", token=token, tls_ca=files.ca))
    assert set(proxied()) == {f"CONNECT {host}"}
    told_why(settings(f"https://{host}", token=token), rungway.FailedPrecondition, "not accepted", "TLS_MISMATCH")
    with pytest.raises(rungway.InvalidArgument, match=r"^tls_server_name: cannot be checked through a proxy"):
        Client(config=settings(f"https://{host}", tls_server_name="localhost"))


def test_a_tunnel_through_a_proxy_that_speaks_tls_itself(
    encrypted: Service, token: str, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)
    with forward_proxy(tmp_path / "log", "", files.cert, files.key) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{address.rpartition(':')[2]}")
        searched(settings(f"https://{NAME}:{port_of(encrypted.http)}", token=token))


def test_this_host_and_the_hosts_of_no_proxy_are_reached_without_it(
    proxied: Callable[[], list[str]], plain: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(config=settings(f"http://{plain.http}")) as client:
        assert client.list_experiments() is not None
    monkeypatch.setenv("NO_PROXY", f"example.org,.{NAME.partition('.')[2]}")
    with (
        Client(config=settings(f"http://{NAME}:{port_of(plain.http)}", total_timeout=0.01)) as client,
        pytest.raises(rungway.Unavailable, match=r"no connection to|in time"),
    ):
        client.list_experiments()
    assert proxied() == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_says_why(
    scheme: str, plain: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = {"backoff_initial": 1e9, "backoff_max": 1e9}
    target = f"{scheme}://{NAME}:{port_of(plain.http)}"
    with forward_proxy(tmp_path / "log", "ada:hunter2") as address:
        for login, text in (("", "407 Proxy Authentication Required"), ("ada:hunter3@", "407 Proxy Authentication")):
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{login}{address}")
            told_why(settings(target, **never), rungway.RungwayError, text)
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://ada:hunter2@{address}")
        nowhere = f"{scheme}://{NAME}:{free_port()}"
        with Client(config=settings(nowhere, **never)) as client, pytest.raises(rungway.Unavailable) as failed:
            client.list_experiments()
        assert "502 No Such Host" in str(failed.value) or "502 Bad Gateway" in str(failed.value)
        assert "hunter2" not in str(failed.value)
        if scheme == "http":
            with Client(config=settings(target)) as client:
                assert client.list_experiments() is not None


@pytest.mark.parametrize("proxy", ["socks5://ada:hunter2@proxy:1080", "gopher://ada:hunter2@proxy", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    for client in (Client, AsyncClient):
        with pytest.raises(rungway.InvalidArgument, match=r"^target: the proxy of the environment") as failed:
            client("https://rungway.test")
        assert "hunter2" not in str(failed.value)


# The command line.


def test_the_commands_take_a_url(plain: Service, encrypted: Service, token: str, files: Files) -> None:
    variables = {"RUNGWAY_TARGET": f"https://{encrypted.http}", "RUNGWAY_TLS_CA": files.ca}
    assert command("status", RUNGWAY_TOKEN=token, **variables).returncode == 0
    code, words = command("status", **variables).returncode, command("status", **variables).stderr
    assert (code, "put a token that `rungway token create` printed into RUNGWAY_TOKEN" in words) == (1, True)
    assert command("healthcheck", **variables).stdout == f"https://{encrypted.http}: SERVING\n"
    with canned(page("200 OK", "text/html", "<title>Sign in</title>")) as port:
        refused = said(port.url, "status")
        assert (refused[0], "reason: NOT_RUNGWAY" in refused[1]) == (1, True)
        assert said(port.url, "healthcheck") == (1, f"{port.url}: NOT_SERVING\n")
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, text = said(nowhere, "status")
    assert (code, f"no service answers at {nowhere}" in text) == (3, True)
    code, text = said(nowhere, "healthcheck")
    assert (code, f"{nowhere}: UNAVAILABLE: no connection to" in text) == (1, True)
    target = f"http://{plain.http}"
    assert said(target, "status", "-o", "json")[0] == 0
    assert said(target, "healthcheck", "--service", "liveness") == (0, f"{target}: SERVING\n")
    assert said(target, "healthcheck", "--service", "rungway.v1.SearchService")[0] == 2
    code, text = said(target, "status", RUNGWAY_TLS="true")
    assert (code, "tls: got True" in text) == (2, True)


def said(target: str, *words: str, **variables: str) -> tuple[int, str]:
    """The exit code of a command in this process, and what it says."""
    code, out, err = run(target, *words, env=variables)
    return code, out + err
