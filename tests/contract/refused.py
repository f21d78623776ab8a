"""What every refusal must be: typed, explained, and without any effect on the store."""

import re
from collections.abc import Callable

import grpc
import pytest
from redis import Redis

from tests.support.calls import Refusal, refusal_of
from tests.support.snapshot import differences, snapshot

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
INVALID_NAMES = (
    *("", "{x}", "a:b", "../", "a/b", "-a", "a-", "A", "ä", "a b", "a\n", "\x00", "🎲"),
    *("x" * 64, "x" * 10_000),
)
"""Names that no experiment may have."""

INSIDE = re.compile(r"Traceback|\.py\b|rungway_server|redis|lua|KEYS|ARGV|WRONGTYPE|rungway:\{|Error\(", re.IGNORECASE)
"""Internals that no message may show to a caller."""


def refused(store: Redis, call: Callable[[], object]) -> Refusal:
    """The refusal of the call. Fails unless the call is refused and changes nothing."""
    before = snapshot(store)
    with pytest.raises(grpc.RpcError) as failed:
        call()
    assert differences(before, snapshot(store)) == []
    refusal = refusal_of(failed.value)
    assert refusal.code not in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
    assert refusal.reason
    assert refusal.message
    assert not INSIDE.search(refusal.message), refusal.message
    return refusal
