"""The calls of all workers, read back from their history files."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from rungway.v1 import search_service_pb2 as pb

_MESSAGES: dict[str, tuple[Any, Any]] = {
    "Ask": (pb.AskRequest, pb.AskResponse),
    "Tell": (pb.TellRequest, pb.TellResponse),
    "Heartbeat": (pb.HeartbeatRequest, pb.HeartbeatResponse),
    "Release": (pb.ReleaseRequest, pb.ReleaseResponse),
    "Fail": (pb.FailRequest, pb.FailResponse),
}
UNANSWERED = frozenset({"Unavailable", "DeadlineExceeded", "ResourceExhausted"})
"""Errors after which a call may or may not have been executed; all others mean that it was refused."""


@dataclass
class Call:
    """One logical call: all attempts with one request id. Heartbeats have none, each attempt is a call of its own."""

    rpc: str
    request: Any
    begun: float
    """When the first attempt was sent (seconds, monotonic clock)."""
    ended: float | None = None
    """When its answer came; None = it is unknown whether it was executed."""
    reply: Any = None
    refused: str = ""
    """The reason of the error that said that it was not executed."""
    attempts: int = 1

    @property
    def exact(self) -> bool:
        """Whether the revision of the reply is that of the call itself: a repeat may be told a later one."""
        return self.reply is not None and self.attempts == 1


@dataclass
class Recorded:
    """The content of the history files of one run."""

    calls: list[Call] = field(default_factory=list)
    """In the order in which they were sent."""
    failures: list[dict[str, Any]] = field(default_factory=list)
    """Errors that reached a user's code."""

    def of(self, experiment: str) -> list[Call]:
        """The calls of one experiment."""
        return [call for call in self.calls if call.request.experiment == experiment]


def read_histories(paths: Iterable[Path]) -> Recorded:
    """Read the files of all workers. Raises ValueError for a request id that was sent with two requests."""
    recorded = Recorded()
    by_attempt: dict[str, Call] = {}
    by_request: dict[str, Call] = {}
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    for line in sorted(lines, key=lambda line: float(line["at"])):
        if "request" in line:
            by_attempt[line["call"]] = _sent(recorded, by_request, line)
        elif "call" in line:
            _answered(by_attempt[line["call"]], line)
        elif "failed" in line:
            recorded.failures.append(line)
    return recorded


def _sent(recorded: Recorded, by_request: dict[str, Call], line: dict[str, Any]) -> Call:
    request = ParseDict(line["request"], _MESSAGES[line["rpc"]][0]())
    if line["rpc"] == "Ask":  # how long it may be held is of each attempt, and not of the request
        request.ClearField("wait")
        request.ClearField("waited")
    request_id = getattr(request, "request_id", "")
    if known := by_request.get(request_id):
        if known.request != request:
            raise ValueError(f"request id {request_id} was sent with two requests: {known.request} and {request}")
        known.attempts += 1
        return known
    call = Call(line["rpc"], request, line["at"])
    recorded.calls.append(call)
    if request_id:
        by_request[request_id] = call
    return call


def _answered(call: Call, line: dict[str, Any]) -> None:
    if "reply" in line:
        call.reply = ParseDict(line["reply"], _MESSAGES[call.rpc][1]())
        call.ended = line["at"]
    elif line["error"] not in UNANSWERED:
        call.refused = line["reason"] or line["error"]
