"""The Redis of a command that works on it directly, found as `rungway serve` finds it; no service is needed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from rungway_server.cli.options import Exit
from rungway_server.cli.output import fail
from rungway_server.domain.errors import RungwayError, StoreUnavailable
from rungway_server.settings import Settings, SettingsError
from rungway_server.store.redis.connection import connect
from rungway_server.store.redis.embedded import EmbeddedRedis, running_url
from rungway_server.store.redis.errors import RedisStartError

Result = TypeVar("Result")


def with_redis(
    redis: str | None,
    data: Path | None,
    work: Callable[[Redis], Awaitable[Result]],
    *,
    decode: bool = False,
    new: bool = False,
) -> Result:
    """What the work on Redis comes to. Ends the command when Redis cannot be reached or the work is refused.

    `decode`: answers are texts and not bytes; `new`: the data folder is made where there is none.
    """
    try:
        # Where the service listens, and whether that is safe, is not the business of these commands.
        settings = Settings.load(redis_url=redis, data_dir=data, listen="127.0.0.1:0")
    except SettingsError as error:
        raise fail(Exit.USAGE, f"wrong settings:\n{error}") from None

    if not new and not settings.redis_url and not settings.data_dir.expanduser().is_dir():
        raise fail(Exit.USAGE, f"there is no data folder {settings.data_dir}, and no Redis is named (--redis)")

    async def run() -> Result:
        async with _open(settings, decode) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except StoreUnavailable as error:
        raise fail(Exit.UNREACHABLE, f"Redis cannot be used: {error.__cause__ or error}") from None
    except RungwayError as error:
        raise fail(Exit.REFUSED, str(error), [f"reason: {error.reason}"]) from None
    except (RedisStartError, RedisError, OSError) as error:
        raise fail(Exit.UNREACHABLE, f"Redis cannot be used: {error}") from None


@asynccontextmanager
async def _open(settings: Settings, decode: bool) -> AsyncIterator[Redis]:
    """A client: of the Redis named, else of the data folder, be there a service on it or not."""
    async with AsyncExitStack() as stack:
        if settings.redis_url:
            url = settings.redis_url.get_secret_value()
        elif running := await running_url(settings.data_dir.expanduser()):
            url = running
        else:
            url = (await stack.enter_async_context(EmbeddedRedis(settings.data_dir, fsync=settings.fsync))).url
        client = connect(url, timeout_seconds=60.0, max_connections=2, decode=decode)
        stack.push_async_callback(client.aclose)
        yield client
