import os
import socket
from typing import Any

import pytest

from rungway import Client, ClientConfig, InvalidArgument
from rungway._config import configured
from rungway._grpc import channel_options


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_TARGET", "env:1")
    monkeypatch.setenv("RUNGWAY_EXPERIMENT", "from-env")


def test_arguments_come_before_settings_and_those_before_the_environment() -> None:
    config = ClientConfig(target="set:2")
    assert (configured(None, None, None).target, configured(None, None, None).experiment) == ("env:1", "from-env")
    assert (configured(config, None, "mine").target, configured(config, None, "mine").experiment) == ("set:2", "mine")
    assert configured(config, "arg:3", None).target == "arg:3"


def test_no_target_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNGWAY_TARGET")
    with pytest.raises(InvalidArgument, match="RUNGWAY_TARGET"):
        Client()


def test_no_experiment_is_a_clear_error_where_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNGWAY_EXPERIMENT")
    with Client("127.0.0.1:9") as client, pytest.raises(InvalidArgument, match="RUNGWAY_EXPERIMENT"):
        client.ask()


def test_the_worker_is_named_by_process_and_host() -> None:
    assert ClientConfig().worker == f"{os.getpid()}@{socket.gethostname()}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", "http://localhost:7077"),
        ("target", "localhost"),
        ("target", "localhost:"),
        ("target", ":7077"),
        ("target", "localhost:0"),
        ("target", "localhost:65536"),
        ("target", "localhost:http"),
        ("target", "::1"),
        ("target", "[::1]"),
        ("target", "dns:///rungway"),
        ("worker", "w" * 257),
        ("attempt_timeout", 0),
        ("total_timeout", -1),
        ("worker_timeout", 0),
        ("backoff_initial", float("nan")),
        ("backoff_multiplier", 0.5),
        ("report_interval", 0),
        ("keepalive", 30),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ClientConfig(**{field: value})
    assert caught.value.violations[0][0] == field


@pytest.mark.parametrize(
    "target",
    [
        "localhost:7077",
        "[::1]:7077",
        "dns:///rungway:7077",
        "dns://8.8.8.8/rungway:65535",
        "unix:/run/x",
        "ipv6:[::1]:7",
    ],
)
def test_every_form_of_address_is_possible(target: str) -> None:
    assert ClientConfig(target=target).target == target


def test_a_wrong_target_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_TARGET", "localhost:99999")
    with pytest.raises(InvalidArgument, match=r"^target: .*port from 1 to 65535.*'localhost:99999'"):
        ClientConfig()


def test_channels_have_one_layer_of_retries_and_bounded_messages() -> None:
    options = dict(channel_options(ClientConfig()))
    assert options["grpc.enable_retries"] == 0
    assert options["grpc.max_send_message_length"] == 1 << 20
    assert int(options["grpc.keepalive_time_ms"]) >= 60_000
    assert "grpc.lb_policy_name" not in options
    assert dict(channel_options(ClientConfig(target="dns:///rungway:7077")))["grpc.lb_policy_name"] == "round_robin"
