"""Where the commands say the page is: the link of `create`, `rungway open`, the log line `page`."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rungway import Client, ClientConfig
from rungway_server.cli import page
from tests.integration.test_secure import Files, command, make_token
from tests.support.calls import config, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as found:
        yield found


@pytest.fixture(scope="module")
def service(url: str) -> Iterator[Service]:
    with services(url) as (running,):
        yield running


def page_of(service: Service) -> str:
    (line,) = service.lines("page")
    return str(line["url"])


def test_the_log_says_where_the_page_is(service: Service) -> None:
    assert page_of(service) == f"http://localhost:{service.http.rpartition(':')[2]}/"
    answer = httpx.get(page_of(service))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert httpx.head(page_of(service)).status_code == 200
    assert httpx.post(page_of(service)).status_code == 405


def test_with_tls_and_below_a_path_it_is_said_too(url: str, tmp_path: Path) -> None:
    files = Files(tmp_path)
    with services(url, 1, *files.flags, "--http-prefix", "/tools") as (service,):
        assert page_of(service) == f"https://localhost:{service.http.rpartition(':')[2]}/tools/"
    with services(url, 1, "--http", "off") as (service,):
        assert service.lines("page") == []


def test_open_prints_the_address_and_opens_a_browser(service: Service, tmp_path: Path) -> None:
    name, target = unique_name("open"), f"http://{service.http}"
    with Client(target=service.address) as client:
        client.create_experiment(name, config())
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >{opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    done = command("open", name, "--target", target, BROWSER=str(browser))
    assert (done.returncode, done.stdout) == (0, f"{target}/#/e/{name}/ladder\n"), done.stderr
    assert opened.read_text() == f"{target}/#/e/{name}/ladder\n"
    printed = command("open", "--print", "--target", target, RUNGWAY_NAMESPACE="team", BROWSER=str(browser))
    assert printed.stdout == f"{target}/#/?ns=team\n"
    absent = command("open", "absent", "--target", target)
    assert (absent.returncode, absent.stdout) == (1, "")
    assert "there is no experiment 'absent'" in absent.stderr


def test_open_says_how_to_sign_in_and_where_there_is_no_browser(url: str) -> None:
    token = make_token(url, "--namespace", "default", "--role", "read")
    with services(url, 1, "--tokens") as (service,):
        none = {name: "" for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER") if name in os.environ}
        done = command("open", "--target", f"http://{service.http}", RUNGWAY_TOKEN=token, **none)
    assert done.returncode == 0, done.stderr
    assert "sign in there with the token that RUNGWAY_TOKEN has" in done.stdout
    assert "open the address where there is one" in done.stdout
    assert token not in done.stdout


def test_over_grpc_the_usual_port_is_taken_if_the_same_service_answers_there(
    service: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique_name("own")
    host, _, port = service.http.rpartition(":")
    monkeypatch.setattr(page, "_PORT", int(port))
    settings = ClientConfig(target=service.address)
    with Client(config=settings) as client:
        experiment = client.create_experiment(name, config())
    assert page.find_page(settings, experiment) == f"http://{host}:{port}/#/e/{name}/ladder"
    with redis_on_socket() as other, services(other) as (stranger,):
        settings = ClientConfig(target=stranger.address)
        with Client(config=settings) as client:
            experiment = client.create_experiment(name, config())
        assert page.find_page(settings, experiment) is None  # another one of this name is there
        monkeypatch.setattr(page, "_PORT", 9)
        assert page.find_page(settings) is None


def test_create_links_to_the_page(service: Service, tmp_path: Path) -> None:
    file, target = Path(__file__).parents[2] / "examples" / "digits.yaml", f"http://{service.http}"
    done = command("create", str(file), "--name", unique_name("linked"), "--target", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"page: {target}/#/e/linked-")
