"""An expired certificate is never served, and the log warns before one expires."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rungway_server.transport.lifetime import lifetimes
from tests.integration.test_secure import Files, command, write
from tests.support.service import Service, services
from tests.support.waiting import wait_until

DAY = timedelta(days=1)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def issue(files: Files, begins: timedelta, ends: timedelta) -> None:
    """A certificate for the service, with a validity relative to now."""
    now = datetime.now(UTC)
    issued = files.authority.issue_cert("localhost", "127.0.0.1", not_before=now + begins, not_after=now + ends)
    write(issued, files.cert, files.key)


@contextmanager
def serving(url: str, files: Files, *flags: str) -> Iterator[Service]:
    with services(url, 1, *files.flags, *flags) as (running,):
        yield running


def served(service: Service) -> str:
    host, _, port = service.address.rpartition(":")
    return ssl.get_server_certificate((host, int(port))).strip()


@pytest.mark.parametrize(
    ("begins", "ends", "text", "workers"),
    [
        (-2 * DAY, -DAY, "the certificate has expired: it was valid until", "1"),
        (-2 * DAY, -DAY, "the certificate has expired: it was valid until", "2"),
        (-2 * DAY, timedelta(seconds=-1), "the certificate has expired", "1"),
        (-9000 * DAY, -8000 * DAY, "the certificate has expired", "1"),
        (DAY, 2 * DAY, "the certificate is not valid yet: it begins at", "1"),
    ],
    ids=["yesterday", "yesterday, by two", "a second ago", "long ago", "not yet"],
)
def test_a_service_does_not_start_with_it(
    begins: timedelta, ends: timedelta, text: str, workers: str, redis_url: str, files: Files
) -> None:
    issue(files, begins, ends)
    ended = command("serve", "--redis", redis_url, "--listen", "127.0.0.1:0", "--workers", workers, *files.flags)
    assert ended.returncode == 1
    assert text in ended.stdout
    assert files.cert in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(("begins", "ends"), [(-2 * DAY, -DAY), (DAY, 2 * DAY)], ids=["expired", "not yet"])
def test_a_renewal_with_it_changes_nothing(begins: timedelta, ends: timedelta, redis_url: str, files: Files) -> None:
    with serving(redis_url, files) as running:
        first = served(running)
        issue(files, begins, ends)
        assert served(running) == first
        (line,) = running.lines("certificate_not_renewed")
        assert files.cert in str(line["error"])
        assert served(running) == first
        assert len(running.lines("certificate_not_renewed")) == 1, "said once"
        issue(files, -DAY, 90 * DAY)
        wait_until(lambda: served(running) != first)
        (line,) = running.lines("certificate_renewed")
        assert str(line["ends"]).startswith(f"{datetime.now(UTC) + 90 * DAY:%Y-%m-}")


@pytest.mark.parametrize(("ends", "warned"), [(13 * DAY, True), (timedelta(hours=1), True), (15 * DAY, False)])
def test_the_log_warns_at_the_start(ends: timedelta, warned: bool, redis_url: str, files: Files) -> None:
    issue(files, -DAY, ends)
    with serving(redis_url, files) as running:
        assert bool(running.lines("certificate_expires")) is warned
        for line in running.lines("certificate_expires"):
            assert line["file"] == files.cert
            assert line["level"] == "warning"


def test_the_log_warns_of_the_authority_of_clients_too(redis_url: str, files: Files, tmp_path: Path) -> None:
    short = files.authority.issue_cert("ca.example", not_after=datetime.now(UTC) + DAY)
    both = tmp_path / "both.pem"
    both.write_bytes(Path(files.ca).read_bytes() + short.cert_chain_pems[0].bytes())
    with serving(redis_url, files, "--tls-client-ca", str(both)) as running:
        assert [line["file"] for line in running.lines("certificate_expires")] == [str(both)]


def test_the_log_warns_of_a_renewal_that_ends_soon(redis_url: str, files: Files) -> None:
    with serving(redis_url, files) as running:
        first = served(running)
        issue(files, -DAY, 3 * DAY)
        wait_until(lambda: served(running) != first)
        assert running.lines("certificate_expires")


def test_the_log_warns_without_any_connection(redis_url: str, files: Files) -> None:
    issue(files, -DAY, timedelta(seconds=8))  # enough time to start
    with serving(redis_url, files) as running:
        wait_until(lambda: running.lines("certificate_expired"))
        assert running.lines("certificate_expires")


def test_the_warning_comes_14_days_ahead_while_the_service_runs(redis_url: str, files: Files) -> None:
    issue(files, -DAY, 14 * DAY + timedelta(seconds=8))
    with serving(redis_url, files) as running:
        assert not running.lines("certificate_expires")
        wait_until(lambda: running.lines("certificate_expires"))
        assert not running.lines("certificate_expired")


def test_times_of_certificates_of_every_kind(files: Files) -> None:
    until = datetime(2061, 2, 3, 4, 5, 6, tzinfo=UTC)  # times after 2049 have a year of four digits
    issued = files.authority.issue_cert("a", not_before=datetime(1999, 1, 2, tzinfo=UTC), not_after=until)
    (found,) = lifetimes(issued.cert_chain_pems[0].bytes().decode())
    assert (found.begins, found.ends) == (datetime(1999, 1, 2, tzinfo=UTC), until)
    renamed = issued.cert_chain_pems[0].bytes().decode().replace(" CERTIFICATE", " X509 CERTIFICATE")
    assert lifetimes(f"a comment\n{renamed}\n{renamed}") == [found, found]


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "no PEM"])
def test_anything_but_a_certificate_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="certificate"):
        lifetimes(text)
