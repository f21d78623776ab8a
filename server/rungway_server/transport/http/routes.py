"""The rpcs of the HTTP port, from the descriptors: one route for each, to the servicer that gRPC calls, too."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rungway_server.service.access import ROLES
from rungway_server.service.tokens import Role

Serve = Callable[[Any, Any], Awaitable[Any]]
RESUMES = frozenset({"after_event_id", "cursor"})
"""Fields that say where a stream goes on: a request has one of them at most."""


@dataclass(frozen=True, slots=True)
class Route:
    """One rpc."""

    rpc: str
    """package.Service/Method, as in the table of roles."""
    serve: Serve
    """The method of the servicer."""
    request: type[Message]
    streams: bool
    """Whether it answers with a stream of messages."""
    readable: bool
    """Whether GET may call it: it only reads, and answers with one message."""
    holds: bool
    """Whether a call may be held until there is an answer: its request has a field `wait`."""
    resumes: str
    """The field of its request that the header Last-Event-ID sets; "" if it has none."""


def routes(files: Sequence[FileDescriptor], servicers: Mapping[str, object]) -> dict[str, Route]:
    """The routes of the services of these files, by path; `servicers` by the name of the service."""
    found = {}
    for service in (service for file in files for service in file.services_by_name.values()):
        for method in service.methods:
            rpc, request = f"{service.full_name}/{method.name}", GetMessageClass(method.input_type)
            found[f"/{rpc}"] = Route(
                rpc,
                getattr(servicers[service.name], method.name),
                request,
                streams=method.server_streaming,
                readable=ROLES.get(rpc) is Role.READ and not method.server_streaming,
                holds="wait" in request.DESCRIPTOR.fields_by_name,
                resumes=next(iter(RESUMES.intersection(request.DESCRIPTOR.fields_by_name)), ""),
            )
    return found
