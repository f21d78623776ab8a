"""Misspelt variables of the environment: refused by server, clients and command line, with the nearest name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rungway import AsyncClient, Client, ClientConfig, InvalidArgument
from rungway._core.environment import CLIENT_VARIABLES, PREFIX, SERVER_VARIABLES, TRIAL_VARIABLES, misspelt
from rungway_server.settings import Settings, SettingsError
from tests.support.waiting import SECONDS

WRONG = [
    ("RUNGWAY_REDIS_ULR", "RUNGWAY_REDIS_URL"),
    ("RUNGWAY_REDIS", "RUNGWAY_REDIS_URL"),
    ("RUNGWAY_REDISURL", "RUNGWAY_REDIS_URL"),
    ("RUNGWAY_TRAGET", "RUNGWAY_TARGET"),
    ("RUNGWAY_EXPERIMENTS", "RUNGWAY_EXPERIMENT"),
    ("RUNGWAY_DATADIR", "RUNGWAY_DATA_DIR"),
    ("RUNGWAY_TLS_CLIENTCERT", "RUNGWAY_TLS_CLIENT_CERT"),
    ("RUNGWAY_LOGLEVEL", "RUNGWAY_LOG_LEVEL"),
    ("RUNGWAY_QUOTA_TRIAL", "RUNGWAY_QUOTA_TRIALS"),
    ("rungway_target", "RUNGWAY_TARGET"),
]
"""The last one, because a client reads its variables in capitals only."""
NOT_OURS = {
    "RUNGWAY_PORT": "tcp://10.0.0.7:7077",
    "RUNGWAY_SERVICE_HOST": "10.0.0.7",
    "RUNGWAY_SERVICE_PORT_GRPC": "7077",
    "RUNGWAY_PORT_7077_TCP_ADDR": "10.0.0.7",
    "RUNGWAY_REDIS_PORT": "tcp://10.0.0.8:6379",
    "RUNGWAY_REDIS_SERVICE_HOST": "10.0.0.8",
    "RUNGWAY_MODEL_PROFILE": "long",
    "RUNGWAY_FUZZ_EXAMPLES": "12",
    "RUNGWAYS_URL": "x",
    "RUNGWAY_PARAM_lr": "0.1",
    "rungway_drain_seconds": "3",
}


def test_the_lists_are_those_that_are_read() -> None:
    assert {PREFIX + name.upper() for name in Settings.model_fields} == SERVER_VARIABLES
    source = Path(sys.modules[ClientConfig.__module__].__file__ or "").read_text()
    read = {part.split('"')[0] for part in source.split('from_environment("')[1:]}
    assert read == CLIENT_VARIABLES


@pytest.mark.parametrize(("name", "nearest"), WRONG)
@pytest.mark.parametrize("value", ["x", ""])
def test_a_misspelt_variable_is_refused_by_server_and_clients(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert str(refused.value).startswith(f"{name}: ")
    assert f"the nearest is {nearest}:" in str(refused.value)
    for kind in (Client, AsyncClient):
        with pytest.raises(InvalidArgument) as wrong:
            kind("localhost:7077")
        assert wrong.value.violations[0][0] == name
        assert nearest in str(wrong.value)


def test_every_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_REDIS_ULR", "x")
    monkeypatch.setenv("RUNGWAY_LISTN", "x")
    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == ["RUNGWAY_LISTN", "RUNGWAY_REDIS_ULR"]


def test_what_kubernetes_and_tests_set_is_accepted() -> None:
    assert misspelt(NOT_OURS | {name: "x" for name in SERVER_VARIABLES | CLIENT_VARIABLES | TRIAL_VARIABLES}) == []


def test_a_port_of_ones_own_is_not_that_of_kubernetes() -> None:
    assert [name for name, _ in misspelt({"RUNGWAY_PORT": "7077"})] == ["RUNGWAY_PORT"]


@pytest.mark.parametrize(
    "command", [["serve", "--listen", "127.0.0.1:0"], ["status", "digits"], ["audit", "digits"], ["healthcheck"]]
)
def test_the_command_line_ends_with_wrong_usage(tmp_path: Path, command: list[str]) -> None:
    environment = os.environ | {"RUNGWAY_REDIS_ULR": "redis://h:1", "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "from rungway_server.cli import main; main()", *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    assert "RUNGWAY_REDIS_ULR: there is no such variable, the nearest is RUNGWAY_REDIS_URL" in done.stderr
    assert list(tmp_path.iterdir()) == []  # no embedded store was created instead of using the Redis
