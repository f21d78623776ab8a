"""Each way to reach the service, and all of them at once."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc

from tests.support.calls import Refusal, refusal_of
from tests.support.http_channel import HttpChannel
from tests.support.service import Service

TRANSPORTS: dict[str, Callable[[Service], grpc.Channel]] = {
    "grpc": lambda service: grpc.insecure_channel(service.address),
    "http+proto": lambda service: HttpChannel(service.http, as_json=False),
    "http+json": lambda service: HttpChannel(service.http, as_json=True),
}
"""A channel to a service, by the name of the transport."""


class Agreeing:
    """A channel whose calls go through the last of several others. What is refused is sent through all of them, and
    each must refuse it with the same words. Refused calls change nothing, so they may be repeated."""

    def __init__(self, channels: Sequence[grpc.Channel]) -> None:
        self._channels = channels

    def unary_unary(self, *named: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        *others, first = (channel.unary_unary(*named, **options) for channel in self._channels)

        def call(*request: Any, **with_: Any) -> Any:
            try:
                return first(*request, **with_)
            except grpc.RpcError as error:
                _agree(error, [functools.partial(other, *request, **with_) for other in others])
                raise

        return call

    def unary_stream(self, *named: Any, **options: Any) -> Any:
        """See grpc.Channel."""
        *others, first = (channel.unary_stream(*named, **options) for channel in self._channels)

        def call(*request: Any, **with_: Any) -> Iterator[Any]:
            try:
                yield from first(*request, **with_)
            except grpc.RpcError as error:
                _agree(error, [functools.partial(_all, other, *request, **with_) for other in others])
                raise

        return call


def _agree(error: grpc.RpcError, others: Sequence[Callable[[], object]]) -> None:
    refusal = refusal_of(error)
    for call in others:
        assert _refusal(call) == refusal


def _all(call: Callable[..., Iterator[object]], *request: Any, **with_: Any) -> list[object]:
    return list(call(*request, **with_))


def _refusal(call: Callable[[], object]) -> Refusal | None:
    try:
        call()
    except grpc.RpcError as error:
        return refusal_of(error)
    return None
