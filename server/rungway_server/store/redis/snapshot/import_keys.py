"""Writes the keys of an experiment that is imported: piece by piece, and seen at once."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rungway_server.domain.errors import ExperimentExists
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

_AT_ONCE, _BYTES = 500, 1 << 18
"""Most items and bytes that are written at once."""
_ABANDONED_MS = 3_600_000
"""How long what an import has written stays when it was cut off."""
_LISTS, _EVENTS = (4, 11), 8
"""Positions of the keys that are lists, and of the stream."""


async def write_keys(redis: "Redis", ref: ExperimentRef, contents: list[Any]) -> None:
    """All keys under other names, piece by piece, and then under theirs in one MULTI/EXEC, which does nothing when the
    name is taken. What is cut off before is never seen, and expires."""
    keys = experiment_keys(ref, POINTS)
    staged = [f"{key}:import:{uuid.uuid4().hex}" for key in keys]
    if await redis.exists(keys[0]):
        raise ExperimentExists(ref.experiment)
    try:
        for position, (key, content) in enumerate(zip(staged, contents, strict=True)):
            for part in _parts(content):
                await write_part(redis, position, key, part)
        async with redis.pipeline(transaction=True) as pipe:
            await pipe.watch(keys[0])
            if await pipe.exists(keys[0]):
                raise ExperimentExists(ref.experiment)
            pipe.multi()  # type: ignore[no-untyped-call]  # redis-py has no types here
            pipe.unlink(*keys)
            for name, key, content in zip(staged, keys, contents, strict=True):
                if content:
                    pipe.rename(name, key)
                    pipe.persist(key)
            await pipe.execute()
    except BaseException:
        await redis.unlink(*staged)
        raise


async def write_part(redis: "Redis", position: int, key: str, part: Any) -> None:
    """Add to a key."""
    async with redis.pipeline(transaction=False) as pipe:
        if isinstance(part, dict):
            pipe.hset(key, mapping=part)
        elif position in _LISTS:
            pipe.rpush(key, *part)
        elif position == _EVENTS:
            for line_id, fields in part:
                pipe.xadd(key, fields, id=line_id)
        else:
            pipe.zadd(key, dict.fromkeys(part, 0))
        pipe.pexpire(key, _ABANDONED_MS)
        await pipe.execute()


def _parts(content: dict[bytes, bytes] | list[Any]) -> Iterator[Any]:
    """The content in parts that Redis takes in no time."""
    part: list[Any] = []
    size = 0
    for item in content.items() if isinstance(content, dict) else content:
        part.append(item)
        size += len(item) if isinstance(item, bytes) else sum(map(len, item))
        if len(part) == _AT_ONCE or size >= _BYTES:
            yield dict(part) if isinstance(content, dict) else part
            part, size = [], 0
    if part:
        yield dict(part) if isinstance(content, dict) else part
