"""A search whose first trials are the best of another one, as far as its space allows."""

import pytest

from rungway_server.domain.engine import Reason
from rungway_server.domain.errors import ExperimentExists, InvalidInput, UnknownExperiment
from rungway_server.service.experiments import ExperimentUseCases, ExperimentView, WarmStart
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, own, rates, report, run_out
from tests.support.calls import config, new_id, unique_name
from tests.support.searches import ask_for

RATES = (0.01, 0.02, 0.03, 0.04)
METRICS = (0.4, 0.1, 0.3, 0.2)


@pytest.fixture
async def source(store: RedisStore) -> ExperimentRef:
    """A search of six trials: four told 0.4, 0.1, 0.3, 0.2 with rates 0.01 to 0.04, one told nothing, one has not
    started."""
    ref = ExperimentRef("default", unique_name("source"))
    await create(store, ref, config(max_trials=6))
    for number, rate in enumerate(RATES):
        await TrialUseCases(store).enqueue(ref, "", own(rate, 1 + number % 2))
    for given, metric in zip(await ask_for(store, ref, 5), METRICS, strict=False):
        await report(store, ref, given, metric)
    return ref


async def warmed(
    store: RedisStore, ref: ExperimentRef, source: ExperimentRef, count: int, **options: object
) -> ExperimentView:
    document = config(**options)  # type: ignore[arg-type]  # options of config
    return await ExperimentUseCases(store).create(ref, document, "", WarmStart(source, count))


@pytest.mark.parametrize(("count", "first"), [(0, [0.02]), (1, [0.02]), (3, [0.02, 0.04, 0.03])])
async def test_the_best_come_first_best_first(
    count: int, first: list[float], store: RedisStore, ref: ExperimentRef, source: ExperimentRef
) -> None:
    view = await warmed(store, ref, source, count, max_trials=5)
    said = len(first)
    assert view.definition.notes[-1].startswith(f"warm start: {said} of the {said} best")
    given = await ask_for(store, ref, 5)
    reasons = [assignment.explanation.reason for assignment in given]
    assert reasons == [Reason.ENQUEUED] * said + [Reason.NEW_TRIAL] * (5 - said)
    assert [assignment.hparams["rate"] for assignment in given[:said]] == first


async def test_more_than_there_are(store: RedisStore, ref: ExperimentRef, source: ExperimentRef) -> None:
    """Only trials with a real metric are among the best."""
    view = await warmed(store, ref, source, 1000, max_trials=9)
    assert view.definition.notes[-1].startswith("warm start: 4 of the 4 best")
    assert (await rates(store, ref, 9))[:4] == [0.02, 0.04, 0.03, 0.01]


async def test_never_more_than_the_new_search_starts(
    store: RedisStore, ref: ExperimentRef, source: ExperimentRef
) -> None:
    await warmed(store, ref, source, 4, max_trials=2)
    assert await rates(store, ref, 2) == [0.02, 0.04]
    assert await run_out(store, ref) == 0
    assert sum((await store.progress(ref)).started) == 2


async def test_those_that_do_not_fit_are_left_out_with_a_note(
    store: RedisStore, ref: ExperimentRef, source: ExperimentRef
) -> None:
    space = {
        "rate": {"type": "log", "base": 10.0, "minval": -4.0, "maxval": -1.0},
        "layers": {"type": "int", "minval": 2, "maxval": 4},
    }
    view = await warmed(store, ref, source, 3, space=space, max_trials=5)
    assert view.definition.notes[-1].startswith("warm start: 2 of the 3 best")
    assert (await rates(store, ref, 2)) == [0.02, 0.04]


async def test_a_source_of_which_nothing_fits(store: RedisStore, ref: ExperimentRef, source: ExperimentRef) -> None:
    space = {"depth": {"type": "int", "minval": 1, "maxval": 9}}
    view = await warmed(store, ref, source, 3, space=space, max_trials=2)
    assert view.definition.notes[-1].startswith("warm start: 0 of the 2 best")
    assert [given.explanation.reason for given in await ask_for(store, ref, 2)] == [Reason.NEW_TRIAL] * 2


async def test_a_search_without_results_gives_nothing(store: RedisStore, ref: ExperimentRef) -> None:
    other = ExperimentRef("default", f"{ref.experiment}-new")
    await create(store, other, config())
    view = await warmed(store, ref, other, 3)
    assert view.definition.notes[-1].startswith("warm start: 0 of the 0 best")


async def test_an_unknown_source_creates_no_experiment(store: RedisStore, ref: ExperimentRef) -> None:
    with pytest.raises(UnknownExperiment):
        await warmed(store, ref, ExperimentRef("default", "nobody"), 1)
    with pytest.raises(InvalidInput):
        await warmed(store, ref, ref, 1001)
    with pytest.raises(UnknownExperiment):
        await store.progress(ref)


async def test_it_changes_nothing_in_the_other(store: RedisStore, ref: ExperimentRef, source: ExperimentRef) -> None:
    before = await store.progress(source)
    await warmed(store, ref, source, 3)
    assert await store.progress(source) == before


async def test_a_repeat_finds_its_own_experiment(
    stores: list[RedisStore], ref: ExperimentRef, source: ExperimentRef
) -> None:
    request_id, start = new_id(), WarmStart(source, 2)
    first = await ExperimentUseCases(stores[0]).create(ref, config(), request_id, start)
    assert await ExperimentUseCases(stores[1]).create(ref, config(), request_id, start) == first
    with pytest.raises(ExperimentExists):
        await ExperimentUseCases(stores[1]).create(ref, config(), new_id(), start)
    assert len(await rates(stores[0], ref, 4)) == 4


async def test_a_repeat_finds_its_own_when_the_best_have_changed(
    store: RedisStore, ref: ExperimentRef, source: ExperimentRef
) -> None:
    request_id, start = new_id(), WarmStart(source, 2)
    first = await ExperimentUseCases(store).create(ref, config(), request_id, start)
    (last,) = await ask_for(store, source)
    await report(store, source, last, 0.0)
    again = await ExperimentUseCases(store).create(ref, config(), request_id, start)
    assert again.definition == first.definition
