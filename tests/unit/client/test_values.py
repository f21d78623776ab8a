import math
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rungway import values
from rungway.v1 import value_pb2

integers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
leaves = st.none() | st.booleans() | integers | st.floats(allow_nan=False) | texts
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


def wire(mapping: dict[str, Any]) -> value_pb2.MapValue:
    return value_pb2.MapValue.FromString(values.to_map(mapping).SerializeToString())


def typed(value: Any) -> Any:
    """The value with its types and without the order of its keys: 1 is not 1.0 is not True, 0.0 is not -0.0."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    return [typed(inner) for inner in value] if isinstance(value, list) else repr(value)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(texts, trees, max_size=4))
def test_everything_comes_back_exactly(mapping: dict[str, Any]) -> None:
    assert typed(values.from_map(wire(mapping))) == typed(mapping)


def test_nan_minus_zero_and_the_ends_of_64_bits() -> None:
    back = values.from_map(wire({"nan": math.nan, "zero": -0.0, "low": -(2**63), "high": 2**63 - 1}))
    assert math.isnan(back["nan"])
    assert math.copysign(1, back["zero"]) == -1
    assert (back["low"], back["high"]) == (-(2**63), 2**63 - 1)


def test_tuples_are_lists_and_scalars_are_numbers() -> None:
    class Size(IntEnum):
        BIG = 3

    class Name(StrEnum):
        ADAM = "adam"

    given = {"t": (1, (2.5,)), "i": np.int64(2**62), "f": np.float32(0.5), "b": np.bool_(True), "a": np.array(7)}
    back = values.from_map(wire({**given, "e": Size.BIG, "n": Name.ADAM, "o": OrderedDict(x=1)}))
    wanted = {"t": [1, [2.5]], "i": 2**62, "f": 0.5, "b": True, "a": 7, "e": 3, "n": "adam", "o": {"x": 1}}
    assert back == wanted
    assert type(back["b"]) is bool


@pytest.mark.parametrize(
    ("mapping", "path", "problem"),
    [
        ({"a": {"b": [1, {"c": object()}]}}, "a.b[1].c", "got object"),
        ({"a": 2**63}, "a", "64 bits"),
        ({"a": [-(2**63) - 1]}, "a[0]", "64 bits"),
        ({"a": {1: 2}}, "a", "got the key 1, wanted a string"),
        ({"a": b"bytes"}, "a", "got bytes"),
        ({"a": {1, 2}}, "a", "got set"),
        ({"a": np.array([1, 2])}, "a", "got ndarray"),
        ({"a": 1j}, "a", "got complex"),
        ({"a": "\ud800"}, "a", "UTF-8"),
        ({"\ud800": 1}, "", "UTF-8"),
        ([1], "", "mapping"),
        (None, "", "mapping"),
    ],
)
def test_other_values_are_refused_with_their_path(mapping: Any, path: str, problem: str) -> None:
    with pytest.raises(values.InvalidValue, match=problem) as caught:
        values.to_map(mapping)
    assert caught.value.path == path


def nested(depth: int, wrap: Any) -> dict[str, Any]:
    tree: Any = 1
    for _ in range(depth - 1):
        tree = wrap(tree)
    return {"x": tree}


@pytest.mark.parametrize("wrap", [lambda inner: {"x": inner}, lambda inner: [inner]])
def test_depth_is_limited_both_ways(wrap: Any) -> None:
    deepest = nested(values.MAX_DEPTH, wrap)
    assert values.from_map(wire(deepest)) == deepest
    with pytest.raises(values.InvalidValue, match="nested deeper than 20 levels"):
        values.to_map(nested(values.MAX_DEPTH + 1, wrap))
    inner = values.to_map(nested(values.MAX_DEPTH, wrap))
    too_deep = value_pb2.MapValue(entries={"y": value_pb2.Value(map_value=inner)})
    with pytest.raises(values.InvalidValue, match="nested deeper than 20 levels"):
        values.from_map(too_deep)


def test_a_cycle_is_refused() -> None:
    cycle: dict[str, Any] = {}
    cycle["x"] = cycle
    with pytest.raises(values.InvalidValue, match="nested deeper"):
        values.to_map(cycle)
