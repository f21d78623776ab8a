"""The list of departures names cases that exist, with reasons."""

import pytest

from tests.reference.tables import departures, load


@pytest.mark.parametrize("table", departures())
def test_departures_name_cases_of_the_table(table: str) -> None:
    unknown = departures()[table].keys() - {case["id"] for case in load(table)}
    assert not unknown
    assert all(departures()[table].values())
