"""Population based training in the store: clones with several servers, changes of a live search, how clones look."""

import asyncio
from collections.abc import Mapping

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import (
    AskStatus,
    Assignment,
    Decision,
    ExperimentState,
    Outcome,
    Reason,
    Report,
    Result,
)
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.explain import in_words
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.service.suggester import draw_clones
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, report, state_of
from tests.support.calls import SPACE, unique_name
from tests.support.searches import ask_for, started


def population(size: int, rounds: int = 3, **searcher: object) -> dict[str, object]:
    """A search with rounds of two epochs; half of the population is replaced unless `fraction` says otherwise."""
    shape = {"population_size": size, "num_rounds": rounds, "length_per_round": {"epochs": 2}}
    common = {"name": "pbt", "metric": "loss", "truncate_fraction": 0.5, "max_concurrent_trials": 0}
    return {"hyperparameters": SPACE, "searcher": {**common, **shape, **searcher}, "seed": 5}


async def play(store: RedisStore, ref: ExperimentRef) -> list[tuple[int, int, Mapping[str, object], str]]:
    """Train to the end with one worker; returns its assignments."""
    given = []
    while answer := (await store.ask(ref, "", 1, "w")).assignments:
        assignment = answer[0]
        given.append((assignment.lease.trial, assignment.to_length, assignment.hparams, assignment.checkpoint))
        length: int | None = assignment.to_length
        while length:
            metric = float(str(assignment.hparams["rate"])) / length
            checkpoint = f"{assignment.lease.trial} at {length}"
            told = await store.tell(ref, "", [Result(assignment.lease, [Report(length, metric)], checkpoint)])
            length = told.replies[0].next_decision_length
    return given


async def test_the_same_results_make_the_same_search(stores: list[RedisStore]) -> None:
    """Whichever server answers."""
    searches = []
    for store in stores:
        ref = ExperimentRef("default", unique_name("p"))
        await create(store, ref, population(6))
        searches.append(await play(store, ref))
        assert await state_of(store, ref) is ExperimentState.DONE
    assert searches[0] == searches[1]
    assert {trial for trial, *_ in searches[0]} == set(range(6 + 3 * 2))


async def test_a_clones_configuration_is_that_of_its_parent_changed_by_its_number(
    store: RedisStore, ref: ExperimentRef
) -> None:
    view = await create(store, ref, population(4))
    await play(store, ref)
    trials = await store.trials(ref, list(range(100)), curve=True)
    assert (len(trials), [trial.parent for trial in trials[:4]]) == (8, [None] * 4)
    for trial in trials[4:]:
        assert trial.parent is not None
        (parent,) = await store.trials(ref, [trial.parent])
        assert [trial.hparams] == draw_clones(view.definition.config, [(trial.trial, parent.hparams)])
        assert trial.curve[0].length in (4, 6)


async def test_clones_are_assigned_once_by_two_servers_at_once(stores: list[RedisStore], ref: ExperimentRef) -> None:
    """More clones than one call has configurations for, to workers that all ask at once."""
    await create(stores[0], ref, population(300, rounds=2))
    given = [each for _ in range(5) for each in await ask_for(stores[0], ref, 60)]
    results = [Result(each.lease, [Report(2, float(each.lease.trial))], f"of {each.lease.trial}") for each in given]
    for start in range(0, 300, 100):
        await stores[1].tell(ref, "", results[start : start + 100])
    answers = await asyncio.gather(*(stores[i % 2].ask(ref, f"r{i}", 3, "w") for i in range(120)))
    handed: list[Assignment] = [each for answer in answers for each in answer.assignments]
    clones = {each.lease.trial: each for each in handed if each.explanation.reason is Reason.CLONED}
    assert len(handed) == len({each.lease.trial for each in handed})
    assert sorted(clones) == list(range(300, 450))
    for number, each in clones.items():
        parent = number - 300  # of 300 results told by growing metric the best are the first
        assert (each.explanation.parent, each.explanation.rank) == (parent, parent)
        assert (each.checkpoint, each.from_length, each.to_length) == (f"of {parent}", 2, 4)
    survivors = [each for each in handed if each.explanation.reason is Reason.PROMOTED]
    assert {each.lease.trial for each in survivors} <= set(range(150))
    assert [answer.status for answer in answers].count(AskStatus.ASSIGNED) == 100
    assert (await started(stores[0], ref), len(handed)) == (450, 300)


async def test_an_ask_takes_two_exchanges_at_most(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    """One to learn which clones still need a configuration, and one that brings them."""
    await create(store, ref, population(200, rounds=2))
    for _ in range(4):
        for each in await ask_for(store, ref, 50):
            await report(store, ref, each, 0.5)
    for _ in range(3):
        before = await scripts_run(redis)
        await ask_for(store, ref, 64)
        assert await scripts_run(redis) - before <= 2


async def scripts_run(redis: Redis) -> int:
    """How many scripts this Redis has run."""
    return int((await redis.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_what_is_told_of_a_clone(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, population(2))
    first, second = await ask_for(store, ref, 2)
    await report(store, ref, first, 0.5)
    reply = await report(store, ref, second, 0.4)
    assert (reply.decision, in_words(reply.explanation)) == (
        Decision.CONTINUE,
        "promoted: rank 0 of 2 at rung 0, the best 1 goes on (cut-off 0.4)",
    )
    (given,) = await ask_for(store, ref)
    assert in_words(given.explanation) == "cloned from trial 1, ranked 0 of 2 at rung 0"
    (event,), _ = await store.explain(ref, 2)
    assert (event.kind, event.explanation, event.worker) == ("assign", given.explanation, "w")
    assert (await store.events(ref, "", 100))[0][-1] == event


async def test_what_can_be_changed(store: RedisStore, ref: ExperimentRef) -> None:
    """The cap on the leases, not the population."""
    use_cases = ExperimentUseCases(store)
    await create(store, ref, population(4))
    with pytest.raises(InvalidInput, match="a population keeps its size") as refused:
        await use_cases.update(ref, Change(9, None))
    assert [violation.field for violation in refused.value.violations] == ["max_trials"]
    view = await use_cases.update(ref, Change(8, 2))  # 8 as before: four and twice two clones
    assert (view.definition.plan.max_trials, view.definition.plan.max_concurrent_trials) == (8, 2)
    given = await ask_for(store, ref, 2)
    assert (await store.ask(ref, "", 1, "w")).reason is Reason.CONCURRENCY_LIMIT
    await use_cases.update(ref, Change(None, 0))
    for each in [*given, *await ask_for(store, ref, 2)]:
        await report(store, ref, each, each.lease.trial)
    view = await use_cases.update(ref, Change(None, 1))  # with more trials than the population has
    assert view.progress.started == (6,)
    assert [each.lease.trial for each in await ask_for(store, ref, 1)] == [4]
    assert (await store.ask(ref, "", 1, "w")).reason is Reason.CONCURRENCY_LIMIT


async def test_a_clone_that_always_fails(store: RedisStore, ref: ExperimentRef) -> None:
    """It fails until no restart is left; then the round goes on without it."""
    await create(store, ref, population(2) | {"max_restarts": 1})
    for each in await ask_for(store, ref, 2):
        await report(store, ref, each, 0.5 - each.lease.trial / 10)
    for _ in range(2):
        (given,) = await ask_for(store, ref)
        assert (given.lease.trial, given.checkpoint) == (2, "saved")
        await store.fail(ref, "", given.lease, Outcome.TRANSIENT, "poison")
    (trial,) = await store.trials(ref, [2])
    assert (trial.state.value, trial.restarts) == ("failed", 2)
