"""Where simulations run: the service's store, on an embedded Redis that writes nothing to disk."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from rungway_server.event_loop import loop_factory
from rungway_server.service.offload import in_model_process
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.models import Compute

_T = TypeVar("_T")


@asynccontextmanager
async def stage(binary: Path | None = None, compute: Compute = in_model_process) -> AsyncIterator[RedisStore]:
    """A store for any number of simulations, one at a time, on this binary (None = the first that is found), which lets
    its models work by `compute`. Raises RedisStartError when Redis does not start."""
    with tempfile.TemporaryDirectory(prefix="rungway-simulation-") as folder:
        async with EmbeddedRedis(Path(folder), binary=binary) as server:
            async with plain_client(server.url, timeout_seconds=60.0) as client:
                await client.config_set("appendonly", "no")  # nothing needs to survive the simulation
            async with connect(server.url, timeout_seconds=60.0) as router:
                yield RedisStore(
                    router, longest_wait_for_models=None, compute=compute
                )  # the same search gives the same run


def run_on_stage(simulations: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that uses `stage`, on the event loop that the service uses."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(simulations)
