"""Limits on open calls that need no token, in all and per peer."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from rungway_server.service.high_water import HighWaterWarning

MOST_IN_ALL = 1_000
MOST_OF_A_PEER = 100
"""A peer is an address without its port: all callers behind one proxy share this limit."""

Serve = Callable[[Any, Any], Awaitable[Any]]


class AnonymousCalls:
    """Counts open calls, and refuses those beyond the limits.

    A peer without an open call gets one even beyond the limit in all, so that a load balancer can always ask for
    health.
    """

    def __init__(self, what: str, most: int = MOST_IN_ALL, most_of_a_peer: int = MOST_OF_A_PEER) -> None:
        """`what` the calls are for: a word for the log line and the error."""
        self._what, self._most, self._most_of_a_peer = what, most, most_of_a_peer
        self._open: Counter[str] = Counter()
        self._all = 0
        self._high_water = HighWaterWarning(f"many_calls_for_{what}", most)

    def limited(self, serve: Serve) -> Serve:
        """The same method with the limits in front; it aborts with RESOURCE_EXHAUSTED beyond them."""

        async def served(messages: Any, context: Any) -> Any:
            peer = str(context.peer()).rpartition(":")[0]
            own = self._open[peer]
            if own >= self._most_of_a_peer or (own and self._all >= self._most):
                limits = f"{self._most_of_a_peer} of a peer, {self._most} in all"
                await context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, f"too many calls for {self._what} are open ({limits})"
                )
            self._all += 1
            self._open[peer] += 1
            self._high_water.note(self._all)
            try:
                return await serve(messages, context)
            finally:
                self._all -= 1
                self._open[peer] -= 1
                if not self._open[peer]:
                    del self._open[peer]

        return served
