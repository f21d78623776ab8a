"""An unexpected error reaches the caller as INTERNAL with an incident id, without any internals."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from redis import Redis
from structlog.testing import capture_logs

from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import view_service_pb2 as view_pb
from rungway.v1.experiment_service_pb2_grpc import add_ExperimentServiceServicer_to_server
from rungway.v1.search_service_pb2_grpc import add_SearchServiceServicer_to_server
from rungway.v1.view_service_pb2_grpc import add_ViewServiceServicer_to_server
from rungway.values import to_map
from rungway_server.service import experiments
from rungway_server.service.access import Guard
from rungway_server.service.admission import Admission
from rungway_server.service.views import ViewUseCases
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.store import RedisStore
from rungway_server.transport import grpc_server, requests
from rungway_server.transport.access import OpenStreams
from rungway_server.transport.http.app import App
from rungway_server.transport.http.bodies import Bodies
from rungway_server.transport.http.routes import routes
from rungway_server.transport.http.turnstile import Turnstile
from rungway_server.transport.server import CallCount
from rungway_server.transport.view_servicer import build_view_servicer
from tests.contract.every_rpc import EXPERIMENTS, RPCS, SEARCH, STREAMS, VIEWS, descriptors
from tests.support.calls import Calls, config, refusal_of, unique_name
from tests.support.http_channel import ENVELOPE, Form, HttpError, envelopes, error_in
from tests.support.waiting import SECONDS

SECRET = "redis://user:hunter2@10.0.0.7 rungway:{default/e}:meta"
CALLS = [("rungway.v1.SearchService", *item) for item in SEARCH.items()] + [
    (f"rungway.v1.{service}", *item)
    for service, requests_ in (("ExperimentService", EXPERIMENTS), ("ViewService", VIEWS))
    for item in requests_.items()
    if item[0] not in ("PreviewSearch", "GetCaller", "ReadConfig")
]


class Broken(Exception):
    """An error that no code handles."""


class BrokenStore(RedisStore):
    """A store on a real Redis; each of its methods raises."""

    def __getattribute__(self, name: str) -> object:
        if name.startswith("_"):
            return super().__getattribute__(name)

        async def broken(*_: object, **__: object) -> None:
            raise Broken(SECRET)

        async def broken_stream(*_: object, **__: object) -> AsyncIterator[str]:
            raise Broken(SECRET)
            yield ""

        return broken_stream if name == "export" else broken


@pytest.fixture
async def servicers(redis_url: str) -> AsyncIterator[dict[str, Any]]:
    """The servicers of all services, by name, on a store that is broken."""
    async with connect(redis_url, timeout_seconds=5) as client:
        store = BrokenStore(client)
        yield {
            "SearchService": grpc_server.build_search_servicer(store, Admission(100)),
            "ExperimentService": grpc_server.build_experiment_servicer(store, asyncio.Event()),
            "ViewService": build_view_servicer(ViewUseCases(store, asyncio.Event())),
        }


@pytest.fixture
async def channel(servicers: dict[str, Any]) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server in this process with these servicers."""
    server = grpc.aio.server()
    add_SearchServiceServicer_to_server(servicers["SearchService"], server)
    add_ExperimentServiceServicer_to_server(servicers["ExperimentService"], server)
    add_ViewServiceServicer_to_server(servicers["ViewService"], server)
    port = server.add_insecure_port("127.0.0.1:0")
    requests.NAMESPACE.set("default")  # normally set by the access check, which this server does not have
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


@pytest.fixture
async def http(servicers: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application for HTTP with these servicers."""
    guard = Guard(None)
    app: Any = App(
        routes([file.DESCRIPTOR for file in (search_pb, experiment_pb, view_pb)], servicers),
        guard,
        OpenStreams(guard, 9),
        Turnstile(CallCount()),
        Bodies(1 << 20),
        ready=lambda: True,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize(
    ("service", "rpc", "request_"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_an_unexpected_error(service: str, rpc: str, request_: Message, channel: grpc.aio.Channel) -> None:
    with capture_logs() as lines, pytest.raises(grpc.aio.AioRpcError) as failed:
        await answer(channel, f"/{service}/{rpc}", request_)
    incident = typed(failed.value)
    (line,) = [found for found in lines if found.get("incident") == incident]
    assert (line["event"], line["log_level"], line["rpc"]) == ("unexpected_error", "error", rpc)
    assert line["exc_info"]


@pytest.mark.parametrize("form", [Form(as_json=True), Form(as_json=False)], ids=["json", "proto"])
@pytest.mark.parametrize(
    ("service", "rpc", "request_"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_an_unexpected_error_over_http(
    service: str, rpc: str, request_: Message, form: Form, http: httpx.AsyncClient
) -> None:
    path = f"/{service}/{rpc}"
    data = form.written(path, request_.SerializeToString())
    streams = rpc in STREAMS
    kind = f"application/{'connect+' if streams else ''}{form.name}"
    with capture_logs() as lines:
        body = ENVELOPE.pack(0, len(data)) + data if streams else data
        response = await http.post(path, content=body, headers={"Content-Type": kind})
    if streams:
        ((_, end),) = envelopes(iter([response.content]))
    incident = typed(HttpError(json.loads(end)["error"]) if streams else error_in(response))
    assert [line["event"] for line in lines if line.get("incident") == incident] == ["unexpected_error"]


async def answer(channel: grpc.aio.Channel, path: str, request: Message) -> bytes:
    """The response of an rpc; of a stream, the first."""
    if path.endswith(STREAMS):
        stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
        found = await stream(request.SerializeToString(), timeout=SECONDS).read()
        assert isinstance(found, bytes), "the stream has ended without an error"
        return found
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    return await call(request.SerializeToString(), timeout=SECONDS)


def typed(error: Any) -> str:
    """The incident id of an INTERNAL failure that reveals nothing else."""
    refusal = refusal_of(error)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert set(refusal.metadata) == {"incident"}
    incident = refusal.metadata["incident"]
    assert re.fullmatch(r"[0-9a-f]{12}", incident)
    assert incident in refusal.message
    everything = f"{error.details()} {error.trailing_metadata()}"
    for inside in ("hunter2", "10.0.0.7", "rungway:{", "Broken", "Traceback", ".py"):
        assert inside not in everything
    return incident


async def test_an_unexpected_error_of_a_preview(channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preview needs no store, so its planning is broken instead."""

    def broken(*_: object, **__: object) -> None:
        raise Broken(SECRET)

    monkeypatch.setattr(experiments, "plan_search", broken)
    with capture_logs() as lines, pytest.raises(grpc.aio.AioRpcError) as failed:
        await answer(channel, "/rungway.v1.ExperimentService/PreviewSearch", EXPERIMENTS["PreviewSearch"])
    incident = typed(failed.value)
    assert [line["event"] for line in lines if line.get("incident") == incident] == ["unexpected_error"]


async def test_a_preview_needs_no_store(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary(
        "/rungway.v1.ExperimentService/PreviewSearch",
        request_serializer=experiment_pb.PreviewSearchRequest.SerializeToString,
        response_deserializer=experiment_pb.PreviewSearchResponse.FromString,
    )
    answer = await call(experiment_pb.PreviewSearchRequest(config=to_map(config())), timeout=SECONDS)
    assert answer.preview.total_length == 4


def test_every_rpc_has_a_request() -> None:
    assert descriptors() == set(RPCS)


def test_a_damaged_experiment_is_an_incident(calls: Calls, store: Redis) -> None:
    experiment = unique_name("damaged")
    calls.create(experiment, config())
    store.set(f"rungway:{{default/{experiment}}}:leases", "not a sorted set")
    with pytest.raises(grpc.RpcError) as failed:
        calls.ask(experiment)
    refusal = refusal_of(failed.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "WRONGTYPE" not in f"{refusal.message} {refusal.metadata}"
