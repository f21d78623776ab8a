"""Enqueued configurations: they start before suggested ones, in order, each exactly once, and count as trials."""

import asyncio
import time
from contextlib import suppress

import pytest

from rungway_server.domain.documents.paths import values_by_path
from rungway_server.domain.engine import ExperimentState, Outcome, Reason, TrialState
from rungway_server.domain.errors import InvalidInput, NoTrialsLeft, RequestIdReused, WrongState
from rungway_server.domain.sampling.completing import completed
from rungway_server.domain.sampling.sampling import own_configuration
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, halving, own, rates, report, run_out, state_of
from tests.support.calls import config, new_id
from tests.support.searches import ask_for

REQUESTS = [own(0.01), own(0.02, 2), own(0.03, 3)]


async def enqueue(store: RedisStore, ref: ExperimentRef, rate: float, request_id: str = "") -> int:
    return (await TrialUseCases(store).enqueue(ref, request_id, own(rate))).position


async def test_the_next_new_trials_take_them_in_order(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, halving(6))
    (before,) = await ask_for(stores[0], ref)
    positions = [
        (await TrialUseCases(stores[i % 2]).enqueue(ref, new_id(), hparams)).position
        for i, hparams in enumerate(REQUESTS)
    ]
    assert positions == [0, 1, 2]
    following = await ask_for(stores[1], ref, 4)
    assert [given.hparams for given in following[:3]] == REQUESTS
    assert [given.explanation.reason for given in (before, *following)] == [
        Reason.NEW_TRIAL,
        *[Reason.ENQUEUED] * 3,
        Reason.NEW_TRIAL,
    ]
    assert [given.lease.trial for given in following] == [1, 2, 3, 4]
    shown = await stores[0].trials(ref, [1, 2, 3])
    assert [trial.hparams for trial in shown] == REQUESTS


async def test_the_other_trials_keep_what_was_suggested_for_their_numbers(
    store: RedisStore, ref: ExperimentRef
) -> None:
    """A suggestion depends only on seed, space and trial number, whatever was enqueued."""
    plain = ExperimentRef("default", f"{ref.experiment}-plain")
    for each in (ref, plain):
        await create(store, each, config(max_trials=5))
    await enqueue(store, ref, 0.0101)
    enqueued, suggested = await rates(store, ref, 5), await rates(store, plain, 5)
    assert enqueued[0] == 0.0101
    assert enqueued[1:] == suggested[1:]


async def test_they_count_toward_max_trials(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(5))
    await ask_for(store, ref, 2)
    for rate in (0.01, 0.02, 0.03):
        await enqueue(store, ref, rate)
    with pytest.raises(NoTrialsLeft):
        await enqueue(store, ref, 0.04)
    assert len((await store.ask(ref, "", 9, "w")).assignments) == 3
    progress = await store.progress(ref)
    assert (progress.trials_created, sum(progress.started)) == (5, 5)
    with pytest.raises(NoTrialsLeft):
        await enqueue(store, ref, 0.04)


async def test_enqueued_configurations_come_after_promotions_and_requeued_trials(
    store: RedisStore, ref: ExperimentRef
) -> None:
    """A promotion and a requeued trial come before an enqueued configuration."""
    await create(store, ref, halving(9))
    given = await ask_for(store, ref, 4)
    await enqueue(store, ref, 0.0101)
    await store.fail(ref, "", given[3].lease, Outcome.PREEMPTED, "")
    for assignment, metric in zip(given[:3], (0.1, 0.2, 0.3), strict=True):
        await report(store, ref, assignment, metric)
    reasons = [assignment.explanation.reason for assignment in await ask_for(store, ref, 4)]
    assert reasons == [Reason.REQUEUED, Reason.PROMOTED, Reason.ENQUEUED, Reason.NEW_TRIAL]


async def test_a_repeat_with_the_same_request_id_is_one_entry(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, config(max_trials=5))
    request_id = new_id()
    assert await enqueue(stores[0], ref, 0.0101) == 0
    assert [await enqueue(store, ref, 0.0102, request_id) for store in (*stores, *stores)] == [1] * 4
    with pytest.raises(RequestIdReused):
        await enqueue(stores[0], ref, 0.0103, request_id)
    assert (await rates(stores[0], ref, 3))[:2] == [0.0101, 0.0102]
    revision = (await stores[0].progress(ref)).revision
    assert await enqueue(stores[1], ref, 0.0102, request_id) == 1  # even after it has started
    assert (await stores[0].progress(ref)).revision == revision


async def test_without_a_request_id_each_call_is_an_entry(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, config(max_trials=5))
    assert [await enqueue(store, ref, 0.0101) for _ in range(2)] == [0, 1]


async def test_an_invalid_one_is_replaced_by_a_fresh_trial(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, config(max_trials=2))
    await enqueue(store, ref, 0.0101)
    (given,) = await ask_for(store, ref)
    await store.fail(ref, "", given.lease, Outcome.INVALID, "no such rate")
    assert 0.0101 not in await rates(store, ref, 2)
    assert [trial.state for trial in await store.trials(ref, [0])] == [TrialState.INVALID]


async def test_a_paused_search_takes_them_and_an_ended_one_does_not(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, config(max_trials=3))
    await store.set_state(ref, ExperimentState.PAUSED)
    assert await enqueue(store, ref, 0.0101) == 0
    await store.set_state(ref, ExperimentState.RUNNING)
    assert await run_out(store, ref) == 3
    assert await state_of(store, ref) is ExperimentState.DONE
    with pytest.raises(WrongState):
        await enqueue(store, ref, 0.0102)


async def test_more_trials_make_room(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, config(max_trials=2))
    for rate in (0.0101, 0.0102):
        await enqueue(store, ref, rate)
    await ExperimentUseCases(store).update(ref, Change(3))
    assert await enqueue(store, ref, 0.0103) == 2
    assert await rates(store, ref, 3) == [0.0101, 0.0102, 0.0103]


async def test_it_is_checked_against_the_experiment_that_is_there_now(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    """Another server has deleted the experiment and created one of the same name with another space."""
    await create(stores[0], ref, config())
    await stores[0].progress(ref)
    await stores[1].delete(ref)
    await create(stores[1], ref, config(space={"depth": {"type": "int", "minval": 1, "maxval": 9}}))
    with pytest.raises(InvalidInput) as refused:
        await enqueue(stores[0], ref, 0.0101)
    assert "hparams.rate" in {violation.field for violation in refused.value.violations}


SPACE = {
    "kind": {"type": "categorical", "vals": ["sgd", "adam"]},
    "momentum": {"type": "double", "minval": 0.0, "maxval": 1.0, "when": {"kind": "sgd"}},
    "low": {"type": "int", "minval": 0, "maxval": 10},
    "high": {"type": "int", "minval": 0, "maxval": 10},
    "net": {"width": {"type": "int", "minval": 1, "maxval": 8}},
}
GOOD: dict[str, object] = {"kind": "adam", "low": 1, "high": 2, "net": {"width": 4}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"nobody": 1}, "hparams.nobody"),
        ({"low": 1.5}, "hparams.low"),
        ({"low": True}, "hparams.low"),
        ({"high": 11}, "hparams.high"),
        ({"kind": "lion"}, "hparams.kind"),
        ({"momentum": 0.5}, "hparams.momentum"),
        ({"net": 3}, "hparams.net"),
        ({"net": {"width": 9}}, "hparams.net.width"),
        ({"net": {"width": 1, "depth": 1}}, "hparams.net.depth"),
        ({"low": 3}, "hparams"),
    ],
    ids=str,
)
async def test_a_configuration_outside_the_space_is_refused(
    change: dict[str, object], field: str, store: RedisStore, ref: ExperimentRef
) -> None:
    await create(store, ref, config(space=SPACE) | {"constraints": ["low <= high"]})
    hparams = {name: value for name, value in (GOOD | change).items() if value is not None}
    with pytest.raises(InvalidInput) as refused:
        await TrialUseCases(store).enqueue(ref, "", hparams)
    assert field in {violation.field for violation in refused.value.violations}
    assert (await TrialUseCases(store).enqueue(ref, "", GOOD)).position == 0  # and nothing was enqueued


@pytest.mark.parametrize(("written", "drawn"), [(3.0, 3), (2e0, 2), (1, 1)])
async def test_whole_numbers_are_assigned_as_integers(
    stores: list[RedisStore], ref: ExperimentRef, written: float, drawn: int
) -> None:
    kinds = {"type": "categorical", "vals": [16, 32]}
    space = {"layers": {"type": "int", "minval": 1, "maxval": 4}, "group": {"batch": kinds, "fixed": 7}}
    await create(stores[0], ref, config(space=space))
    enqueued = {"layers": written, "group": {"batch": 32.0, "fixed": 7.0}}
    await TrialUseCases(stores[0]).enqueue(ref, new_id(), enqueued)
    (given,) = await ask_for(stores[1], ref)
    assert repr(given.hparams["layers"]) == repr(drawn)
    assert repr(given.hparams["group"]) == "{'batch': 32, 'fixed': 7}"
    with pytest.raises(InvalidInput, match="layers"):
        await TrialUseCases(stores[0]).enqueue(ref, new_id(), enqueued | {"layers": 2.5})


PARTS = [{}, {"kind": "sgd"}, {"momentum": 0.25}, {"low": 3.0, "net": {}}, {"high": 0}, {"net": {"width": 4}}]


@pytest.mark.parametrize("part", PARTS, ids=str)
async def test_a_part_is_filled_in_by_seed_and_number(
    part: dict[str, object], stores: list[RedisStore], ref: ExperimentRef
) -> None:
    document = config(space=SPACE | {"fixed": 7}, max_trials=9) | {"constraints": ["low <= high"]}
    await create(stores[0], ref, document)
    await ask_for(stores[0], ref, 2)
    made = [await TrialUseCases(stores[i % 2]).enqueue(ref, new_id(), part) for i in range(3)]
    assert [each.position for each in made] == [0, 1, 2]
    space = (await stores[0].definition(ref)).config.space
    for each in made:
        assert own_configuration(space, each.hparams) == each.hparams
        assert each.hparams["fixed"] == 7
        values = dict(values_by_path(each.hparams))
        assert all(values[path] == value for path, value in values_by_path(part) if path != ("net",))
    assert len({str(each.hparams) for each in made}) == 3  # of three trials
    assert made[1].hparams == completed(space, 7, 3, part)[0]  # drawn for trial 3
    given = await ask_for(stores[1], ref, 3)
    assert [each.hparams for each in given] == [each.hparams for each in made]


async def test_a_repeated_part_is_the_same_entry(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, config(space=SPACE))
    request_id = new_id()
    first = await TrialUseCases(stores[0]).enqueue(ref, request_id, {"low": 2})
    await ask_for(stores[0], ref, 3)  # the next number is another one
    assert await TrialUseCases(stores[1]).enqueue(ref, request_id, {"low": 2}) == first
    with pytest.raises(RequestIdReused):
        await TrialUseCases(stores[1]).enqueue(ref, request_id, {"low": 3})


async def test_parts_enqueued_at_once_are_drawn_for_different_trials(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    await create(stores[0], ref, config(space=SPACE, max_trials=40))
    calls = [TrialUseCases(stores[i % 2]).enqueue(ref, new_id(), {"low": 2}) for i in range(20)]
    made = await asyncio.gather(*calls)
    space = (await stores[0].definition(ref)).config.space
    for each in made:
        assert each.hparams == completed(space, 7, each.position, {"low": 2})[0]
    assert sorted(each.position for each in made) == list(range(20))


async def test_a_part_takes_a_free_point_of_a_finite_space(store: RedisStore, ref: ExperimentRef) -> None:
    space = {"a": {"type": "int", "minval": 1, "maxval": 4}, "b": {"type": "categorical", "vals": ["x", "y"]}}
    await create(store, ref, config(space=space, max_trials=8))
    made = [(await TrialUseCases(store).enqueue(ref, "", {"b": "x"})).hparams["a"] for _ in range(4)]
    assert sorted(map(str, made)) == ["1", "2", "3", "4"]
    with pytest.raises(InvalidInput) as refused:
        await TrialUseCases(store).enqueue(ref, "", {"b": "x"})
    assert refused.value.reason == "POINT_USED"


_SHORT = {"type": "double", "minval": 0.0, "maxval": 1.0}
SLOW: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "values that never exist together": (
        {
            "c": {"type": "categorical", "vals": ["a", "b"]},
            "x": {**_SHORT, "when": {"c": "a"}},
            "y": {**_SHORT, "when": {"c": "b"}},
        },
        {"x": 0.5, "y": 0.5},
    ),
    "many points of a finite space": (
        {f"n{i}": {"type": "categorical", "vals": [0, 1] if i < 8 else [1]} for i in range(40)},
        {"n0": 1},
    ),
}


@pytest.mark.parametrize("case", SLOW)
async def test_a_part_that_takes_many_draws_leaves_the_event_loop_alone(
    case: str, store: RedisStore, ref: ExperimentRef
) -> None:
    space, part = SLOW[case]
    await create(store, ref, config(space=space, max_trials=9))
    known = (await store.definition(ref)).config
    began = time.thread_time()
    with suppress(InvalidInput):
        completed(known.space, known.seed, 0, part)
    alone = time.thread_time() - began
    began = time.thread_time()
    with suppress(InvalidInput):
        await TrialUseCases(store).enqueue(ref, "", part)
    assert time.thread_time() - began < alone / 2


async def test_a_part_of_a_grid_is_a_point_of_it(store: RedisStore, ref: ExperimentRef) -> None:
    numbers = {"type": "double", "minval": 0, "maxval": 1, "count": 5}
    space = {"a": numbers, "b": {"type": "int", "minval": 1, "maxval": 2, "count": 2}}
    searcher = {"name": "grid", "metric": "loss", "max_length": 3}
    await create(store, ref, {"hyperparameters": space, "searcher": searcher})
    made = {(await TrialUseCases(store).enqueue(ref, "", {"b": 2})).hparams["a"] for _ in range(5)}
    assert made == {0, 0.25, 0.5, 0.75, 1}


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"nobody": 1}, "hparams.nobody"),
        ({"low": 11}, "hparams.low"),
        ({"momentum": 0.5, "kind": "adam"}, "hparams.momentum"),
        ({"low": 5, "high": 4}, "hparams"),
        ({"net": 3}, "hparams.net"),
    ],
    ids=str,
)
async def test_a_part_outside_the_space_is_refused(
    part: dict[str, object], field: str, store: RedisStore, ref: ExperimentRef
) -> None:
    await create(store, ref, config(space=SPACE) | {"constraints": ["low <= high"]})
    with pytest.raises(InvalidInput) as refused:
        await TrialUseCases(store).enqueue(ref, "", part)
    assert [violation.field for violation in refused.value.violations] == [field]
    assert (await TrialUseCases(store).enqueue(ref, "", {"low": 1})).position == 0  # and nothing was enqueued
