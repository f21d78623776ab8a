"""The key `target_metric`: of every searcher that runs, a number, kept as it was given."""

import math
from typing import Any

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.ranking import sort_key
from rungway_server.domain.search.config import KEYS


def document(**searcher: Any) -> dict[str, Any]:
    section = {"name": "random", "metric": "loss", "max_trials": 4, "max_length": {"epochs": 9}}
    return {"hyperparameters": {}, "searcher": section | searcher}


@pytest.mark.parametrize("target", [0.5, -1.5, 0, 3, 1e300])
def test_it_is_read_and_written(target: float) -> None:
    config, _ = parse(document(target_metric=target))
    assert config.searcher.target_metric == target
    assert parse(to_document(config))[0] == config


def test_there_is_none_by_default() -> None:
    assert parse(document())[0].searcher.target_metric is None


@pytest.mark.parametrize("target", ["0.5", True, [], math.nan, math.inf, -math.inf], ids=str)
def test_what_is_no_finite_number_is_refused(target: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(document(target_metric=target))
    assert [violation.field for violation in refused.value.violations] == ["searcher.target_metric"]


def test_every_searcher_has_it() -> None:
    assert all("target_metric" in keys for keys in KEYS.values())


@pytest.mark.parametrize("smaller", [True, False])
def test_a_key_not_above_the_target_is_as_good(smaller: bool) -> None:
    """What the scripts compare: sort keys of metrics with that of the target."""
    sign = 1 if smaller else -1
    target = sort_key(sign * 0.5, smaller)
    for metric, good in ((0.4, True), (0.5, True), (0.6, False), (-math.inf, True), (math.inf, False)):
        assert (sort_key(sign * metric, smaller) <= target) == good
    assert sort_key(math.nan, smaller) > target
