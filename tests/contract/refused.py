"""What every refusal must be like: typed, explained, and without a trace in the store."""

import re
from collections.abc import Callable

import grpc
import pytest
import redis

from tests.support.calls import Refusal, refusal_of
from tests.support.snapshot import differences, snapshot

INSIDE = re.compile(r"Traceback|\.py\b|rungway_server|redis|lua|KEYS|ARGV|WRONGTYPE|rungway:\{|Error\(", re.IGNORECASE)
"""What no caller may read."""


def refused(store: "redis.Redis", call: Callable[[], object]) -> Refusal:
    """How the call was refused; it must be, and must change nothing."""
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
