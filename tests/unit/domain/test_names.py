"""Experiment ids."""

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.names import check_experiment_id


@pytest.mark.parametrize("text", ["a", "7", "digits", "a-1", "a--b", "0" * 63])
def test_good_ids(text: str) -> None:
    check_experiment_id(text)


@pytest.mark.parametrize(
    "text", ["", "-", "-a", "a-", "A", "a_b", "a.b", "a b", "a\n", "é", "{a}", "a:b", "0" * 64, "x" * 100_000]
)
def test_bad_ids_name_the_field_and_stay_short(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_experiment_id(text)
    (violation,) = caught.value.violations
    assert violation.field == "experiment"
    assert len(violation.description) < 250
