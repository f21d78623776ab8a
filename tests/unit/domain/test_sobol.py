"""Low-discrepancy sampling."""

import importlib
import json
from typing import Any

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.sampling.sobol import BITS, sobol
from rungway_server.domain.space.space import Source, Space
from rungway_server.proposals.observed import Observed
from rungway_server.proposals.observed import Source as Proposer
from rungway_server.proposals.propose import propose as proposed

qmc: Any = importlib.import_module("scipy.stats.qmc")  # scipy has no types
UNIT = {"type": "double", "minval": 0, "maxval": 1}


def space(document: dict[str, Any], sampler: str = "sobol") -> Space:
    section = {"name": "random", "metric": "loss", "max_trials": 64, "sampler": sampler}
    return parse({"hyperparameters": document, "searcher": section})[0].space


def test_points_are_those_of_the_sequence() -> None:
    plain = qmc.Sobol(3, scramble=False, bits=BITS).random(1024)
    for number in (0, 1, 2, 255, 256, 257, 1023):
        assert [coordinate / 2**BITS for coordinate in sobol(number, 3)] == list(plain[number])


@pytest.mark.parametrize("seed", range(4))
def test_every_stretch_of_a_power_of_two_fills_every_cell(seed: int) -> None:
    one = space({"a": UNIT, "b": UNIT})
    for start in (0, 64, 4096):
        drawn: list[Any] = [propose(one, seed, number) for number in range(start, start + 64)]
        for name in "ab":
            assert sorted(int(values[name] * 64) for values in drawn) == list(range(64))
        assert len({(int(values["a"] * 8), int(values["b"] * 8)) for values in drawn}) == 64


def test_the_door_of_the_models_gives_the_same_points() -> None:
    plain, nothing = space({"a": UNIT, "b": UNIT}, "random"), Observed(0, (), {})
    wanted = [propose(space({"a": UNIT, "b": UNIT}), 7, number) for number in range(4)]
    assert proposed(plain, 7, nothing, Proposer.SOBOL, range(4), 0) == wanted


def test_it_is_more_even_than_random_draws() -> None:
    document = {name: UNIT for name in "abcd"}
    points = {
        sampler: [list(propose(space(document, sampler), 1, number).values()) for number in range(256)]
        for sampler in ("sobol", "random")
    }
    assert qmc.discrepancy(points["sobol"]) < qmc.discrepancy(points["random"]) / 5


def test_all_kinds_of_parameters() -> None:
    one = space(
        {
            "c": 3,
            "cat": {"type": "categorical", "vals": ["a", "b"]},
            "g": {"i": {"type": "int", "minval": 1, "maxval": 4}},
            "log": {"type": "log_uniform", "minval": 1e-4, "maxval": 1},
            "step": {"type": "double", "minval": 0, "maxval": 1, "step": 0.25},
        }
    )
    drawn: list[Any] = [propose(one, 1, number) for number in range(64)]
    assert sum(values["cat"] == "a" for values in drawn) == 32
    assert sorted(values["g"]["i"] for values in drawn) == sorted([1, 2, 3, 4] * 16)
    assert sum(values["log"] < 1e-2 for values in drawn) == 32
    assert {values["step"] for values in drawn} == {0.0, 0.25, 0.5, 0.75, 1.0}


GOLDEN = [
    (0, 0, {"a": 0.8615495304174654, "b": 0.1283484153379033}),
    (1, 5, {"a": 0.21836950969044677, "b": 0.7195320206583958}),
    (7, 1_000_000, {"a": 0.4419588291388018, "b": 0.7708261755142167}),
]


@pytest.mark.parametrize(("seed", "number", "expect"), GOLDEN)
def test_suggestions_never_change(seed: int, number: int, expect: dict[str, float]) -> None:
    assert json.dumps(propose(space({"a": UNIT, "b": UNIT}), seed, number)) == json.dumps(expect)


def test_seeds_matter() -> None:
    one = space({"a": UNIT})
    assert len({json.dumps(propose(one, seed, 0)) for seed in range(50)}) == 50


def test_it_needs_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rungway_server.domain.experiment.sobol_available", lambda: False)
    with pytest.raises(InvalidInput, match=r"searcher\.sampler: got 'sobol', .* install 'rungway\[sobol\]'"):
        space({"a": UNIT})
    assert space({"a": UNIT}, "random").source is Source.RANDOM


def test_a_space_of_constants_needs_no_point() -> None:
    assert propose(space({"a": 1}), 0, 3) == {"a": 1}
