"""The trained length of all trials together is exact, however large."""

from typing import Any

import pytest

from rungway_server.domain.engine import Assignment, Release, Report, Result
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.layout.records import MANY, packed, stored_trained, trained_of, unpack
from rungway_server.store.redis.layout.schema import SCHEMA
from rungway_server.store.redis.snapshot.export_file import read_export
from tests.support.audited import assert_sound
from tests.support.moving import Site, move
from tests.support.searches import ask_for, create_planned, plan

LONGEST = 10**12
TRIALS = 10_100
"""More than 2^53 together."""


async def train(store: RedisStore, ref: ExperimentRef, held: list[Assignment]) -> int:
    """Tell a different length for each lease; returns their sum."""
    lengths = [LONGEST - 1 - 2 * (each.lease.trial % 1_000) for each in held]
    results = [Result(each.lease, [Report(length, 0.5)]) for each, length in zip(held, lengths, strict=True)]
    await store.tell(ref, "", results)
    return sum(lengths)


async def test_a_sum_beyond_doubles_is_exact_at_every_step(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((LONGEST,), trials=TRIALS))
    sum_ = 0
    while sum_ <= 2**53 + MANY:
        sum_ += await train(store, ref, await ask_for(store, ref, 64))
        assert (await store.progress(ref)).trained_length == sum_


async def test_a_trial_that_begins_again_counts_again(store: RedisStore, ref: ExperimentRef, admin_url: str) -> None:
    await create_planned(store, ref, plan((LONGEST,), trials=1), max_restarts=1_000)
    sum_ = 0
    for _ in range(110):
        (held,) = await ask_for(store, ref)
        sum_ += await train(store, ref, [held])
        await store.release(ref, "", [Release(held.lease)])
    assert (await store.progress(ref)).trained_length == sum_ > MANY
    await assert_sound(admin_url, ref.experiment)


@pytest.mark.parametrize("before", [MANY - LONGEST, MANY, MANY + 1, 7 * MANY, 2**53 - LONGEST, 2**53 - 1])
async def test_what_servers_of_layout_5_summed_up(before: int, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    """The sum is shown exactly and continued. From then on, such servers refuse what they would misread."""
    store: RedisStore = sites[0].store
    redis: Any = sites[0].redis
    await create_planned(store, ref, plan((LONGEST,), trials=3))
    meta = experiment_keys(ref)[0]
    progress = unpack(await redis.hget(meta, "tally")) | {"trained": before}
    await redis.hset(meta, mapping={"tally": packed(progress), "schema": "5"})
    assert (await store.progress(ref)).trained_length == before
    sum_ = before
    for count in (2, 1):  # one tell may leave a part that is too large; the next one carries it over
        sum_ += await train(store, ref, await ask_for(store, ref, count))
        assert (await store.progress(ref)).trained_length == sum_
    assert int(await redis.hget(meta, "schema")) == (SCHEMA if sum_ > MANY else 5)
    await store.delete(ref)  # no lease trained the length that the test wrote


async def test_an_export_keeps_the_sum(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create_planned(here.store, ref, plan((LONGEST,), trials=300))
    sum_ = sum([await train(here.store, ref, await ask_for(here.store, ref, 64)) for _ in range(4)])
    text = await move(here, ref, there)
    assert read_export(text.splitlines(keepends=True)).search["tally"]["trained"] == sum_ > 2 * MANY
    assert "trained_many" not in text
    assert (await there.store.progress(ref)).trained_length == sum_
    sum_ += await train(there.store, ref, await ask_for(there.store, ref, 40))
    assert (await there.store.progress(ref)).trained_length == sum_
    await assert_sound(there.url, ref.experiment)


@pytest.mark.parametrize("trained", [0, 1, MANY - 1, MANY, MANY + 1, 2 * MANY, 2 * MANY + 1, 10**19 + 7])
def test_a_sum_as_it_is_stored(trained: int) -> None:
    found = stored_trained(trained)
    assert 0 <= found["trained"] <= MANY
    assert trained_of(found) == trained
    assert trained == 0 or found["trained"] > 0  # for the brake, 0 means that nothing was ever told
