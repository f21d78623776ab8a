"""The record buffer of an export: it returns the last record of each trial, from memory or from a file."""

import random
import tempfile

import pytest

from rungway_server.store.redis.snapshot import record_buffer as module
from rungway_server.store.redis.snapshot.record_buffer import RecordBuffer


@pytest.fixture(params=[0, 4_000, 1 << 20], ids=["in a file", "in both", "in memory"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", request.param)
    monkeypatch.setattr(module, "_AT_ONCE", 300)


async def filled(buffer: RecordBuffer) -> dict[int, bytes]:
    """Add records of random bytes, some of them twice; returns what must come back."""
    rng, expected = random.Random(1), {}
    for _ in range(300):
        number, record = rng.randrange(100), rng.randbytes(rng.randrange(1, 90))
        buffer.put(str(number).encode(), record)
        expected[number] = record
        await buffer.flush()
    return expected


async def test_the_last_record_of_each_trial_comes_back(small: None) -> None:
    with RecordBuffer() as buffer:
        expected = await filled(buffer)
        assert list(buffer) == sorted(expected.items())


async def test_where_no_file_can_be_made_all_stays_in_memory(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with RecordBuffer() as buffer:
        expected = await filled(buffer)
        assert list(buffer) == sorted(expected.items())
