"""Sends commands and scripts to the node of a Redis that takes their key: one connection per node, opened on demand.

Some refusals prove that nothing was executed: the node has handed the key on, follows another one now, or still loads.
Then the router looks again for the node that takes writes, and asks there. A command that may have run is never sent
twice: a lost reply is reported, and the caller's own request id makes a repeat safe.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

from hiredis import ReplyError
from redis.exceptions import ResponseError

from rungway_server.domain.errors import StoreFull, StoreUnavailable
from rungway_server.store.redis.connection.errors import NO_ANSWER
from rungway_server.store.redis.connection.pipelined import Call, PipelinedConnection
from rungway_server.store.redis.connection.topology import Topology
from rungway_server.store.redis.scripts import NAMES, Script, Transform, load_scripts

_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Seconds before each try of a command that was certainly not executed. Clients retry for longer."""
_FOLLOWING = ("READONLY", "MASTERDOWN", "LOADING")
"""Refusals by a node that takes no writes, or not yet: it may have become a replica since we connected."""
_PASSING = ("NOSCRIPT", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", *_FOLLOWING)
"""Refusals after which a retry can succeed: at another node, with the text of the script, or a little later."""
_UNFIT = ("MISCONF", "BUSY", "NOREPLICAS", *_PASSING)
"""First words of the refusals of a Redis that cannot serve now; nothing was executed."""
_NO_MEMORY = "OOM command not allowed"
"""Part of the message of a Redis before 7 that refuses the first write of a script; from 7 on it refuses the script."""
_READY_KEY = "rungway:{ready}"
_CHECK_IS_LATE_SECONDS = 5.0
"""If a check is this late, the process was suspended, and could not answer workers either."""

Argument = str | bytes | int
"""Of a script."""
Trace = Callable[[str, Awaitable[list[Any]]], Awaitable[list[Any]]]
"""Makes a span of the wait for the answer of a script, and returns the answer."""


class Watch(Protocol):
    """Who is told how Redis does."""

    def script(self, name: str) -> Callable[[float], None]:
        """What takes the seconds of one script."""
        ...

    def redis_failed(self, kind: str) -> None:
        """A command failed: "connection", "timeout", "full", "refused" or "fault"."""
        ...

    def redis_wrote(self, commands: int) -> None:
        """So many commands left in one write."""
        ...


class Router:
    """Calls to a Redis of any topology. Raises StoreUnavailable when it does not answer or refuses writes.

    The text of a script depends on the version of Redis. A Redis that does not know a script is asked for its version
    again: it may be another one by now, behind the same address.
    """

    def __init__(self, topology: Topology, transform: Transform | None = None) -> None:
        """`transform` changes the texts of scripts, for tests."""
        self.topology = topology
        self._transform = transform
        self._scripts: dict[str, Script] = {}
        self._loaded: dict[bool, dict[str, Script]] = {}
        self._connections: dict[str, PipelinedConnection] = {}
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._closed = False
        self._answers_since: float | None = time.monotonic()
        self._checked: float | None = None
        self._watch: Watch | None = None
        self._trace: Trace | None = None
        self._seconds: dict[str, Callable[[float], None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def watch(self, watch: Watch) -> None:
        """From now on tell how long scripts take, what fails, and how commands leave."""
        self._watch = watch
        self._seconds = {script: watch.script(script) for script in NAMES}

    def trace(self, trace: Trace) -> None:
        """From now on make spans of scripts."""
        self._trace = trace

    async def aclose(self) -> None:
        """Close every connection; calls under way and later ones fail."""
        self._closed = True
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), *self._retired, return_exceptions=True)
        for connection in self._connections.values():
            await connection.close()
        await self.topology.aclose()

    def run(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Awaitable[list[Any]]:
        """The answer of a script, to be awaited: a list whose first item is a word (bytes). All keys are on one node.

        Raises what `call` raises.
        """
        if not self._scripts:
            return self._load_and_run(script, keys, args)
        answer = self.call(keys[0], ("EVALSHA", self._scripts[script].sha, len(keys), *keys, *args), script)
        if self._watch:
            answer = self._timed(script, answer)
        return self._trace(script, answer) if self._trace else answer

    async def _timed(self, script: str, answer: Awaitable[list[Any]]) -> list[Any]:
        began = time.perf_counter()
        try:
            return await answer
        finally:
            self._seconds[script](time.perf_counter() - began)

    async def _load_and_run(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> list[Any]:
        await self._load_scripts(keys[0])
        return await self.run(script, keys, args)

    async def _load_scripts(self, key: str) -> None:
        """Take the texts for the node of the key."""
        shebang = version_of(await self.call(key, ("INFO", "server"))) >= (7,)
        if shebang not in self._loaded:
            self._loaded[shebang] = load_scripts(self._transform, shebang=shebang)
        self._scripts = self._loaded[shebang]

    async def call(self, key: str, command: Call, script: str = "") -> Any:
        """The answer to a command on a key: bytes, an integer, None, or a list of these.

        `script`: the name of the script that an EVALSHA names. A node without it is sent the text, which it keeps;
        SCRIPT LOAD would do as well, but not on a full one. Raises StoreUnavailable, StoreFull, and redis-py's
        ResponseError for a refusal that only a bug can cause.
        """
        node, asking = self.topology.primary(key) or await self._found_anew(key), False
        refusal: Exception | None = None
        for pause in _PAUSES:
            if pause:
                await asyncio.sleep(pause)
            try:
                connection = self._connections.get(node)
                if connection is None or connection.closed:
                    connection = await self._together(f"open {node}", partial(self._open, node))
            except NO_ANSWER as error:  # nothing was sent
                refusal = error
                node, asking = await self._elsewhere(key, node, error), False
                continue
            try:
                answer = await connection.send(command, asking=asking)
            except NO_ANSWER as error:  # it may have run
                raise self._failed(error) from error
            if not isinstance(answer, ReplyError):
                if self._answers_since is None:
                    self._answers_since = time.monotonic()
                return answer
            refusal = ResponseError(str(answer))
            if not str(answer).startswith(_PASSING):
                break
            if script and str(answer).startswith("NOSCRIPT"):
                await self._load_scripts(key)
                command = ("EVAL", self._scripts[script].source, *command[2:])
            else:
                node, asking = await self._redirected(str(answer), key, node, connection)
        assert refusal
        raise self._failed(refusal) from refusal

    def answers_for(self) -> float:
        """For how many seconds Redis has answered without an outage: 0 while it does not. What `check` finds counts as
        well: a server without calls learns of an outage by it alone."""
        now = time.monotonic()
        if self._answers_since is None:
            return 0.0
        if self._checked is not None and now - self._checked > _CHECK_IS_LATE_SECONDS:
            self._answers_since = self._checked = now
        return now - self._answers_since

    def _failed(self, error: Exception) -> Exception:
        """The error for the caller; StoreUnavailable begins an outage."""
        translated = _translated(error)
        if self._watch:
            self._watch.redis_failed(_kind(error, translated))
        if isinstance(translated, StoreUnavailable):
            self._answers_since = None
        return translated

    async def _redirected(self, refusal: str, key: str, node: str, connection: PipelinedConnection) -> tuple[str, bool]:
        """The node to send a refused command to, and whether to say ASKING there."""
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
        """The answers of every node, replicas too, by the node's name. For one that gives none they are the error."""
        try:
            nodes = await self.topology.nodes()
        except NO_ANSWER as error:
            raise _translated(error) from error
        return {node: await self._on(node, commands) for node in nodes}

    async def keys(self, pattern: str) -> set[str]:
        """The keys of all nodes whose names fit this pattern, found in small steps that hold up nobody."""
        found: set[str] = set()
        try:
            for node in await self.topology.nodes():
                if node.startswith("replica "):  # it has the keys of its primary
                    continue
                connection, cursor = await self.topology.connect(node), b"0"
                try:
                    while True:
                        answer = await connection.send(("SCAN", cursor, "MATCH", pattern, "COUNT", 500))
                        if isinstance(answer, ReplyError):
                            raise StoreUnavailable(f"SCAN was refused: {answer}")
                        cursor, names = answer
                        found.update(map(bytes.decode, names))
                        if cursor == b"0":
                            break
                finally:
                    await connection.close()
        except NO_ANSWER as error:
            raise _translated(error) from error
        return found

    async def check(self) -> None:
        """Try a write: it removes a key that never exists. Raises ConnectionError, with what is wrong, if it fails."""
        self.answers_for()  # notices whether the last check was long ago
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
            connection = await self.topology.connect(node)
        except NO_ANSWER as error:
            return [error] * len(commands)
        try:
            return list(await asyncio.gather(*map(connection.send, commands), return_exceptions=True))
        finally:
            await connection.close()

    async def _open(self, node: str) -> PipelinedConnection:
        if self._closed:
            raise StoreUnavailable("the connections to Redis were closed")
        if old := self._connections.pop(node, None):
            await old.close()
        connection = self._connections[node] = await self.topology.connect(node)
        if self._watch:
            connection.wrote = self._watch.redis_wrote
        return connection

    async def _elsewhere(self, key: str, node: str, error: Exception) -> str:
        """Where to try when no connection to this node was made. Raises if that is there again, and the time is up."""
        found = await self._found_anew(key)
        if found == node and isinstance(error, TimeoutError):
            raise self._failed(error) from error
        return found

    async def _found_anew(self, key: str) -> str:
        """The node that takes writes of the key, after another look; the last one known if no node answers."""
        with suppress(*NO_ANSWER):
            await self._together("refresh", self.topology.refresh)
        return self.topology.primary(key)

    def _retire(self, node: str, connection: PipelinedConnection) -> None:
        """Send nothing more over this connection; what is under way there still gets its answers."""
        if self._connections.get(node) is connection:
            del self._connections[node]
            task = asyncio.ensure_future(connection.drain())
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    async def _together(self, what: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do something once for all callers that need it at the same time."""
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._done(what, done))
        return await asyncio.shield(task)

    def _done(self, what: str, task: "asyncio.Task[Any]") -> None:
        del self._under_way[what]
        if not task.cancelled():
            task.exception()  # mark it as seen, also when every caller has left


def version_of(info: bytes) -> tuple[int, ...]:
    """Major and minor number of the Redis that gave this INFO answer."""
    return version_numbers(read_info(info)["redis_version"])


def read_info(info: bytes) -> dict[str, str]:
    """The fields of an INFO answer."""
    return dict(line.split(":", 1) for line in info.decode(errors="replace").splitlines() if ":" in line)


def version_numbers(version: str) -> tuple[int, ...]:
    """Major and minor number of a version."""
    return tuple(int(word) for word in version.split(".")[:2] if word.isdigit())


def _same_host(found: str, node: str) -> str:
    """The address that a node redirects to; without a host it means the same host."""
    return f"{node.rpartition(':')[0]}{found}" if found.startswith(":") else found


def _kind(error: Exception, translated: Exception) -> str:
    """The kind of an error, of those in `Watch.redis_failed`."""
    if isinstance(translated, StoreFull):
        return "full"
    if isinstance(error, ResponseError):
        return "refused" if isinstance(translated, StoreUnavailable) else "fault"
    return "timeout" if isinstance(error, TimeoutError) else "connection"


def _translated(error: Exception) -> Exception:
    """A Redis error as one of the service; an error that only a bug can cause stays as it is."""
    if isinstance(error, ResponseError):
        if _NO_MEMORY in str(error) or str(error).startswith("OOM"):
            return StoreFull(
                "the store has no memory left, and nothing was changed: give Redis more, or delete searches"
            )
        if not str(error).startswith(_UNFIT):
            return error
    return StoreUnavailable("the store does not answer or refuses writes; repeat the call with the same request_id")
