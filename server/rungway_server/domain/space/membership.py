"""Whether a user's own configuration belongs to a space: each parameter present, with a value that the space allows."""

import math
from collections.abc import Iterator, Mapping
from itertools import chain, islice

from rungway_server.domain.documents.fields import shown, whole
from rungway_server.domain.documents.json_values import same
from rungway_server.domain.documents.paths import Path, below, spelled
from rungway_server.domain.errors import Violation
from rungway_server.domain.space.axes import grid, values
from rungway_server.domain.space.configuration import ABSENT, Configuration, flat
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.decimals import exact, half_away, power, step_count, step_value
from rungway_server.domain.space.ranges import bounds
from rungway_server.domain.space.space import (
    Categorical,
    Const,
    Double,
    Entry,
    Group,
    Int,
    Log,
    LogInt,
    LogNormal,
    LogUniform,
    Ordinal,
    Parameter,
    Ranged,
    Source,
    Space,
)

MAX_VIOLATIONS = 30
"""The check stops after so many violations."""
_NAMES_SHOWN = 20
_MUST_BE_ABSENT = "must be absent: the conditions under which it exists do not hold"
_SLACK = 1e-9
"""Relative tolerance for floats: of log parameters at their bounds, and of any number at its steps."""


def check_configuration(space: Space, hparams: Mapping[str, object], field: str = "hparams") -> list[Violation]:
    """What is wrong with a configuration, MAX_VIOLATIONS of it at most; empty when it belongs to the space."""
    given = flat(space, hparams)
    values = Configuration(space, lambda entry: given.get(entry.path, ABSENT))
    known = (_check(space, values, given, path, field) for path in space.leaves)
    found = chain(_unknown(hparams, space.entries, field), chain.from_iterable(known))
    wrong = list(islice(found, MAX_VIOLATIONS))
    if not wrong and not checker(space)(values):
        wrong.append(not_met(space, field))
    return wrong


def check_values(space: Space, hparams: Mapping[str, object], field: str = "hparams") -> list[Violation]:
    """What is wrong with the values of a configuration in part, whatever else it needs; at most MAX_VIOLATIONS."""
    given = flat(space, hparams)
    known = (_check_given(space, given, path, _place(field, path)) for path in given)
    return list(islice(chain(_unknown(hparams, space.entries, field), chain.from_iterable(known)), MAX_VIOLATIONS))


def as_drawn(space: Space, hparams: Mapping[str, object]) -> dict[str, object]:
    """A configuration of the space with its values as the space draws them: 3 for 3.0 where an integer is wanted, and
    of equal constants and categories the one that the space names."""
    return _group_as_drawn(space.entries, hparams)


def _group_as_drawn(entries: tuple[Entry, ...], hparams: Mapping[str, object]) -> dict[str, object]:
    nodes = {entry.name: entry.node for entry in entries}
    return {name: _value_as_drawn(nodes[name], value) for name, value in hparams.items()}


def _value_as_drawn(node: Parameter | Group, value: object) -> object:
    match node:
        case Group(entries) if isinstance(value, Mapping):
            return _group_as_drawn(entries, value)
        case Const(val):
            return val
        case Categorical(vals) | Ordinal(vals):
            equal = [each for each in vals if same(value, each)]
            return next((each for each in equal if repr(each) == repr(value)), equal[0])
        case Int() | LogInt():
            return whole(value)
        case _:
            return value


def not_met(space: Space, field: str) -> Violation:
    """That a configuration does not meet the constraints."""
    return Violation(field, f"does not meet the constraints: {'; '.join(space.constraints)}")


def _check(
    space: Space, values: Configuration, given: Mapping[Path, object], path: Path, field: str
) -> Iterator[Violation]:
    place = _place(field, path)
    conditions = space.conditions.get(path, ())
    active = all(condition.admits(values[condition.path]) for condition in conditions)
    if not active and path in given:
        yield Violation(place, _MUST_BE_ABSENT)
    elif active and path not in given:
        yield Violation(place, f"is missing; wanted {_wanted(space.leaves[path].parameter)}")
    elif active:
        yield from _check_value(space, space.leaves[path].parameter, given[path], place)


def _check_given(space: Space, given: Mapping[Path, object], path: Path, place: str) -> Iterator[Violation]:
    """A value by itself, and by those of its conditions whose parameter is given, too."""
    conditions = [each for each in space.conditions.get(path, ()) if each.path in given]
    if all(condition.admits(given[condition.path]) for condition in conditions):
        yield from _check_value(space, space.leaves[path].parameter, given[path], place)
    else:
        yield Violation(place, _MUST_BE_ABSENT)


def _check_value(space: Space, node: Parameter, value: object, place: str) -> Iterator[Violation]:
    if not _allows(node, value):
        yield Violation(place, f"got {shown(value)}, wanted {_wanted(node)}{_hint(node, value)}")
    elif space.source is Source.GRID and (wanted := _off_grid(node, value)):
        yield Violation(place, f"got {shown(value)}, wanted {wanted}")


def _place(field: str, path: Path) -> str:
    return f"{field}.{spelled(*path)}"


def _unknown(hparams: Mapping[str, object], entries: tuple[Entry, ...], place: str) -> Iterator[Violation]:
    nodes = {entry.name: entry.node for entry in entries}
    for name, value in hparams.items():
        node, here = nodes.get(name), below(place, name)
        if node is None:
            some = ", ".join(map(spelled, sorted(nodes)[:_NAMES_SHOWN])) + (", …" if len(nodes) > _NAMES_SHOWN else "")
            yield Violation(here, f"unknown parameter; the space has {some}")
        elif isinstance(node, Group):
            if isinstance(value, Mapping):
                yield from _unknown(value, node.entries, here)
            else:
                yield Violation(here, f"got {shown(value)}, wanted a group of parameters")


def _allows(node: Parameter, value: object) -> bool:
    match node:
        case Const():
            return same(value, node.val)
        case Categorical() | Ordinal():
            return any(same(value, each) for each in node.vals)
    integers = isinstance(node, Int | LogInt)
    number = int if integers else int | float
    value = whole(value) if integers else value
    if isinstance(value, bool) or not isinstance(value, number):
        return False
    low, high = _bounds(node)
    return low <= value <= high and _on_step(node, value)


def _on_step(node: Ranged, value: float) -> bool:
    nearest = _nearest(node, value)
    if nearest is None or isinstance(node, Int | LogInt):
        return nearest in (None, value)
    return math.isclose(value, nearest, rel_tol=_SLACK, abs_tol=_SLACK * _width(node))


def _nearest(node: Ranged, value: float) -> float | None:
    """The value on a step that is nearest to one within the bounds; None for a parameter without a step."""
    if not node.step:
        return None
    match node:
        case Int(low, high, _, int(step)) | LogInt(low, high, _, int(step)):
            return low + step * min((value - low + step // 2) // step, (high - low) // step)
        case Double(low, high, _, float(step)):
            return step_value(low, step, _index(low, high, step, value))
        case Log(base, low, high, _, float(step)):
            exponent = math.log(value) / math.log(base)
            return power(base, step_value(low, step, _index(low, high, step, exponent)))
    axis = values(node)
    return None if axis is None else axis.at(axis.nearest(value))  # type: ignore[return-value]  # of numbers


def _index(low: float, high: float, step: float, value: float) -> int:
    steps = half_away((exact(value) - exact(low)) / exact(step))
    return min(max(steps, 0), step_count(low, high, step) - 1)


def _width(node: Ranged) -> float:
    """The width of equal steps, for an absolute tolerance: 0.1 + 0.2 is the step at 0.3, and 1e-17 is the one at 0."""
    return 0.0 if isinstance(node, Log) else node.step or 0.0


def _bounds(node: Ranged) -> tuple[float, float]:
    low, high = bounds(node)
    if not isinstance(node, Log | LogUniform | LogNormal):
        return low, high  # integers stay exact
    return low * (1 - _SLACK), high * (1 + _SLACK)


def _off_grid(node: Parameter, value: object) -> str:
    """What to say of a number that the space allows but its grid does not have; "" if the grid has it."""
    axis = grid(node)
    if axis is None or axis.listed or not isinstance(value, int | float):
        return ""
    nearest = axis.at(axis.nearest(value))
    assert isinstance(nearest, int | float)
    slack = 0.0 if isinstance(node, Int | LogInt) else _SLACK
    width = node.maxval - node.minval if isinstance(node, Double) else 0.0
    if math.isclose(value, nearest, rel_tol=slack, abs_tol=slack * width):
        return ""
    return f"one of the {axis.size} values in the grid; the nearest is {nearest!r}"


def _wanted(node: Parameter) -> str:
    match node:
        case Const():
            return shown(node.val)
        case Categorical() | Ordinal():
            return f"one of {', '.join(shown(each) for each in node.vals[:20])}"
        case Int() | LogInt():
            return f"an integer from {node.minval} to {node.maxval}{_in_steps(node.step)}"
    low, high = _bounds(node)
    of = " of the exponent" if isinstance(node, Log) else ""
    return f"a number from {low:.6g} to {high:.6g}{_in_steps(node.step, of)}"


def _in_steps(step: float | None, of: str = "") -> str:
    return f" in steps of {step:.6g}{of}" if step else ""


def _hint(node: Parameter, value: object) -> str:
    """The nearest value on a step, for a number within the bounds that is not on one; "" otherwise."""
    if isinstance(node, Const | Categorical | Ordinal) or isinstance(value, bool):
        return ""
    low, high = _bounds(node)
    integers = isinstance(node, Int | LogInt)
    wanted = int if integers else int | float
    value = whole(value) if integers else value
    if not isinstance(value, wanted) or not low <= value <= high:
        return ""
    nearest = _nearest(node, value)
    return "" if nearest is None else f"; the nearest is {nearest!r}"
