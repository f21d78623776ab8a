"""Parameters on a logarithmic scale of integers and of distances from 1, bell curves, weights, steps and orders."""

import json
import math
from collections import Counter
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.describe import describe
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.sampling.drawing import drawer
from rungway_server.domain.sampling.perturb import perturb
from rungway_server.domain.sampling.sampling import counted, propose
from rungway_server.domain.sampling.uneven import uneven
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.space.axes import grid, support, values
from rungway_server.domain.space.membership import as_drawn, check_configuration
from rungway_server.domain.space.space import Space
from tests.unit.domain.documents import violations_of
from tests.unit.domain.test_space import LATER

UNIT = {"type": "double", "minval": 0, "maxval": 1}
"""Beside another parameter: the points of the space are not counted then."""
KINDS = pytest.mark.parametrize("parameter", LATER, ids=lambda each: f"{each['type']} {each.get('step', '')}")


def config(space: dict[str, Any], *constraints: str, name: str = "random", **searcher: Any) -> Any:
    more = {} if name == "grid" else {"max_trials": 5}
    section = {"name": name, "metric": "loss", **more, **searcher}
    parsed, _ = parse({"hyperparameters": space, "constraints": list(constraints), "searcher": section})
    assert parse(json.loads(json.dumps(to_document(parsed))))[0] == parsed
    return parsed


def space_of(space: dict[str, Any], *constraints: str, **searcher: Any) -> Space:
    found: Space = config(space, *constraints, **searcher).space
    return found


def draws(parameter: dict[str, Any], many: int, seed: int = 1, **searcher: Any) -> list[Any]:
    space = space_of({"x": parameter, "y": UNIT}, **searcher)
    return [propose(space, seed, number)["x"] for number in range(many)]


def node(parameter: dict[str, Any]) -> Any:
    return space_of({"x": parameter}).leaves["x",].parameter


GOLDEN: list[tuple[dict[str, Any], list[Any]]] = [
    ({"type": "log_uniform", "minval": 0.5, "maxval": 64.0, "step": 0.5, "count": 7}, [3.5, 12.0, 43.0]),
    ({"type": "log_int", "minval": 1, "maxval": 9, "count": 4}, [2, 4, 8]),
    ({"type": "log_int", "minval": 3, "maxval": 1000000000000, "step": 1000}, [226003, 113162003, 115701128003]),
    (
        {"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.9999, "count": 3},
        [0.986419271891782, 0.9981515637788126, 0.9998001616348129],
    ),
    ({"type": "reverse_log_uniform", "minval": 0.1, "maxval": 0.9, "step": 0.1}, [0.7, 0.8, 0.9]),
    ({"type": "normal", "mu": -3.0, "sigma": 2.0}, [-3.3865398465495753, -2.1885640884219364, -0.20706908124602963]),
    ({"type": "normal", "mu": 5.0, "sigma": 2.0, "minval": 6.0, "maxval": 9.5, "step": 0.25}, [6.75, 7.25, 8.5]),
    (
        {"type": "lognormal", "mu": 0.0, "sigma": 2.0, "maxval": 100.0, "count": 4},
        [0.6639164437518212, 2.1672492179853036, 14.416297779698809],
    ),
    ({"type": "lognormal", "mu": 1.0, "sigma": 0.5, "step": 0.5}, [2.5, 3.5, 5.5]),
    ({"type": "categorical", "vals": ["a", None, 2.5], "weights": [1, 2, 3.5]}, [None, 2.5, 2.5]),
    ({"type": "ordinal", "vals": ["s", "m", "l"]}, ["m", "m", "l"]),
    (
        {"type": "normal", "mu": 0.5, "sigma": 0.25, "minval": 0.75, "maxval": 1.0},
        [0.8188037350051254, 0.8702669977249258, 0.9569243906494942],
    ),
    ({"type": "ordinal", "vals": [1, 2, 4], "weights": [0.1, 0.2, 0.7]}, [4, 4, 4]),
]


@pytest.mark.parametrize(("parameter", "expect"), GOLDEN, ids=lambda each: str(each)[:60])
def test_suggestions_never_change(parameter: dict[str, Any], expect: list[Any]) -> None:
    assert json.dumps(draws(parameter, 3)) == json.dumps(expect)


@KINDS
@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_whatever_is_drawn_belongs(parameter: dict[str, Any], sampler: str) -> None:
    space = space_of({"x": parameter, "y": UNIT}, sampler=sampler)
    drawn = [propose(space, 3, number) for number in range(300)]
    assert [wrong for each in drawn if (wrong := check_configuration(space, each))] == []
    assert [as_drawn(space, each) for each in drawn] == drawn
    assert len({json.dumps(each["x"]) for each in drawn}) > 2


@KINDS
def test_the_value_rises_with_the_bits(parameter: dict[str, Any]) -> None:
    """So a Sobol sequence covers the values evenly, and the ends of the bits are the ends of the range."""
    one, draw = node(parameter), drawer(node(parameter))
    drawn = [draw(bits) for bits in [*range(0, 2**128, 2**119), 2**128 - 1]]
    axis = values(one)
    places: list[Any] = [axis.nearest(each) for each in drawn] if axis is not None else drawn
    assert places == sorted(places)
    if axis is not None and axis.size < 100 and parameter.get("minval") is not None and parameter.get("maxval"):
        assert (drawn[0], drawn[-1]) == (axis.at(0), axis.at(axis.size - 1))


def chi_square(found: Counter[int], expect: dict[int, float], many: int) -> float:
    assert found.keys() <= expect.keys()
    return sum((found[cell] - many * share) ** 2 / (many * share) for cell, share in expect.items())


def doubling(number: float) -> int:
    return int(math.log2(number))


PHI = NormalDist().cdf
SHARES: list[tuple[str, dict[str, Any], Any, dict[int, float]]] = [
    ("doublings", {"type": "log_int", "minval": 1, "maxval": 255}, doubling, dict.fromkeys(range(8), 1 / 8)),
    (
        "integers",
        {"type": "log_int", "minval": 3, "maxval": 9},
        int,
        {k: math.log((k + 1) / k) / math.log(10 / 3) for k in range(3, 10)},
    ),
    (
        "integers in steps",
        {"type": "int", "log": True, "minval": 1, "maxval": 9, "step": 4},
        int,
        {k: math.log((k + 4) / k) / math.log(13) for k in (1, 5, 9)},
    ),
    (
        "log steps",
        {"type": "log_uniform", "minval": 0.5, "maxval": 2.0, "step": 0.5},
        lambda value: round(2 * value),
        {k: math.log((k + 1) / k) / math.log(5) for k in range(1, 5)},
    ),
    (
        "distances from 1",
        {"type": "reverse_log_uniform", "minval": 0, "maxval": 1 - 2**-8},
        lambda value: doubling(1 / (1 - value)),
        dict.fromkeys(range(8), 1 / 8),
    ),
    (
        "reverse steps",
        {"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.9, "step": 0.1},
        lambda value: round(10 * (1 - value)),
        {k: math.log((k + 1) / k) / math.log(6) for k in range(1, 6)},
    ),
    (
        "bell",
        {"type": "normal", "mu": 3, "sigma": 2},
        lambda value: min(int(10 * PHI((value - 3) / 2)), 9),
        dict.fromkeys(range(10), 0.1),
    ),
    (
        "bell within bounds",
        {"type": "normal", "mu": 0, "sigma": 1, "minval": 1, "maxval": 3},
        lambda value: int(10 * (PHI(value) - PHI(1)) / (PHI(3) - PHI(1))),
        dict.fromkeys(range(10), 0.1),
    ),
    (
        "bell in steps",
        {"type": "normal", "mu": 0, "sigma": 1, "minval": -1, "maxval": 1, "step": 1},
        int,
        {k: (PHI(k + 0.5) - PHI(k - 0.5)) / (PHI(1.5) - PHI(-1.5)) for k in (-1, 0, 1)},
    ),
    (
        "lognormal",
        {"type": "lognormal", "mu": -3, "sigma": 0.5},
        lambda value: min(int(10 * PHI((math.log(value) + 3) / 0.5)), 9),
        dict.fromkeys(range(10), 0.1),
    ),
    (
        "lognormal in steps",
        {"type": "lognormal", "mu": 0, "sigma": 1, "maxval": 4, "step": 1},
        int,
        {
            k: (PHI(math.log(k + 0.5)) - PHI(math.log(k - 0.5))) / (PHI(math.log(4.5)) - PHI(math.log(0.5)))
            for k in range(1, 5)
        },
    ),
    (
        "weights",
        {"type": "categorical", "vals": [0, 1, 2], "weights": [1, 0.5, 6]},
        int,
        {0: 2 / 15, 1: 1 / 15, 2: 0.8},
    ),
    ("order", {"type": "ordinal", "vals": [0, 1, 2, 3]}, int, dict.fromkeys(range(4), 0.25)),
    ("order with weights", {"type": "ordinal", "vals": [0, 1], "weights": [3, 1]}, int, {0: 0.75, 1: 0.25}),
]


@pytest.mark.parametrize(
    ("parameter", "cell", "shares"), [each[1:] for each in SHARES], ids=[each[0] for each in SHARES]
)
def test_each_value_is_as_likely_as_the_page_says(parameter: Any, cell: Any, shares: dict[int, float]) -> None:
    """A fair source of up to 10 cells stays below 40 in all but one of 100,000 seeds; these are fixed."""
    many = 4000
    assert sum(shares.values()) == pytest.approx(1)
    for seed in range(3):
        assert chi_square(Counter(map(cell, draws(parameter, many, seed))), shares, many) < 40


@KINDS
def test_odds_are_the_shares_of_the_draws(parameter: dict[str, Any]) -> None:
    one = node(parameter)
    found, axis = uneven(one), values(one)
    if found is None or axis is None or axis.size > 1000:
        return
    odds = [found.odds(index) for index in range(axis.size)]
    assert sum(odds) / axis.size == pytest.approx(1, rel=1e-9)
    parts = 2**14
    counts = Counter(found.index((2 * part + 1) << 113) for part in range(parts))
    assert max(abs(counts[index] / parts - odds[index] / axis.size) for index in range(axis.size)) < 1e-3


def test_sobol_points_cover_the_curve() -> None:
    drawn = draws({"type": "normal", "mu": 0, "sigma": 1}, 64, sampler="sobol")
    assert sorted(int(64 * PHI(value)) for value in drawn) == list(range(64))


def test_normal_draws_stay_within_ten_sigma() -> None:
    draw: Any = drawer(node({"type": "normal", "mu": 5, "sigma": 2}))
    assert 5 - 20 < draw(0) < 5 - 16
    assert draw(2**128 - 1) == 10 - draw(0)


def test_weights_are_taken_as_they_are_written() -> None:
    index = uneven(node({"type": "categorical", "vals": ["a", "b", "c"], "weights": [0.1, 0.2, 0.7]}))
    assert index is not None
    edges = [2**128 // 10, 3 * 2**128 // 10]
    assert [index.index(bits) for bits in (0, edges[0] - 1, edges[0], edges[1] - 1, edges[1], 2**128 - 1)] == [
        *(0, 0, 1, 1, 2, 2)
    ]


# Grids.


@pytest.mark.parametrize(
    ("parameter", "expect"),
    [
        ({"type": "log_int", "minval": 1, "maxval": 1000, "count": 4}, [1, 10, 100, 1000]),
        ({"type": "log_int", "minval": 1, "maxval": 10, "count": 7}, [1, 2, 3, 4, 5, 7, 10]),
        ({"type": "log_int", "minval": 2, "maxval": 5, "count": 9}, [2, 3, 4, 5]),
        ({"type": "log_int", "minval": 8, "maxval": 64, "step": 8}, [8, 16, 24, 32, 40, 48, 56, 64]),
        ({"type": "log_int", "minval": 8, "maxval": 64, "step": 8, "count": 3}, [8, 24, 64]),
        ({"type": "log_int", "minval": 1, "maxval": 100, "count": 1}, [10]),
        ({"type": "log_uniform", "minval": 0.1, "maxval": 1.0, "step": 0.1, "count": 4}, [0.1, 0.2, 0.5, 1.0]),
        ({"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.9999, "count": 4}, [0.9, 0.99, 0.999, 0.9999]),
        ({"type": "reverse_log_uniform", "minval": 0.0, "maxval": 0.9, "step": 0.1, "count": 4}, [0.0, 0.5, 0.8, 0.9]),
        ({"type": "normal", "mu": 0, "sigma": 1, "count": 1}, [0.0]),
        ({"type": "normal", "mu": 10, "sigma": 1, "step": 0.5, "count": 4}, [9.0, 9.5, 10.5, 11.0]),
        ({"type": "normal", "mu": 0, "sigma": 1, "step": 1, "count": 9}, [-2.0, -1.0, 0.0, 1.0, 2.0]),
        ({"type": "normal", "mu": 0, "sigma": 9, "minval": -1, "maxval": 1, "step": 1}, [-1.0, 0.0, 1.0]),
        ({"type": "lognormal", "mu": 0, "sigma": 1, "count": 1}, [1.0]),
        ({"type": "categorical", "vals": ["a", "b"], "weights": [9, 1]}, ["a", "b"]),
        ({"type": "ordinal", "vals": ["s", "m", "l"]}, ["s", "m", "l"]),
    ],
)
def test_points_of_a_grid(parameter: dict[str, Any], expect: list[Any]) -> None:
    space = space_of({"x": parameter}, name="grid")
    found = [propose(space, 1, number)["x"] for number in range(len(expect))][::-1]
    assert found == pytest.approx(expect) if isinstance(expect[0], float) else found == expect
    assert counted(space) == (len(expect), 1)
    assert [check_configuration(space, {"x": value}) for value in found] == [[]] * len(expect)
    assert check_configuration(space, {"x": 0.123456}) != []


logs = st.sampled_from(["log_int", "log_uniform", "reverse_log_uniform"])


@given(logs, st.integers(1, 300), st.integers(1, 300), st.integers(1, 9), st.integers(1, 40))
def test_points_on_a_logarithmic_scale_are_different(kind: str, low: int, width: int, step: int, count: int) -> None:
    scale = {"log_int": 1, "log_uniform": 0.1, "reverse_log_uniform": 1e-3}[kind]
    ends = [low * scale, (low + width * step) * scale]
    if kind == "reverse_log_uniform":
        ends = [ends[0] / 10, min(ends[1] / 10, 0.999)]
    stepped = {"step": step * scale / (10 if kind == "reverse_log_uniform" else 1)}
    if stepped["step"] > ends[1] - ends[0]:
        return
    one = node({"type": kind, "minval": ends[0], "maxval": ends[1], "count": count, **stepped})
    axis, whole = grid(one), support(one)
    assert axis is not None
    assert whole is not None
    points: list[Any] = [axis.at(index) for index in range(axis.size)]
    assert axis.size == min(count, whole.size)
    assert points == sorted(set(points))
    if axis.size > 1:
        assert (points[0], points[-1]) == (whole.at(0), whole.at(whole.size - 1))


@pytest.mark.parametrize("parameter", [each for each in LATER if each["type"] not in ("categorical", "ordinal")])
def test_a_grid_needs_a_count_or_an_end_to_its_steps(parameter: dict[str, Any]) -> None:
    bare = {key: value for key, value in parameter.items() if key != "count"}
    section = {"name": "grid", "metric": "loss"}
    endless = "normal" in bare["type"] and not {"minval", "maxval"} <= bare.keys()
    if "step" in bare and not endless:
        assert grid(node(bare)) is not None
        return
    (violation,) = violations_of({"hyperparameters": {"x": bare}, "searcher": section})
    assert violation.field == "hyperparameters.x.count"


def test_a_grid_says_that_weights_do_nothing() -> None:
    made = config({"x": {"type": "categorical", "vals": [1, 2], "weights": [1, 3]}}, name="grid")
    assert (
        "hyperparameters: a grid has each value once, whatever the weights of x"
        in make_plan(made.searcher, made.space)[1]
    )


# Finite spaces.


@pytest.mark.parametrize(
    ("parameter", "points"),
    [
        ({"type": "log_int", "minval": 1, "maxval": 100_000}, 100_000),
        ({"type": "log_int", "minval": 1, "maxval": 100_001}, None),
        ({"type": "log_uniform", "minval": 0.1, "maxval": 1, "step": 0.1}, 10),
        ({"type": "reverse_log_uniform", "minval": 0.1, "maxval": 0.9, "step": 0.1}, 9),
        ({"type": "reverse_log_uniform", "minval": 0.1, "maxval": 0.9}, None),
        ({"type": "normal", "mu": 0, "sigma": 1, "minval": -1, "maxval": 1, "step": 0.5}, 5),
        ({"type": "normal", "mu": 0, "sigma": 1, "minval": -1, "step": 0.5}, None),
        ({"type": "lognormal", "mu": 0, "sigma": 1, "maxval": 3, "step": 1}, None),
        ({"type": "lognormal", "mu": 0, "sigma": 1, "minval": 1, "maxval": 3, "step": 1}, 3),
        ({"type": "categorical", "vals": [1, 2, 3], "weights": [1, 2, 3]}, 3),
        ({"type": "ordinal", "vals": [1, 2]}, 2),
    ],
)
def test_which_spaces_are_counted(parameter: dict[str, Any], points: int | None) -> None:
    found = counted(space_of({"x": parameter}))
    assert (found and found.points) == points


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_likely_points_come_first_and_none_twice(sampler: str) -> None:
    weighted = {"type": "categorical", "vals": ["rare", "often"], "weights": [1, 19]}
    space = space_of({"a": weighted, "b": {"type": "log_int", "minval": 1, "maxval": 50}}, sampler=sampler)
    first: Counter[object] = Counter()
    for seed in range(40):
        passes = [json.dumps(propose(space, seed, number)) for number in range(200)]
        assert len(set(passes[:100])) == len(set(passes[100:])) == 100
        assert set(passes[:100]) == set(passes[100:])
        first.update(json.loads(each)["a"] for each in passes[:20])
    assert first["rare"] < 160  # 800 draws: one in 20 with replacement, a few more as the likely ones are used up


def test_the_first_point_is_as_likely_as_a_draw() -> None:
    space = space_of({"x": {"type": "categorical", "vals": [0, 1, 2], "weights": [1, 2, 5]}})
    first = Counter(propose(space, seed, 0)["x"] for seed in range(2000))
    second = Counter(propose(space, seed, 1)["x"] for seed in range(2000))
    assert chi_square(first, {0: 1 / 8, 1: 2 / 8, 2: 5 / 8}, 2000) < 20  # type: ignore[arg-type]  # of integers
    shares = {x: sum(p / 8 * w / (8 - p) for p in (1, 2, 5) if p != w) for x, w in enumerate((1, 2, 5))}
    assert chi_square(second, shares, 2000) < 20  # type: ignore[arg-type]  # of integers


def test_a_parameter_that_is_absent_has_no_odds() -> None:
    space = space_of(
        {
            "a": {"type": "categorical", "vals": ["x", "y"], "weights": [1, 3]},
            "b": {"type": "log_int", "minval": 1, "maxval": 9, "when": {"a": "x"}},
        }
    )
    assert counted(space) == (10, 0)
    assert len({json.dumps(propose(space, 1, number)) for number in range(10)}) == 10


# Membership.


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ({"type": "log_int", "minval": 1, "maxval": 9}, [1, 9, 3.0], [0, 10, 2.5, True, "3"]),
        ({"type": "log_int", "minval": 1, "maxval": 9, "step": 4}, [1, 5, 9], [2, 8]),
        ({"type": "log_uniform", "minval": 0.1, "maxval": 0.5, "step": 0.1}, [0.1, 0.1 + 0.2, 0.5], [0.15, 0.6]),
        ({"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.99}, [0.9, 0.99], [0.89, 0.991, 1]),
        ({"type": "normal", "mu": 0, "sigma": 1}, [-10, 0, 9.5], [10.1, math.nan, math.inf, "0"]),
        ({"type": "normal", "mu": 0, "sigma": 1, "minval": 0}, [0, 10], [-0.1]),
        ({"type": "normal", "mu": 0, "sigma": 1, "step": 0.25}, [0.25, -3, 1e-17], [0.2]),
        ({"type": "lognormal", "mu": 0, "sigma": 1}, [1, 22026], [0, -1, 30_000]),
        ({"type": "lognormal", "mu": 0, "sigma": 1, "step": 2}, [2, 4.0], [0, 1]),
        ({"type": "categorical", "vals": ["a", 1], "weights": [1, 2]}, ["a", 1], ["b", True]),
        ({"type": "ordinal", "vals": [8, 16]}, [8, 16.0], [12]),
    ],
)
def test_what_may_be_enqueued(parameter: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    space = space_of({"x": parameter, "y": UNIT})
    for value in good:
        assert check_configuration(space, {"x": value, "y": 0.5}) == []
    for value in bad:
        (violation,) = check_configuration(space, {"x": value, "y": 0.5})
        assert violation.field == "hparams.x"


def test_the_nearest_step_is_named() -> None:
    space = space_of({"x": {"type": "normal", "mu": 0, "sigma": 1, "step": 0.5}, "y": UNIT})
    (violation,) = check_configuration(space, {"x": 0.7, "y": 0})
    assert violation.description == "got 0.7, wanted a number from -10 to 10 in steps of 0.5; the nearest is 0.5"


# Population based training.


@pytest.mark.parametrize(
    ("parameter", "old", "factor", "expect"),
    [
        ({"type": "log_int", "minval": 1, "maxval": 99}, 10, 0.2, {8, 12}),
        ({"type": "log_int", "minval": 1, "maxval": 99}, 1, 0.2, {1, 2}),
        ({"type": "log_int", "minval": 1, "maxval": 9, "step": 4}, 5, 0.01, {1, 9}),
        ({"type": "log_uniform", "minval": 0.1, "maxval": 1, "step": 0.1}, 0.5, 0.1, {0.4, 0.6}),
        ({"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.999}, 0.9, 0.5, {0.85, 0.95}),
        ({"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.999}, 0.9, 1, {0.8, 0.999}),
        ({"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.9, "step": 0.1}, 0.8, 0.1, {0.7, 0.9}),
        ({"type": "normal", "mu": 0, "sigma": 1}, 9, 0.5, {4.5, 10.0}),
        ({"type": "normal", "mu": 0, "sigma": 1, "maxval": 1}, -1, 0.5, {-1.5, -0.5}),
        ({"type": "normal", "mu": 0, "sigma": 1, "step": 0.5}, 2, 0.1, {1.5, 2.5}),
        ({"type": "lognormal", "mu": 0, "sigma": 1, "maxval": 2}, 1.5, 0.5, {0.75, 2.0}),
        ({"type": "categorical", "vals": [1, 2], "weights": [1, 2]}, 1, 0.5, {1}),
        ({"type": "ordinal", "vals": ["s", "m", "l"]}, "m", 0.5, {"s", "l"}),
        ({"type": "ordinal", "vals": ["s", "m", "l"]}, "s", 0.5, {"s", "m"}),
        ({"type": "ordinal", "vals": ["s", "m", "l"]}, "l", 0.5, {"m", "l"}),
        ({"type": "ordinal", "vals": ["s", "m", "l"]}, "m", 0, {"m"}),
    ],
)
def test_clones_move_both_ways(parameter: Any, old: Any, factor: float, expect: set[Any]) -> None:
    space = space_of({"x": parameter, "y": UNIT})
    found: set[Any] = {perturb(space, {"x": old, "y": 0.5}, 3, child, 0, factor)["x"] for child in range(30)}
    assert sorted(map(str, found)) == sorted(map(str, expect)) or sorted(found) == pytest.approx(sorted(expect))


def test_a_clone_of_a_value_that_the_order_does_not_have_is_drawn() -> None:
    space = space_of({"x": {"type": "ordinal", "vals": ["s", "m", "l"]}, "y": UNIT})
    found = {perturb(space, {"x": "other", "y": 0.5}, 3, child, 0, 0.2)["x"] for child in range(30)}
    assert found == {"s", "m", "l"}


@KINDS
@pytest.mark.parametrize("factor", [0.01, 0.2, 1.0])
def test_clones_of_clones_stay_in_the_space(parameter: dict[str, Any], factor: float) -> None:
    space = space_of({"x": parameter, "y": UNIT})
    hparams = propose(space, 1, 1)
    for child in range(200):
        hparams = perturb(space, hparams, 7, child, 0.05, factor)
        assert check_configuration(space, hparams) == []


# Conditions and constraints.


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ({"type": "log_int", "minval": 1, "maxval": 4}, 2),
        ({"type": "ordinal", "vals": ["s", "m"]}, "m"),
        ({"type": "categorical", "vals": ["a", "b"], "weights": [1, 1]}, "b"),
    ],
)
def test_conditions_look_at_them(parameter: dict[str, Any], value: object) -> None:
    space = space_of({"a": parameter, "x": UNIT | {"when": {"a": value}}})
    drawn = [propose(space, 1, number) for number in range(60)]
    assert {("x" in each) == (each["a"] == value) for each in drawn} == {True}
    assert {"x" in each for each in drawn} == {True, False}


@pytest.mark.parametrize("kind", ["log_uniform", "normal"])
def test_conditions_on_continuous_ones_are_refused(kind: str) -> None:
    ends = {"mu": 1, "sigma": 1} if kind == "normal" else {"minval": 1, "maxval": 2}
    document = {"a": {"type": kind, **ends}, "x": UNIT | {"when": {"a": 1}}}
    (violation,) = violations_of({"hyperparameters": document, "searcher": {"name": "single", "metric": "m"}})
    assert "is continuous, wanted a const, int, log_int, categorical or ordinal parameter" in violation.description


SIZES = {"type": "ordinal", "vals": ["small", "medium", "large"]}


@pytest.mark.parametrize(
    ("constraint", "expect"),
    [
        ("size > 'small'", {"medium", "large"}),
        ("size <= 'medium'", {"small", "medium"}),
        ("'small' < size < 'large'", {"medium"}),
        ("size != 'medium'", {"small", "large"}),
        ("size < other", {"small", "medium"}),
        ("number > 9", {"small", "medium", "large"}),
        ("normal < 0 or size == 'large'", {"small", "medium", "large"}),
    ],
)
def test_constraints_know_the_order(constraint: str, expect: set[str]) -> None:
    numbers = {"type": "ordinal", "vals": [16, 8]}
    bell = {"type": "normal", "mu": 0, "sigma": 1}
    space = space_of({"size": SIZES, "other": SIZES, "number": numbers, "normal": bell}, constraint)
    assert {propose(space, 1, number)["size"] for number in range(100)} == expect


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        ("size < 'huge'", "'huge' is compared with an ordinal by its order, wanted one of its values"),
        ("3 > size", "3 is compared with an ordinal by its order"),
        ("size < x", "a number is compared with an ordinal by its order"),
        ("size < steps", "is compared with an ordinal by its order"),
        ("size + 1 > 2", "a text on the left of '+'"),
    ],
)
def test_other_comparisons_with_an_order_are_refused(constraint: str, problem: str) -> None:
    space = {"size": SIZES, "x": UNIT, "steps": {"type": "ordinal", "vals": ["large", "small"]}}
    searcher = {"name": "single", "metric": "m"}
    (violation,) = violations_of({"hyperparameters": space, "constraints": [constraint], "searcher": searcher})
    assert problem in violation.description


# Notes and summaries.


@pytest.mark.parametrize(
    ("mu", "noted"), [(0.001, True), (0.5, True), (10, True), (0, False), (-7, False), (2, False), (9, False)]
)
def test_a_mu_that_looks_like_a_value_is_noted(mu: float, noted: bool) -> None:
    searcher = {"name": "single", "metric": "loss"}
    notes = parse({"hyperparameters": {"x": {"type": "lognormal", "mu": mu, "sigma": 1}}, "searcher": searcher})[1]
    assert any("mu of lognormal is that of the logarithm" in note for note in notes) == noted


@pytest.mark.parametrize(
    ("parameter", "expect"),
    [
        ({"type": "int", "minval": 1, "maxval": 64, "log": True}, "log_int, 1 to 64"),
        ({"type": "log_uniform", "minval": 0.1, "maxval": 1, "step": 0.1}, "log_uniform, 0.1 to 1, in steps of 0.1"),
        ({"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.99}, "reverse_log_uniform, 0.9 to 0.99"),
        ({"type": "normal", "mu": 0, "sigma": 1.5}, "normal, mu 0, sigma 1.5"),
        ({"type": "normal", "mu": 0, "sigma": 1, "minval": -1}, "normal, mu 0, sigma 1, from -1"),
        (
            {"type": "normal", "mu": 0, "sigma": 1, "minval": -1, "maxval": 1, "step": 0.5},
            "normal, mu 0, sigma 1, -1 to 1, in steps of 0.5",
        ),
        (
            {"type": "lognormal", "mu": 0, "sigma": 1, "maxval": 5, "step": 0.5},
            "lognormal, median 1, sigma 1, to 5, in steps of 0.5",
        ),
        ({"type": "categorical", "vals": ["a", "b"], "weights": [3, 1]}, 'categorical, one of "a" 75 %, "b" 25 %'),
        ({"type": "ordinal", "vals": [8, 16, 32]}, "ordinal, one of 8, 16, 32 in this order"),
    ],
)
def test_summaries(parameter: dict[str, Any], expect: str) -> None:
    assert describe(config({"x": parameter}))[2] == f"x: {expect}"
