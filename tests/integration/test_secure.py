"""TLS, client certificates, tokens and the SDK with real certificates, processes and sockets."""

import asyncio
import json
import logging
import os
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from redis import Redis

import rungway
from rungway import AsyncClient, Client, ClientConfig
from rungway_server.service.access import REVOKED_WITHIN_SECONDS
from rungway_server.transport.tls import TlsError, TlsFiles
from tests.support import forked
from tests.support.another_user import SOMEBODY, as_user
from tests.support.calls import config, unique_name
from tests.support.command_line import on_redis, run
from tests.support.redis_server import embedded_binary, free_port, redis_on_port, redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until


class Files:
    """Files of a certificate authority and of the certificates it issued."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca, self.cert, self.key = str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem")
        self.client_cert, self.client_key = str(folder / "client.pem"), str(folder / "client-key.pem")
        self.authority.cert_pem.write_to_path(self.ca)
        write(self.authority.issue_cert("localhost", "127.0.0.1"), self.cert, self.key)
        write(self.authority.issue_cert("worker.example"), self.client_cert, self.client_key)

    @property
    def flags(self) -> tuple[str, ...]:
        """For `rungway serve`."""
        return ("--tls-cert", self.cert, "--tls-key", self.key)


def write(issued: trustme.LeafCert, cert: str, key: str) -> None:
    Path(cert).write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as found:
        yield found


@pytest.fixture(scope="module")
def encrypted(url: str, files: Files) -> Iterator[Service]:
    """A service with TLS and tokens."""
    with services(url, 1, "--tokens", *files.flags) as (running,):
        yield running


def command(*words: str, **variables: str) -> forked.Ended:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RUNGWAY_")}
    environment |= embedded_binary() | variables
    return forked.run(*words, environment=environment, timeout=SECONDS)


def make_token(url: str, *flags: str) -> str:
    """In a thread of its own, because the event loop of a browser may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(on_redis, url, "token", "create", *flags).result()[0].strip()


def settings(service: Service, **fields: object) -> ClientConfig:
    quick = {"attempt_timeout": 2.0, "total_timeout": 6.0, "worker_timeout": 6.0, "target": service.address}
    return ClientConfig(**(quick | fields))  # type: ignore[arg-type]


def test_the_sdk_works_over_tls_with_a_token(encrypted: Service, url: str, files: Files) -> None:
    token = make_token(url, "--namespace", "team", "--role", "admin")
    name = unique_name("tls")
    with Client(config=settings(encrypted, token=token, tls_ca=files.ca, experiment=name)) as client:
        client.create_experiment(name, config(max_trials=2))
        assignment = client.ask()
        assert assignment
        client.tell(assignment, 0.5)
        assert client.get_experiment().trials.completed == 1

    async def twin() -> list[str]:
        async with AsyncClient(config=settings(encrypted, token=token, tls_ca=files.ca)) as client:
            return [found.experiment for found in await client.list_experiments()]

    assert name in asyncio.run(twin())


def test_refusals_reach_the_sdk_typed(encrypted: Service, url: str, files: Files) -> None:
    token = make_token(url, "--namespace", "team", "--role", "read")
    with Client(config=settings(encrypted, tls_ca=files.ca)) as client, pytest.raises(rungway.Unauthenticated):
        client.list_experiments()
    with Client(config=settings(encrypted, tls_ca=files.ca, token=token, experiment="e")) as client:
        client.list_experiments()
        with pytest.raises(rungway.PermissionDenied, match="needs the role admin, the token has read"):
            client.create_experiment("x", config())
        with pytest.raises(rungway.PermissionDenied):  # at once, although workers retry without an end
            client.ask_once()
    with (
        Client(config=settings(encrypted, tls_ca=files.ca, token=token, namespace="other")) as client,
        pytest.raises(rungway.PermissionDenied, match="'other'"),
    ):
        client.list_experiments()


def test_the_command_line_takes_token_and_tls_from_the_environment(encrypted: Service, url: str, files: Files) -> None:
    token = make_token(url, "--namespace", "team", "--role", "read")
    variables = {"RUNGWAY_TARGET": encrypted.address, "RUNGWAY_TLS_CA": files.ca}
    assert command("status", "-o", "json", RUNGWAY_TOKEN=token, **variables).returncode == 0
    refused = command("status", **variables)
    assert (refused.returncode, "reason: UNAUTHENTICATED" in refused.stderr) == (1, True)
    assert command("healthcheck", **variables).stdout == f"{encrypted.address}: SERVING\n"
    for name, code in (("localhost", 0), ("example.org", 1)):
        assert command("healthcheck", RUNGWAY_TLS_SERVER_NAME=name, **variables).returncode == code


@pytest.mark.parametrize("by_worker", [False, True], ids=["person", "worker"])
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "the service speaks TLS: set tls=True"),
        ({"tls": True}, "the certificate of the service is not accepted"),
        (
            {"tls_ca": "{ca}", "tls_server_name": "example.org"},
            "the certificate of the service is not accepted: Hostname",
        ),
    ],
    ids=["plain text to TLS", "unknown authority", "another name"],
)
def test_settings_of_tls_that_do_not_match_are_named(
    fields: dict[str, object], text: str, by_worker: bool, encrypted: Service, files: Files
) -> None:
    fields = {name: value.format(ca=files.ca) if isinstance(value, str) else value for name, value in fields.items()}
    told_why(settings(encrypted, **fields), text, by_worker)


def told_why(config: ClientConfig, text: str, by_worker: bool) -> None:
    """Both clients must fail at once, with this text."""
    with Client(config=config, experiment="e") as client:
        with pytest.raises(rungway.FailedPrecondition, match=text) as failed:
            client.ask_once() if by_worker else client.get_experiment()
        assert failed.value.reason == "TLS_MISMATCH"

    async def twin() -> None:
        async with AsyncClient(config=config, experiment="e") as client:
            await (client.ask_once() if by_worker else client.get_experiment())

    with pytest.raises(rungway.FailedPrecondition, match=text):
        asyncio.run(twin())


def test_tls_to_a_plain_port_is_named(url: str, files: Files) -> None:
    with services(url) as (plain,):
        told_why(settings(plain, tls_ca=files.ca), "the service does not speak TLS", by_worker=False)
        told_why(settings(plain, tls_ca=files.ca), "the service does not speak TLS", by_worker=True)


def test_clients_must_show_a_certificate(url: str, files: Files, tmp_path: Path) -> None:
    strangers = Files(tmp_path)
    with services(url, 1, *files.flags, "--tls-client-ca", files.ca) as (running,):
        told_why(settings(running, tls_ca=files.ca), "the service wants a client certificate", by_worker=False)
        told_why(settings(running, tls_ca=files.ca), "the service wants a client certificate", by_worker=True)
        stranger = settings(running, tls_ca=files.ca, tls_cert=strangers.client_cert, tls_key=strangers.client_key)
        told_why(stranger, "does not accept the client certificate", by_worker=False)
        known = settings(running, tls_ca=files.ca, tls_cert=files.client_cert, tls_key=files.client_key)
        with Client(config=known) as client:
            assert client.list_experiments() is not None


def test_a_renewed_certificate_is_served_without_a_restart(url: str, tmp_path: Path) -> None:
    files = Files(tmp_path)
    with services(url, 1, *files.flags) as (running,):
        host, _, port = running.address.rpartition(":")

        def served() -> str:
            return ssl.get_server_certificate((host, int(port))).strip()

        first = served()
        renewed = files.authority.issue_cert("localhost", "127.0.0.1")
        renewed.private_key_pem.write_to_path(
            files.key
        )  # the key is new but the certificate is not yet: they do not match
        assert served() == first
        write(renewed, files.cert, files.key)
        wait_until(lambda: served() == renewed.cert_chain_pems[0].bytes().decode().strip())
        assert running.lines("certificate_not_renewed")
        assert running.lines("certificate_renewed")


def test_a_certificate_that_cannot_be_used_is_a_clear_error(url: str, files: Files) -> None:
    for cert, key, text in (
        ("/nowhere.pem", files.key, "cannot read the certificate file /nowhere.pem: No such file"),
        (files.ca, files.key, "mismatch"),
    ):
        ended = command("serve", "--redis", url, "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
        assert ended.returncode == 1
        assert text.lower() in ended.stdout.lower()
        assert "the certificate file" in ended.stdout


@pytest.mark.parametrize("workers", ["1", "2"])
def test_certificates_are_read_before_a_store_starts(workers: str, files: Files, tmp_path: Path) -> None:
    data = tmp_path / "data"
    flags = ("--data", str(data), "--workers", workers, "--tls-cert", files.cert, "--tls-key", "/nowhere.pem")
    ended = command("serve", "--listen", "127.0.0.1:0", *flags)
    assert ended.returncode == 1
    assert "cannot read the certificate file /nowhere.pem" in ended.stdout
    assert not data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_key_that_is_for_root_only_is_named_with_its_owner(tmp_path: Path) -> None:
    """As a secret that is mounted into a container."""
    files = Files(tmp_path)
    os.chmod(files.key, 0o400)
    with as_user(SOMEBODY, tmp_path), pytest.raises(TlsError) as refused:
        TlsFiles(Path(files.cert), Path(files.key), None).check()
    owner = f"{files.key} belongs to user root (0) and group 0, mode 0400"
    assert str(refused.value) == (
        f"cannot read the certificate file {files.key}: Permission denied ({owner}; this process is user nobody "
        f"({SOMEBODY}) in group 0)"
    )


def test_beyond_loopback_with_tls_and_tokens(url: str, files: Files) -> None:
    refused = command("serve", "--redis", url, "--listen", "0.0.0.0:0", "--tokens")
    assert refused.returncode == 2
    assert "--insecure" in refused.stderr
    with services(url, 1, "--listen", "0.0.0.0:0", "--tokens", *files.flags) as (running,):
        assert running.address.startswith("0.0.0.0:")


def test_tokens_of_the_embedded_store_beside_the_service_and_without_it(tmp_path: Path) -> None:
    data = tmp_path / ("long-" * 24)  # longer than the path of a socket may be
    made = command("token", "create", "--namespace", "a", "--role", "work", "--data", str(data), "-o", "json")
    first = json.loads(made.stdout)
    assert first["expires"] is None
    folder = tmp_path / "log"
    folder.mkdir()
    running = Service(folder, ("--listen", "127.0.0.1:0", "--data", str(data), "--tokens"))
    try:
        with Client(running.address, token=first["token"]) as client:
            assert client.list_experiments() == []
        second = json.loads(
            command("token", "create", "--all-namespaces", "--role", "admin", "--expires", "90d", "--name", "ops",
                    "--data", str(data), "-o", "json").stdout
        )  # fmt: skip
        with Client(running.address, token=second["token"]) as client:
            assert client.list_experiments() == []
        listed = command("token", "list", "--data", str(data), "-o", "json").stdout
        assert [(row["namespace"], row["role"], row["name"]) for row in json.loads(listed)] == [
            ("a", "work", ""),
            ("*", "admin", "ops"),
        ]
        assert first["token"][21:] not in listed
        assert "ops" in command("token", "list", "--data", str(data)).stdout
        assert command("token", "revoke", first["id"], "--data", str(data)).returncode == 0
        assert command("token", "revoke", first["id"], "--data", str(data)).returncode == 1
        assert running.terminate() == 0
    finally:
        running.kill()


@pytest.mark.parametrize(
    "flags",
    [
        ("--role", "work"),
        ("--role", "work", "--namespace", "a", "--all-namespaces"),
        ("--role", "owner", "--namespace", "a"),
        ("--role", "work", "--namespace", "A"),
        ("--role", "work", "--namespace", "*"),
        ("--role", "work", "--namespace", "a", "--expires", "soon"),
        ("--role", "work", "--namespace", "a", "--expires", "0d"),
    ],
)
def test_wrong_usage_of_token_create(flags: tuple[str, ...], url: str) -> None:
    code, out, _ = run("", "token", "create", *flags, env={"RUNGWAY_REDIS_URL": url})
    assert (code, out) == (2, "")


def test_an_unreachable_redis_is_reported(files: Files) -> None:
    made = command("token", "list", RUNGWAY_REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}")
    assert made.returncode == 3
    assert "hunter2" not in made.stderr
    assert "Traceback" not in made.stderr


def test_planted_secrets_are_in_no_log_and_no_error(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    password, shown = "hunter2-of-redis", []
    with redis_on_port() as plain_url, Redis.from_url(plain_url) as direct:
        url = plain_url.replace("redis://", f"redis://:{password}@")
        direct.config_set("requirepass", password)
        token = make_token(url, "--namespace", "team", "--role", "read")
        wrong = f"{token[:20]}_{'w' * 43}"
        shown.append(command("token", "list", RUNGWAY_REDIS_URL=url).stdout)
        with services(url, 1, "--tokens", "--log-level", "debug", *files.flags) as (running,):
            for given in (token, wrong):
                shown += said(settings(running, tls_ca=files.ca, token=given, total_timeout=1))
            direct.auth(password)
            direct.hset("rungway:tokens", token.split("_")[1], "not what a token looks like")
            time.sleep(REVOKED_WITHIN_SECONDS + 1)
            shown += said(settings(running, tls_ca=files.ca, token=token, total_timeout=1))
            variables = {"RUNGWAY_TARGET": running.address, "RUNGWAY_TLS_CA": files.ca, "RUNGWAY_TOKEN": wrong}
            ended = command("status", **variables)
            shown += [ended.stdout, ended.stderr, running.log()]
            assert running.lines("unexpected_error"), "the damaged token is an incident"
    for secret in (token[21:], "w" * 43, password):
        assert secret not in "\n".join(shown)
        assert secret not in caplog.text


def said(config: ClientConfig) -> list[str]:
    """All texts that a client with this token shows of itself and of its errors."""
    texts = [repr(config), str(config)]
    with Client(config=config, experiment="x") as client:
        texts.append(repr(client))
        for call in (client.list_experiments, client.get_experiment, client.ask_once, client.pause_experiment):
            try:
                call()
            except rungway.RungwayError as error:
                texts += [str(error), repr(error), str(error.details), repr(error.__cause__)]
    with pytest.raises(rungway.InvalidArgument, match="token") as refused:
        ClientConfig(target="h:1", token=f"two {config.token}")
    return [*texts, str(refused.value)]
