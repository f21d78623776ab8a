"""Calls a service with anything, and checks each answer."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from redis import Redis

from rungway.v1 import experiment_service_pb2, search_service_pb2, view_service_pb2
from tests.support.calls import Refusal, refusal_of
from tests.support.snapshot import Snapshot, differences, snapshot

METHODS: Mapping[str, MethodDescriptor] = {
    method.name: method
    for file in (search_service_pb2, experiment_service_pb2, view_service_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
}
SECONDS = 30.0
"""Deadline of a call: generous, because machines that run tests are busy."""
STREAM_SECONDS = 0.2
"""How long a stream is listened to."""
INSIDE = re.compile(
    r"Traceback|\.py\b|rungway_server|redis|\.lua|ARGV|WRONGTYPE|rungway:\{|RecursionError", re.IGNORECASE
)
"""Words that no caller may read, unless they are in the request."""


@dataclass
class Caller:
    """One channel to a service, and the Redis behind it."""

    channel: grpc.Channel
    store: Redis
    last: float = 0.0
    slowest: tuple[float, str] = (0.0, "")
    refused: int = 0
    answered: int = 0
    _known: Snapshot = field(default_factory=dict)

    def call(self, rpc: str, request: Message | bytes) -> Refusal | None:
        """Send it. The answer must be in time and good, or a typed refusal that reveals no internals and has
        changed nothing. Returns the refusal."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        start = time.monotonic()
        error = self._failure(METHODS[rpc], data)
        self.last = time.monotonic() - start
        self.slowest = max(self.slowest, (self.last, rpc))
        before = self._known
        self.look()
        if error is None:
            self.answered += 1
            return None
        self.refused += 1
        refusal = refusal_of(error)
        assert refusal.code in REFUSALS, refusal
        assert refusal.reason, refusal
        assert refusal.message, refusal
        trail = str(error.trailing_metadata())
        said = INSIDE.search(refusal.message) or INSIDE.search(trail)
        assert said is None or said[0].encode() in data, refusal
        if before:
            assert differences(before, self._known) == [], f"refused, and yet changed by {rpc}: {refusal}"
        return refusal

    def look(self) -> None:
        """Take the present content of the store as known: something else has changed it."""
        self._known = snapshot(self.store)

    def _failure(self, method: MethodDescriptor, data: bytes) -> grpc.RpcError | None:
        path = f"/{method.containing_service.full_name}/{method.name}"
        try:
            if not method.server_streaming:
                call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
                call(data, timeout=SECONDS)
                return None
            stream: grpc.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream(path)
            for _ in stream(data, timeout=STREAM_SECONDS):
                pass
        except grpc.RpcError as error:
            over = method.server_streaming and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return None if over else error
        return None
