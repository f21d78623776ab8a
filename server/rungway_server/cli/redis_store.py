"""Access to Redis for commands that need no service; they find it as `rungway serve` does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from rungway_server.cli.options import Exit
from rungway_server.cli.output import fail
from rungway_server.domain.errors import RungwayError, StoreUnavailable
from rungway_server.service.port import ExperimentRef
from rungway_server.service.quotas import Quotas
from rungway_server.settings import Settings, SettingsError
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.address import Tls
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.embedded.server import EmbeddedRedis, running_url
from rungway_server.store.redis.layout.keys import experiment_keys, index_key
from rungway_server.store.redis.quotas import RedisLedger
from rungway_server.store.redis.snapshot.export_file import ExportFile
from rungway_server.store.redis.snapshot.import_file import import_experiment

Result = TypeVar("Result")
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """The address of Redis, the folder of its data if it is an embedded one, and connections to it."""

    url: str = field(repr=False)
    tls: Tls
    folder: Path | None = None

    def router(self) -> Router:
        """A router as the service uses it; the caller closes it."""
        return connect(self.url, timeout_seconds=_SECONDS, tls=self.tls)

    def client(self, key: str) -> AbstractAsyncContextManager[Redis]:
        """A client of the node that has a key; its answers are bytes."""
        return plain_client(self.url, timeout_seconds=_SECONDS, tls=self.tls, key=key)


async def store_import(place: Place, router: Router, ref: ExperimentRef, export: ExportFile) -> None:
    """Rebuild an experiment within the quotas of its namespace, and list it. Raises ExperimentExists, QuotaExceeded."""
    quotas = await quotas_on(router)
    async with place.client(experiment_keys(ref)[0]) as client:
        created_ms = await import_experiment(client, ref, export, lambda claim: quotas.claimed(ref, claim))
    index = index_key(ref.namespace)  # on another node, perhaps
    await router.call(index, ("ZADD", index, created_ms, ref.experiment))


async def quotas_on(router: Router) -> Quotas:
    """The quotas stored in a Redis, with the defaults of its servers."""
    ledger = RedisLedger(router)
    return Quotas(ledger, RedisStore(router), await ledger.defaults())


def with_redis(
    redis: str | None, data: Path | None, work: Callable[[Place], Awaitable[Result]], *, new: bool = False
) -> Result:
    """The result of some work on Redis. Ends the command when Redis cannot be reached or the work is refused.

    `new`: the data folder is made where there is none.
    """
    try:
        # These commands do not listen, so the checks of the service's address do not apply.
        settings = Settings.load(redis_url=redis, data_dir=data, listen="127.0.0.1:0")
    except SettingsError as error:
        raise fail(Exit.USAGE, f"wrong settings:\n{error}") from None

    if not new and not settings.redis_url and not settings.data_dir.expanduser().is_dir():
        missing = f"there is no data folder {settings.data_dir}"
        raise fail(Exit.USAGE, f"{missing}, and no Redis or Valkey is named (--redis)")

    async def run() -> Result:
        async with _found(settings) as place:
            return await work(place)

    try:
        return asyncio.run(run())
    except StoreUnavailable as error:
        raise fail(Exit.UNREACHABLE, f"the store cannot be used: {error.__cause__ or error}") from None
    except RungwayError as error:
        raise fail(Exit.REFUSED, str(error), [f"reason: {error.reason}"]) from None
    except (RedisStartError, RedisError, OSError) as error:
        raise fail(Exit.UNREACHABLE, f"the store cannot be used: {error}") from None


@asynccontextmanager
async def _found(settings: Settings) -> AsyncIterator[Place]:
    """The Redis given, else the one of the data folder, whether a service runs on it or not."""
    async with AsyncExitStack() as stack:
        if settings.redis_url:
            url = settings.redis_url.get_secret_value()
        elif running := await running_url(settings.data_dir.expanduser()):
            url = running
        else:
            embedded = EmbeddedRedis(settings.data_dir, fsync=settings.fsync, binary=settings.redis_server)
            url = (await stack.enter_async_context(embedded)).url
        yield Place(url, settings.redis_tls, None if settings.redis_url else settings.data_dir)
