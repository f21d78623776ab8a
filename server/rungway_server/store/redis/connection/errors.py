"""What can be wrong with a Redis, before any call is served and in the middle of one."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError


class RedisStartError(Exception):
    """The embedded Redis cannot start, or the Redis found must not be used; the text says what to do."""


NO_ANSWER = (RedisError, OSError, TimeoutError)
"""What a command raises that was not answered."""
_CLOSED = "the handler is closed"
"""In what uvloop says of a connection that broke just before somebody wrote to it: the one RuntimeError that is an
answer of the network. Every other one is a mistake of ours."""


@contextmanager
def broken_connections() -> Iterator[None]:
    """Around what redis-py sends itself: a connection that breaks meanwhile is a ConnectionError on any event loop."""
    try:
        yield
    except RuntimeError as error:
        if _CLOSED not in str(error):
            raise
        raise ConnectionError(f"lost the connection to Redis: {error}") from error
