"""Finite spaces: every point runs once before any repeats, wherever configurations come from."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import Assignment, ExperimentState, Outcome, Reason, TrialState
from rungway_server.domain.errors import InvalidInput, NoTrialsLeft, WrongState
from rungway_server.domain.experiment import ExperimentConfig, parse
from rungway_server.domain.sampling.sampling import propose
from rungway_server.service.experiments import Change, ExperimentUseCases, WarmStart
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import plain_client
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.transport.wire import experiment_message
from tests.integration.live_searches import create, report, run_out, state_of
from tests.support.audited import assert_sound
from tests.support.calls import config
from tests.support.searches import ask_for

FOUR: dict[str, Any] = {"x": {"type": "categorical", "vals": ["a", "b", "c", "d"]}}
MIXED: dict[str, Any] = {
    "kind": {"type": "categorical", "vals": ["sgd", "adam", 1, True, 2.5]},
    "decay": {"type": "double", "minval": 0, "maxval": 0.4, "step": 0.1, "when": {"kind": ["sgd", "adam"]}},
    "net": {"depth": {"type": "int", "minval": 1, "maxval": 3, "count": 3}},
    "seed": 7,
}
RULED: dict[str, Any] = {name: {"type": "int", "minval": 1, "maxval": 6, "count": 6} for name in "ab"}
STEPS: dict[str, Any] = {"rate": {"type": "log", "base": 0.1, "minval": 1, "maxval": 4, "step": 0.5}, **FOUR}
UNEVEN: dict[str, Any] = {
    "width": {"type": "log_int", "minval": 1, "maxval": 9, "step": 2},
    "size": {"type": "ordinal", "vals": ["s", "m", "l"], "weights": [1, 5, 2]},
}
SPACES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "four": (FOUR, [], 4),
    "mixed": (MIXED, [], (2 * 5 + 3) * 3),
    "ruled": (RULED, ["a < b"], 15),
    "steps": (STEPS, [], 7 * 4),
    "uneven": (UNEVEN, ["size > 's' or width < 9"], 3 * 5 - 1),
}
"""Spaces, constraints, and how many points satisfy them. In `steps`, rates fall while their exponents rise."""
SAMPLERS = ["grid", "random", "sobol"]


def search(space: str, sampler: str, times: int = 1) -> dict[str, object]:
    """A random search or grid that runs `times` times through all points of one of these spaces."""
    document, constraints, size = SPACES[space]
    if sampler == "grid":
        made = grid(document, num_samples=times)
    else:
        made = config(space=document, sampler=sampler, max_trials=times * size, max_concurrent_trials=0)
    return made | {"constraints": constraints}


def grid(space: dict[str, Any], **searcher: Any) -> dict[str, object]:
    made: dict[str, Any] = config("grid", space=space, max_concurrent_trials=0, **searcher)
    del made["searcher"]["max_trials"]
    return dict(made)


async def enqueue(store: RedisStore, ref: ExperimentRef, hparams: object) -> int:
    return (await TrialUseCases(store).enqueue(ref, "", hparams)).position  # type: ignore[arg-type]  # a mapping


async def refused(store: RedisStore, ref: ExperimentRef, hparams: object) -> str:
    """The refusal of a configuration: reason and text."""
    with pytest.raises(InvalidInput) as caught:
        await enqueue(store, ref, hparams)
    return f"{caught.value.reason}: {caught.value}"


async def update(store: RedisStore, ref: ExperimentRef, trials: int) -> None:
    await ExperimentUseCases(store).update(ref, Change(trials))


async def runs(store: RedisStore, ref: ExperimentRef) -> Counter[object]:
    """How many valid trials each configuration has."""
    found = await store.trials(ref, list(range(2_000)))
    return Counter(_one(trial.hparams) for trial in found if trial.state is not TrialState.INVALID)


def _one(hparams: Any) -> object:
    """The value of a space with one parameter, the text of all others."""
    return hparams["x"] if set(hparams) == {"x"} else json.dumps(hparams)


async def broken(store: RedisStore, ref: ExperimentRef, given: Assignment) -> None:
    await store.fail(ref, "", given.lease, Outcome.INVALID, "cannot be built")


# The promise, in random play.


class RandomPlay:
    """A search whose workers and users act at random; `uses` counts trials and enqueued configurations by point."""

    def __init__(self, stores: list[RedisStore], ref: ExperimentRef, planned: ExperimentConfig, size: int) -> None:
        self.stores, self.ref, self.size = stores, ref, size
        self.points = {json.dumps(point): point for point in (propose(planned.space, 5, n) for n in range(size))}
        self.uses = Counter(dict.fromkeys(self.points, 0))
        self.enqueued: list[str] = []
        self.invalid: set[str] = set()

    def check(self) -> None:
        valid = [self.uses[point] for point in self.points if point not in self.invalid]
        assert not valid or max(valid) - min(valid) <= 1

    async def ask(self, rng: random.Random) -> bool:
        answer = await rng.choice(self.stores).ask(self.ref, "", rng.randint(1, 5), "w")
        for given in answer.assignments:
            point = json.dumps(given.hparams)
            assert point in self.points
            assert point not in self.invalid
            if given.explanation.reason is Reason.ENQUEUED:
                assert point == self.enqueued.pop(0)
            else:
                self.uses[point] += 1
            self.check()
        for given in answer.assignments:
            if rng.random() < 0.15:
                await broken(self.stores[0], self.ref, given)
                point = json.dumps(given.hparams)
                self.invalid.add(point)
                self.uses[point] -= self.enqueued.count(point)
                self.enqueued = [each for each in self.enqueued if each != point]
            else:
                await report(self.stores[1], self.ref, given, rng.random())
        return bool(answer.assignments)

    async def enqueue(self, rng: random.Random) -> None:
        point = rng.choice([*self.points])
        valid = [self.uses[each] for each in self.points if each not in self.invalid]
        free = point not in self.invalid and self.uses[point] == min(valid)
        try:
            await enqueue(rng.choice(self.stores), self.ref, self.points[point])
        except (NoTrialsLeft, WrongState):
            return
        except InvalidInput:
            assert not free
            return
        assert free
        self.uses[point] += 1
        self.enqueued.append(point)
        self.check()


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.long), 2])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("space", SPACES)
async def test_every_point_is_used_once_before_any_is_repeated(
    space: str, sampler: str, times: int, stores: list[RedisStore], ref: ExperimentRef, admin_url: str
) -> None:
    """Two servers enqueue configurations and report invalid ones; a random search also gets more trials."""
    document, size = search(space, sampler, times), SPACES[space][2]
    await create(stores[0], ref, document)
    play, rng = RandomPlay(stores, ref, parse(document)[0], size), random.Random(f"{space} {sampler} {times}")
    for raised in (0, 3 if sampler != "grid" else 0):
        while await play.ask(rng):
            await play.enqueue(rng)
            await play.enqueue(rng)
        assert await state_of(stores[0], ref) is ExperimentState.DONE
        if raised and len(play.invalid) < size:
            await update(stores[0], ref, times * size + raised)
    found = await runs(stores[1], ref)
    if sampler == "grid":
        expected = [count for point, count in play.uses.items() if point not in play.invalid]
        assert expected == [times] * (size - len(play.invalid))
    elif len(play.invalid) < size:
        assert sum(found.values()) == times * size + 3 * (len(play.invalid) < size) - 3
    await assert_sound(admin_url, ref.experiment)


# Enqueued points.


@pytest.mark.parametrize("started", [0, 1, 3])
@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_an_enqueued_point_is_the_next_and_runs_once(
    sampler: str, started: int, stores: list[RedisStore], ref: ExperimentRef
) -> None:
    """Before anything has run, in the middle, and as the last."""
    await create(stores[0], ref, search("four", sampler))
    given = await ask_for(stores[0], ref, started) if started else []
    left = sorted(set("abcd") - {str(each.hparams["x"]) for each in given})
    assert await enqueue(stores[1], ref, {"x": left[-1]}) == 0
    following = await ask_for(stores[1], ref, 4 - started)
    assert following[0].hparams == {"x": left[-1]}
    assert await runs(stores[0], ref) == dict.fromkeys("abcd", 1)
    for each in (*given, *following):
        await report(stores[0], ref, each, 0.5)
    assert await state_of(stores[0], ref) is ExperimentState.DONE


async def test_a_grid_that_is_sampled_twice_runs_each_point_twice(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, search("four", "grid", 2))
    await enqueue(store, ref, {"x": "b"})
    first, second = await ask_for(store, ref, 4), await ask_for(store, ref, 4)
    assert [each.hparams["x"] for each in first] == ["b", "d", "c", "a"]
    assert [each.hparams["x"] for each in second] == ["d", "c", "b", "a"]
    assert await runs(store, ref) == dict.fromkeys("abcd", 2)


async def test_all_points_of_a_grid_are_enqueued(store: RedisStore, ref: ExperimentRef) -> None:
    """Twice, in an order of the user; the second time only after all have been enqueued once."""
    await create(store, ref, search("four", "grid", 2))
    for x in "badc":
        await enqueue(store, ref, {"x": x})
    for x in "cab":
        await enqueue(store, ref, {"x": x})
    assert [each.hparams["x"] for each in await ask_for(store, ref, 8)] == [*"badccabd"]
    with pytest.raises(NoTrialsLeft):
        await enqueue(store, ref, {"x": "d"})


@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_a_used_point_is_refused(sampler: str, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, search("four", sampler, 2))
    (given,) = await ask_for(store, ref)
    one, other, *_ = sorted(set("abcd") - {given.hparams["x"]})
    await enqueue(store, ref, {"x": one})
    found = "got a point that has a trial, or is enqueued, already"
    text = f"POINT_USED: hparams: {found}, wanted one of the 2 that are left"
    assert (await refused(store, ref, given.hparams)).startswith(text)
    assert (await refused(store, ref, {"x": one})).startswith(text)
    await enqueue(store, ref, {"x": other})
    (enqueued,) = await ask_for(store, ref)
    await broken(store, ref, enqueued)
    assert "got a point that was found invalid" in await refused(store, ref, {"x": one})


async def test_a_repeat_with_the_same_request_id_is_no_second_use(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, search("four", "grid"))
    for store in (*stores, *stores):
        assert (await TrialUseCases(store).enqueue(ref, "same", {"x": "b"})).position == 0
    await ask_for(stores[0], ref, 4)
    assert (await TrialUseCases(stores[1]).enqueue(ref, "same", {"x": "b"})).position == 0
    assert await runs(stores[0], ref) == dict.fromkeys("abcd", 1)


@pytest.mark.parametrize(
    ("own", "point"),
    [
        ({"kind": "adam", "decay": 0.1 + 0.2, "net": {"depth": 2}, "seed": 7}, {"decay": 0.3}),
        ({"kind": "sgd", "decay": 0, "net": {"depth": 1}, "seed": 7}, {"decay": 0.0}),
        ({"kind": 2.5, "net": {"depth": 3}, "seed": 7.0}, {"seed": 7}),
    ],
    ids=["beside a step", "an integer for a number", "a number for an integer"],
)
@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_a_value_counts_as_that_of_its_point(
    sampler: str, own: dict[str, object], point: dict[str, object], store: RedisStore, ref: ExperimentRef
) -> None:
    """And the trial gets the value of the point."""
    await create(store, ref, search("mixed", sampler))
    await enqueue(store, ref, own)
    assert (await refused(store, ref, own | point)).startswith("POINT_USED")
    given = await ask_for(store, ref, 39)
    assert json.dumps(given[0].hparams) == json.dumps(dict(sorted((own | point).items())))
    assert set((await runs(store, ref)).values()) == {1}


async def test_values_that_differ_only_in_kind_are_points_of_their_own(store: RedisStore, ref: ExperimentRef) -> None:
    space = {"x": {"type": "categorical", "vals": [1, True, 1.0, "1", [1], [1.0]]}}
    await create(store, ref, grid(space))
    for x in (True, 1.0, [1.0]):
        await enqueue(store, ref, {"x": x})
    given = [json.dumps(each.hparams["x"]) for each in await ask_for(store, ref, 6)]
    assert given == ["true", "1.0", "[1.0]", "[1]", '"1"', "1"]


@pytest.mark.parametrize(
    ("parameter", "value", "nearest"),
    [
        ({"type": "double", "minval": 0, "maxval": 1, "count": 3}, 0.3, "0.5"),
        ({"type": "int", "minval": 1, "maxval": 9, "count": 3}, 2, "1"),
        ({"type": "log", "base": 10, "minval": -4, "maxval": -1, "count": 4}, 0.02, "0.01"),
        ({"type": "log", "base": 0.5, "minval": 1, "maxval": 5, "count": 3}, 0.25, "0.125"),
        ({"type": "log_uniform", "minval": 1, "maxval": 100, "count": 3}, 11, "10.0"),
        ({"type": "double", "minval": 0, "maxval": 1, "step": 0.1, "count": 2}, 0.9, "1.0"),
    ],
    ids=str,
)
async def test_a_value_off_the_grid_is_refused(
    parameter: dict[str, object], value: float, nearest: str, store: RedisStore, ref: ExperimentRef
) -> None:
    """Such a value would use up a point."""
    await create(store, ref, grid({"g": {"p": parameter}}))
    text = await refused(store, ref, {"g": {"p": value}})
    assert text.startswith(f"INVALID_FIELD: hparams.g.p: got {value}, wanted one of the ")
    assert text.endswith(f"values in the grid; the nearest is {nearest}")
    await enqueue(store, ref, {"g": {"p": float(nearest) if parameter["type"] != "int" else int(nearest)}})


async def test_a_point_that_its_constraints_rule_out_is_refused(store: RedisStore, ref: ExperimentRef) -> None:
    """0.1 + 0.2 is more than 0.3, but the point it stands for is not."""
    space = {"x": {"type": "double", "minval": 0, "maxval": 1, "step": 0.1}}
    await create(store, ref, config(space=space) | {"constraints": ["x > 0.3"]})
    assert "does not meet the constraints" in await refused(store, ref, {"x": 0.1 + 0.2})


async def test_more_points_enqueued_than_suggestions_in_stock(stores: list[RedisStore], ref: ExperimentRef) -> None:
    """Suggestions skip hundreds of used points at once."""
    space = {name: {"type": "int", "minval": 1, "maxval": 60, "count": 60} for name in "ab"}
    await create(stores[0], ref, grid(space))
    for number in range(1_200):
        await stores[number % 2].enqueue(ref, "", {"a": 60 - number // 60, "b": 60 - number % 60})
    for number in range(1_200 // 60):
        assert len((await stores[number % 2].ask(ref, "", 60, "w")).assignments) == 60
    given = await ask_for(stores[0], ref, 7)
    assert [each.hparams for each in given] == [{"a": 40, "b": 60 - number} for number in range(7)]


async def test_many_ask_and_enqueue_at_once(stores: list[RedisStore], ref: ExperimentRef) -> None:
    space = {name: {"type": "int", "minval": 1, "maxval": 20} for name in "ab"}
    await create(stores[0], ref, config(space=space, max_trials=400, max_concurrent_trials=0))

    async def one(number: int) -> None:
        with suppress(InvalidInput):
            await enqueue(stores[number % 2], ref, {"a": 1 + number % 20, "b": 1 + number // 20})
        await stores[number % 2].ask(ref, "", 4, "w")

    await asyncio.gather(*map(one, range(120)))
    found = await runs(stores[0], ref)
    assert (len(found), set(found.values())) == (400, {1})


# Invalid points.


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_an_invalid_point_of_a_grid_is_used_up(times: int, stores: list[RedisStore], ref: ExperimentRef) -> None:
    """The search has fewer trials then, and says so."""
    await create(stores[0], ref, search("four", "grid", times))
    first, second = await ask_for(stores[0], ref, 2)
    assert [each.hparams["x"] for each in (first, second)] == ["d", "c"]
    await broken(stores[0], ref, first)
    view = await ExperimentUseCases(stores[1]).get(ref)
    message = await experiment_message(view)
    assert message.plan.brackets[0].max_trials == 3 * times
    await report(stores[1], ref, second, 0.5)
    message = await experiment_message(await ExperimentUseCases(stores[1]).get(ref))
    assert message.progress == pytest.approx(1 / (3 * times))
    assert await run_out(stores[1], ref) == 3 * times - 1
    assert await runs(stores[0], ref) == dict.fromkeys("abc", times)
    assert await state_of(stores[0], ref) is ExperimentState.DONE


async def test_a_point_is_found_invalid_by_its_second_trial(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, search("four", "grid", 3))
    given = await ask_for(store, ref, 5)
    assert given[4].hparams == given[0].hparams == {"x": "d"}
    await enqueue(store, ref, {"x": "a"})
    await broken(store, ref, given[4])
    assert await run_out(store, ref) == 3 * 4 - 5 - 1
    assert await runs(store, ref) == {"a": 3, "b": 3, "c": 3, "d": 1}
    await broken(store, ref, given[0])
    for each in given[1:4]:
        await report(store, ref, each, 0.5)
    assert await runs(store, ref) == {"a": 3, "b": 3, "c": 3}
    assert await state_of(store, ref) is ExperimentState.DONE


async def test_an_invalid_point_is_no_longer_enqueued(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, search("four", "grid", 2))
    given = await ask_for(store, ref, 4)
    for x in "ab":
        await enqueue(store, ref, {"x": x})
    await broken(store, ref, next(each for each in given if each.hparams == {"x": "a"}))
    assert [each.hparams["x"] for each in await ask_for(store, ref, 3)] == ["b", "d", "c"]


@pytest.mark.parametrize("sampler", ["random", "sobol"])
async def test_an_invalid_point_is_replaced_by_another(sampler: str, store: RedisStore, ref: ExperimentRef) -> None:
    """With more trials than points, the remaining points take turns."""
    await create(store, ref, search("four", sampler, 2))
    (given,) = await ask_for(store, ref)
    await broken(store, ref, given)
    assert await run_out(store, ref) == 8
    assert sorted((await runs(store, ref)).values()) == [2, 3, 3]
    assert given.hparams["x"] not in await runs(store, ref)


@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_a_search_ends_when_all_points_are_invalid(sampler: str, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, search("four", sampler, 3))
    given = await ask_for(store, ref, 4)
    for each in given[:3]:
        await broken(store, ref, each)
    (last,) = await ask_for(store, ref)
    assert last.hparams == given[3].hparams
    await report(store, ref, given[3], 0.5)
    await broken(store, ref, last)
    assert await state_of(store, ref) is ExperimentState.DONE
    assert await runs(store, ref) == {given[3].hparams["x"]: 1}
    assert (await experiment_message(await ExperimentUseCases(store).get(ref))).progress == 1


# Warm starts.


@pytest.mark.parametrize("sampler", SAMPLERS)
async def test_a_warm_start_takes_its_points(sampler: str, store: RedisStore, ref: ExperimentRef) -> None:
    """Each once, however often it was among the best of the other search."""
    source = ExperimentRef("default", f"{ref.experiment}-source")
    await create(store, source, search("four", "grid", 3))
    order = {"b": 0.1, "c": 0.2, "a": 0.3, "d": 0.4}
    for given in await ask_for(store, source, 12):
        await report(store, source, given, order[str(given.hparams["x"])])
    view = await ExperimentUseCases(store).create(ref, search("four", sampler), "", WarmStart(source, 6))
    assert view.definition.notes[-1].startswith("warm start: 2 of the 4 best")
    first = await ask_for(store, ref, 4)
    assert [each.hparams["x"] for each in first[:2]] == ["b", "c"]
    assert await runs(store, ref) == dict.fromkeys("abcd", 1)


async def test_a_warm_start_of_a_grid_takes_only_points_of_it(store: RedisStore, ref: ExperimentRef) -> None:
    source = ExperimentRef("default", f"{ref.experiment}-source")
    await create(store, source, config(space={"x": {"type": "double", "minval": 0, "maxval": 1}}))
    for x in (0.3, 0.5, 1, 0.0):
        await enqueue(store, source, {"x": x})
    for index, each in enumerate(await ask_for(store, source, 4)):
        await report(store, source, each, index / 10)
    document = grid({"x": {"type": "double", "minval": 0, "maxval": 1, "count": 3}})
    view = await ExperimentUseCases(store).create(ref, document, "", WarmStart(source, 4))
    assert view.definition.notes[-1].startswith("warm start: 2 of the 3 best")
    assert json.dumps([each.hparams["x"] for each in await ask_for(store, ref, 3)]) == "[0.5, 1.0, 0.0]"


# Another number of trials.


@pytest.mark.parametrize("trials", [1, 3, 7, 8])
@pytest.mark.parametrize("done", [False, True])
async def test_a_grid_keeps_its_number_of_trials(
    done: bool, trials: int, store: RedisStore, ref: ExperimentRef
) -> None:
    await create(store, ref, search("four", "grid"))
    if done:
        await run_out(store, ref)
    with pytest.raises(InvalidInput, match=f"max_trials: got {trials}, but it cannot change: .* 4 points once"):
        await update(store, ref, trials)
    await update(store, ref, 4)
    assert await run_out(store, ref) == (0 if done else 4)


async def test_a_single_search_keeps_its_one_trial(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, config("single"))
    with pytest.raises(InvalidInput, match="max_trials: got 7, but it cannot change: a single search has one trial"):
        await update(store, ref, 7)
    await update(store, ref, 1)
    assert await run_out(store, ref) == 1


@pytest.mark.parametrize("sampler", ["random", "sobol"])
async def test_a_raised_search_goes_on_with_the_points_that_are_left(
    sampler: str, stores: list[RedisStore], ref: ExperimentRef
) -> None:
    document: Any = search("four", sampler)
    document["searcher"]["max_trials"] = 2
    await create(stores[0], ref, document)
    assert await run_out(stores[0], ref) == 2
    await update(stores[1], ref, 3)
    (given,) = await ask_for(stores[0], ref)
    left = set("abcd") - set(await runs(stores[0], ref))
    await update(stores[0], ref, 6)
    await enqueue(stores[1], ref, {"x": left.pop()})
    await report(stores[1], ref, given, 0.5)
    assert await run_out(stores[1], ref) == 3
    assert sorted((await runs(stores[0], ref)).values()) == [1, 1, 2, 2]


# Rungs, brackets and populations.


@pytest.mark.parametrize(
    "document",
    [
        config("adaptive_asha", space=MIXED, max_trials=36, max_length={"epochs": 9}, divisor=3),
        config("async_halving", space=MIXED, max_trials=36, max_length={"epochs": 9}, divisor=3, num_rungs=2),
        config("sync_halving", space=MIXED, max_trials=27, max_length={"epochs": 9}, divisor=3, num_rungs=3),
        config("hyperband", space=MIXED, max_trials=None, max_length={"epochs": 9}, divisor=3),
    ],
    ids=lambda document: document["searcher"]["name"],
)
async def test_all_searches_count_points(document: dict[str, Any], store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, document)
    (first,) = await ask_for(store, ref)
    point = json.loads(json.dumps(first.hparams)) | {"net": {"depth": 1 + int(first.hparams["net"]["depth"]) % 3}}  # type: ignore[index]
    await enqueue(store, ref, point)
    await broken(store, ref, first)
    await run_out(store, ref)
    assert await state_of(store, ref) is ExperimentState.DONE
    assert set((await runs(store, ref)).values()) == {1}


async def test_a_population_begins_with_points_of_its_own(store: RedisStore, ref: ExperimentRef) -> None:
    """Clones change their values, so their points are not counted."""
    searcher: Any = {"population_size": 4, "num_rounds": 3, "length_per_round": {"epochs": 1}, "truncate_fraction": 0.5}
    document: Any = config("pbt", space=FOUR, **searcher)
    for key in ("max_length", "max_trials"):
        del document["searcher"][key]
    await create(store, ref, document)
    await enqueue(store, ref, {"x": "c"})
    given = await ask_for(store, ref, 4)
    assert sorted(str(each.hparams["x"]) for each in given) == [*"abcd"]
    await broken(store, ref, given[1])
    (again,) = await ask_for(store, ref)
    for index, each in enumerate((given[0], again, *given[2:])):
        await report(store, ref, each, index / 10)
    clones = await ask_for(store, ref, 4)
    await broken(store, ref, next(each for each in clones if each.explanation.reason is Reason.CLONED))
    for each in clones:
        await report(store, ref, each, 0.5)
    while (answer := await store.ask(ref, "", 1, "w")).assignments:
        await report(store, ref, answer.assignments[0], 0.5)
    assert await state_of(store, ref) is ExperimentState.DONE


# What is stored.


async def test_only_finite_spaces_have_the_key_and_it_goes_with_them(
    store: RedisStore, ref: ExperimentRef, redis: Redis
) -> None:
    *_, points = experiment_keys(ref, POINTS)
    await create(store, ref, config())
    await ask_for(store, ref)
    assert (await redis.exists(points), await redis.hget(experiment_keys(ref)[0], "keys")) == (0, None)
    await store.delete(ref)
    await create(store, ref, search("four", "random"))
    await ask_for(store, ref)
    assert await redis.exists(points) == 1
    await store.delete(ref)
    assert [key async for key in redis.scan_iter(f"*{ref.experiment}*")] == []


async def test_retention_takes_the_points_along(store: RedisStore, ref: ExperimentRef, redis: Redis) -> None:
    await create(store, ref, search("four", "random") | {"retention_days": 1})
    await run_out(store, ref)
    *_, points = experiment_keys(ref, POINTS)
    assert 0 < await redis.pttl(points) <= 86_400_000


async def test_a_search_of_layout_5_goes_on_as_it_began(store: RedisStore, ref: ExperimentRef, admin_url: str) -> None:
    """Its points are not counted: an enqueued configuration replaces the one suggested for the trial."""
    await create(store, ref, search("four", "grid"))
    meta, *_, points = experiment_keys(ref, POINTS)
    async with plain_client(admin_url, timeout_seconds=5, key=meta) as redis:
        counts: Any = msgpack.unpackb(await redis.hget(meta, "counts"))
        del counts["points"]
        await redis.hset(meta, mapping={"schema": "5", "counts": msgpack.packb(counts)})
        await redis.hdel(meta, "keys")
        await redis.delete(points)
        await enqueue(store, ref, {"x": "a"})
        assert [each.hparams["x"] for each in await ask_for(store, ref, 4)] == ["a", "c", "b", "a"]
        assert not await redis.exists(points)
