"""Proposals of every model: pure, members of the space, better than chance, and none where nothing can be learned."""

import math
import pickle
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import cast

import pytest

from rungway_server.domain.sampling.sampling import point_of, suggest_many
from rungway_server.domain.sampling.sampling import propose as pure
from rungway_server.domain.space.membership import check_configuration
from rungway_server.domain.space.space import Space
from rungway_server.proposals import chain
from rungway_server.proposals.columns import columns_of
from rungway_server.proposals.draws import Draws, Use
from rungway_server.proposals.observed import Observed, Rung, Source
from rungway_server.proposals.propose import is_due, least_results, propose, wanted
from tests.support.observed import MIXED, observed, space_of

MODELS = [Source.FOREST, Source.LOCAL, Source.KDE]
UNIT = {"type": "double", "minval": 0, "maxval": 1}
SQUARE = space_of({"x": UNIT, "y": UNIT})
SPACE = space_of(MIXED)
Metric = Callable[[Mapping[str, object]], float]


def number(hparams: Mapping[str, object], name: str) -> float:
    return float(cast("float", hparams[name]))


def bowl(hparams: Mapping[str, object]) -> float:
    """Least at (0.3, 0.8)."""
    return (number(hparams, "x") - 0.3) ** 2 + (number(hparams, "y") - 0.8) ** 2


def branin(hparams: Mapping[str, object]) -> float:
    x, y = 15 * number(hparams, "x") - 5, 15 * number(hparams, "y")
    bend = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def proposed(
    space: Space, seen: Observed, source: Source, numbers: range = range(1000, 1032), entry: int = 0
) -> list[dict[str, object]]:
    found = propose(space, 7, seen, source, numbers, entry)
    assert found is not None
    assert [hparams for hparams in found if check_configuration(space, hparams)] == []
    assert len(found) == len(numbers)
    return found


@pytest.mark.parametrize("entry", [0, 2])
@pytest.mark.parametrize("source", MODELS)
def test_the_same_arguments_give_the_same_proposals_in_any_process(source: Source, entry: int) -> None:
    seen = observed(SPACE, [lambda h: number(h, "log")] * 3, 150)
    first = proposed(SPACE, seen, source, range(1000, 1006), entry)
    space, copied = pickle.loads(pickle.dumps((SPACE, seen)))
    assert proposed(space, copied, source, range(1000, 1006), entry) == first
    assert proposed(SPACE, seen, source, range(1004, 1006), entry) == first[4:]
    assert proposed(SPACE, seen, source, range(2000, 2006), entry) != first


@pytest.mark.parametrize("metric", [bowl, branin])
@pytest.mark.parametrize("source", MODELS)
def test_proposals_are_much_better_than_random_configurations(source: Source, metric: Metric) -> None:
    seen = observed(SQUARE, [metric, metric, metric], 90)
    found = fmean(map(metric, proposed(SQUARE, seen, source)))
    chance = fmean(map(metric, suggest_many(SQUARE, 9, range(500))))
    assert found < 0.7 * chance  # a third of kde's proposals are random


@pytest.mark.parametrize("source", MODELS)
def test_a_category_that_decides_and_its_own_parameter_are_learned(source: Source) -> None:
    space = space_of(
        {
            "kind": {"type": "categorical", "vals": ["a", "b", "c", "d"]},
            "of_b": {**UNIT, "when": {"kind": "b"}},
            "other": {**UNIT, "when": {"kind": ["a", "c"]}},
        }
    )
    seen = observed(space, [lambda h: number(h, "of_b") if h["kind"] == "b" else 1.0] * 3, 200)
    found = proposed(space, seen, source)
    right = [hparams for hparams in found if hparams["kind"] == "b"]
    assert len(right) > (8 if source is Source.LOCAL else 16)  # chance: 8; moves redraw categories
    assert fmean(number(hparams, "of_b") for hparams in right) < 0.35


def test_a_rung_that_misleads_is_learned_away() -> None:
    seen = observed(SQUARE, [lambda h: -bowl(h), bowl], 400)
    found = chain.fitted(columns_of(SQUARE), seen, Draws(1, Use.FIT, 1))
    assert found is not None
    assert found.levels[1][0] < 0
    told = observed(SQUARE, [bowl, bowl], 400)
    found = chain.fitted(columns_of(SQUARE), told, Draws(1, Use.FIT, 1))
    assert found is not None
    assert found.levels[1][0] > 0.8


@pytest.mark.parametrize(
    "metric", [lambda _: 1.0, lambda _: math.nan, lambda h: math.nan if number(h, "log") < 0.1 else 1.0]
)
@pytest.mark.parametrize("source", MODELS)
def test_equal_and_dead_results_are_no_trouble(source: Source, metric: Metric) -> None:
    seen = observed(SPACE, [metric, metric], 100)
    found = propose(SPACE, 7, seen, source, range(4), 0)
    dead = all(rung.dead == len(rung.trials) for rung in seen.rungs)
    assert (found is None) == (dead and source is not Source.FOREST)
    assert [hparams for hparams in found or () if check_configuration(SPACE, hparams)] == []


def test_dead_results_are_one_tie_at_the_end_and_nobodys_neighbours() -> None:
    half: Metric = lambda h: math.nan if number(h, "x") > 0.5 else bowl(h)  # noqa: E731 # a metric like the others
    seen = observed(SQUARE, [half], 200)
    scores = chain._normal_scores(seen.rungs[0])
    dead = seen.rungs[0].dead
    assert dead > 50
    assert len(set(scores[-dead:].tolist())) == 1
    assert scores[-1] > scores[-dead - 1]
    for source in MODELS:
        assert fmean(number(hparams, "x") <= 0.5 for hparams in proposed(SQUARE, seen, source)) > 0.7


@pytest.mark.parametrize("source", MODELS)
def test_too_few_results_give_none(source: Source) -> None:
    nothing = Observed(0, (Rung(), Rung()), {})
    assert propose(SPACE, 7, nothing, source, range(1), 0) is None
    assert propose(SPACE, 7, Observed(0, (), {}), source, range(1), 0) is None
    one = observed(SPACE, [lambda h: number(h, "log")], 1)
    assert (propose(SPACE, 7, one, source, range(1), 0) is None) == (source is not Source.LOCAL)
    assert wanted(SPACE, source, nothing.rungs) == set()


def test_the_forest_begins_with_the_least_results() -> None:
    least = least_results(SPACE)
    assert least == len(columns_of(SPACE)) + 2
    assert least_results(SQUARE) == 8
    for trials in (least - 1, least):
        seen = observed(SPACE, [lambda h: number(h, "log")], trials)
        assert (propose(SPACE, 7, seen, Source.FOREST, range(1), 0) is None) == (trials < least)
        assert bool(wanted(SPACE, Source.FOREST, seen.rungs)) == (trials == least)


@pytest.mark.parametrize("source", MODELS)
def test_only_the_wanted_configurations_are_read_and_they_are_few(source: Source) -> None:
    seen = observed(SQUARE, [bowl] * 4, 2_500)
    some = wanted(SQUARE, source, seen.rungs)
    assert 0 < len(some) <= 530
    part = Observed(seen.revision, seen.rungs, {trial: seen.configs[trial] for trial in some})
    assert proposed(SQUARE, part, source, range(4)) == proposed(SQUARE, seen, source, range(4))


@pytest.mark.parametrize("source", MODELS)
def test_constraints_hold(source: Source) -> None:
    space = space_of({"x": UNIT, "y": UNIT, "z": UNIT}, "x + y <= z", "z <= 0.6")
    seen = observed(space, [bowl, bowl], 60)
    assert len({number(hparams, "x") for hparams in proposed(space, seen, source)}) > 10


@pytest.mark.parametrize("source", MODELS)
def test_a_point_of_a_finite_space_is_not_proposed_twice(source: Source) -> None:
    space = space_of({name: {"type": "int", "minval": 0, "maxval": 9} for name in "xy"})
    seen = observed(space, [lambda h: number(h, "x") + number(h, "y")] * 2, 60)
    used = {cast("int", point_of(space, hparams)) for hparams in seen.configs.values()}
    found = propose(space, 7, seen, source, range(60, 68), 0, used)
    assert found is not None
    points = {point_of(space, hparams) for hparams in found}
    if source is not Source.KDE:  # a third of its proposals are those of the pure source, which counts by itself
        assert len(points) == len(found)
        assert not points & used
    assert propose(space, 7, seen, source, range(60, 62), 0, range(100)) is None


def test_moves_change_something_each_time() -> None:
    space = space_of({name: {"type": "categorical", "vals": list(range(8))} for name in "abcdefg"})
    seen = observed(space, [lambda h: number(h, "a")], 30)
    parents = [seen.configs[trial] for trial in wanted(space, Source.LOCAL, seen.rungs)]
    assert not [hparams for hparams in proposed(space, seen, Source.LOCAL, range(200)) if hparams in parents]


def test_a_space_of_constants_and_one_of_a_single_parameter() -> None:
    constant = space_of({"c": 3})
    seen = observed(constant, [lambda _: 1.0], 30)
    assert [propose(constant, 7, seen, source, range(1), 0) for source in MODELS] == [None] * 3
    line = space_of({"x": UNIT})
    seen = observed(line, [lambda h: number(h, "x")] * 2, 60)
    for source in MODELS:
        assert fmean(number(hparams, "x") for hparams in proposed(line, seen, source)) < 0.3


def test_the_pure_sources_are_those_of_the_space() -> None:
    nothing = Observed(0, (), {})
    assert propose(SPACE, 7, nothing, Source.RANDOM, range(2, 4), 0) == [pure(SPACE, 7, 2), pure(SPACE, 7, 3)]


def test_a_model_is_due_as_results_grow_by_a_seventh() -> None:
    assert [is_due(results, 8) for results in (8, 11, 12)] == [False, False, True]
    assert [is_due(results, 1000) for results in (1149, 1150)] == [False, True]
