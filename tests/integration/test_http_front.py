"""The proxy of docs/http.md, with other addresses, before a real service: paths, streams and HTTP/2."""

import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.test_secure import Files, make_token
from tests.support.calls import config
from tests.support.redis_server import free_port
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="needs haproxy, which is not installed")

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
TEXT = PAGE.partition("<!-- front: begin -->\n```\n")[2].partition("```\n<!-- front: end -->")[0]
CURL = shutil.which("curl")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("front"))


@pytest.fixture(scope="module")
def service(redis_url: str) -> Iterator[Service]:
    """A service with tokens; the proxy ends TLS."""
    with services(redis_url, 1, "--tokens") as (running,):
        yield running


@pytest.fixture(scope="module")
def front(redis_url: str, service: Service, files: Files) -> Iterator[httpx.Client]:
    """A client of the proxy, with a token."""
    folder, port = Path(files.ca).parent, free_port()
    pem = folder / "rungway.pem"
    pem.write_bytes(Path(files.cert).read_bytes() + Path(files.key).read_bytes())
    token = make_token(redis_url, "--namespace", "team", "--role", "admin")
    text = TEXT
    for written, here in (
        ("bind :443 ", f"bind 127.0.0.1:{port} "),
        ("/etc/haproxy/rungway.pem", str(pem)),
        ("server one 10.0.0.2:7078 ", f"server one {service.http} "),
    ):
        assert text.count(written) == 1, written
        text = text.replace(written, here)
    configuration, log = folder / "haproxy.cfg", folder / "log"
    configuration.write_text(text)
    with log.open("wb") as out:
        process = subprocess.Popen([str(HAPROXY), "-db", "-f", configuration], stdout=out, stderr=out)
    client = httpx.Client(
        base_url=f"https://localhost:{port}/rungway",
        verify=ssl.create_default_context(cafile=files.ca),
        headers={"Authorization": f"Bearer {token}"},
        timeout=SECONDS,
        trust_env=False,
    )
    try:
        wait_until(lambda: answers(client) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def call(client: httpx.Client, method: str, **request: object) -> Any:
    answer = client.post(f"/rungway.v1.{method}", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_calls_go_below_the_path_of_the_proxy(front: httpx.Client) -> None:
    call(front, "ExperimentService/CreateExperiment", experiment="below", config=config())
    assert len(call(front, "SearchService/Ask", experiment="below", count=4)["assignments"]) == 4
    assert front.get("/openapi.json").json()["servers"] == [{"url": "."}]
    outside = front.get(front.base_url.join("/readyz"))
    assert outside.status_code == 404


def test_events_come_at_once(front: httpx.Client) -> None:
    call(front, "ExperimentService/CreateExperiment", experiment="live", config=config())
    with front.stream(
        "POST",
        "/rungway.v1.ExperimentService/WatchEvents",
        json={"experiment": "live"},
        headers={"Accept": "text/event-stream"},
    ) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        for change, kind in (("Pause", "paused"), ("Resume", "running"), ("Stop", "stopped")):
            call(front, f"ExperimentService/{change}Experiment", experiment="live")
            assert json.loads(next(lines).removeprefix("data: "))["event"]["kind"] == kind


def test_connections_that_the_service_has_closed_are_not_used_again(front: httpx.Client, service: Service) -> None:
    """A refusal before the body ends the connection behind the proxy; the next call is answered all the same."""
    for _ in range(20):
        wrong = front.post(
            "/rungway.v1.SearchService/Ask", content=b"x" * 10_000, headers={"Content-Type": "text/plain"}
        )
        assert wrong.status_code == 415
        assert call(front, "ExperimentService/ListExperiments")
    assert service.process.poll() is None


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
def test_http_2_in_front(front: httpx.Client, files: Files) -> None:
    url = f"{front.base_url}rungway.v1.ExperimentService/ListExperiments"
    command = [str(CURL), "-sS", "--http2", "--cacert", files.ca, url, "-H", "Content-Type: application/json"]
    command += ["-H", f"Authorization: {front.headers['Authorization']}", "-d", "{}", "-w", " %{http_version}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if "HTTP2" not in subprocess.run([str(CURL), "--version"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("curl has no HTTP/2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("} 2")
