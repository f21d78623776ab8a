"""Everything that a Redis holds, to compare before and after, and to restore."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from redis import Redis, RedisCluster


@dataclass(frozen=True, slots=True)
class Content:
    """What a key holds. Two are equal when their values are: a hash has no order, so its `dump` may differ."""

    value: object
    dump: bytes = field(compare=False)


Snapshot = dict[bytes, Content]

_READ: dict[bytes, Callable[[Any, bytes], object]] = {
    b"string": lambda pipe, key: pipe.get(key),
    b"hash": lambda pipe, key: pipe.hgetall(key),
    b"list": lambda pipe, key: pipe.lrange(key, 0, -1),
    b"set": lambda pipe, key: pipe.smembers(key),
    b"zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
    b"stream": lambda pipe, key: pipe.xrange(key),
}


_LAST: "WeakKeyDictionary[Redis, tuple[object, Snapshot]]" = WeakKeyDictionary()


def snapshot(client: Redis) -> Snapshot:
    """Every key with its content. It is read again only if Redis has been written to since the last time."""
    state = _state(client)
    before, found = _LAST.get(client, (None, {}))
    if state is None or state != before:
        found = _read(client)
        _LAST[client] = state, found
    return found


def _state(client: Redis) -> object:
    """What is another after each write, each key that expires, and a restart; None of a cluster: it is several."""
    if isinstance(client, RedisCluster):
        return None
    about: Any = client.info("persistence")
    return about["rdb_last_save_time"], about["rdb_changes_since_last_save"], client.dbsize()


def _read(client: Redis) -> Snapshot:
    keys: list[bytes] = sorted(client.keys("*"))  # type: ignore[arg-type]  # the stubs allow an awaitable
    types = _each(client, keys, lambda pipe, key: pipe.type(key))
    kinds = dict(zip(keys, types, strict=True))
    values = _each(client, keys, lambda pipe, key: _READ[kinds[key]](pipe, key))
    dumps = _each(client, keys, lambda pipe, key: pipe.dump(key))
    return {key: Content(value, dump) for key, value, dump in zip(keys, values, dumps, strict=True)}


def restore(client: Redis, saved: Snapshot) -> None:
    """Replace all data of Redis by that of the snapshot."""
    client.flushall()
    _each(client, list(saved), lambda pipe, key: pipe.restore(key, 0, saved[key].dump))


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Names of keys that were created, deleted or changed."""
    return sorted(key.decode() for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _each(client: Redis, keys: list[bytes], call: Callable[[Any, bytes], object]) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for key in keys:
        call(pipe, key)
    return list(pipe.execute())
