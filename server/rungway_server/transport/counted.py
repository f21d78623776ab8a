"""Counts gRPC calls: how each ended, how long those with one answer took, how many run."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from rungway_server.metrics import Rpcs

Serve = Callable[[Any, Any], Awaitable[Any]]


def counted_call(rpcs: "Rpcs", rpc: str, serve: Serve) -> Serve:
    """The same method, which answers with one message, counted."""
    ok, seconds = rpcs.bound(rpc)

    async def counted(messages: Any, context: Any) -> Any:
        rpcs.in_work += 1
        began = time.perf_counter()
        try:
            answer = await serve(messages, context)
        except BaseException as error:
            rpcs.failed(rpc, *_failure(error, context))
            raise
        else:
            ok()
            return answer
        finally:
            seconds(time.perf_counter() - began)
            rpcs.in_work -= 1

    return counted


def counted_stream(rpcs: "Rpcs", rpc: str, serve: Serve) -> Serve:
    """The same for a method that answers with a stream, and for a refusal at the headers: their time is not told."""

    async def counted(messages: Any, context: Any) -> None:
        rpcs.streams += 1
        try:
            await serve(messages, context)
        except BaseException as error:
            rpcs.failed(rpc, *_failure(error, context))
            raise
        else:
            rpcs.bound(rpc).ok()
        finally:
            rpcs.streams -= 1

    return counted


def reason_of(status: status_pb2.Status) -> str:
    """The reason in a status; "" if it has none."""
    for each in status.details:
        if each.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            reason: str = error_details_pb2.ErrorInfo.FromString(each.value).reason
            return reason
    return ""


def _failure(error: BaseException, context: Any) -> tuple[str, str]:
    """The code with which a call ended, and the reason of its refusal."""
    if isinstance(error, grpc.aio.AbortError):
        trailers = dict(context.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        return context.code().name, reason_of(status)
    if isinstance(error, asyncio.CancelledError):
        left = context.time_remaining()
        return "CANCELLED" if left is None or left > 0 else "DEADLINE_EXCEEDED", ""
    # The caller has gone in the middle, or gRPC itself answers with this code.
    return "CANCELLED" if isinstance(error, grpc.aio.InternalError) else "UNKNOWN", ""
