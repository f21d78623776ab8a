"""deploy/haproxy.cfg and deploy/nginx.conf, with other addresses, before two servers that are restarted one by one."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from rungway import Client, ClientConfig
from scripts.deploy.tools import ROOT
from tests.integration.test_secure import make_token
from tests.support.calls import config
from tests.support.redis_server import free_port, redis_on_socket
from tests.support.service import TRANSPORTS, Service
from tests.support.waiting import SECONDS, wait_until

_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
PROGRAMS = {name: shutil.which(name, path=_PATH) for name in ("haproxy", "nginx")}
PORTS = {"--listen": 7077, "--http": 7078, "--health-listen": 7079}


class Server:
    """A server that comes back on its own ports."""

    def __init__(self, folder: Path, redis: str, certificates: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.ports = {port: free_port() for port in PORTS.values()}
        self._flags = [word for flag, port in PORTS.items() for word in (flag, f"127.0.0.1:{self.ports[port]}")]
        self._flags += ["--redis", redis, "--tokens", "--tls-cert", str(certificates / "tls.crt")]
        self._flags += ["--tls-key", str(certificates / "tls.key"), "--drain-notice", "2"]
        self.start()

    def start(self) -> None:
        self.service = Service(self._folder, tuple(self._flags))
        assert self.service.address


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like /tls of the examples."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("rungway", "localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.crt")
    (folder / "tls.crt").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(folder / "tls.key")
    return folder


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def servers(redis: str, certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        running = []
        for number in (1, 2):
            running.append(Server(folder / str(number), redis, certificates))
            stack.callback(lambda server: server.service.kill(), running[-1])
        yield running


def as_written(name: str, servers: list[Server], certificates: Path, fronts: dict[int, int]) -> str:
    """The example with the addresses of this test: `server … rungway-1:7077` and `bind :7077` and `/tls/`."""
    text = (ROOT / "deploy" / {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[name]).read_text(encoding="utf-8")
    for port, here in fronts.items():
        for number, server in enumerate(servers, 1):
            assert text.count(f" rungway-{number}:{port}") == 1
            line = f" 127.0.0.1:{server.ports[port]}"
            if name == "haproxy":  # its default is a check at port 7079
                line += f" check port {server.ports[7079]}"
            text = text.replace(f" rungway-{number}:{port}", line)
        written, address = (f"bind :{port}", "bind ") if name == "haproxy" else (f"listen {port} ", "listen ")
        assert text.count(f"    {written}") == 1
        text = text.replace(f"    {written}", f"    {address}127.0.0.1:{here} ")
    return text.replace("/tls/", f"{certificates}/")


@contextmanager
def front(name: str, servers: list[Server], certificates: Path, folder: Path) -> Iterator[dict[int, int]]:
    """The ports of a running front, for 7077 and 7078."""
    fronts = {7077: free_port(), 7078: free_port()}
    text, log = as_written(name, servers, certificates, fronts), folder / "log"
    if name == "nginx":  # folders that any user may write to
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = text.replace(
            "\nhttp {\n", "\nhttp {\n" + "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        )
    (folder / "front").write_text(text)
    commands = {
        "haproxy": ["-db", "-f", f"{folder}/front"],
        "nginx": ["-c", f"{folder}/front", "-g", f"daemon off; pid {folder}/pid; error_log stderr;", "-e", "stderr"],
    }
    with log.open("wb") as out:
        process = subprocess.Popen([str(PROGRAMS[name]), *commands[name]], stdout=out, stderr=out)
    try:
        yield fronts
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(SECONDS)
        print(log.read_text())


class Worker(threading.Thread):
    """A worker through the front, by one transport; an error in it ends the test."""

    def __init__(self, settings: ClientConfig) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self.calls = 0
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with Client(config=self._settings, experiment="rolling") as client:
                for trial in client.trials():
                    with trial:
                        for epoch in trial.lengths():
                            self.calls += 1
                            if not trial.report(epoch, 1 / epoch):
                                break
        except BaseException as error:
            self.error = error


def moved(workers: list[Worker]) -> None:
    """Return when each has made three more calls."""
    marks = [worker.calls + 3 for worker in workers]

    def all_moved() -> bool:
        failed = [worker.error for worker in workers if worker.error]
        assert failed == []
        return all(worker.calls >= mark for worker, mark in zip(workers, marks, strict=True))

    wait_until(all_moved)


def check_origins(target: str, ca: Path, token: str) -> None:
    """Pages of the service call it through the front, those of others do not."""
    context = ssl.create_default_context(cafile=ca)
    for origin, status in ((target, 200), ("https://elsewhere.example", 403)):
        answer = httpx.post(
            f"{target}/rungway.v1.ExperimentService/ListExperiments",
            json={},
            headers={"Authorization": f"Bearer {token}", "Origin": origin},
            verify=context,
            trust_env=False,
            timeout=SECONDS,
        )
        assert answer.status_code == status, answer.text


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_call_fails_while_the_servers_are_restarted(
    name: str, servers: list[Server], certificates: Path, redis: str, tmp_path: Path
) -> None:
    if PROGRAMS[name] is None:
        pytest.skip(f"needs {name}, which is not installed")
    token = make_token(redis, "--namespace", name, "--role", "admin")
    with front(name, servers, certificates, tmp_path) as ports:
        targets = {"grpc": f"localhost:{ports[7077]}", "http": f"https://localhost:{ports[7078]}"}
        settings = [
            ClientConfig(target=targets[each], tls_ca=str(certificates / "ca.crt"), token=token, report_interval=0.001)
            for each in TRANSPORTS
        ]
        with Client(config=settings[0]) as client:
            client.create_experiment("rolling", config(max_trials=100_000))
            events = client.watch_events(experiment="rolling")
            workers = [Worker(each) for each in settings * 2]
            moved(workers)
            for server in servers:
                assert server.service.terminate() == 0
                moved(workers)
                server.start()
                moved(workers)
            check_origins(targets["http"], certificates / "ca.crt", token)
            client.stop_experiment("rolling")
            for worker in workers:
                worker.join(SECONDS)
            assert [worker.error for worker in workers] == [None] * len(workers)
            found = client.get_experiment("rolling")
            assert found.trials.failed == 0
            assert sum(1 for _ in events) >= found.trials.started
