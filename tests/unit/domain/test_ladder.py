"""The arithmetic of brackets and rungs, against the reference tables and at its edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.search.ladder import (
    MAX_RUNGS,
    Mode,
    bracket_concurrency,
    bracket_trials,
    geometric_lengths,
    log_floor,
    mode_rungs,
    rung_lengths,
)
from tests.reference.tables import Case, cases


@pytest.mark.parametrize("case", cases("bracket_max_trials.json"))
def test_bracket_trials(case: Case) -> None:
    trials = bracket_trials(case["max_trials"], float(case["divisor"]), tuple(case["bracket_rungs"]))
    assert list(trials) == case["expect"]


@pytest.mark.parametrize("case", cases("bracket_max_concurrent.json"))
def test_bracket_concurrency(case: Case) -> None:
    trials = tuple(case["bracket_max_trials"])
    assert list(bracket_concurrency(case["max_concurrent_trials"], float(case["divisor"]), trials)) == case["expect"]


@pytest.mark.parametrize("case", cases("mode_rungs.json"))
def test_mode_rungs(case: Case) -> None:
    assert list(mode_rungs(Mode(case["mode"]), case["max_rungs"])) == sorted(case["expect"], reverse=True)


@pytest.mark.parametrize("case", cases("rungs.json"))
def test_rung_lengths(case: Case) -> None:
    assert list(rung_lengths(case["num_rungs"], case["max_length"], float(case["divisor"]))) == case["expect"]


@pytest.mark.parametrize("case", cases("rung_limit.json"))
def test_log_floor_is_exact_at_powers(case: Case) -> None:
    assert log_floor(case["value"], float(case["divisor"]), MAX_RUNGS) == case["exact_log_floor"]


@given(st.integers(1, 10**12), st.integers(2, 1000))
def test_log_floor_by_its_definition(value: int, divisor: int) -> None:
    k = log_floor(value, float(divisor), MAX_RUNGS)
    assert divisor**k <= value < divisor ** (k + 1)


def test_log_floor_stops_at_its_limit() -> None:
    assert log_floor(10**12, 1.0000000000000002, 7) == 7


@given(st.integers(1, 30), st.integers(1, 10**12), st.floats(1.01, 1000))
def test_rung_lengths_grow_to_the_full_length(count: int, max_length: int, divisor: float) -> None:
    lengths = rung_lengths(count, max_length, divisor)
    assert len(lengths) == count
    assert lengths[-1] == max_length
    assert list(lengths) == sorted(lengths)
    assert lengths[0] >= 1


@pytest.mark.parametrize(
    ("min_length", "max_length", "divisor", "expect"),
    [
        (1, 27, 3.0, (1, 3, 9, 27)),
        (1, 81, 4.0, (1, 4, 16, 64, 81)),
        (5, 100, 2.5, (5, 12, 31, 78, 100)),
        (1, 4, 1.5, (1, 2, 3, 4)),
        (10, 10, 4.0, (10,)),
        (7, 10, 4.0, (7, 10)),
    ],
)
def test_geometric_lengths(min_length: int, max_length: int, divisor: float, expect: tuple[int, ...]) -> None:
    assert geometric_lengths(min_length, max_length, divisor) == expect


@given(st.integers(0, 1000), st.integers(1, 8), st.floats(1.01, 50))
def test_concurrency_is_shared_out_whole(asked: int, brackets: int, divisor: float) -> None:
    shares = bracket_concurrency(asked, divisor, (100,) * brackets)
    assert len(shares) == brackets
    if asked:
        assert sum(shares) == max(asked, brackets)
        assert max(shares) - min(shares) <= 1
