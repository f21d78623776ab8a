"""Migrates a stored search of an older layout to that of today: in one step, while workers go on.

Trials, leases, fencing tokens and answers to request ids stay as they are, and workers notice nothing. The records are
read under WATCH and written under a temporary name, piece by piece. One MULTI/EXEC then puts them in place. It does
nothing if the search has changed meanwhile; then the migration starts again.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from redis.exceptions import WatchError

from rungway_server.domain.errors import NewerSchema, OlderSchema, UnknownExperiment
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.layout.migrations import FIRST, STEPS, record_of_today
from rungway_server.store.redis.layout.records import packed, unpack
from rungway_server.store.redis.layout.schema import NEWEST, SCHEMA

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PATIENCE_SECONDS = 60.0
_AT_ONCE = 500
_ABANDONED_MS = 3_600_000
"""How long the temporary key stays when the command breaks off."""


class TooBusy(Exception):
    """The search changed each time before its new records could be put in place."""


async def migrate(redis: "Redis", ref: ExperimentRef, *, patience_seconds: float = _PATIENCE_SECONDS) -> int:
    """Migrate the experiment to the layout of today; returns the layout that it had.

    `redis` is a client of the node of its keys, with answers as bytes. Raises UnknownExperiment, NewerSchema,
    OlderSchema for a layout without a migration, and TooBusy.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            return await _Attempt(redis, ref).run()
        except WatchError:
            if time.monotonic() > until:
                raise TooBusy(f"{ref.experiment} changed each time while its records were read") from None


class _Attempt:
    def __init__(self, redis: "Redis", ref: ExperimentRef) -> None:
        self._redis, self._ref = redis, ref
        self._meta, self._trials = experiment_keys(ref)[:2]
        self._new_trials = f"{self._trials}:migrate:{uuid.uuid4().hex}"

    async def run(self) -> int:
        """Raises WatchError, and changes nothing then."""
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                return await self._run(pipe)
        finally:
            await self._redis.unlink(self._new_trials)

    async def _run(self, pipe: Any) -> int:
        await pipe.watch(self._meta, self._trials)
        found: dict[bytes, bytes] = await pipe.hgetall(self._meta)
        if not found:
            raise UnknownExperiment(self._ref.experiment)
        layout = int(found[b"schema"])
        self._check(layout)
        if layout >= SCHEMA:
            return layout
        fields = _upgraded_meta(found, layout)
        async for part in self._upgraded_records(pipe):
            await pipe.hset(self._new_trials, mapping=part)
            await pipe.pexpire(self._new_trials, _ABANDONED_MS)
        await self._put(pipe, fields)
        return layout

    def _check(self, layout: int) -> None:
        if layout > NEWEST:
            raise NewerSchema(self._ref.experiment, layout, NEWEST)
        if layout < FIRST:
            raise OlderSchema(self._ref.experiment, layout, FIRST)

    async def _upgraded_records(self, pipe: Any) -> AsyncIterator[dict[bytes, bytes]]:
        cursor = -1
        while cursor:
            cursor, part = await pipe.hscan(self._trials, max(cursor, 0), count=_AT_ONCE)
            if part:
                yield {number: packed(record_of_today(unpack(record))) for number, record in part.items()}

    async def _put(self, pipe: Any, fields: dict[str, bytes | str]) -> None:
        """The old key is freed in the background; a time to live stays."""
        left, any_trial = await pipe.pttl(self._trials), await pipe.exists(self._new_trials)
        pipe.multi()
        if any_trial:
            pipe.unlink(self._trials)
            pipe.rename(self._new_trials, self._trials)
            _ = pipe.pexpire(self._trials, left) if left > 0 else pipe.persist(self._trials)
        pipe.hset(self._meta, mapping=fields)
        await pipe.execute()


def _upgraded_meta(found: dict[bytes, bytes], layout: int) -> dict[str, bytes | str]:
    values = {"plan": unpack(found[b"plan"]), "tally": unpack(found[b"tally"]), "config": json.loads(found[b"config"])}
    for number in range(layout, SCHEMA):
        values = STEPS[number].meta(values)
    texts = {"schema": str(SCHEMA), "config": json.dumps(values["config"])}
    return texts | {name: packed(values[name]) for name in ("plan", "tally")}
