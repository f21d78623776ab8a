"""Runs scripts on Redis, all over one connection, without waiting for one answer before sending the next call.

Nothing is ever sent twice: a lost reply is reported as StoreUnavailable, and the caller's own request id makes a
repeat safe.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from rungway_server.domain.errors import StoreUnavailable
from rungway_server.store.redis.errors import NO_ANSWER
from rungway_server.store.redis.lane import Call, Lane
from rungway_server.store.redis.scripts import Script, Transform, load_scripts

_UNFIT = ("OOM", "READONLY", "LOADING", "MISCONF", "BUSY")
"""Beginnings of the errors by which a Redis says that it cannot serve now."""


class ScriptPipeline:
    """Scripts by name on one Redis. Raises StoreUnavailable when it does not answer or refuses to write."""

    def __init__(self, redis: Redis, transform: Transform | None = None) -> None:
        self._redis = redis
        self._transform = transform
        self._scripts: dict[str, Script] = {}
        self._lane: Lane | None = None
        self._opening = asyncio.Lock()

    async def run(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> list[Any]:
        """The script's answer: a list whose first item is a word."""
        try:
            if not self._scripts:
                await self._load()
            call = ("EVALSHA", self._scripts[name].sha, len(keys), *keys, *args)
            answer = await self._call(call)
            if isinstance(answer, ReplyError) and str(answer).startswith("NOSCRIPT"):
                await self._install()
                answer = await self._call(call)
        except NO_ANSWER as error:
            raise _translated(error) from error
        if isinstance(answer, ReplyError):
            raise _translated(ResponseError(str(answer))) from answer
        result: list[Any] = answer
        return result

    async def _call(self, call: Call) -> Any:
        lane = self._lane
        if lane is None or lane.closed:
            lane = await self._open()
        return await lane.call(call)

    async def _open(self) -> Lane:
        async with self._opening:
            if self._lane is None or self._lane.closed:
                broken, self._lane = self._lane, None  # closed once, also when the next cannot be opened
                if broken:
                    await broken.close()
                self._lane = await Lane.open(self._redis)
            return self._lane

    async def _load(self) -> None:
        info = await self._redis.info("server")
        major = int(str(info["redis_version"]).split(".")[0])
        self._scripts = load_scripts(self._transform, shebang=major >= 7)
        await self._install()

    async def _install(self) -> None:
        for script in self._scripts.values():
            await self._redis.script_load(script.source)


def _translated(error: Exception) -> Exception:
    """A Redis error as the service's own; what only a bug can cause is left as it is."""
    if isinstance(error, ResponseError) and not str(error).startswith(_UNFIT):
        return error
    return StoreUnavailable("the store does not answer or refuses writes; repeat the call with the same request_id")
