"""Moves a search from one Redis to another by an export file."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.snapshot.export_file import read_export
from rungway_server.store.redis.snapshot.import_file import import_experiment
from tests.support.audited import assert_sound


@dataclass
class Site:
    """A Redis and a store on it."""

    url: str
    store: RedisStore
    redis: Redis


async def exported(store: RedisStore, ref: ExperimentRef) -> str:
    """The text of an export."""
    return "".join([text async for text in store.export(ref)])


def with_end(lines: Sequence[str]) -> list[str]:
    """The file of these lines, with a last line that fits them."""
    digest = hashlib.sha256("".join(lines).encode(errors="surrogatepass")).hexdigest()
    return [*lines, json.dumps({"end": len(lines), "sha256": digest}) + "\n"]


async def move(source: Site, ref: ExperimentRef, to: Site, name: str = "") -> str:
    """Export, import and audit; returns the text of the file."""
    text = await exported(source.store, ref)
    target = ExperimentRef("default", name or ref.experiment)
    await import_experiment(to.redis, target, read_export(text.splitlines(keepends=True)))
    await assert_sound(to.url, target.experiment)
    return text
