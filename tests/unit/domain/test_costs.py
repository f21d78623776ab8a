"""Configurations that would take seconds to work out are refused, or worked out another way."""

from collections.abc import Mapping

import pytest

from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.sampling import number_of_points
from rungway_server.domain.space.conditions import MAX_CONDITIONS
from rungway_server.domain.space.constraints.constraints import MAX_EFFORT, effort
from rungway_server.domain.space.membership import MAX_VIOLATIONS, check_configuration

UNIT = {"type": "double", "minval": 0, "maxval": 1}
BIT = {"type": "int", "minval": 0, "maxval": 1}
SEARCHER = {"name": "random", "metric": "loss", "max_trials": 4}


def many(count: int, parameter: object) -> dict[str, object]:
    return {f"p{i:03}": parameter for i in range(count)}


def refusal(space: Mapping[str, object], *constraints: str, searcher: object = None) -> Violation:
    with pytest.raises(InvalidInput) as refused:
        parse({"hyperparameters": space, "constraints": constraints, "searcher": searcher or SEARCHER})
    return refused.value.violations[0]


def test_constraints_that_look_at_very_many_parameters() -> None:
    texts = [" + ".join(f"p{i:03}" for i in range(first, first + 40)) + " >= 0" for first in (0, 40, 80)]
    violation = refusal(many(200, UNIT), *texts)
    assert violation.field == "constraints"
    assert violation.description.startswith("checking them is as much work as drawing 144 parameters, wanted at most")


def test_long_constraints_about_few_parameters() -> None:
    text = "not " * 150 + "p000 < 2"
    assert "work" in refusal(many(1, UNIT), *[text] * 7).description


def test_a_parameter_counts_with_what_its_conditions_look_at() -> None:
    space: dict[str, object] = {f"p{i}": {**BIT, "when": {f"p{i - 1}": 1}} if i else BIT for i in range(20)}
    config, _ = parse({"hyperparameters": space, "constraints": ["p19 >= 0"], "searcher": SEARCHER})
    assert effort(config.space) == 20 + 19 // 10
    assert effort(config.space) <= MAX_EFFORT


def test_constraints_that_need_very_many_draws() -> None:
    text = " and ".join(f"p{i:03} < 0.87" for i in range(45))  # 0.87 ** 45 is 0.19 %
    violation = refusal(many(45, UNIT), text)
    assert violation.field == "constraints"
    assert "finding one is as much work as drawing" in violation.description


def test_very_many_conditions() -> None:
    count = MAX_CONDITIONS // 100 + 1
    space = many(100, BIT) | {f"q{i}": {**UNIT, "when": {f"p{j:03}": 1 for j in range(100)}} for i in range(count)}
    violation = refusal(space)
    assert violation.field == "hyperparameters.q0.when"
    assert str(count * 100) in violation.description


def test_points_that_are_too_much_work_to_list_are_drawn() -> None:
    text = " and ".join(f"p{i % 16:03} >= 0" for i in range(48))
    space = many(16, {**BIT, "count": 2})
    config, _ = parse({"hyperparameters": space, "constraints": [text], "searcher": SEARCHER})
    assert number_of_points(config.space) is None
    few, _ = parse({"hyperparameters": many(8, BIT), "constraints": ["p000 >= 0"], "searcher": SEARCHER})
    assert number_of_points(few.space) == 256
    violation = refusal(space, text, searcher={"name": "grid", "metric": "loss"})
    assert "more points than can be looked at" in violation.description


def test_conditions_on_a_parameter_of_very_many_values() -> None:
    values = [[i, {"x": i}] for i in range(5_000)]  # nothing that could be looked up by itself
    space = {"a": {"type": "categorical", "vals": values}, "b": {**UNIT, "when": {"a": values[::-1]}}}
    config, _ = parse({"hyperparameters": space, "searcher": SEARCHER})
    assert config.space.conditions["b",][0].admits([7, {"x": 7.0}])
    assert not config.space.conditions["b",][0].admits([7, {"x": 8}])


def test_violations_of_a_configuration_are_bounded() -> None:
    config, _ = parse({"hyperparameters": many(1000, UNIT), "searcher": SEARCHER})
    wrong = check_configuration(config.space, {f"unknown{i}": 1 for i in range(100_000)})
    assert len(wrong) == MAX_VIOLATIONS
    assert max(len(violation.description) for violation in wrong) < 300
