"""Opens connections to a port of the service, or to the no-op server, and prepares the slots that call over them."""

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from loadtests import http1, http2
from loadtests.meter import Meter
from loadtests.processes import Stack
from loadtests.workloads import TELL, WORKLOADS, Connection, Prepared

PORTS = ("gRPC", "HTTP proto", "HTTP JSON")
"""The two ports of a service, and what calls to the second are written in."""
GRPC_CONNECTIONS = 8
_AT_ONCE = 32


async def prepared(
    stack: Stack, port: str, workload: str, experiment: str, slots: int, exits: AsyncExitStack
) -> Sequence[Prepared]:
    """`slots` slots of a workload (of HTTP JSON, only "tell"). `exits` closes their connections."""
    if port == "HTTP JSON":
        each = [await _http(stack, "application/json", exits) for _ in range(slots)]
        return await _some_at_once(lambda i: _json_tells(each[i], experiment), slots)
    connections: list[Connection]
    if port == "gRPC":
        address = stack.noop if workload == "no-op" else stack.service
        connections = [await _grpc(address, exits) for _ in range(min(slots, GRPC_CONNECTIONS))]
    else:
        connections = [await _http(stack, "application/proto", exits) for _ in range(slots)]
    prepare = WORKLOADS[workload]
    return await _some_at_once(lambda i: prepare(connections[i % len(connections)], experiment), slots)


async def _some_at_once(prepare: Callable[[int], Awaitable[Prepared]], slots: int) -> list[Prepared]:
    """So many that no connection is idle for long, and so few that none has to wait for long."""
    found: list[Prepared] = []
    for at in range(0, slots, _AT_ONCE):
        found += await asyncio.gather(*(prepare(i) for i in range(at, min(at + _AT_ONCE, slots))))
    return found


async def _grpc(address: str, exits: AsyncExitStack) -> http2.Connection:
    connection = await http2.Connection.open(address)
    exits.callback(connection.close)
    return connection


async def _http(stack: Stack, content_type: str, exits: AsyncExitStack) -> http1.Connection:
    connection = await http1.Connection.open(stack.http, content_type)
    exits.callback(connection.close)
    return connection


async def _json_tells(connection: http1.Connection, experiment: str) -> Prepared:
    """As `prepare_tells`, in JSON."""
    ask = {"experiment": experiment, "requestId": uuid.uuid4().hex, "worker": "load"}
    answer = await connection.call("/rungway.v1.SearchService/Ask", json.dumps(ask).encode())
    assignment = json.loads(answer)["assignments"][0]
    lease = json.dumps(assignment["lease"])

    async def run(meter: Meter) -> None:
        length = int(assignment.get("fromLength", 0))
        while meter.running:
            length += 1
            body = (
                f'{{"experiment":"{experiment}","requestId":"{uuid.uuid4().hex}","results":[{{"lease":{lease},'
                f'"reports":[{{"length":{length},"metric":{random.random()}}}]}}]}}'
            )
            answer = await meter.timed("tell", connection.call(TELL, body.encode()))
            if b"DECISION_CONTINUE" not in answer:
                raise RuntimeError(f"not the answer this test wants: {answer!r}")

    return run
