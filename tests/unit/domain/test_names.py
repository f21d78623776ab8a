"""Experiment ids."""

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.names import as_id, check_experiment_id, check_namespace


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


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("my_net", "my-net"),
        ("My Net 2", "my-net-2"),
        ("a.b/c", "a-b-c"),
        ("_x_", "x"),
        ("Réseau", "reseau"),
        ("x" * 100, "x" * 63),
        ("a" * 62 + "_b", "a" * 62),
    ],
)
def test_a_refusal_names_the_id_it_would_be(text: str, made: str) -> None:
    assert as_id(text) == made
    check_experiment_id(made)
    for check in (check_experiment_id, check_namespace):
        with pytest.raises(InvalidInput) as caught:
            check(text)
        assert f"'{made}' would be right" in caught.value.violations[0].description


@pytest.mark.parametrize("text", ["", "---", "日本", "_"])
def test_of_some_names_no_id_can_be_made(text: str) -> None:
    assert as_id(text) == ""
    with pytest.raises(InvalidInput) as caught:
        check_experiment_id(text)
    assert "would be right" not in caught.value.violations[0].description
