"""What callers may hold who show no token: health checks, in all and by peer."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

MOST_IN_ALL = 1_000
MOST_OF_A_PEER = 100
"""A peer is an address without its port: whoever stands behind one proxy shares these."""

Serve = Callable[[Any, Any], Awaitable[Any]]


class Strangers:
    """Counts the calls of those without a token while they are open, and refuses the ones beyond the limits."""

    def __init__(self, most: int = MOST_IN_ALL, most_of_a_peer: int = MOST_OF_A_PEER) -> None:
        self._most, self._most_of_a_peer = most, most_of_a_peer
        self._open: Counter[str] = Counter()
        self._all = 0

    def limited(self, serve: Serve) -> Serve:
        """The same method, within the limits."""

        async def served(messages: Any, context: Any) -> Any:
            peer = str(context.peer()).rpartition(":")[0]
            if self._all >= self._most or self._open[peer] >= self._most_of_a_peer:
                limits = f"{self._most_of_a_peer} of a peer, {self._most} in all"
                await context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, f"too many calls without a token are open ({limits})"
                )
            self._all += 1
            self._open[peer] += 1
            try:
                return await serve(messages, context)
            finally:
                self._all -= 1
                self._open[peer] -= 1
                if not self._open[peer]:
                    del self._open[peer]

        return served
