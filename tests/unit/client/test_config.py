import os
import socket
from typing import Any

import pytest

from rungway import AsyncClient, Client, ClientConfig, InvalidArgument
from rungway._core.address import http_address
from rungway._core.channel import channel_options
from rungway._core.config import DEFAULT_TARGET, configured
from rungway._core.tls import call_metadata


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_TARGET", "env:1")
    monkeypatch.setenv("RUNGWAY_EXPERIMENT", "from-env")


def test_arguments_come_before_settings_and_those_before_the_environment() -> None:
    config = ClientConfig(target="set:2")
    assert (configured(None, None, None).target, configured(None, None, None).experiment) == ("env:1", "from-env")
    assert (configured(config, None, "mine").target, configured(config, None, "mine").experiment) == ("set:2", "mine")
    assert configured(config, "arg:3", None).target == "arg:3"


@pytest.mark.parametrize("given", [None, "", " "])
def test_without_a_target_the_service_is_looked_for_on_this_host(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given is None:
        monkeypatch.delenv("RUNGWAY_TARGET")
    else:
        monkeypatch.setenv("RUNGWAY_TARGET", given)
    with Client() as client:
        assert client.config.target == DEFAULT_TARGET == "localhost:7077"
    with pytest.raises(InvalidArgument, match="RUNGWAY_TARGET"):
        Client("")


def test_no_experiment_is_a_clear_error_where_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNGWAY_EXPERIMENT")
    with Client("127.0.0.1:9") as client, pytest.raises(InvalidArgument, match="RUNGWAY_EXPERIMENT"):
        client.ask()


def test_the_worker_is_named_by_process_and_host() -> None:
    assert ClientConfig().worker == f"{os.getpid()}@{socket.gethostname()}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", "https://"),
        ("target", "http:/localhost"),
        ("target", "https://localhost:0"),
        ("target", "https://localhost:65536"),
        ("target", "https://local host"),
        ("target", "https://localhost?experiment=digits"),
        ("target", "https://localhost/#page"),
        ("target", "https://ada@localhost"),
        ("target", "https://::1"),
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
    with pytest.raises(InvalidArgument, match=r"^target: got 'localhost:99999', wanted .*port from 1 to 65535"):
        ClientConfig()


def test_channels_have_one_layer_of_retries_and_bounded_messages() -> None:
    options = dict(channel_options(ClientConfig()))
    assert options["grpc.enable_retries"] == 0
    assert options["grpc.max_send_message_length"] == 1 << 20
    assert int(options["grpc.keepalive_time_ms"]) >= 60_000
    assert "grpc.lb_policy_name" not in options
    assert dict(channel_options(ClientConfig(target="dns:///rungway:7077")))["grpc.lb_policy_name"] == "round_robin"


SECRET = "rwy_0123456789abcdef_secret"


def test_a_token_is_never_shown() -> None:
    config = ClientConfig(token=SECRET, insecure=True)
    assert config.token == SECRET
    assert "secret" not in f"{config} {config!r}"
    with pytest.raises(InvalidArgument, match=r"^token: wanted one word") as refused:
        ClientConfig(token=f"{SECRET}\n")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("localhost:1", {}),
        ("127.0.0.9:1", {}),
        ("[::1]:1", {}),
        ("unix:/run/x", {}),
        ("dns:///localhost:1", {}),
        ("ipv6:[::1]:1", {}),
        ("http://[::1]:1", {}),
        ("http://localhost/prefix", {}),
        ("https://example.org", {}),
        ("http://example.org", {"insecure": True}),
        ("example.org:1", {"tls": True}),
        ("example.org:1", {"insecure": True}),
    ],
)
def test_a_token_stays_here_or_is_encrypted(target: str, fields: dict[str, Any]) -> None:
    metadata = dict(call_metadata(ClientConfig(target=target, token=SECRET, **fields)))
    assert metadata == {"authorization": f"Bearer {SECRET}"}


@pytest.mark.parametrize(
    "target",
    [
        "example.org:1",
        "10.0.0.1:1",
        "dns:///rungway:1",
        "localhost.example.org:1",
        "dns://8.8.8.8/localhost:1",  # another host says where that is
        "dns://ns.example.org:53/127.0.0.1:1",
        "dns://[2001:db8::1]/%6cocalhost:1",
        "ipv4:10.0.0.1:1,127.0.0.1:1",
        "http://example.org",
        "http://localhost.example.org/localhost",
    ],
)
def test_a_token_does_not_cross_a_network_in_plain_text(target: str) -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(InvalidArgument, match=r"^token: is not sent to .* in plain text") as refused:
            make(target, token=SECRET)
        assert "secret" not in str(refused.value)


def test_security_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ClientConfig()
    assert (plain.token, plain.namespace, plain.encrypted, plain.insecure) == ("", "", False, False)
    for name, value in (("TOKEN", SECRET), ("NAMESPACE", "team"), ("TLS", "1"), ("INSECURE", "no")):
        monkeypatch.setenv(f"RUNGWAY_{name}", value)
    config = ClientConfig()
    assert (config.token, config.namespace, config.encrypted, config.insecure) == (SECRET, "team", True, False)
    assert dict(call_metadata(config))["rungway-namespace"] == "team"
    monkeypatch.setenv("RUNGWAY_TLS", "perhaps")
    with pytest.raises(InvalidArgument, match="RUNGWAY_TLS"):
        ClientConfig()


def test_files_of_tls_are_read_at_once() -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(InvalidArgument, match=r"^tls_ca: cannot read '/nowhere.pem'"):
            make("h:1", config=ClientConfig(tls_ca="/nowhere.pem"))
        with pytest.raises(InvalidArgument, match=r"^tls_ca: cannot read '/nowhere.pem'"):
            make(config=ClientConfig(target="https://h", tls_ca="/nowhere.pem"))
        with pytest.raises(InvalidArgument, match=r"^tls_ca: no certificate can be read from '/dev/null'"):
            make(config=ClientConfig(target="https://h", tls_ca=os.devnull))
        with pytest.raises(InvalidArgument, match=r"^tls_cert: no pair of certificate and key"):
            make(config=ClientConfig(target="https://h", tls_cert=os.devnull, tls_key=os.devnull))
    with pytest.raises(InvalidArgument, match="tls_cert: wanted both"):
        ClientConfig(tls_cert="/c.pem")


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("https://rungway.example.org", "https://rungway.example.org:443"),
        ("http://localhost", "http://localhost:80"),
        ("https://localhost:7078/", "https://localhost:7078"),
        ("HTTPS://localhost/team/rungway/", "https://localhost:443/team/rungway"),
        ("http://[::1]:7078/a", "http://[::1]:7078/a"),
    ],
)
def test_urls_mean_http(target: str, url: str) -> None:
    config = ClientConfig(target=target)
    assert config.over_http
    assert str(http_address(target)) == url
    assert config.encrypted is url.startswith("https")


@pytest.mark.parametrize(
    ("target", "fields", "field"),
    [
        ("https://h", {"tls": False}, "tls"),
        ("http://h", {"tls": True}, "tls"),
        ("http://h", {"tls_ca": "ca.pem"}, "tls_ca"),
        ("http://h", {"tls_cert": "c.pem", "tls_key": "k.pem"}, "tls_cert"),
        ("http://h", {"tls_server_name": "h"}, "tls_server_name"),
    ],
)
def test_a_url_and_settings_of_tls_must_agree(target: str, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{field}: .*{target}"):
        ClientConfig(target=target, **fields)


def test_tls_of_the_environment_must_agree_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_TLS", "false")
    assert not ClientConfig(target="h:1").encrypted
    assert ClientConfig(target="http://h").over_http
    with pytest.raises(InvalidArgument, match=r"^tls: got False"):
        Client("https://h")


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(InvalidArgument) as caught:
        ClientConfig(target="https://ada:hunter2@h")
    assert "hunter2" not in str(caught.value)
