"""What callers may hold open who show no token, in all and by peer."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from rungway_server.service.nearly_full import Brim

MOST_IN_ALL = 1_000
MOST_OF_A_PEER = 100
"""A peer is an address without its port: whoever stands behind one proxy shares these."""

Serve = Callable[[Any, Any], Awaitable[Any]]


class Strangers:
    """Counts calls while they are open, and refuses the ones beyond the limits. A peer that has none open gets one also
    beyond the limit in all: however many others hold, a load balancer learns that the service is well."""

    def __init__(self, what: str, most: int = MOST_IN_ALL, most_of_a_peer: int = MOST_OF_A_PEER) -> None:
        """`what` they are calls for."""
        self._what, self._most, self._most_of_a_peer = what, most, most_of_a_peer
        self._open: Counter[str] = Counter()
        self._all = 0
        self._brim = Brim(f"many_calls_for_{what}", most)

    def limited(self, serve: Serve) -> Serve:
        """The same method, within the limits."""

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
            self._brim.note(self._all)
            try:
                return await serve(messages, context)
            finally:
                self._all -= 1
                self._open[peer] -= 1
                if not self._open[peer]:
                    del self._open[peer]

        return served
