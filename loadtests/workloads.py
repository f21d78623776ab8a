"""What the slots of the load generator do: each has one call in flight, like a worker whose training takes no time."""

import random
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

from loadtests.meter import Meter
from loadtests.noop_server import PATH
from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2

ASK, TELL = "/rungway.v1.SearchService/Ask", "/rungway.v1.SearchService/Tell"
BATCH = 16
"""Results per message in the workload "batch"."""


class Connection(Protocol):
    """A connection to a service: http2.Connection, or http1.Connection with protobuf."""

    def call(self, path: str, message: bytes) -> Awaitable[bytes]:
        """Send a message to `/package.Service/Method`; gives the response message."""
        ...


Prepared = Callable[[Meter], Coroutine[None, None, None]]
"""A prepared slot; it runs until the meter stops."""
Workload = Callable[[Connection, str], Awaitable[Prepared]]
"""Prepares one slot on a connection to its server and an experiment."""


async def prepare_noop(connection: Connection, experiment: str) -> Prepared:
    """Tells to the no-op server: the upper limit of the server stack."""
    lease = trial_pb2.Lease(trial=1_000, fence=2**44)

    async def run(meter: Meter) -> None:
        length = 0
        while meter.running:
            length += 1
            await meter.timed("no-op", tell(connection, tell_request(experiment, lease, length), PATH))

    return run


async def prepare_tells(connection: Connection, experiment: str) -> Prepared:
    """One lease and a series of reports between two rungs: what a worker does most."""
    assignment = await _assignment(connection, experiment)

    async def run(meter: Meter) -> None:
        length = assignment.from_length
        while meter.running:
            length += 1
            answer = await meter.timed("tell", tell(connection, tell_request(experiment, assignment.lease, length)))
            _expect(answer.verdicts[0].decision == trial_pb2.DECISION_CONTINUE, answer)

    return run


async def prepare_batches(connection: Connection, experiment: str) -> Prepared:
    """Sixteen leases, with a report on each in every message, like a process with many trials."""
    held = await assignments(connection, experiment, BATCH)
    request = pb.TellRequest(experiment=experiment, results=[_result(each.lease, 0) for each in held])
    reports = [result.reports[0] for result in request.results]

    async def run(meter: Meter) -> None:
        length = 0
        while meter.running:
            length += 1
            request.request_id = uuid.uuid4().hex
            for report in reports:  # changed in place, to leave more CPU time to the server
                report.length, report.metric = length, random.random()
            answer = await meter.timed("batch", tell(connection, request))
            _expect(all(one.decision == trial_pb2.DECISION_CONTINUE for one in answer.verdicts), answer)

    return run


async def prepare_asks(connection: Connection, experiment: str) -> Prepared:
    """A series of asks, each for a new trial."""

    async def run(meter: Meter) -> None:
        while meter.running:
            answer = await meter.timed("ask", _ask(connection, experiment))
            _expect(len(answer.assignments) == 1, answer)

    return run


async def prepare_pairs(connection: Connection, experiment: str) -> Prepared:
    """Whole trials: ask (new trials and promotions) and tell the result at each rung until the lease ends."""

    async def run(meter: Meter) -> None:
        while meter.running:
            asked = await meter.timed("pair: ask", _ask(connection, experiment))
            _expect(len(asked.assignments) == 1, asked)
            lease, length = asked.assignments[0].lease, asked.assignments[0].next_decision_length
            while meter.running:
                told = await meter.timed("pair: tell", tell(connection, tell_request(experiment, lease, length)))
                reply = told.verdicts[0]
                _expect(reply.decision != trial_pb2.DECISION_SUPERSEDED, told)
                if reply.decision != trial_pb2.DECISION_CONTINUE:
                    break
                length = reply.next_decision_length

    return run


WORKLOADS: dict[str, Workload] = {
    "no-op": prepare_noop,
    "tell": prepare_tells,
    "batch": prepare_batches,
    "ask": prepare_asks,
    "pair": prepare_pairs,
}


def tell_request(experiment: str, lease: trial_pb2.Lease, length: int) -> pb.TellRequest:
    """A tell of one random metric."""
    return pb.TellRequest(experiment=experiment, request_id=uuid.uuid4().hex, results=[_result(lease, length)])


def _result(lease: trial_pb2.Lease, length: int) -> trial_pb2.Result:
    return trial_pb2.Result(lease=lease, reports=[trial_pb2.Report(length=length, metric=random.random())])


async def _ask(connection: Connection, experiment: str, count: int = 1) -> pb.AskResponse:
    request = pb.AskRequest(experiment=experiment, request_id=uuid.uuid4().hex, count=count, worker="load@127.0.0.1")
    return pb.AskResponse.FromString(await connection.call(ASK, request.SerializeToString()))


async def tell(connection: Connection, request: pb.TellRequest, path: str = TELL) -> pb.TellResponse:
    """Call Tell, or another rpc with the same messages."""
    return pb.TellResponse.FromString(await connection.call(path, request.SerializeToString()))


async def assignments(connection: Connection, experiment: str, count: int) -> list[trial_pb2.Assignment]:
    """Ask for `count` new trials."""
    held: list[trial_pb2.Assignment] = []
    while len(held) < count:
        held += (await _ask(connection, experiment, min(64, count - len(held)))).assignments
    return held


async def _assignment(connection: Connection, experiment: str) -> trial_pb2.Assignment:
    answer = await _ask(connection, experiment)
    _expect(len(answer.assignments) == 1, answer)
    return answer.assignments[0]


def _expect(holds: bool, answer: object) -> None:
    if not holds:
        raise RuntimeError(f"not the answer this test wants: {answer}")
