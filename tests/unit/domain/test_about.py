"""Labels, owner and comment: their limits, changes of them, and filters."""

import pytest

from rungway_server.domain.about import About, AboutChange, Wanted, read_wanted
from rungway_server.domain.errors import InvalidInput


@pytest.mark.parametrize("key", ["a", "A9", "team", "a/b.c_d-e", "x" * 63])
def test_names_that_are_taken(key: str) -> None:
    About({key: "ü" * 127}, "o" * 255, "c" * 4_096).check()
    assert read_wanted([key, f"{key}=a=b"], "") == Wanted(((key, None), (key, "a=b")))


@pytest.mark.parametrize("key", ["", "-a", "a-", "a b", "a=b", "ä", "x" * 64, "a\n"])
def test_names_that_are_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        About({key: ""}).check()
    assert refused.value.violations[0].field.startswith("labels[")
    if key != "a=b":
        with pytest.raises(InvalidInput, match=r"labels\[1\]"):
            read_wanted(["fine", key], "")


@pytest.mark.parametrize(
    ("about", "field"),
    [
        (About({f"l{i}": "" for i in range(65)}), "labels"),
        (About({"a": "ü" * 128}), 'labels["a"]'),
        (About(owner="o" * 256), "owner"),
        (About(comment="c" * 4_097), "comment"),
    ],
)
def test_what_is_too_much_is_named(about: About, field: str) -> None:
    assert [each.field for each in about.violations()] == [field]


def test_a_change_leaves_what_it_does_not_name() -> None:
    before = About({"a": "1", "b": "2"}, "zoe", "first")
    assert AboutChange({"c": "3"}, ("a", "never")).of(before) == About({"b": "2", "c": "3"}, "zoe", "first")
    assert AboutChange(owner="", comment="second").of(before) == About(before.labels, "", "second")
    assert not AboutChange({}, ("a", "b"), "", "").of(before)
    with pytest.raises(InvalidInput, match="remove_labels"):
        AboutChange({"a": "1"}, ("a",)).of(before)
    with pytest.raises(InvalidInput, match="65 labels"):
        AboutChange({f"l{i}": "" for i in range(63)}).of(before)


def test_a_filter_wants_all_of_its_labels_and_its_owner() -> None:
    about = About({"team": "vision", "kind": ""}, "zoe")
    assert all(read_wanted(labels, "zoe").has(about) for labels in ([], ["team"], ["team=vision", "kind="], ["kind"]))
    assert not any(read_wanted(labels, "").has(about) for labels in (["team="], ["team=audio"], ["team", "absent"]))
    assert not read_wanted([], "Zoe").has(about)
    assert not read_wanted([], "")
