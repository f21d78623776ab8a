"""Whether a user's own configuration belongs to a space: every parameter there, with a value that the space allows."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from rungway_server.domain.configuration import ABSENT, Configuration, flat
from rungway_server.domain.constraints import checker
from rungway_server.domain.errors import Violation
from rungway_server.domain.fields import joined, shown
from rungway_server.domain.json_values import same
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

MAX_VIOLATIONS = 30
"""Most violations that are looked for."""
_NAMES_SHOWN = 20
_LOG_SLACK = 1e-9
"""How far beyond a bound, relative to it, a log parameter may be: powers are not exact."""


def check_configuration(space: Space, hparams: Mapping[str, object], field: str = "hparams") -> list[Violation]:
    """What is wrong with a configuration, MAX_VIOLATIONS of it at most; empty when it belongs to the space.

    Steps of a parameter do not bind.
    """
    given = flat(space, hparams)
    values = Configuration(space, lambda entry: given.get(entry.path, ABSENT))
    known = (_check(space, values, given, path, field) for path in space.leaves)
    found = chain(_unknown(hparams, space.entries, field), chain.from_iterable(known))
    wrong = list(islice(found, MAX_VIOLATIONS))
    if not wrong and not checker(space)(values):
        wrong.append(Violation(field, f"does not meet the constraints: {'; '.join(space.constraints)}"))
    return wrong


def _check(
    space: Space, values: Configuration, given: Mapping[Path, object], path: Path, field: str
) -> Iterator[Violation]:
    place = f"{field}.{dotted(path)}"
    conditions = space.conditions.get(path, ())
    active = all(condition.admits(values[condition.path]) for condition in conditions)
    if not active and path in given:
        yield Violation(place, "must be absent: the conditions under which it exists do not hold")
    elif active and path not in given:
        yield Violation(place, f"is missing; wanted {_wanted(space.leaves[path].parameter)}")
    elif active and not _allows(space.leaves[path].parameter, given[path]):
        yield Violation(place, f"got {shown(given[path])}, wanted {_wanted(space.leaves[path].parameter)}")


def _unknown(hparams: Mapping[str, object], entries: tuple[Entry, ...], place: str) -> Iterator[Violation]:
    nodes = {entry.name: entry.node for entry in entries}
    for name, value in hparams.items():
        node, here = nodes.get(name), joined(place, name)
        if node is None:
            some = ", ".join(sorted(nodes)[:_NAMES_SHOWN]) + (", …" if len(nodes) > _NAMES_SHOWN else "")
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
