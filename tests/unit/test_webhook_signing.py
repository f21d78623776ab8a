"""Endpoints, secrets and signatures of webhooks."""

import base64
import hmac

import pytest

from rungway_server.settings import Settings, SettingsError
from rungway_server.webhooks.signing import (
    Endpoint,
    key_of,
    key_text,
    new_secret,
    read_endpoint,
    read_secret,
    read_secrets,
    shown,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_signature_is_that_of_the_specification() -> None:
    """The example that the libraries of Standard Webhooks test themselves with."""
    endpoint = Endpoint("https://host", "", (read_secret(SECRET), b"older"))
    headers = endpoint.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")
    first, second = headers["webhook-signature"].split(" ")
    assert first == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert second.startswith("v1,")


def test_each_url_has_a_key_of_its_own() -> None:
    secret = read_secret(SECRET)
    one, other = read_endpoint("https://a/x", [secret]), read_endpoint("team-1=https://b/x", [secret])
    assert (one.namespace, other.namespace, other.url) == ("", "team-1", "https://b/x")
    assert one.keys == (key_of(secret, "https://a/x"),) == (hmac.digest(secret, b"https://a/x", "sha256"),)
    assert one.keys != other.keys
    assert base64.b64decode(key_text(secret, "https://a/x").removeprefix("whsec_")) == one.keys[0]
    assert (one.hears_of("any"), other.hears_of("team-1"), other.hears_of("any")) == (True, True, False)


@pytest.mark.parametrize("text", ["", "x", "whsec_", "whsec_AAAA", "whsec_" + "A" * 200, "whsec_!", SECRET[6:]])
def test_a_wrong_secret_is_refused_and_not_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"whsec_|no secret"):
        read_secrets(text)
    if text:
        monkeypatch.setenv("RUNGWAY_WEBHOOK_SECRET", text)
        with pytest.raises(SettingsError) as refused:
            Settings.load()
        assert "got a value not shown here" in str(refused.value)


def test_secrets_are_random_and_read_line_by_line() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert read_secrets(f"{first}\n\n {second} \n") == [read_secret(first), read_secret(second)]


@pytest.mark.parametrize(
    "text",
    [
        "ftp://a",
        "a.b/c",
        "https://",
        "n=",
        "N=https://a",
        "https://a#b",
        "https://ä",
        "http://a:b",
        "http://a b",
        "http://a/\x1b",
    ],
)
def test_a_wrong_url_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(webhooks=[text], webhook_secret=SECRET)
    assert "webhooks (RUNGWAY_WEBHOOKS): got a value not shown here: " in str(refused.value)


def test_what_logs_show_of_a_url_has_no_password() -> None:
    assert shown("https://user:pass@host:8/path?token=1") == "https://host:8"


def test_webhooks_need_one_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("RUNGWAY_WEBHOOKS", "https://a  vision=https://b https://a")
    with pytest.raises(SettingsError, match="RUNGWAY_WEBHOOK_SECRET or --webhook-secret-file"):
        Settings.load()
    monkeypatch.setenv("RUNGWAY_WEBHOOK_SECRET", SECRET)
    settings = Settings.load()
    assert [(each.url, each.namespace) for each in settings.endpoints()] == [("https://a", ""), ("https://b", "vision")]
    assert SECRET not in repr(settings)
    with pytest.raises(SettingsError, match="one of them"):
        Settings.load(webhook_secret_file=__file__)
    monkeypatch.delenv("RUNGWAY_WEBHOOK_SECRET")
    with pytest.raises(SettingsError, match="webhook_secret_file: "):
        Settings.load(webhook_secret_file=__file__)
