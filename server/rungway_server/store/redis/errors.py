"""What can be wrong with a Redis before any call is served."""


class RedisStartError(Exception):
    """The embedded Redis cannot start, or the Redis found must not be used; the text says what to do."""
