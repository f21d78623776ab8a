"""What can be wrong with a Redis, before any call is served and in the middle of one."""

from redis.exceptions import RedisError


class RedisStartError(Exception):
    """The embedded Redis cannot start, or the Redis found must not be used; the text says what to do."""


NO_ANSWER = (RedisError, OSError, TimeoutError, RuntimeError)
"""What a command raises that was not answered. RuntimeError is uvloop's word for a connection that broke just before
redis-py wrote to it."""
