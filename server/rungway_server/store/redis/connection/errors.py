"""Errors of a Redis, at the start and during a call."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError


class RedisStartError(Exception):
    """The embedded Redis cannot start, or this Redis must not be used; the text says what to do."""


NO_ANSWER = (RedisError, OSError, TimeoutError)
"""Errors of a command that got no answer."""
_CLOSED = "the handler is closed"
"""Part of uvloop's message when a connection broke just before a write: the one RuntimeError that is an error of the
network. Every other RuntimeError is a bug."""


@contextmanager
def broken_connections() -> Iterator[None]:
    """Around calls of redis-py: a connection that breaks meanwhile raises ConnectionError on any event loop."""
    try:
        yield
    except RuntimeError as error:
        if _CLOSED not in str(error):
            raise
        raise ConnectionError(f"lost the connection to Redis: {error}") from error
