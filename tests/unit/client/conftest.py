"""A scripted server, and settings that make its failures pass quickly."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from rungway import AsyncClient, Client, ClientConfig
from rungway.v1 import trial_pb2
from tests.unit.client.scripted import Ladder, ScriptedServer, failed, heartbeat, released
from tests.unit.client.scripted_http import ScriptedHttpServer


@pytest.fixture
def ladder() -> Ladder:
    return Ladder()


@pytest.fixture(params=[ScriptedServer, ScriptedHttpServer], ids=["grpc", "http"])
def server(request: pytest.FixtureRequest, ladder: Ladder) -> Iterator[ScriptedServer]:
    """Answers every rpc but Ask, which each test scripts itself."""
    server: ScriptedServer = request.param()
    server.on("Tell", ladder.tell)
    server.on("Heartbeat", heartbeat(trial_pb2.DECISION_CONTINUE))
    server.on("Release", released)
    server.on("Fail", failed)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def config(server: ScriptedServer) -> ClientConfig:
    return ClientConfig(
        target=server.target,
        experiment="digits",
        worker="w1",
        attempt_timeout=20.0,  # tests of timeouts set their own; the others must pass on a busy machine
        total_timeout=20.0,
        shutdown_timeout=20.0,
        backoff_initial=0.01,
        backoff_max=0.05,
    )


@pytest.fixture
def connect(config: ClientConfig) -> Iterator[Callable[..., Client]]:
    """Makes clients with other settings, and closes them at the end."""
    clients: list[Client] = []

    def make(**settings: Any) -> Client:
        clients.append(Client(config=replace(config, **settings)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


@pytest.fixture
async def async_client(config: ClientConfig) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(config=config) as client:
        yield client
