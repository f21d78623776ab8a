"""`rungway serve` as a process: how it starts, reacts to its Redis, and ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis import Redis

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway_server.domain.errors import StoreUnavailable
from rungway_server.store.redis.connection.connect import connect
from tests.support.forked import start
from tests.support.redis_server import embedded_binary, free_port, port_of, redis_on_port, redis_on_socket
from tests.support.service import COMMAND
from tests.support.waiting import SECONDS, wait_until


class Service:
    """A running `rungway serve` and its log; `installed`: the command, not a fork."""

    def __init__(self, *flags: str, installed: bool = False, **variables: str) -> None:
        self.log: list[dict[str, object]] = []
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RUNGWAY_")}
        environment |= embedded_binary() | variables
        flags = ("--listen", "127.0.0.1:0", "--drain-notice", "0.1", *flags)
        (out, its_out), (err, its_err) = os.pipe(), os.pipe()
        with open(its_out, "wb") as said, open(its_err, "wb") as complained:
            if installed:
                self.process = subprocess.Popen([*COMMAND, *flags], stdout=said, stderr=complained, env=environment)
            else:
                self.process = start("serve", *flags, out=said, err=complained, environment=environment)
        self.out, self.err = os.fdopen(out), os.fdopen(err)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.out:
            self.log.append(json.loads(line))

    def line(self, event: str, count: int = 1) -> dict[str, object]:
        """The count-th log line of an event; waits for it."""
        wait_until(lambda: len(self.lines(event)) >= count or self.process.poll() is not None)
        assert len(self.lines(event)) >= count, f"no {event} in {self.log}"
        return self.lines(event)[count - 1]

    def lines(self, event: str) -> list[dict[str, object]]:
        return [line for line in self.log if line["event"] == event]

    @property
    def address(self) -> str:
        return str(self.line("ready")["address"])

    def ended(self) -> int:
        """The exit code; waits for the end."""
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def health(self, service: str = "") -> str:
        with grpc.insecure_channel(self.address) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=SECONDS
            )
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def list_experiments(self) -> None:
        with grpc.insecure_channel(self.address) as channel:
            ExperimentServiceStub(channel).ListExperiments(pb.ListExperimentsRequest(), timeout=SECONDS)


@contextmanager
def service(*flags: str, installed: bool = False, **variables: str) -> Iterator[Service]:
    running = Service(*flags, installed=installed, **variables)
    try:
        yield running
    finally:
        with running.out, running.err:
            running.process.kill()
            running.ended()


def test_the_embedded_store_serves_drains_and_keeps_its_data(tmp_path: Path) -> None:
    for _ in range(2):
        with service("--data", str(tmp_path), installed=True) as running:
            assert running.line("ready")["serving"] is True
            assert running.health() == "SERVING"
            assert running.health("rungway.v1.SearchService") == "SERVING"
            assert running.health("rungway.v1.ExperimentService") == "SERVING"
            running.list_experiments()
            redis_pid = running.line("embedded_redis")["pid"]
            running.process.send_signal(signal.SIGTERM)
            assert running.ended() == 0
            assert running.line("stopping")["signal"] == "SIGTERM"
            assert not Path(f"/proc/{redis_pid}").exists()
            assert running.err.read() == ""


def test_ctrl_c_drains_too() -> None:
    with redis_on_socket() as url, service("--redis", url, installed=True) as running:
        running.line("ready")
        running.process.send_signal(signal.SIGINT)
        assert running.ended() == 0
        running.line("drained")


def test_the_log_describes_persistence(tmp_path: Path) -> None:
    with service("--data", str(tmp_path)) as running:
        assert "may lose the last second" in str(running.line("redis")["survival"])
    with redis_on_socket("--save", "") as url, service("--redis", url) as running:
        assert "a crash loses every search" in str(running.line("redis")["survival"])


def test_a_store_that_dies_ends_the_service_with_an_error(tmp_path: Path) -> None:
    with service("--data", str(tmp_path)) as running:
        running.line("ready")
        os.kill(int(str(running.line("embedded_redis")["pid"])), signal.SIGKILL)
        assert running.ended() == 1
        died = running.line("embedded_redis_died")
        assert died["level"] == "critical"
        assert died["code"] == -9
        assert "accept connections" in str(died["log_tail"])


def test_a_second_service_is_refused_the_folder(tmp_path: Path) -> None:
    with service("--data", str(tmp_path)) as first:
        first.line("ready")
        with service("--data", str(tmp_path)) as second:
            assert second.ended() == 1
            assert f"in use by process {first.process.pid}" in str(second.line("cannot_start")["error"])
        assert first.health() == "SERVING"


def test_a_redis_that_comes_goes_and_returns() -> None:
    port = free_port()
    with service("--redis", f"redis://127.0.0.1:{port}", "--redis-timeout", "1") as running:
        assert running.line("ready")["serving"] is False
        assert running.health() == "NOT_SERVING"
        assert running.health("liveness") == "SERVING"
        for _ in range(2):
            with redis_on_port(port=port):
                wait_until(lambda: running.health() == "SERVING")
                assert running.health("rungway.v1.SearchService") == "SERVING"
                running.list_experiments()
            wait_until(lambda: running.health() == "NOT_SERVING")
            assert running.health("liveness") == "SERVING"
        assert len(running.lines("store_available")) == 2
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 0


def test_a_redis_that_evicts_is_refused() -> None:
    with redis_on_socket("--maxmemory-policy", "allkeys-lru") as url:
        with service("--redis", url) as running:
            assert running.ended() == 1
            assert "maxmemory-policy allkeys-lru" in str(running.line("cannot_start")["error"])
        with service("--redis", url, RUNGWAY_UNSAFE_EVICTION="warn") as running:
            assert running.line("redis_unsafe")["level"] == "warning"
            assert running.line("ready")["serving"] is True


def test_a_redis_that_evicts_and_comes_later_is_not_served() -> None:
    port = free_port()
    with service("--redis", f"redis://127.0.0.1:{port}") as running:
        running.line("ready")
        with redis_on_port("--maxmemory-policy", "allkeys-lru", port=port) as url, Redis.from_url(url) as client:
            assert "may evict keys" in str(running.line("store_unavailable", 2)["error"])
            assert running.health() == "NOT_SERVING"
            client.config_set("maxmemory-policy", "noeviction")
            wait_until(lambda: running.health() == "SERVING")


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with (
        redis_on_socket() as url,
        service("--redis", url) as first,
        service("--redis", url, "--listen", first.address) as second,
    ):
        assert second.ended() == 1
        assert f"cannot listen on {first.address}" in str(second.line("cannot_start")["error"])


def test_wrong_settings_end_with_2() -> None:
    with service("--drain", "-1", installed=True, RUNGWAY_LOG_LEVEL="loud") as running:
        assert running.ended() == 2
        text = running.err.read()
    assert "drain_seconds (RUNGWAY_DRAIN_SECONDS)" in text
    assert "log_level (RUNGWAY_LOG_LEVEL)" in text
    assert "Traceback" not in text


def test_an_open_health_watch_sees_the_drain_and_does_not_hold_it_up() -> None:
    with redis_on_socket() as url, service("--redis", url, "--drain", "60") as running:
        channel = grpc.insecure_channel(running.address)
        with channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(service=""), timeout=SECONDS
            )
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            running.process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert running.ended() == 0
            assert time.monotonic() - begun < 30


def test_calls_in_work_finish_while_it_drains() -> None:
    with redis_on_socket() as url, Redis.from_url(url) as client, service("--redis", url) as running:
        running.list_experiments()
        client.execute_command("CLIENT", "PAUSE", 1500, "ALL")
        with grpc.insecure_channel(running.address) as channel:
            call = ExperimentServiceStub(channel).ListExperiments.future(pb.ListExperimentsRequest(), timeout=SECONDS)
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            assert call.result() is not None
        assert running.ended() == 0


def test_reflection_is_off_by_default() -> None:
    with redis_on_socket() as url:
        for flags, code in ((("--reflection",), None), ((), grpc.StatusCode.UNIMPLEMENTED)):
            with service("--redis", url, *flags) as running, grpc.insecure_channel(running.address) as channel:
                services = {f"rungway.v1.{name}Service" for name in ("Search", "Experiment", "View")}
                assert _reflected(channel) == (code or services)


def _reflected(channel: grpc.Channel) -> object:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    try:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=SECONDS)
    except grpc.RpcError as error:
        return error.code()
    return {each.name for each in answer.list_services_response.service if each.name.startswith("rungway.")}


def test_a_message_too_large_is_refused() -> None:
    with redis_on_socket() as url, service("--redis", url, "--max-message-bytes", "4096") as running:
        request = pb.GetExperimentRequest(experiment="x" * 5000)
        with grpc.insecure_channel(running.address) as channel, pytest.raises(grpc.RpcError) as refused:
            ExperimentServiceStub(channel).GetExperiment(request, timeout=SECONDS)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_healthcheck_command() -> None:
    def check(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "rungway"), "healthcheck", *flags]
        return subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    with redis_on_socket() as url, service("--redis", url) as running:
        found = check("--target", running.address)
        assert (found.returncode, found.stdout) == (0, f"{running.address}: SERVING\n")
        port = port_of(running.address)
        assert check(RUNGWAY_LISTEN=f"0.0.0.0:{port}").returncode == 0
        unknown = check("--target", running.address, "--service", "nobody")
        assert (unknown.returncode, "NOT_FOUND" in unknown.stderr) == (1, True)
        running.process.send_signal(signal.SIGTERM)
        running.ended()
        gone = check("--target", running.address, "--timeout", "1")
        assert gone.returncode == 1
        assert "UNAVAILABLE" in gone.stderr
        assert "Traceback" not in gone.stderr


async def test_a_command_whose_reply_is_lost_is_not_sent_again() -> None:
    with redis_on_port() as url, Redis.from_url(url) as direct:
        dropped = await asyncio.start_server(lambda reader, writer: _drop_replies(reader, writer, url), "127.0.0.1", 0)
        port = dropped.sockets[0].getsockname()[1]
        client = connect(f"redis://127.0.0.1:{port}", timeout_seconds=2)
        with pytest.raises(StoreUnavailable):
            await client.call("executed", ("INCR", "executed"))
        await client.aclose()
        dropped.close()
        await dropped.wait_closed()
        assert direct.get("executed") == b"1"


async def _drop_replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
    """Pass everything on to Redis, and hang up instead of returning the reply to INCR."""
    host, port = url.removeprefix("redis://").split(":")
    redis_reader, redis_writer = await asyncio.open_connection(host, int(port))
    while data := await reader.read(65536):
        redis_writer.write(data)
        reply = await redis_reader.read(65536)
        if b"INCR" in data:
            break
        writer.write(reply)
    redis_writer.close()
    writer.close()
