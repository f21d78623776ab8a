"""Everything a Redis of the tests holds, to compare before and after, and to put back."""

from typing import cast

import redis

Snapshot = dict[bytes, bytes]


def snapshot(client: "redis.Redis") -> Snapshot:
    """Every key with its content in Redis's own serialisation (equal content of one key gives equal bytes)."""
    keys = sorted(cast("list[bytes]", client.keys("*")))
    pipe = client.pipeline(transaction=True)
    for key in keys:
        pipe.dump(key)
    return dict(zip(keys, pipe.execute(), strict=True))


def restore(client: "redis.Redis", saved: Snapshot) -> None:
    """Make Redis hold exactly what the snapshot holds."""
    client.flushall()
    pipe = client.pipeline(transaction=True)
    for key, content in saved.items():
        pipe.restore(key, 0, content)
    pipe.execute()


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """The names of keys that were made, removed or changed."""
    return sorted(key.decode() for key in before.keys() | after.keys() if before.get(key) != after.get(key))
