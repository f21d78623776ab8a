"""Drawing configurations: the same in every release, independent of order and neighbours, and fair."""

import json
import math
import random
from collections import Counter
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.philox import leading_bits, philox, philox_column, round_keys, seed_keys
from rungway_server.domain.sampling.sampling import number_of_points, propose, suggest_many
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.space.reader import read_space
from rungway_server.domain.space.space import Space
from tests.reference.tables import Case, cases
from tests.unit.domain.test_space import spaces

word = st.integers(0, 2**64 - 1)
SPACE = {
    "batch_size": {"type": "categorical", "vals": [16, 32, 64]},
    "layers": {"type": "int", "minval": 1, "maxval": 5},
    "optimizer": {
        "kind": "sgd",
        "lr": {"type": "log", "base": 10, "minval": -5, "maxval": -1},
        "momentum": {"type": "double", "minval": 0.0, "maxval": 1.0},
    },
    "wide": {"type": "int", "minval": -(2**63), "maxval": 2**63 - 1},
}


def space(document: dict[str, Any]) -> Space:
    violations: list[Any] = []
    result = read_space(document, "hyperparameters", violations)
    assert not violations
    return result


def draws(parameter: object, many: int, seed: int = 1) -> list[Any]:
    one = space({"x": parameter, "y": {"type": "double", "minval": 0, "maxval": 1}})  # y: no finite number of points
    return [propose(one, seed, number)["x"] for number in range(many)]


def test_the_published_known_answers() -> None:
    ones = 2**64 - 1
    assert philox((0, 0, 0, 0), round_keys(0, 0)) == (
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    )
    assert philox((ones, ones, ones, ones), round_keys(ones, ones)) == (
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    )


@given(st.tuples(word, word, word, word), word, word)
def test_bits_are_those_of_numpy(counter: tuple[int, int, int, int], low: int, high: int) -> None:
    before = (sum(part << (64 * i) for i, part in enumerate(counter)) - 1) % 2**256  # numpy counts up before drawing
    bits = np.random.Philox(key=low | high << 64, counter=before).random_raw(4)
    assert philox(counter, round_keys(low, high)) == tuple(int(part) for part in bits)


@given(st.integers(0, 2**64 - 41), st.integers(0, 40), st.tuples(word, word, word), word)
def test_a_column_of_bits_is_that_of_its_counters(
    first: int, count: int, rest: tuple[int, int, int], seed: int
) -> None:
    numbers = range(first, first + count)
    one_by_one = [leading_bits((number, *rest), seed_keys(seed)) for number in numbers]
    assert philox_column(numbers, rest, seed) == one_by_one


GOLDEN: list[tuple[int, int, dict[str, Any]]] = [
    (
        0,
        0,
        {
            "batch_size": 16,
            "layers": 2,
            "optimizer": {"kind": "sgd", "lr": 0.00022612508299065038, "momentum": 0.29843826953741526},
            "wide": -667646786144001472,
        },
    ),
    (
        0,
        1,
        {
            "batch_size": 64,
            "layers": 4,
            "optimizer": {"kind": "sgd", "lr": 0.00014530237605586842, "momentum": 0.6642734965760545},
            "wide": 8039565109944536419,
        },
    ),
    (
        1,
        0,
        {
            "batch_size": 32,
            "layers": 3,
            "optimizer": {"kind": "sgd", "lr": 0.000921988635641105, "momentum": 0.09131736707603133},
            "wide": -2187245771362743056,
        },
    ),
    (
        20260101,
        999999,
        {
            "batch_size": 16,
            "layers": 3,
            "optimizer": {"kind": "sgd", "lr": 0.0047177317878713855, "momentum": 0.9991811387324363},
            "wide": -151616067681139877,
        },
    ),
    (
        9223372036854775807,
        9007199254740993,
        {
            "batch_size": 64,
            "layers": 1,
            "optimizer": {"kind": "sgd", "lr": 0.00597600839946328, "momentum": 0.5872293226090077},
            "wide": -2957159177804595644,
        },
    ),
]


@pytest.mark.parametrize(("seed", "number", "expect"), GOLDEN)
def test_suggestions_never_change(seed: int, number: int, expect: dict[str, Any]) -> None:
    """A figure that moves here means that running experiments would change under their users' feet."""
    assert json.dumps(propose(space(SPACE), seed, number)) == json.dumps(expect)


def test_trials_may_be_drawn_in_any_order() -> None:
    one = space(SPACE)
    in_order = [propose(one, 5, number) for number in range(50)]
    shuffled = list(range(50))
    random.Random(0).shuffle(shuffled)
    assert {number: propose(space(SPACE), 5, number) for number in shuffled} == dict(enumerate(in_order))
    assert len({json.dumps(values) for values in in_order}) == 50


def test_parameters_do_not_know_of_each_other() -> None:
    alone = space({"optimizer": {"momentum": SPACE["optimizer"]["momentum"]}})  # type: ignore[index]
    for number in range(20):
        whole = propose(space(SPACE), 5, number)
        assert whole["optimizer"]["momentum"] == propose(alone, 5, number)["optimizer"]["momentum"]  # type: ignore[index]


def test_seed_number_and_path_all_matter() -> None:
    unit = {"type": "double", "minval": 0, "maxval": 1}
    two = space({"a": unit, "b": unit, "g": {"a": unit}})
    values = []
    for seed in (0, 1, 2**63 - 1):
        for number in (0, 1, 2**32, 2**63):
            drawn = propose(two, seed, number)
            values += [drawn["a"], drawn["b"], drawn["g"]["a"]]  # type: ignore[index]
    assert len(set(values)) == 36


@settings(deadline=None)  # as below
@given(spaces, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_many_at_once_are_the_same(document: dict[str, Any], seed: int, first: int, count: int) -> None:
    one, numbers = space(document), range(first, first + count)
    many = suggest_many(one, seed, numbers)
    assert json.dumps(many) == json.dumps([propose(one, seed, number) for number in numbers])


@settings(deadline=None)  # the first suggestion of a seed may shuffle up to 100,000 points
@given(spaces, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_every_value_lies_in_its_space(document: dict[str, Any], seed: int, number: int) -> None:
    whole = space(document)
    values = propose(whole, seed, number)
    assert list(values) == sorted(document, key=str.encode)
    assert propose(whole, seed, number) == values
    json.dumps(values, allow_nan=False)
    check(document, values)


def check(document: dict[str, Any], values: dict[str, Any], *, closed: bool = False) -> None:
    for name, wanted in document.items():
        value = values[name]
        kind = wanted.get("type") if isinstance(wanted, dict) else "bare"
        if kind is None:
            check(wanted, value, closed=closed)
        elif kind in ("categorical", "ordinal"):
            assert value in wanted["vals"]
        elif kind in ("normal", "lognormal"):
            assert wanted.get("minval", -math.inf) <= value <= wanted.get("maxval", math.inf)
        elif kind == "int":
            assert wanted["minval"] <= value <= wanted["maxval"]
        elif kind == "double":
            assert wanted["minval"] <= value <= wanted["maxval"]
            assert value < wanted["maxval"] or wanted.get("step") or closed
        elif kind in ("log_uniform", "log_int", "reverse_log_uniform"):
            assert wanted["minval"] <= value <= wanted["maxval"]
        elif kind == "log":
            exponent = math.log(value, wanted["base"])
            assert wanted["minval"] - 1e-9 <= exponent <= wanted["maxval"] + 1e-9
        else:
            assert value == (wanted["val"] if kind == "const" else wanted)


@pytest.mark.parametrize("case", cases("hyperparameter_sampling_cases.json", expect_sample=...))
def test_samples_of_the_table(case: Case) -> None:
    assert propose(space(case["hyperparameters"]), 0, 0) == case["expect_sample"]


@pytest.mark.parametrize("case", cases("hyperparameter_sampling_cases.json", expect_support=...))
def test_supports_of_the_table(case: Case) -> None:
    assert sorted(set(draws(case["hyperparameters"]["x"], 100))) == case["expect_support"]


@pytest.mark.parametrize("case", cases("hyperparameter_sampling_cases.json", expect_bounds=...))
def test_bounds_of_the_table(case: Case) -> None:
    low, high = case["expect_bounds"]
    seen = draws(case["hyperparameters"]["x"], 500)
    assert all(low <= value <= high for value in seen)
    middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
    assert min(seen) < middle < max(seen)


@pytest.mark.parametrize("case", cases("hyperparameter_sampling_cases.json", id="all-kinds-reproducible"))
def test_the_same_seed_gives_the_same_sample(case: Case) -> None:
    for seed in range(50):
        again = [propose(space(case["hyperparameters"]), seed, number) for number in (0, 1)]
        assert again == [propose(space(case["hyperparameters"]), seed, number) for number in (0, 1)]
        assert again[0] != again[1]


def chi_square(counts: Counter[Any], cells: int, many: int) -> float:
    assert len(counts) <= cells
    expected = many / cells
    return sum((counts[cell] - expected) ** 2 / expected for cell in range(cells))


# With 99 degrees of freedom a fair source stays between these bounds in all but about one of 10,000 draws.
FAIR = (55, 160)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("parameter", "cell"),
    [
        ({"type": "int", "minval": -50, "maxval": 49}, lambda value: value + 50),
        ({"type": "int", "minval": -(2**63), "maxval": 2**63 - 1}, lambda value: (value + 2**63) * 100 >> 64),
        ({"type": "double", "minval": -1, "maxval": 1}, lambda value: int((value + 1) * 50)),
        ({"type": "log", "base": 10, "minval": -5, "maxval": -1}, lambda value: int((math.log10(value) + 5) * 25)),
        ({"type": "categorical", "vals": list(range(100))}, lambda value: value),
        ({"type": "int", "minval": 1, "maxval": 300, "step": 3}, lambda value: value // 3),
        ({"type": "double", "minval": 0.5, "maxval": 10.4, "step": 0.1}, lambda value: round(value * 10) - 5),
        ({"type": "log", "base": 2, "minval": 0, "maxval": 99, "step": 1}, lambda value: int(math.log2(value))),
        ({"type": "log_uniform", "minval": 1e-5, "maxval": 0.1}, lambda value: int((math.log10(value) + 5) * 25)),
    ],
    ids=["int", "int64", "double", "log", "categorical", "int-step", "double-step", "log-step", "log_uniform"],
)
def test_values_are_spread_evenly(parameter: object, cell: Any, seed: int) -> None:
    many = 5000
    counts = Counter(cell(value) for value in draws(parameter, many, seed))
    assert FAIR[0] < chi_square(counts, 100, many) < FAIR[1]


def test_neighbouring_trials_and_parameters_are_not_correlated() -> None:
    unit = {"type": "double", "minval": -1, "maxval": 1}
    one = space({"a": unit, "b": unit})
    rows = np.array([list(propose(one, 3, number).values()) for number in range(5000)])
    a, b = rows[:, 0], rows[:, 1]
    for left, right in ((a, b), (a[1:], a[:-1]), (b[1:], b[:-1]), (a[1:], b[:-1])):
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.06


def test_integer_bounds_are_both_reached() -> None:
    assert Counter(draws({"type": "int", "minval": 7, "maxval": 9}, 300)).keys() == {7, 8, 9}


@pytest.mark.parametrize("base", [2.0, 10.0, 0.5, 3.14])
def test_a_log_value_is_the_nearest_number_to_the_power(base: float) -> None:
    bounds = {"minval": -8, "maxval": 8}
    exponents = draws({"type": "double", **bounds}, 200)  # the same path, and so the same bits
    powers = [float(Context(prec=60).power(Decimal(base), Decimal(exponent))) for exponent in exponents]
    assert draws({"type": "log", "base": base, **bounds}, 200) == powers


@pytest.mark.parametrize(
    ("parameter", "expect"),
    [
        ({"type": "int", "minval": 1, "maxval": 8, "step": 3}, [1, 4, 7]),
        ({"type": "int", "minval": -3, "maxval": 3, "step": 6}, [-3, 3]),
        ({"type": "double", "minval": 0.1, "maxval": 0.5, "step": 0.1}, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ({"type": "double", "minval": 0, "maxval": 1, "step": 0.4}, [0.0, 0.4, 0.8]),
        ({"type": "log", "base": 10, "minval": -3, "maxval": 0, "step": 1}, [0.001, 0.01, 0.1, 1.0]),
        ({"type": "log", "base": 2, "minval": 4, "maxval": 7.5, "step": 1}, [16.0, 32.0, 64.0, 128.0]),
    ],
)
def test_values_with_a_step_are_the_decimals_one_would_write(parameter: object, expect: list[float]) -> None:
    assert sorted(set(draws(parameter, 200))) == expect


def test_plain_logs_are_the_nearest_numbers() -> None:
    context, (minval, maxval) = Context(prec=60), (1e-5, 0.1)
    low, high = context.ln(Decimal(minval)), context.ln(Decimal(maxval))
    parts = draws({"type": "double", "minval": 0, "maxval": 1}, 200)  # the same path, and so the same bits
    expect = [float(context.exp(low + (high - low) * Decimal(part))) for part in parts]
    assert draws({"type": "log_uniform", "minval": minval, "maxval": maxval}, 200) == expect


small: Any = {"a": {"type": "int", "minval": 1, "maxval": 5}, "b": {"type": "categorical", "vals": ["x", "y", "z"]}}


@pytest.mark.parametrize("seed", range(3))
def test_few_points_are_taken_in_turn(seed: int) -> None:
    texts = [json.dumps(propose(space(small), seed, number)) for number in range(60)]
    rounds = [texts[start : start + 15] for start in range(0, 60, 15)]
    assert all(sorted(one) == sorted(rounds[0]) for one in rounds)
    assert all(len(set(one)) == 15 for one in rounds)
    assert len({tuple(one) for one in rounds}) == 4


def test_orders_of_few_points_are_all_as_likely() -> None:
    three = space({"x": {"type": "int", "minval": 0, "maxval": 2}})
    orders = Counter(tuple(propose(three, seed, number)["x"] for number in range(3)) for seed in range(600))
    assert len(orders) == 6
    assert all(65 < times < 140 for times in orders.values())


def test_few_points_of_a_conditional_space_never_come_twice() -> None:
    whole = space({**small, "c": {"type": "int", "minval": 1, "maxval": 9, "when": {"b": "x"}}})
    points = number_of_points(whole)
    assert points == 5 * (9 + 2)
    assert len({json.dumps(propose(whole, 3, number)) for number in range(points)}) == points


@pytest.mark.parametrize(
    ("document", "points"),
    [
        ({}, 1),
        ({"c": 3}, 1),
        (small, 15),
        ({f"p{i}": {"type": "int", "minval": 1, "maxval": 10} for i in range(5)}, 100_000),
        ({f"p{i}": {"type": "int", "minval": 1, "maxval": 10} for i in range(6)}, None),
        ({"wide": {"type": "int", "minval": -(2**63), "maxval": 2**63 - 1}}, None),
        ({"x": {"type": "double", "minval": 0, "maxval": 1}}, None),
        ({"x": {"type": "double", "minval": 0, "maxval": 1, "step": 0.01}}, 101),
        ({"x": {"type": "log_uniform", "minval": 1, "maxval": 2}}, None),
        ({"x": {"type": "categorical", "vals": [1, 1, 2]}}, 2),
    ],
)
def test_number_of_points(document: dict[str, Any], points: int | None) -> None:
    assert number_of_points(space(document)) == points


def test_more_trials_than_points_are_said() -> None:
    section = {"name": "random", "metric": "loss", "max_trials": 16}
    config, _ = parse({"hyperparameters": small, "searcher": section})
    _, notes = make_plan(config.searcher, config.space)
    assert notes == ("hyperparameters: 16 trials, but only 15 different configurations",)
    assert make_plan(replace(config.searcher, max_trials=15), config.space)[1] == ()


UNIT = {"type": "double", "minval": 0, "maxval": 1}
LATER_GOLDEN: list[tuple[dict[str, Any], list[str], int, dict[str, Any]]] = [
    (small, [], 0, {"a": 3, "b": "x"}),
    (small, [], 1, {"a": 4, "b": "z"}),
    (
        {
            "e": {"type": "log", "base": 10, "minval": -5, "maxval": -1, "step": 0.5},
            "i": {"type": "int", "minval": 0, "maxval": 100, "step": 5},
            "l": {"type": "log_uniform", "minval": 1e-5, "maxval": 0.1},
            "s": {"type": "double", "minval": 0, "maxval": 1, "step": 0.05},
        },
        [],
        30,
        {"e": 3.1622776601683795e-05, "i": 30, "l": 4.402438229762743e-05, "s": 0.25},
    ),
    ({"a": UNIT, "b": UNIT}, ["a + b < 0.2"], 30, {"a": 0.010072117827211513, "b": 0.18240212553110036}),
]


@pytest.mark.parametrize(("document", "constraints", "number", "expect"), LATER_GOLDEN)
def test_other_suggestions_never_change_either(
    document: dict[str, Any], constraints: list[str], number: int, expect: dict[str, Any]
) -> None:
    section = {"name": "random", "metric": "loss", "max_trials": 3}
    config, _ = parse({"hyperparameters": document, "constraints": constraints, "searcher": section})
    assert json.dumps(propose(config.space, 0, number)) == json.dumps(expect)
