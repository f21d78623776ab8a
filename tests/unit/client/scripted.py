"""A real gRPC server on a loopback port that answers as a test says."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rungway.v1 import errors_pb2, experiment_service_pb2, search_service_pb2, trial_pb2
from tests.support.redis_server import free_port

SERVICES = [
    search_service_pb2.DESCRIPTOR.services_by_name["SearchService"],
    experiment_service_pb2.DESCRIPTOR.services_by_name["ExperimentService"],
]


@dataclass(frozen=True)
class Abort:
    """An answer: fail with this status and these details; `after` is what is executed before, its answer lost."""

    code: grpc.StatusCode
    message: str = "as the test says"
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()
    retry_after: float | None = None
    after: "Answer | None" = None

    def status_bytes(self) -> bytes:
        details: dict[str, Message] = {}
        if self.reason:
            info = errors_pb2.ErrorInfo(reason=self.reason, domain="rungway", metadata=self.metadata)
            details["google.rpc.ErrorInfo"] = info
        if self.violations:
            violations = [errors_pb2.BadRequest.FieldViolation(field=f, description=d) for f, d in self.violations]
            details["google.rpc.BadRequest"] = errors_pb2.BadRequest(field_violations=violations)
        if self.retry_after is not None:
            delay = Duration()
            delay.FromMilliseconds(int(self.retry_after * 1000))
            details["google.rpc.RetryInfo"] = errors_pb2.RetryInfo(retry_delay=delay)
        packed = [
            AnyMessage(type_url=f"type.googleapis.com/{name}", value=detail.SerializeToString())
            for name, detail in details.items()
        ]
        status = errors_pb2.RpcStatus(code=self.code.value[0], message=self.message, details=packed)
        return status.SerializeToString()


Answer = Message | Abort | Callable[[Any], "Message | Abort"]


@dataclass(frozen=True)
class Stream:
    """The answer to an rpc with a stream: these, one after the other."""

    parts: "tuple[Answer, ...]"


def lost(answer: Answer) -> Abort:
    """The answer is worked out, and then the connection breaks."""
    return Abort(grpc.StatusCode.UNAVAILABLE, after=answer)


class ScriptedServer:
    """Answers each rpc with the answers given for it, the last one again and again; keeps every request."""

    def __init__(self) -> None:
        self.target = f"127.0.0.1:{free_port()}"
        self.calls: list[tuple[str, Any]] = []
        self._answers: dict[str, list[Answer | Stream]] = {}
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None

    def on(self, rpc: str, *answers: Answer | Stream) -> None:
        with self._lock:
            self._answers[rpc] = list(answers)

    def requests(self, rpc: str) -> list[Any]:
        with self._lock:
            return [request for name, request in self.calls if name == rpc]

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        for service in SERVICES:
            handlers = {method.name: self._handler(method) for method in service.methods}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
        self._server.add_insecure_port(self.target)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def _handler(self, method: Any) -> "grpc.RpcMethodHandler[Any, Any]":
        def handle(request: Any, context: grpc.ServicerContext) -> Message:
            (found,) = self.answers(method.name, request)
            return sent(found, context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Message]:
            for found in self.answers(method.name, request):
                yield sent(found, context)

        read = GetMessageClass(method.input_type).FromString
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, read, lambda reply: reply.SerializeToString())
        return grpc.unary_unary_rpc_method_handler(handle, read, lambda reply: reply.SerializeToString())

    def answers(self, name: str, request: Any) -> Iterator[Message | Abort]:
        """What a request is answered with, one after the other."""
        answer = self._next(name, request)
        for part in answer.parts if isinstance(answer, Stream) else (answer,):
            found = resolved(part, request)
            if isinstance(found, Abort) and found.after is not None:
                resolved(found.after, request)
            yield found

    def _next(self, name: str, request: Any) -> Answer | Stream:
        with self._lock:
            self.calls.append((name, request))
            answers = self._answers.get(name, [Abort(grpc.StatusCode.UNIMPLEMENTED)])
            return answers.pop(0) if len(answers) > 1 else answers[0]


def resolved(answer: Answer, request: Any) -> Message | Abort:
    return answer(request) if callable(answer) and not isinstance(answer, Message | Abort) else answer


def sent(found: Message | Abort, context: grpc.ServicerContext) -> Message:
    """What gRPC is to send; aborts the call."""
    if not isinstance(found, Abort):
        return found
    context.set_trailing_metadata((("grpc-status-details-bin", found.status_bytes()),))
    context.abort(found.code, found.message)
    raise AssertionError("abort returned")


def assignment(
    number: int = 0, *, fencing_token: int = 1, lease_seconds: float = 60.0, **fields: Any
) -> trial_pb2.Assignment:
    """An assignment from 0 to 3, where the first decision is made."""
    duration = Duration()
    duration.FromMilliseconds(int(lease_seconds * 1000))
    message = trial_pb2.Assignment(
        lease=trial_pb2.Lease(trial=number, fence=fencing_token),
        to_length=3,
        next_decision_length=3,
        lease_duration=duration,
        explanation=trial_pb2.Explanation(reason=trial_pb2.REASON_NEW_TRIAL, rung=-1),
    )
    message.MergeFrom(trial_pb2.Assignment(**fields))
    return message


def assigned(*assignments: trial_pb2.Assignment) -> search_service_pb2.AskResponse:
    return search_service_pb2.AskResponse(status=search_service_pb2.ASK_STATUS_ASSIGNED, assignments=assignments)


DONE = search_service_pb2.AskResponse(status=search_service_pb2.ASK_STATUS_DONE, reason=trial_pb2.REASON_SEARCH_DONE)


def wait(seconds: float) -> search_service_pb2.AskResponse:
    delay = Duration()
    delay.FromMilliseconds(int(seconds * 1000))
    return search_service_pb2.AskResponse(
        status=search_service_pb2.ASK_STATUS_WAIT, reason=trial_pb2.REASON_CONCURRENCY_LIMIT, retry_after=delay
    )


@dataclass
class Ladder:
    """Answers each result by request_id and trial, as the service does. Up to each rung of `rungs` a trial is promoted.

    `told` holds every (trial, length, metric) that had an effect, in order.
    """

    rungs: tuple[int, ...] = (3, 9)
    told: list[tuple[int, int, float]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    remembered: dict[tuple[str, int], trial_pb2.Verdict] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, request: search_service_pb2.TellRequest) -> search_service_pb2.TellResponse:
        with self.lock:  # the same request may come again while the first is under way
            replies = [self._remembered(request.request_id, result) for result in request.results]
        return search_service_pb2.TellResponse(verdicts=replies)

    def _remembered(self, request_id: str, result: trial_pb2.Result) -> trial_pb2.Verdict:
        key = request_id, result.lease.trial
        if key not in self.remembered:
            self.remembered[key] = self._reply(result)
        return self.remembered[key]

    def _reply(self, result: trial_pb2.Result) -> trial_pb2.Verdict:
        self.told += [(result.lease.trial, report.length, report.metric) for report in result.reports]
        self.checkpoints.append(result.checkpoint)
        length = result.reports[-1].length if result.reports else 0
        ahead = [rung for rung in self.rungs if rung > length]
        if not ahead:
            return reply(result.lease, trial_pb2.DECISION_STOP, trial_pb2.REASON_COMPLETED, rung=len(self.rungs) - 1)
        rung = len(self.rungs) - len(ahead) - 1
        reason = trial_pb2.REASON_PROMOTED if length in self.rungs else trial_pb2.REASON_BETWEEN_RUNGS
        return reply(result.lease, trial_pb2.DECISION_CONTINUE, reason, to_length=ahead[0], rung=rung)


def reply(
    lease: trial_pb2.Lease,
    decision: trial_pb2.Decision.ValueType,
    reason: trial_pb2.Reason.ValueType,
    *,
    to_length: int = 0,
    rung: int = -1,
) -> trial_pb2.Verdict:
    return trial_pb2.Verdict(
        lease=lease,
        decision=decision,
        to_length=to_length,
        next_decision_length=to_length,
        explanation=trial_pb2.Explanation(reason=reason, rung=rung, text=trial_pb2.Reason.Name(reason)),
    )


def heartbeat(
    decision: trial_pb2.Decision.ValueType,
) -> Callable[[search_service_pb2.HeartbeatRequest], search_service_pb2.HeartbeatResponse]:
    """The same answer for every lease."""

    def answer(request: search_service_pb2.HeartbeatRequest) -> search_service_pb2.HeartbeatResponse:
        statuses = [search_service_pb2.LeaseStatus(lease=lease, decision=decision) for lease in request.leases]
        return search_service_pb2.HeartbeatResponse(leases=statuses)

    return answer


def released(request: search_service_pb2.ReleaseRequest) -> search_service_pb2.ReleaseResponse:
    pause, why = trial_pb2.DECISION_PAUSE, trial_pb2.REASON_PREEMPTED
    replies = [reply(release.lease, pause, why) for release in request.releases]
    return search_service_pb2.ReleaseResponse(verdicts=replies)


def failed(request: search_service_pb2.FailRequest) -> search_service_pb2.FailResponse:
    stop, why = trial_pb2.DECISION_STOP, trial_pb2.REASON_FAILED
    return search_service_pb2.FailResponse(verdict=reply(request.lease, stop, why))
