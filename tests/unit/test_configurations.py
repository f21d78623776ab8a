"""A stored configuration is complete although it holds no names."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.space.space import Space
from rungway_server.store.redis.layout.configurations import Configurations
from tests.contract.test_exactness import exactly
from tests.unit.domain.test_membership import GOOD, SPACE
from tests.unit.domain.test_pbt import space as space_of
from tests.unit.domain.test_space import json_value, name, spaces

CHOICES = [None, False, True, 0, 1, 0.0, -0.0, 1.0, "1", "", [], [1], [1.0], {}, {"a": {"b": [None]}}]
PARAMETERS: dict[str, Any] = {
    "choice": {"type": "categorical", "vals": CHOICES},
    "const": {"type": "const", "val": {"deep": [1, 2.5]}},
    "group": {
        "empty": {},
        "kind": {"type": "categorical", "vals": ["a", "b"]},
        "only a": {"type": "int", "minval": -(2**63), "maxval": 2**63 - 1, "when": {"group.kind": "a"}},
        "only b": {"below": {"type": "log", "base": 10, "minval": -5, "maxval": 5, "when": {"group.kind": "b"}}},
    },
    "rate": {"type": "double", "minval": -1, "maxval": 1},
}
CONDITIONAL = space_of(PARAMETERS)


def stays(space: Space, hparams: dict[str, Any]) -> bytes:
    configurations = Configurations(space)
    packed = configurations.pack(hparams)
    assert exactly(configurations.unpack(packed)) == exactly(hparams)
    return packed


@given(document=spaces, seed=st.integers(0, 2**63), number=st.integers(0, 2**40))
def test_suggestions_of_any_space(document: dict[str, Any], seed: int, number: int) -> None:
    space = space_of(document)
    packed = stays(space, propose(space, seed, number))
    assert len(msgpack.unpackb(packed)) == len(space.leaves)


@given(number=st.integers(0, 2**40))
def test_parameters_that_do_not_exist(number: int) -> None:
    hparams = propose(CONDITIONAL, 1, number)
    packed = stays(CONDITIONAL, hparams)
    assert isinstance(msgpack.unpackb(packed), list)
    assert len(packed) < 30


@pytest.mark.parametrize("choice", CHOICES, ids=repr)
def test_each_choice_is_told_from_those_that_are_equal_to_it(choice: object) -> None:
    hparams = propose(CONDITIONAL, 1, 0) | {"choice": choice, "rate": -0.0}
    assert isinstance(msgpack.unpackb(stays(CONDITIONAL, hparams)), list)


@pytest.mark.parametrize(
    "change",
    [
        {"const": 3.0},
        {"double": 0.5, "log": 1},
        {"int": 2.0},
        {"double": None},
        {"double": True},
        {"kind": 1.0},
        {"kind": ["sgd"]},
        {"kind": {"sgd": 1}},
        {"net": {}},
        {"net": {"width": 2, "depth": 1}},
        {"net": {"width": {}}},
        {"net": [1]},
        {"net": None},
        {"other": None},
    ],
    ids=str,
)
def test_configurations_of_users(change: dict[str, Any]) -> None:
    stays(SPACE, GOOD | change)
    stays(SPACE, {name: value for name, value in GOOD.items() if name not in change})


@given(hparams=st.dictionaries(name | st.sampled_from(["const", "int", "kind", "net"]), json_value, max_size=4))
def test_any_document(hparams: dict[str, Any]) -> None:
    """Configurations that the space does not allow: a value in place of a group, texts in place of numbers."""
    stays(SPACE, hparams)


@pytest.mark.parametrize("change", [{}, {"double": 1}, {"log": 0}], ids=str)
def test_names_are_not_stored(change: dict[str, Any]) -> None:
    packed = stays(SPACE, GOOD | change)
    assert not any(name.encode() in packed for name in (*GOOD, "width", "sgd"))


@pytest.mark.parametrize(
    "packed", [b"", b"\xc1", b"\x91", b"\x90", b"\x01", b"\xa1x", msgpack.packb([0] * 8)], ids=repr
)
def test_other_bytes_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Configurations(SPACE).unpack(packed)


@pytest.mark.parametrize("wrong", [9, "x", [0]], ids=repr)
def test_an_invalid_position_is_refused(wrong: object) -> None:
    values = [1 if entry.path != ("kind",) else wrong for entry in SPACE.leaves.values()]
    with pytest.raises((IndexError, TypeError)):
        Configurations(SPACE).unpack(bytes(msgpack.packb(values)))
