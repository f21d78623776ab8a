"""What the slots of the load generator do: each has one call in flight, like a worker that trains in no time."""

import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING

import grpc

from loadtests.meter import Meter
from loadtests.noop_server import PATH
from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from rungway.v1.search_service_pb2_grpc import SearchServiceStub

if TYPE_CHECKING:  # exists in the stub file only
    from rungway.v1.search_service_pb2_grpc import SearchServiceAsyncStub

Prepared = Callable[[Meter], Coroutine[None, None, None]]
"""A slot that is ready: runs until the meter stops."""
Workload = Callable[[grpc.aio.Channel, str], Awaitable[Prepared]]
"""Prepares one slot on a channel to its server and an experiment."""


async def prepare_noop(channel: grpc.aio.Channel, experiment: str) -> Prepared:
    """Tells to the no-op server: the ceiling of the server stack."""
    call = channel.unary_unary(
        PATH, request_serializer=pb.TellRequest.SerializeToString, response_deserializer=pb.TellResponse.FromString
    )
    lease = trial_pb2.Lease(trial=1_000, fence=2**44)

    async def run(meter: Meter) -> None:
        length = 0
        while meter.running:
            length += 1
            await meter.timed("no-op", call(tell_request(experiment, lease, length)))

    return run


async def prepare_tells(channel: grpc.aio.Channel, experiment: str) -> Prepared:
    """One lease, then report after report between two rungs: what a worker does most."""
    stub = _stub(channel)
    assignment = await _assignment(stub, experiment)

    async def run(meter: Meter) -> None:
        length = assignment.from_length
        while meter.running:
            length += 1
            answer = await meter.timed("tell", stub.Tell(tell_request(experiment, assignment.lease, length)))
            _expect(answer.verdicts[0].decision == trial_pb2.DECISION_CONTINUE, answer)

    return run


async def prepare_asks(channel: grpc.aio.Channel, experiment: str) -> Prepared:
    """Ask after ask, each for a new trial."""
    stub = _stub(channel)

    async def run(meter: Meter) -> None:
        while meter.running:
            answer = await meter.timed("ask", stub.Ask(_ask_request(experiment)))
            _expect(len(answer.assignments) == 1, answer)

    return run


async def prepare_pairs(channel: grpc.aio.Channel, experiment: str) -> Prepared:
    """The whole search: ask (new trials and promotions), tell the result at each rung, until the lease ends."""
    stub = _stub(channel)

    async def run(meter: Meter) -> None:
        while meter.running:
            asked = await meter.timed("pair: ask", stub.Ask(_ask_request(experiment)))
            _expect(len(asked.assignments) == 1, asked)
            lease, length = asked.assignments[0].lease, asked.assignments[0].next_decision_length
            while meter.running:
                told = await meter.timed("pair: tell", stub.Tell(tell_request(experiment, lease, length)))
                verdict = told.verdicts[0]
                _expect(verdict.decision != trial_pb2.DECISION_SUPERSEDED, told)
                if verdict.decision != trial_pb2.DECISION_CONTINUE:
                    break
                length = verdict.next_decision_length

    return run


WORKLOADS: dict[str, Workload] = {
    "no-op": prepare_noop,
    "tell": prepare_tells,
    "ask": prepare_asks,
    "pair": prepare_pairs,
}


def tell_request(experiment: str, lease: trial_pb2.Lease, length: int) -> pb.TellRequest:
    """One report of a random metric."""
    report = trial_pb2.Report(length=length, metric=random.random())
    result = trial_pb2.Result(lease=lease, reports=[report])
    return pb.TellRequest(experiment=experiment, request_id=uuid.uuid4().hex, results=[result])


def _ask_request(experiment: str) -> pb.AskRequest:
    return pb.AskRequest(experiment=experiment, request_id=uuid.uuid4().hex, worker="load@127.0.0.1")


async def _assignment(stub: "SearchServiceAsyncStub", experiment: str) -> trial_pb2.Assignment:
    answer = await stub.Ask(_ask_request(experiment))
    _expect(len(answer.assignments) == 1, answer)
    return answer.assignments[0]


def _stub(channel: grpc.aio.Channel) -> "SearchServiceAsyncStub":
    return SearchServiceStub(channel)


def _expect(holds: bool, answer: object) -> None:
    if not holds:
        raise RuntimeError(f"not the answer this test wants: {answer}")
