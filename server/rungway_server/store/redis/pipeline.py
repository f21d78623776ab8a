"""Runs scripts on Redis, gathering concurrent calls into one exchange.

Callers that arrive while an exchange is under way share the next one, so that under load one packet carries many
decisions (docs/adr/0003-concurrency.md has the figures). Nothing is ever sent twice: a lost reply is reported as
StoreUnavailable, and the caller's own request id makes a repeat safe.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

from rungway_server.domain.errors import StoreUnavailable
from rungway_server.store.redis.scripts import Script, Transform, load_scripts

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MOST_PER_EXCHANGE = 256
_EXCHANGES_AT_ONCE = 2


class ScriptPipeline:
    """Scripts by name on one Redis. Raises StoreUnavailable when it does not answer or refuses to write."""

    def __init__(self, redis: "Redis", transform: Transform | None = None) -> None:
        self._redis = redis
        self._transform = transform
        self._scripts: dict[str, Script] = {}
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._exchanges: set[asyncio.Task[None]] = set()

    async def run(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> list[Any]:
        """The script's answer: a list whose first item is a word."""
        if not self._scripts:
            await self._load()
        script = self._scripts[name]
        call = ("EVALSHA", script.sha, len(keys), *keys, *args)
        answer = await self._submit(call)
        if isinstance(answer, NoScriptError):
            await self._install()
            answer = await self._submit(call)
        if isinstance(answer, Exception):
            raise _translated(answer) from answer
        result: list[Any] = answer
        return result

    async def _submit(self, call: tuple[Any, ...]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        self._start_exchange()
        return await future

    def _start_exchange(self) -> None:
        if self._waiting and len(self._exchanges) < _EXCHANGES_AT_ONCE:
            task = asyncio.create_task(self._exchange())
            self._exchanges.add(task)
            task.add_done_callback(self._exchange_ended)

    def _exchange_ended(self, task: asyncio.Task[None]) -> None:
        self._exchanges.discard(task)
        self._start_exchange()

    async def _exchange(self) -> None:
        batch, self._waiting = self._waiting[:_MOST_PER_EXCHANGE], self._waiting[_MOST_PER_EXCHANGE:]
        if not batch:
            return
        pipe = self._redis.pipeline(transaction=False)
        for call, _ in batch:
            pipe.execute_command(*call)
        answers: Sequence[Any]
        try:
            answers = await pipe.execute(raise_on_error=False)
        except (RedisError, OSError, TimeoutError) as error:
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _load(self) -> None:
        try:
            info = await self._redis.info("server")
        except (RedisError, OSError, TimeoutError) as error:
            raise _translated(error) from error
        major = int(str(info["redis_version"]).split(".")[0])
        self._scripts = load_scripts(self._transform, shebang=major >= 7)
        await self._install()

    async def _install(self) -> None:
        try:
            for script in self._scripts.values():
                await self._redis.script_load(script.source)
        except (RedisError, OSError, TimeoutError) as error:
            raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    """A Redis error as the service's own; what only a bug can cause is left as it is."""
    text = str(error)
    if isinstance(error, ResponseError) and not text.startswith(("OOM", "READONLY", "LOADING", "MISCONF", "BUSY")):
        return error
    return StoreUnavailable("the store does not answer or refuses writes; repeat the call with the same request_id")
