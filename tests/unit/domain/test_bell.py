"""The normal distribution: as scipy has it, symmetrical, and the same to the last bit everywhere."""

import importlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.space.bell import below, ln, ln_above_one, mass, quantile

special: Any = importlib.import_module("scipy.special")  # scipy has no types
halves = st.floats(1e-300, 0.5)


@given(halves)
def test_quantiles_are_those_of_scipy(probability: float) -> None:
    assert quantile(probability) == pytest.approx(float(special.ndtri(probability)), rel=1e-12)


@given(st.floats(-37, 0))
def test_probabilities_are_those_of_scipy(deviations: float) -> None:
    assert below(deviations) == pytest.approx(float(special.ndtr(deviations)), rel=1e-11)


@given(halves)
def test_a_quantile_is_the_place_of_its_probability(probability: float) -> None:
    assert below(quantile(probability)) == pytest.approx(probability, rel=1e-11)


@given(st.floats(1e-300, 1e300))
def test_logarithms_are_those_of_the_platform(number: float) -> None:
    assert ln(number) == pytest.approx(math.log(number), rel=1e-15, abs=1e-16)
    assert ln_above_one(number) == pytest.approx(math.log1p(number), rel=1e-15)


@given(st.lists(st.floats(-9, 9), min_size=3, max_size=3, unique=True).map(sorted))
def test_masses_add_up(ends: list[float]) -> None:
    low, middle, high = ends
    assert mass(low, middle) + mass(middle, high) == pytest.approx(mass(low, high), rel=1e-9, abs=1e-15)
    assert mass(-high, -low) == pytest.approx(mass(low, high), rel=1e-12)


def test_the_ends() -> None:
    assert mass(-math.inf, math.inf) == 1.0
    assert mass(-math.inf, 0.0) == below(0.0) == 0.5
    assert below(-math.inf) == below(-40.0) == 0.0
    assert quantile(0.5) == 0.0


QUANTILES = ["-0x1.0c7e39582c5fap-1", "-0x1.a515209676abdp+0", "-0x1.8b8cbb7204470p+1", "-0x1.c234fba57a32ap+2"]
PROBABILITIES = ["0x1.87423a677e90fp-2", "0x1.e91c9c6c20300p-10", "0x1.fb4d81400e576p-11", "0x1.0a7afbb1ee67cp-63"]


def test_the_numbers_never_change() -> None:
    """Every bit: running searches draw by them, on every platform."""
    assert [quantile(each).hex() for each in (0.3, 0.05, 1e-3, 1e-12)] == QUANTILES
    assert [below(-each).hex() for each in (0.3, 2.9, 3.1, 9.0)] == PROBABILITIES
