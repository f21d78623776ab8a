"""What webhooks need of Redis: who sends, what was looked at, what is still to be sent; and what searches tell of them.

`rungway:webhooks:sender`: the server that sends now, for some seconds. `rungway:webhooks:seen`: how far each search was
looked at, and under `*` since when there are webhooks (ms). `rungway:webhooks:pending`: messages to send. Each
operation is one command on one key, so it works on a Cluster as well.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

from rungway_server.domain.engine import ExperimentState
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.layout.keys import EVERY_INDEX, experiment_keys, index_key, namespace_of
from rungway_server.store.redis.layout.records import LogLine, order_of, unpack
from rungway_server.store.redis.layout.schema import NEWEST, OLDEST
from rungway_server.store.redis.snapshot.piece_reader import EVENTS
from rungway_server.store.redis.store import RedisStore

_SENDER, _SEEN, _PENDING = (f"rungway:webhooks:{name}" for name in ("sender", "seen", "pending"))
_SINCE = "*"
"""Stands beside the searches; it is the name of none."""
ENDINGS = ("done", "stopped", "too_many_invalid", "failing")
"""Kinds of events with which a search ends or pauses itself."""
_LINES, _FURTHER_LINES = 100, 1_000
"""Lines of an event log that are read at once, and how many before the last ending are looked at."""
_AT_ONCE = 20


class Glance(NamedTuple):
    """What tells whether a search needs a look. `mark` changes whenever the search does."""

    uid: str
    created_ms: int
    state: ExperimentState
    failing: bool
    mark: tuple[Any, ...]


class RedisWebhooks:
    """Raises StoreUnavailable and StoreFull."""

    def __init__(self, router: Router, store: RedisStore) -> None:
        self._router, self.store = router, store

    async def lead(self, name: str, lease_ms: int) -> bool:
        """Become the server that sends, or stay it, for so long; False while another one is.

        Two may send for a moment when one of them was held up for a whole lease: then a message may go out twice.
        """
        holder = await self._router.call(_SENDER, ("GET", _SENDER))
        if holder is None:
            return bool(await self._router.call(_SENDER, ("SET", _SENDER, name, "NX", "PX", lease_ms)))
        if holder != name.encode():
            return False
        return bool(await self._router.call(_SENDER, ("SET", _SENDER, name, "XX", "PX", lease_ms)))

    async def retire(self, name: str) -> None:
        """Let another server send at once."""
        if await self._router.call(_SENDER, ("GET", _SENDER)) == name.encode():
            await self._router.call(_SENDER, ("UNLINK", _SENDER))

    async def seen(self) -> tuple[int, dict[str, Any]]:
        """Since when there are webhooks (ms), and what `note` noted, by "namespace/experiment"."""
        found = await self._hash(_SEEN)
        if _SINCE not in found:
            seconds, microseconds = await self._router.call(_SEEN, ("TIME",))  # the clock of the event log
            found[_SINCE] = 1000 * int(seconds) + int(microseconds) // 1000
            await self._router.call(_SEEN, ("HSET", _SEEN, _SINCE, found[_SINCE]))
        return int(found.pop(_SINCE)), found

    async def note(self, ref: ExperimentRef, seen: dict[str, Any]) -> None:
        """Note how far a search was looked at."""
        await self._router.call(_SEEN, ("HSET", _SEEN, "/".join(ref), json.dumps(seen)))

    async def forget(self, names: Sequence[str]) -> None:
        """Of searches that are gone."""
        await self._router.call(_SEEN, ("HDEL", _SEEN, *names))

    async def pending(self) -> dict[str, Any]:
        """The messages that are still to be sent, by their keys."""
        return await self._hash(_PENDING)

    async def put(self, key: str, message: dict[str, Any]) -> None:
        """One more of them."""
        await self._router.call(_PENDING, ("HSET", _PENDING, key, json.dumps(message)))

    async def remove(self, key: str) -> None:
        """It was sent, or is given up."""
        await self._router.call(_PENDING, ("HDEL", _PENDING, key))

    async def _hash(self, key: str) -> dict[str, Any]:
        flat = await self._router.call(key, ("HGETALL", key))
        return {name.decode(): json.loads(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}

    async def namespaces(self) -> set[str]:
        """All namespaces: every key is scanned, in small pieces."""
        return set(map(namespace_of, await self._router.keys(EVERY_INDEX)))

    async def searches(self, namespaces: Iterable[str]) -> list[ExperimentRef]:
        """The searches of these namespaces."""
        found: list[ExperimentRef] = []
        for namespace in sorted(namespaces):
            key = index_key(namespace)
            names: Any = await self._router.call(key, ("ZRANGE", key, 0, -1))
            found += [ExperimentRef(namespace, name.decode()) for name in names]
        return found

    async def glances(self, refs: Sequence[ExperimentRef]) -> AsyncIterator[tuple[ExperimentRef, Glance | None]]:
        """A glance at each; None of one that is gone, or of a layout that this server does not read."""
        for at in range(0, len(refs), _AT_ONCE):
            some = refs[at : at + _AT_ONCE]
            for ref, glance in zip(some, await asyncio.gather(*map(self._glance, some)), strict=True):
                yield ref, glance

    async def _glance(self, ref: ExperimentRef) -> Glance | None:
        meta = experiment_keys(ref)[0]
        found = await self._router.call(meta, ("HMGET", meta, "schema", "uid", "created", "tally"))
        if None in found or not OLDEST <= int(found[0]) <= NEWEST:
            return None
        progress = unpack(found[3])
        state, mark = ExperimentState(progress["state"]), (found[1], progress["revision"], progress["trained"])
        return Glance(found[1].decode(), int(found[2]), state, bool(progress.get("failing")), mark)

    async def endings(self, ref: ExperimentRef, uid: str, after: str) -> list[LogLine]:
        """The events after this id with which the search ended or paused itself, oldest first: the last one, and those
        not long before it. Raises UnknownExperiment when it is another search by now."""
        found: list[LogLine] = []
        before, further = "+", _FURTHER_LINES
        while further > 0:
            args: list[Argument] = ["XREVRANGE", EVENTS, before, f"({after}", "COUNT", _LINES]
            lines = await self.store.read(ref, uid, args)
            for line_id, fields in lines:
                line = LogLine.unpacked(line_id.decode(), fields[1])
                found += [line] if line.kind in ENDINGS else []
            further -= len(lines) if found else 0
            if len(lines) < _LINES:
                break
            before = f"({lines[-1][0].decode()}"
        return sorted(found, key=lambda line: order_of(line.id))
