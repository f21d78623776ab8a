"""A no-op rpc on the server stack of the product: the same builder, options and event loop, with a fixed response.

It shows what the stack allows, to compare the figures of the service with. Run as
`python -m loadtests.noop_server REDIS_URL`; prints one JSON line with its address and serves until SIGTERM.
"""

import asyncio
import json
import signal
import sys

import grpc

from rungway.v1 import search_service_pb2 as pb
from rungway_server import bootstrap, event_loop
from rungway_server.domain.engine import Decision, Explanation, Lease, Reason, TellAnswer, TellReply
from rungway_server.settings import Settings
from rungway_server.store.redis.connection.connect import connect
from rungway_server.transport import wire
from rungway_server.transport.health import Health
from rungway_server.transport.messages import ReadingServer
from rungway_server.transport.server import Server

PATH = "/loadtests.Noop/Tell"
_ANSWER = wire.told_message(
    TellAnswer(
        [TellReply(Lease(1_000, 2**44), Decision.CONTINUE, Explanation(Reason.BETWEEN_RUNGS, 1), 10**9, 10**7, 2**41)],
        revision=100_000,
    ),
    pb.TellResponse(),
)
"""A response as long as that to a report between two rungs."""


async def _tell(
    request: pb.TellRequest, context: "grpc.aio.ServicerContext[pb.TellRequest, pb.TellResponse]"
) -> pb.TellResponse:
    return _ANSWER


def _register(server: Server) -> None:
    tell = grpc.unary_unary_rpc_method_handler(
        _tell, request_deserializer=pb.TellRequest.FromString, response_serializer=pb.TellResponse.SerializeToString
    )
    service, rpc = PATH.strip("/").split("/")
    ReadingServer(server).add_registered_method_handlers(service, {rpc: tell})


async def _serve(redis_url: str) -> None:
    stopped = asyncio.Event()
    async with connect(redis_url, timeout_seconds=5) as router:  # quotas are sometimes read before a call
        server, _ = bootstrap.build_server(router, Settings(), Health(()))
        _register(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        print(json.dumps({"event": "ready", "address": f"127.0.0.1:{port}"}), flush=True)
        await stopped.wait()
        await server.stop(0)


if __name__ == "__main__":
    with event_loop.serving_runner() as runner:
        runner.run(_serve(sys.argv[1]))
