"""Commands to whichever node of a Redis takes their key: one lane per node, opened when it is needed.

A refusal that proves that nothing was executed (the node has handed the key on, follows another one now, still loads)
is answered by finding out anew who takes writes, and asking there. What may have run is never sent twice: a lost reply
is reported, and the caller's own request id makes a repeat safe.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from hiredis import ReplyError
from redis.exceptions import ResponseError

from rungway_server.domain.errors import StoreFull, StoreUnavailable
from rungway_server.store.redis.connection.errors import NO_ANSWER
from rungway_server.store.redis.connection.pipelined import Call, PipelinedConnection
from rungway_server.store.redis.connection.topology import Topology

_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Before each try of a command that was certainly not executed (seconds). Clients try on for longer."""
_FOLLOWING = ("READONLY", "MASTERDOWN", "LOADING")
"""Refusals by a node that takes no writes, or not yet: it may have followed another one since we connected."""
_PASSING = ("NOSCRIPT", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", *_FOLLOWING)
"""Refusals that pass when the right node is asked, with the script, or soon."""
_UNFIT = ("MISCONF", "BUSY", "NOREPLICAS", *_PASSING)
"""Beginnings of the refusals by which a Redis says that it cannot serve now; nothing was executed."""
_NO_MEMORY = "OOM command not allowed"
"""In what a Redis before 7 says of a script whose first write it refused; from 7 on it refuses the whole script."""
_READY_KEY = "rungway:{ready}"
_CHECK_IS_LATE_SECONDS = 5.0
"""A check that is so late was not made because this process stood still, and so did its answers to workers."""


class Router:
    """Calls to a Redis of any topology. Raises StoreUnavailable when it does not answer or refuses writes."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._router: dict[str, PipelinedConnection] = {}
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._answers_since: float | None = time.monotonic()
        self._checked: float | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; calls under way fail."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), *self._retired, return_exceptions=True)
        for connection in self._router.values():
            await connection.close()
        await self.topology.aclose()

    async def call(self, key: str, command: Call, whole: Callable[[], Awaitable[Call]] | None = None) -> Any:
        """The answer to a command on a key; `whole` gives it with the text of its script, for a node without that.

        Raises StoreUnavailable, and redis-py's ResponseError for a refusal that only a bug can cause.
        """
        node, asking = self.topology.primary(key) or await self._found_anew(key), False
        refusal: Exception | None = None
        for pause in _PAUSES:
            if pause:
                await asyncio.sleep(pause)
            try:
                connection = self._router.get(node)
                if connection is None or connection.closed:
                    connection = await self._together(f"open {node}", partial(self._open, node))
            except NO_ANSWER as error:  # nothing was sent
                refusal = error
                node, asking = await self._found_anew(key), False
                continue
            try:
                answer = await connection.call(command, asking=asking)
            except NO_ANSWER as error:  # it may have run
                raise self._failed(error) from error
            if not isinstance(answer, ReplyError):
                if self._answers_since is None:
                    self._answers_since = time.monotonic()
                return answer
            refusal = ResponseError(str(answer))
            if not str(answer).startswith(_PASSING):
                break
            if whole and str(answer).startswith("NOSCRIPT"):
                command = await whole()
            else:
                node, asking = await self._redirected(str(answer), key, node, connection)
        assert refusal
        raise self._failed(refusal) from refusal

    def answers_for(self) -> float:
        """Seconds since Redis could first be used from here, or could again: 0 while it cannot. What `check` finds
        counts as well: a server that nobody calls learns of an outage by it alone."""
        now = time.monotonic()
        if self._answers_since is None:
            return 0.0
        if self._checked is not None and now - self._checked > _CHECK_IS_LATE_SECONDS:
            self._answers_since = self._checked = now
        return now - self._answers_since

    def _failed(self, error: Exception) -> Exception:
        """The error for the caller; an outage begins with it, where it is one."""
        translated = _translated(error)
        if isinstance(translated, StoreUnavailable):
            self._answers_since = None
        return translated

    async def _redirected(self, refusal: str, key: str, node: str, connection: PipelinedConnection) -> tuple[str, bool]:
        """Where to send a command that a node refused, and whether to say ASKING there."""
        word, *rest = refusal.split(" ")
        if word == "TRYAGAIN":
            return node, False
        if word == "ASK":
            return _same_host(rest[1], node), True
        if word in _FOLLOWING:
            self._retire(node, connection)
        found = await self._found_anew(key)
        return (_same_host(rest[1], node) if word == "MOVED" else found), False

    async def on_each(self, *commands: Call) -> dict[str, list[Any]]:
        """The answers of every node, replicas too, by its name; an error is the answer of one that gives none."""
        try:
            nodes = await self.topology.nodes()
        except NO_ANSWER as error:
            raise _translated(error) from error
        return {node: await self._on(node, commands) for node in nodes}

    async def check(self) -> None:
        """Raise ConnectionError, with what is wrong, when a write would be refused: it removes a key never there."""
        self.answers_for()  # was the last one long ago?
        self._checked = time.monotonic()
        try:
            await self.topology.follow()
            await self.call(_READY_KEY, ("UNLINK", _READY_KEY))
        except (StoreUnavailable, *NO_ANSWER) as error:
            self._answers_since = None
            cause = error.__cause__ or error
            raise ConnectionError(str(cause) or type(cause).__name__) from error

    async def _on(self, node: str, commands: tuple[Call, ...]) -> list[Any]:
        try:
            connection = PipelinedConnection(await self.topology.connect(node))
        except NO_ANSWER as error:
            return [error] * len(commands)
        try:
            return list(await asyncio.gather(*map(connection.call, commands), return_exceptions=True))
        finally:
            await connection.close()

    async def _open(self, node: str) -> PipelinedConnection:
        if old := self._router.pop(node, None):
            await old.close()
        self._router[node] = PipelinedConnection(await self.topology.connect(node))
        return self._router[node]

    async def _found_anew(self, key: str) -> str:
        """The node that takes writes of the key after another look; the one known while nobody tells."""
        with suppress(*NO_ANSWER):
            await self._together("refresh", self.topology.refresh)
        return self.topology.primary(key)

    def _retire(self, node: str, connection: PipelinedConnection) -> None:
        """Send nothing more over a lane; what is under way there still gets its answers."""
        if self._router.get(node) is connection:
            del self._router[node]
            task = asyncio.ensure_future(connection.drain())
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    async def _together(self, what: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do something once for all who want it at the same time."""
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._done(what, done))
        return await asyncio.shield(task)

    def _done(self, what: str, task: "asyncio.Task[Any]") -> None:
        del self._under_way[what]
        if not task.cancelled():
            task.exception()  # seen, also when everybody who wanted it has left


def _same_host(found: str, node: str) -> str:
    """An address that a node redirects to; it leaves the host out where it means its own."""
    return f"{node.rpartition(':')[0]}{found}" if found.startswith(":") else found


def _translated(error: Exception) -> Exception:
    """A Redis error as the service's own; what only a bug can cause is left as it is."""
    if isinstance(error, ResponseError):
        if _NO_MEMORY in str(error) or str(error).startswith("OOM"):
            return StoreFull(
                "the store has no memory left, and nothing was changed: give Redis more, or delete searches"
            )
        if not str(error).startswith(_UNFIT):
            return error
    return StoreUnavailable("the store does not answer or refuses writes; repeat the call with the same request_id")
