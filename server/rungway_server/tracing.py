"""Spans for OpenTelemetry: one for each call, and below it one for each script that the call runs in Redis.

Off by default, and then OpenTelemetry is not imported. Where spans go and how many are kept is said by its own
variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, …). A caller that traces, too, sends the header
`traceparent` (W3C Trace Context), and our span is a child of its own.
"""

import threading
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

PARENT = ("traceparent", "tracestate")
"""The headers that name the span of a caller."""
HEADERS: ContextVar[Mapping[str, str]] = ContextVar("trace_headers")
"""Those of the HTTP request being served."""
T = TypeVar("T")

_LAST_SECONDS = 2.0
"""How long a service that stops tries to send its last spans."""
_tracer: "Tracer | None" = None


class NotInstalled(Exception):
    """Packages are missing; the message says what to install."""


@contextmanager
def started(version: str) -> Iterator[None]:
    """Trace while the context lasts; at its end the last spans are sent. Raises NotInstalled."""
    global _tracer  # asked with every call
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise NotInstalled(f"tracing: {error.name} is not installed: pip install 'rungway[tracing]'") from None
    resource = Resource.create({SERVICE_VERSION: version})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "rungway"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("rungway", version)
    try:
        yield
    finally:
        _tracer = None
        give_up = threading.Timer(_LAST_SECONDS, exporter.shutdown)  # it would try again for ten seconds and more
        give_up.start()
        provider.shutdown()
        give_up.cancel()


def is_on() -> bool:
    """Whether spans are made. To be asked where one would cost every call something."""
    return _tracer is not None


@contextmanager
def call(service: str, rpc: str, context: Any) -> Iterator[None]:
    """Around the work of a call, while tracing is on: its span, the parent of all that are made meanwhile. `context`:
    as servicers get it, of gRPC or of the HTTP port."""
    assert _tracer
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    over_grpc = hasattr(context, "invocation_metadata")
    headers = dict(context.invocation_metadata() or ()) if over_grpc else HEADERS.get({})
    parent = TraceContextTextMapPropagator().extract({name: str(headers.get(name, "")) for name in PARENT})
    about = {"rpc.system": "grpc" if over_grpc else "connect_rpc", "rpc.service": service, "rpc.method": rpc}
    with _tracer.start_as_current_span(
        f"{service}/{rpc}",
        parent,
        SpanKind.SERVER,
        about,
        record_exception=False,
        set_status_on_exception=False,
    ):
        yield


def describe(**about: object) -> None:
    """Add what is known now to the span of the call that is served."""
    if _tracer:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes({f"rungway.{name}": value for name, value in about.items()})  # type: ignore[misc]


def failed(reason: str, text: str, *, fault: bool) -> None:
    """The call that is served ends with this error. `fault`: of the service, not of the caller."""
    if _tracer:
        from opentelemetry.trace import StatusCode, get_current_span

        span = get_current_span()
        span.set_attribute("error.type", reason)
        if fault:
            span.set_status(StatusCode.ERROR, text)


async def script(name: str, answer: Awaitable[T]) -> T:
    """The answer of a script of Redis, with a span around the wait for it."""
    if _tracer is None:
        return await answer
    from opentelemetry.trace import SpanKind

    about = {"db.system.name": "redis", "db.operation.name": "EVALSHA", "db.stored_procedure.name": name}
    with _tracer.start_as_current_span(f"redis {name}", kind=SpanKind.CLIENT, attributes=about):
        return await answer
