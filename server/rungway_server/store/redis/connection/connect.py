"""Connections to Redis by its URL: routers for the service, plain clients for commands that work without a service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from rungway_server.store.redis.connection.address import Tls, parse_address
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.connection.topology import open_client, topology_of
from rungway_server.store.redis.scripts import Transform

_NO_FILES = Tls()


def connect(url: str, *, timeout_seconds: float, tls: Tls = _NO_FILES, transform: Transform | None = None) -> Router:
    """The router to a Redis of any topology; nothing is sent yet. Raises ValueError for a URL it cannot read.

    Each wait, for connecting and for an answer, ends after `timeout_seconds`. `transform` changes the texts of scripts,
    for tests.
    """
    return Router(topology_of(parse_address(url, tls), timeout_seconds), transform)


@asynccontextmanager
async def plain_client(
    url: str, *, timeout_seconds: float, tls: Tls = _NO_FILES, key: str = ""
) -> AsyncIterator[Redis]:
    """A client of redis-py, with answers as bytes, that sends nothing twice: of the node that takes writes of the key.

    Raises ValueError as above, and redis-py's errors.
    """
    client = await open_client(parse_address(url, tls), timeout_seconds, key)
    try:
        yield client
    finally:
        await client.aclose()
