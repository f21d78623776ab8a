"""Settings: their sources, their bounds, and the message for a wrong value."""

from pathlib import Path

import pytest

from rungway_server.settings import Settings, SettingsError, split_address


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RUNGWAY_{name.upper()}", raising=False)


def test_defaults() -> None:
    settings = Settings.load()
    assert settings.address == ("127.0.0.1", 7077)
    assert settings.redis_url is None
    assert settings.request_window_seconds == 600
    assert settings.max_message_bytes == 1024 * 1024
    assert not settings.reflection


def test_the_environment_sets_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_LISTEN", "0.0.0.0:80")
    monkeypatch.setenv("RUNGWAY_DRAIN_SECONDS", "3")
    monkeypatch.setenv("RUNGWAY_REFLECTION", "true")
    monkeypatch.setenv("RUNGWAY_INSECURE", "true")
    settings = Settings.load(listen="[::]:81", drain_seconds=None)
    assert settings.address == ("[::]", 81)
    assert settings.drain_seconds == 3
    assert settings.reflection


def test_variables_of_kubernetes_and_of_the_client_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_PORT", "tcp://10.0.0.7:7077")
    monkeypatch.setenv("RUNGWAY_TARGET", "elsewhere:7077")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [("/x/data", "/x/data/rungway"), ("", "~/.local/share/rungway"), ("a/b", "~/.local/share/rungway")],
)
def test_data_folder(monkeypatch: pytest.MonkeyPatch, xdg: str, expected: str) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", xdg)
    assert Settings.load().data_dir == Path(expected).expanduser()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("listen", "7077", "listen (RUNGWAY_LISTEN): got '7077': wanted host:port"),
        ("listen", "localhost:http", "wanted host:port"),
        ("listen", "localhost:65536", "wanted host:port"),
        ("listen", "::1:7077", "wanted an IPv6 address in brackets"),
        (
            "drain_seconds",
            "-1",
            "drain_seconds (RUNGWAY_DRAIN_SECONDS): got '-1': Input should be greater than or equal",
        ),
        ("drain_seconds", "nan", "drain_seconds"),
        ("max_message_bytes", "1e99", "max_message_bytes"),
        ("fsync", "never", "'everysec' or 'always'"),
        ("log_level", "loud", "log_level"),
        ("redis_url", "http://host", "wanted redis://host:6379/0, unix:///path"),
        ("redis_url", "unix://", "wanted a path"),
    ],
)
def test_a_wrong_value_names_setting_value_and_what_is_allowed(name: str, value: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(**{name: value})
    assert text in str(refused.value)


def test_every_wrong_setting_is_listed() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(listen="x", fsync="x", log_level="x", no_such="x")
    lines = str(refused.value).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["listen", "fsync", "log_level"]
    assert lines[3] == "there is no setting no_such"


@pytest.mark.parametrize("url", ["redis://:hunter2@host:port", "gopher://:hunter2@host"])
def test_a_password_is_never_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(redis_url=url)
    assert "hunter2" not in str(refused.value)
    settings = Settings.load(redis_url="redis://:hunter2@host:6379")
    assert "hunter2" not in f"{settings!r} {settings}"


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("text", "parts"), [("h:0", ("h", 0)), ("[::1]:7", ("[::1]", 7)), ("10.0.0.1:65535", ("10.0.0.1", 65535))]
)
def test_addresses(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts


TLS = {"tls_cert": "/c.pem", "tls_key": "/k.pem"}


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1", "[2001:db8::1]:1"])
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "TLS (tls_cert, tls_key) and tokens are not set"),
        ({"tokens": True}, "TLS (tls_cert, tls_key) is not set"),
        (TLS, "tokens is not set"),
        (TLS | {"tls_client_ca": "/ca.pem"}, "tokens is not set"),
    ],
)
def test_other_hosts_are_let_in_with_tls_and_tokens_only(listen: str, given: dict[str, object], missing: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(listen=listen, **given)
    assert f"{listen} is open to other hosts, and {missing}" in str(refused.value)
    assert "--insecure" in str(refused.value)
    assert Settings.load(listen=listen, insecure=True, **given).listen == listen
    assert Settings.load(listen=listen, tokens=True, **TLS).listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"])
def test_on_loopback_nothing_is_needed(listen: str) -> None:
    assert Settings.load(listen=listen).listen == listen


@pytest.mark.parametrize("given", [{"tls_cert": "/c"}, {"tls_key": "/k"}, {"tls_client_ca": "/a"}])
def test_half_of_tls_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="tls_cert"):
        Settings.load(**given)
