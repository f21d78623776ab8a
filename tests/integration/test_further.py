"""Further metrics of reports: kept exactly and compactly beside the curve, at no cost where there are none."""

import json
import math
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.cli.options import ExportFormat
from rungway_server.cli.tables import read_search, write_tables
from rungway_server.domain.engine import MOST_FURTHER_NAMES, Further, Report, Result, TrialView
from rungway_server.domain.errors import InvalidInput, RequestIdReused
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.further import named
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.layout.records import unpack
from rungway_server.store.redis.layout.schema import FURTHER_METRICS, SCHEMA
from rungway_server.store.redis.reads import MOST_FURTHER_BYTES
from rungway_server.store.redis.snapshot.export_file import BadExport, read_export
from tests.support.audited import assert_sound, report_of
from tests.support.moving import Site, exported, move
from tests.support.searches import ask_for, create_planned, plan

LONG = plan((1_000_000,), trials=300)
VALUES = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 3.0]


def bits(curve: Sequence[Report]) -> list[object]:
    """A curve as values that are equal only where every bit is."""
    return [
        (each.length, each.metric, {name: struct.pack(">d", value) for name, value in named(each.further).items()})
        if each.further
        else (each.length, each.metric)
        for each in curve
    ]


async def trial_of(store: RedisStore, ref: ExperimentRef, number: int = 0) -> TrialView:
    """A trial with its curve."""
    (view,) = await store.trials(ref, [number], curve=True)
    return view


async def tell(store: RedisStore, ref: ExperimentRef, reports: Sequence[Report], at_once: int = 7) -> None:
    """Tell these results of trial 0, of which nobody has a lease yet."""
    (given,) = await ask_for(store, ref)
    for at in range(0, len(reports), at_once):
        await store.tell(ref, f"t{at}", [Result(given.lease, reports[at : at + at_once])])


def mixed(count: int, rng: random.Random) -> list[Report]:
    """Reports of which some have further metrics, other ones each."""
    return [
        Report(
            n,
            rng.random(),
            rng.choice([None, Further({}, float(n)), *[Further(some_metrics(rng), rng.choice([None, 0.5]))] * 3]),
        )
        for n in range(1, count + 1)
    ]


def some_metrics(rng: random.Random) -> dict[str, float]:
    return {f"metric {rng.randrange(9)} ä": rng.choice(VALUES) for _ in range(rng.randint(1, 6))}


async def test_they_come_back_with_the_curve_bit_by_bit(store: RedisStore, ref: ExperimentRef, redis_url: str) -> None:
    await create_planned(store, ref, LONG)
    reports = mixed(700, random.Random(1))
    await tell(store, ref, reports)
    assert bits((await trial_of(store, ref)).curve) == bits(reports)
    await assert_sound(redis_url, ref.experiment)


async def test_a_report_far_from_the_one_before(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    told = {0, 254, 255, 256, 1_000, 1_999}
    reports = [Report(n + 1, 0.5, Further({"loss": float(n)}) if n in told else None) for n in range(2_000)]
    await tell(store, ref, reports, at_once=500)
    assert bits((await trial_of(store, ref)).curve) == bits(reports)


async def test_more_sets_of_names_than_have_a_number(store: RedisStore, ref: ExperimentRef, redis_url: str) -> None:
    await create_planned(store, ref, LONG)
    reports = [
        Report(n, 0.5, Further({f"m{bit}": float(n) for bit in range(10) if n & 1 << bit})) for n in range(1, 600)
    ]
    await tell(store, ref, reports, at_once=100)
    assert bits((await trial_of(store, ref)).curve) == bits(reports)
    await assert_sound(redis_url, ref.experiment)


async def test_a_search_without_them_stays_as_it_was(store: RedisStore, admin_url: str, ref: ExperimentRef) -> None:
    """Its layout has the old number, and its tells look at nothing that is for further metrics."""
    await create_planned(store, ref, LONG)
    (given,) = await ask_for(store, ref)
    meta, curves = (experiment_keys(ref)[at] for at in (0, 7))
    async with Redis.from_url(admin_url) as redis:
        await store.tell(ref, "", [Result(given.lease, [Report(1, 0.5)])])  # the best so far, which is read then
        await redis.config_resetstat()
        await store.tell(ref, "", [Result(given.lease, [Report(n, 0.75) for n in range(2, 60)])])
        commands = await redis.info("commandstats")
        fields: Any = await redis.hgetall(meta)
        pieces: Any = await redis.hkeys(curves)
    assert "cmdstat_hget" not in commands
    assert commands["cmdstat_hmget"]["calls"] == 2
    assert (int(fields[b"schema"]), b"further" in fields) == (SCHEMA, False)
    assert "further" not in unpack(fields[b"tally"])
    assert sorted(pieces) == [b"0.0", b"0.1", b"0.2"]


async def test_the_first_one_gives_the_search_a_newer_layout(
    store: RedisStore, admin_url: str, ref: ExperimentRef
) -> None:
    definition = await create_planned(store, ref, LONG)
    await tell(store, ref, [Report(1, 0.5, Further({"loss": 0.25}))])
    meta = experiment_keys(ref)[0]
    async with Redis.from_url(admin_url) as redis:
        assert int(await redis.hget(meta, "schema") or 0) == FURTHER_METRICS
        assert await store.change_plan(ref, definition, definition.config, definition.plan)
        assert int(await redis.hget(meta, "schema") or 0) == FURTHER_METRICS


@pytest.mark.parametrize("names", [1, 4, 32])
async def test_a_value_takes_at_most_12_bytes(
    names: int, store: RedisStore, admin_url: str, ref: ExperimentRef
) -> None:
    """Measured as Redis counts it: all keys of two searches that differ in further metrics alone."""
    used = []
    async with Redis.from_url(admin_url) as redis:
        for name, further in (("with", True), ("without", False)):
            own = ExperimentRef(ref.namespace, f"{ref.experiment}-{name}")
            await create_planned(store, own, LONG)
            values = [Further({f"metric-{k}": random.random() for k in range(names)}) for _ in range(4_000)]
            reports = [Report(n, 0.5, each if further else None) for n, each in enumerate(values, 1)]
            await tell(store, own, reports, at_once=100)
            sizes = [await redis.memory_usage(key, samples=0) or 0 for key in experiment_keys(own)]
            used.append(sum(sizes))
    assert (used[0] - used[1]) / (4_000 * names) <= 12


async def test_a_name_too_many_is_refused_and_nothing_is_told(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    given = await ask_for(store, ref, 40)
    for at in range(0, MOST_FURTHER_NAMES - 2, 2):
        further = Further({f"m{at}": 1.0, f"m{at + 1}": 2.0})
        await store.tell(ref, "", [Result(given[0].lease, [Report(at + 1, 0.5, further)])])
    new = [Result(each.lease, [Report(500, 0.5, Further({f"new {i}": 1.0}))]) for i, each in enumerate(given)]
    with pytest.raises(InvalidInput) as refused:  # of 40 results, which are told in several steps, two are fine
        await store.tell(ref, "too-many", new)
    (violation,) = refused.value.violations
    assert (violation.field, "256 names" in violation.description) == ('results[2].reports[0].metrics["new 2"]', True)
    assert [len((await trial_of(store, ref, each.lease.trial)).curve) for each in given[1:]] == [0] * 39
    await store.tell(ref, "", new[:2])
    assert (await trial_of(store, ref, 1)).curve == (Report(500, 0.5, Further({"new 1": 1.0})),)


async def test_a_repeat_tells_them_once_and_others_are_another_request(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    (given,) = await ask_for(store, ref)

    def result(further: Further | None) -> list[Result]:
        return [Result(given.lease, [Report(1, 0.5), Report(2, 0.25, further)])]

    first = await store.tell(ref, "once", result(Further({"loss": 1.0})))
    assert (await store.tell(ref, "once", result(Further({"loss": 1.0})))).replies == first.replies
    for other in (Further({"loss": 2.0}), Further({"lass": 1.0}), Further({"loss": 1.0}, 1.0), None):
        with pytest.raises(RequestIdReused):
            await store.tell(ref, "once", result(other))
    assert (await trial_of(store, ref)).curve == tuple(result(Further({"loss": 1.0}))[0].reports)


async def test_those_of_a_lost_lease_are_not_kept(store: RedisStore, admin_url: str, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    (given,) = await ask_for(store, ref)
    lease = given.lease._replace(fencing_token=given.lease.fencing_token - 1)
    await store.tell(ref, "", [Result(lease, [Report(1, 0.5, Further({"loss": 1.0}))])])
    async with Redis.from_url(admin_url) as redis:
        assert int(await redis.hget(experiment_keys(ref)[0], "schema") or 0) == SCHEMA
        assert await redis.exists(experiment_keys(ref)[7]) == 0


async def test_a_trial_that_is_trained_again_has_both_trainings(store: RedisStore, ref: ExperimentRef) -> None:
    """As a curve has: its points are in the order of telling."""
    await create_planned(store, ref, LONG, lease_seconds=1)
    (given,) = await ask_for(store, ref)
    for cost in (1.0, 2.0):
        reports = [Report(n, 0.5, Further({"loss": float(n)}, cost)) for n in range(1, 40)]
        await store.tell(ref, "", [Result(given.lease, reports)], now_ms=given.deadline_ms - 500)
        later = given.deadline_ms + 60_000
        given = (await store.ask(ref, "", 1, "w", now_ms=later)).assignments[0]
        assert given.lease.trial == 0
    told = [(each.length, each.further and each.further.cost) for each in (await trial_of(store, ref)).curve]
    assert told == [*((n, 1.0) for n in range(1, 40)), *((n, 2.0) for n in range(1, 40))]


async def test_of_a_very_long_curve_the_last_ones_are_read(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    names = [f"{k:0120d}" for k in range(32)]
    reports = [Report(n, 0.5, Further(dict.fromkeys(names, float(n)))) for n in range(1, 801)]
    await tell(store, ref, reports, at_once=100)
    curve = (await trial_of(store, ref)).curve
    shown = [each for each in curve if each.further]
    assert bits(shown) == bits(reports[-len(shown) :])
    size = 32 * (120 + 14) + 14
    assert MOST_FURTHER_BYTES - 2 * size < len(shown) * size <= MOST_FURTHER_BYTES


async def test_an_export_has_them_and_an_import_keeps_them(sites: list[Site], ref: ExperimentRef) -> None:
    source, other = sites
    await create_planned(source.store, ref, LONG)
    reports = mixed(900, random.Random(2))
    await tell(source.store, ref, reports)
    await ask_for(source.store, ref, 3)
    text = await move(source, ref, other)
    assert json.loads(text.splitlines()[0])["rungway_export"] == 2
    assert bits((await trial_of(other.store, ref)).curve) == bits(reports)
    again = await exported(other.store, ref)

    def told(text: str) -> list[Any]:
        return [json.loads(line).get("metrics") for line in text.splitlines() if '"trial": 0, "hparams"' in line]

    assert told(again) == told(text)
    assert told(text) != [None]
    (given,) = (await other.store.ask(ref, "", 1, "w")).assignments  # the search goes on, and knows the names
    await other.store.tell(ref, "", [Result(given.lease, [Report(1_000, 0.5, Further({"new": 1.0}))])])
    await assert_sound(other.url, ref.experiment)


async def test_an_export_while_more_is_told_is_of_one_moment(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    (given,) = await ask_for(store, ref)
    told = 0
    pieces = []

    async def more() -> None:
        nonlocal told
        reports = [Report(told + n, 0.5, Further({f"m{told % 50}": 1.0})) for n in range(1, 31)]
        await store.tell(ref, "", [Result(given.lease, reports)])
        told += 30

    await more()
    async for text in store.export(ref):
        pieces.append(text)
        await more()
    (trial,) = read_export("".join(pieces).splitlines(keepends=True)).trials
    assert len(trial["curve"]) == len(trial["metrics"])


async def test_without_them_a_file_has_the_first_format(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    await tell(store, ref, [Report(1, 0.5)])
    head, _, *lines = map(json.loads, (await exported(store, ref)).splitlines())
    assert head["rungway_export"] == 1
    assert "metrics" not in lines[0]


async def test_tables_have_a_column_for_each(store: RedisStore, ref: ExperimentRef, tmp_path: Path) -> None:
    await create_planned(store, ref, LONG)
    reports = [Report(1, 0.5, Further({"loss": math.nan, "=1+1": 2.0}, 1.5)), Report(2, 0.25)]
    await tell(store, ref, [*reports, Report(3, 0.125, Further({"lr": 0.1}))])
    write_tables(read_search([await exported(store, ref)]), ExportFormat.CSV, tmp_path)
    assert (tmp_path / "curves.csv").read_text().splitlines() == [
        "number,length,metric,metrics.=1+1,metrics.loss,metrics.lr,cost",
        "0,1,0.5,2.0,nan,,1.5",
        "0,2,0.25,,,,",
        "0,3,0.125,,,0.1,",
    ]
    assert ",metrics.=1+1,metrics.loss,metrics.lr,cost,created," in (tmp_path / "trials.csv").read_text()


DAMAGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no list": (lambda rows: {}, "metrics: got {}, wanted a list of rows"),
    "no row": (lambda rows: [[0]], "metrics[0]: got [0], wanted a place"),
    "a place beyond the curve": (lambda rows: [[5, {}]], "metrics[0][0]: got 5, wanted a place in the curve from 0"),
    "places that do not grow": (lambda rows: [rows[1], rows[0]], "metrics[1][0]: got 0, wanted a place"),
    "a text": (lambda rows: [[0, {"loss": "much"}]], "metrics[0][1].loss: got"),
    "no value": (lambda rows: [[0, {"loss": ""}]], "metrics[0][1].loss: got"),
    "true": (lambda rows: [[0, {"loss": True}]], "metrics[0][1].loss: got True"),
    "a name too long": (lambda rows: [[0, {"x" * 129: 1.0}]], "129 bytes"),
    "a name that is no text": (lambda rows: [[0, {"\ud800": 1.0}]], "metrics[0][1]: got '\\ud800', wanted names"),
    "a negative cost": (lambda rows: [[0, {}, -1.0]], "cost"),
    "an infinite cost": (lambda rows: [[0, {}, "inf"]], "metrics[0][2]: got"),
    "too many": (lambda rows: [[0, {f"m{k}": 1.0 for k in range(33)}]], "33 further metrics"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_file_with_wrong_ones_is_refused_by_name(damage: str, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    await tell(store, ref, [Report(n, 0.5, Further({"loss": 1.0}, 2.0)) for n in (1, 2)])
    lines = (await exported(store, ref)).splitlines(keepends=True)
    change, words = DAMAGES[damage]
    trial = json.loads(lines[2])
    trial["metrics"] = change(trial["metrics"])
    with pytest.raises(BadExport, match="line 3: ") as refused:
        read_export([*lines[:2], json.dumps(trial) + "\n", *lines[3:]])
    assert words in str(refused.value)


async def test_the_audit_notices_damage(store: RedisStore, redis_url: str, admin_url: str, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    await tell(store, ref, [Report(n, 0.5, Further({"loss": 1.0})) for n in range(1, 400)])
    meta, curves = (experiment_keys(ref)[at] for at in (0, 7))
    async with Redis.from_url(admin_url) as redis:
        for key, field in ((curves, "m0"), (curves, "m0.1"), (meta, "further")):
            kept: Any = await redis.hget(key, field)
            await redis.hdel(key, field)
            assert list((await report_of(redis_url, ref)).violated) == ["further_metrics_belong_to_reports"], field
            await redis.hset(key, field, kept)
        for field in ("m7", "m0.9"):
            await redis.hset(curves, field, kept)
            assert list((await report_of(redis_url, ref)).violated) == ["further_metrics_belong_to_reports"], field
            await redis.hdel(curves, field)
    await assert_sound(redis_url, ref.experiment)


async def test_a_deleted_search_leaves_nothing(store: RedisStore, admin_url: str, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    await tell(store, ref, [Report(1, 0.5, Further({"loss": 1.0}))])
    await store.delete(ref)
    async with Redis.from_url(admin_url) as redis:
        assert [key async for key in redis.scan_iter(f"*{ref.experiment}*")] == []
