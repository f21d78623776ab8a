"""Whether a user's own configuration belongs to a space: every parameter there, with a value that the space allows."""

from collections.abc import Iterator, Mapping

from rungway_server.domain.configuration import ABSENT, Configuration, flat, same
from rungway_server.domain.constraints import checker
from rungway_server.domain.errors import Violation
from rungway_server.domain.fields import shown
from rungway_server.domain.space import (
    Categorical,
    Const,
    Double,
    Entry,
    Group,
    Int,
    Log,
    LogUniform,
    Parameter,
    Path,
    Space,
    dotted,
)

_LOG_SLACK = 1e-9
"""How far beyond a bound, relative to it, a log parameter may be: powers are not exact."""


def check_configuration(space: Space, hparams: Mapping[str, object], field: str = "hparams") -> list[Violation]:
    """Everything wrong with a configuration; empty when it belongs to the space. Steps of a parameter do not bind."""
    given = flat(space, hparams)
    values = Configuration(space, lambda entry: given.get(entry.path, ABSENT))
    wrong = [*_unknown(hparams, space.entries, field)]
    for path in space.leaves:
        wrong += _check(space, values, given, path, field)
    if not wrong and not checker(space)(values):
        wrong.append(Violation(field, f"does not meet the constraints: {'; '.join(space.constraints)}"))
    return wrong


def _check(
    space: Space, values: Configuration, given: Mapping[Path, object], path: Path, field: str
) -> Iterator[Violation]:
    place = f"{field}.{dotted(path)}"
    active = path not in space.conditions or all(
        any(same(values[condition.path], wanted) for wanted in condition.values) for condition in space.conditions[path]
    )
    if not active and path in given:
        yield Violation(place, "must be absent: the conditions under which it exists do not hold")
    elif active and path not in given:
        yield Violation(place, f"is missing; wanted {_wanted(space.leaves[path].parameter)}")
    elif active and not _allows(space.leaves[path].parameter, given[path]):
        yield Violation(place, f"got {shown(given[path])}, wanted {_wanted(space.leaves[path].parameter)}")


def _unknown(hparams: Mapping[str, object], entries: tuple[Entry, ...], place: str) -> Iterator[Violation]:
    nodes = {entry.name: entry.node for entry in entries}
    for name, value in hparams.items():
        node = nodes.get(name)
        if node is None:
            yield Violation(f"{place}.{name}", f"unknown parameter; the space has {', '.join(sorted(nodes))}")
        elif isinstance(node, Group):
            if isinstance(value, Mapping):
                yield from _unknown(value, node.entries, f"{place}.{name}")
            else:
                yield Violation(f"{place}.{name}", f"got {shown(value)}, wanted a group of parameters")


def _allows(node: Parameter, value: object) -> bool:
    match node:
        case Const():
            return same(value, node.val)
        case Categorical():
            return any(same(value, each) for each in node.vals)
        case Int():
            return isinstance(value, int) and not isinstance(value, bool) and node.minval <= value <= node.maxval
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = _bounds(node)
    return low <= value <= high


def _bounds(node: Double | Log | LogUniform) -> tuple[float, float]:
    match node:
        case Double():
            return node.minval, node.maxval
        case LogUniform():
            return node.minval * (1 - _LOG_SLACK), node.maxval * (1 + _LOG_SLACK)
        case Log():
            ends = sorted((node.base**node.minval, node.base**node.maxval))
            return ends[0] * (1 - _LOG_SLACK), ends[1] * (1 + _LOG_SLACK)


def _wanted(node: Parameter) -> str:
    match node:
        case Const():
            return shown(node.val)
        case Categorical():
            return f"one of {', '.join(shown(each) for each in node.vals[:20])}"
        case Int():
            return f"an integer from {node.minval} to {node.maxval}"
    low, high = _bounds(node)
    return f"a number from {low:.6g} to {high:.6g}"
