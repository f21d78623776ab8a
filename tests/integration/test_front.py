"""The front of docs/security.md, with other addresses, before a real service."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import grpc
import hpack
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rungway import Client, ClientConfig
from tests.integration.test_secure import Files, make_token
from tests.support.calls import config, unique_name
from tests.support.http2 import END_HEADERS, END_STREAM, GOAWAY, HEADERS, WINDOW, frame, opened
from tests.support.redis_server import free_port
from tests.support.service import Service, services
from tests.support.waiting import wait_until

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="needs haproxy, which is not installed")

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
TEXT = PAGE.partition("<!-- front: begin -->\n```\n")[2].partition("```\n<!-- front: end -->")[0]
MOST_CONNECTIONS = int(re.findall(r"sc0_conn_cur gt (\d+)", TEXT)[0])
MOST_CALLS = int(re.findall(r"sc0_http_req_rate gt (\d+)", TEXT)[0])


@dataclass
class Front:
    """The addresses of the front and of the service behind it."""

    port: int
    files: Files
    service: Service
    token: str

    @property
    def settings(self) -> ClientConfig:
        """For clients."""
        return ClientConfig(
            target=f"127.0.0.1:{self.port}", tls_ca=self.files.ca, token=self.token, total_timeout=20, worker_timeout=20
        )

    def connect(self, source: str) -> ssl.SSLSocket:
        """A connection with TLS from this address. Raises OSError where it is refused."""
        plain = socket.create_connection(("127.0.0.1", self.port), 40, (source, 0))
        context = ssl.create_default_context(cafile=self.files.ca)
        context.set_alpn_protocols(["h2"])
        try:
            return context.wrap_socket(plain, server_hostname="127.0.0.1")
        except BaseException:
            plain.close()
            raise


@pytest.fixture(scope="module")
def front(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    files, port = Files(folder), free_port()
    pem = folder / "rungway.pem"
    pem.write_bytes(Path(files.cert).read_bytes() + Path(files.key).read_bytes())
    token = make_token(redis_url, "--namespace", "team", "--role", "admin")
    with services(redis_url, 1, "--tokens", "--reflection") as (service,):
        text = TEXT
        for written, here in (
            ("bind :7077 ", f"bind 127.0.0.1:{port} "),
            ("/etc/haproxy/rungway.pem", str(pem)),
            ("server one 10.0.0.2:7077 ", f"server one {service.address} "),
        ):
            assert text.count(written) == 1, written
            text = text.replace(written, here)
        configuration, log = folder / "haproxy.cfg", folder / "log"
        configuration.write_text(text)
        with log.open("wb") as out:
            process = subprocess.Popen([str(HAPROXY), "-db", "-f", configuration], stdout=out, stderr=out)
        found = Front(port, files, service, token)
        try:
            wait_until(lambda: answers(found) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            assert "ALERT" not in log.read_text()
            yield found
        finally:
            process.terminate()
            process.wait()


def answers(front: Front) -> bool:
    with suppress(OSError), front.connect("127.0.0.1"):
        return True
    return False


def test_workers_and_users_notice_nothing_of_it(front: Front) -> None:
    name = unique_name("front")
    with Client(config=front.settings, experiment=name) as client:
        client.create_experiment(name, config(max_trials=3))
        events = client.watch_events()
        for trial in client.trials():
            with trial:
                trial.report(1, 0.5)
        assert client.get_experiment().trials.completed == 3
        assert len(list(client.list_trials())) == 3
        assert [next(events).trial for _ in range(2)]
        assert "".join(client.export_experiment()).count("\n") > 3


@pytest.mark.parametrize(
    "path",
    [
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/",
        "/\xff\xfe",
    ],
)
def test_nothing_but_the_service_is_reached_through_it(path: str, front: Front) -> None:
    with front.connect("127.0.0.2") as strange:
        assert statuses(strange, path.encode("latin-1"), 1) in ({b"403"}, {b"400"}, set())


def test_health_is_asked_for_at_the_service_itself(front: Front) -> None:
    with grpc.insecure_channel(front.service.address) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status == 1


def statuses(connection: ssl.SSLSocket, path: bytes, calls: int) -> set[bytes]:
    """The HTTP statuses of so many calls; empty if the connection is cut."""
    room = frame(WINDOW, 0, 0, (1 << 30).to_bytes(4, "big"))  # enough for everything
    connection.sendall(opened(room))
    encoder, decoder = hpack.Encoder(), hpack.Decoder()
    found: set[bytes] = set()
    headers = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", path), (b":authority", b"x")]
    headers += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    stream = connection.makefile("rb")
    for first in range(0, calls, 50):
        numbers = range(first, min(first + 50, calls))
        flags = END_HEADERS | END_STREAM
        connection.sendall(b"".join(frame(HEADERS, flags, 2 * i + 1, encoder.encode(headers)) for i in numbers))
        for _ in numbers:
            answer = response(stream, decoder)
            if answer is None:
                return found
            found.add(answer)
    return found


def response(stream: BinaryIO, decoder: hpack.Decoder) -> bytes | None:
    """The status of the next response; None if there will be none."""
    while len(head := stream.read(9)) == 9 and head[3] != GOAWAY:
        body = stream.read(int.from_bytes(head[:3], "big"))
        if head[3] == HEADERS:
            return dict(decoder.decode(body, raw=True))[b":status"]
    return None


# `ssl` leaves its socket open when the peer has reset the connection before the handshake began.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_source_has_so_many_connections(front: Front) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_CONNECTIONS):
            stack.enter_context(front.connect("127.0.0.5"))
        with pytest.raises(OSError, match=r"reset|EOF|closed"):
            front.connect("127.0.0.5")
        stack.enter_context(front.connect("127.0.0.6"))
        with Client(config=front.settings) as client:
            assert client.list_experiments() is not None
    wait_until(lambda: reaches(front, "127.0.0.5"))


def reaches(front: Front, source: str) -> bool:
    with suppress(OSError), front.connect(source):
        return True
    return False


def test_a_source_may_call_so_often(front: Front) -> None:
    with front.connect("127.0.0.7") as strange:
        assert statuses(strange, b"/x", MOST_CALLS + 1_000) == {b"403", b"429"}
    with Client(config=front.settings) as client:
        assert client.list_experiments() is not None


def test_a_silent_connection_is_cut_off(front: Front) -> None:
    with ExitStack() as stack:
        no_tls = stack.enter_context(socket.create_connection(("127.0.0.1", front.port), 40, ("127.0.0.8", 0)))
        no_call = stack.enter_context(front.connect("127.0.0.8"))
        for connection in (no_tls, no_call):
            with suppress(ConnectionError):
                while connection.recv(1 << 12):  # frames of the front itself
                    pass
