"""Reading a `hyperparameters` section: every violation is noted with the path of its key."""

import math
from collections.abc import Callable, Mapping

from rungway_server.domain.errors import Violation
from rungway_server.domain.fields import MAX_INTEGER, MIN_INTEGER, Section, finite, is_text, joined, shown
from rungway_server.domain.space import Categorical, Const, Double, Int, Log, Parameter, Space, make_entry

MAX_DEPTH = 16
"""Deepest nesting of groups, and of lists and mappings in a value."""
MAX_PARAMETERS = 1000
"""Most parameters of a space, constants included."""
MAX_VALUES = 10_000
"""Most values of a categorical parameter."""
MAX_COUNT = 10_000_000
"""Most points of a parameter in a grid."""
MAX_VALUE_TEXT = 10_000
"""Longest text in a value, in characters."""


def read_space(document: object, path: str, violations: list[Violation]) -> Space:
    """Read a section into a space; what is wrong is added to `violations`, and then the result means nothing."""
    if not isinstance(document, Mapping):
        violations.append(Violation(path, f"got {shown(document)}, wanted a mapping of names to parameters"))
        return Space()
    space = _group(Section(document, path, violations), ())
    if (size := _size(space)) > MAX_PARAMETERS:
        violations.append(Violation(path, f"got {size} parameters, wanted at most {MAX_PARAMETERS}"))
    return space


def _size(space: Space) -> int:
    return sum(_size(entry.node) if isinstance(entry.node, Space) else 1 for entry in space.entries)


def _group(section: Section, names: tuple[str, ...]) -> Space:
    if len(names) > MAX_DEPTH:
        section.violations.append(Violation(section.path, f"nested deeper than {MAX_DEPTH} groups"))
        return Space()
    entries = []
    for name in _names(section):
        here, path = (*names, name), joined(section.path, name)
        entries.append(make_entry(here, _node(section.values[name], path, here, section.violations)))
    return Space(tuple(entries))


def _names(section: Section) -> list[str]:
    names = []
    for name in section.values:
        if is_text(name) and name:
            names.append(name)
        else:
            section.refuse(name, f"got {shown(name)} as a name, wanted a text of 1 to 256 characters")
    return sorted(names, key=str.encode)


def _node(value: object, path: str, names: tuple[str, ...], violations: list[Violation]) -> Parameter | Space:
    if not isinstance(value, Mapping):
        return Const(_json(value, path, violations))
    section = Section(value, path, violations)
    return _parameter(section) if "type" in value else _group(section, names)


def _parameter(section: Section) -> Parameter:
    kind = section.values["type"]
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is not None:
        return reader(section)
    section.refuse("type", f"got {shown(kind)}, wanted one of {', '.join(_READERS)}; a group has no key 'type'")
    return Const(None)


def _const(section: Section) -> Const:
    section.allow(("type", "val"))
    if "val" not in section.values:
        section.refuse("val", "missing, wanted any value, null included")
    return Const(_json(section.values.get("val"), joined(section.path, "val"), section.violations))


def _int(section: Section) -> Int:
    section.allow(("type", "minval", "maxval", "count"))
    noted = len(section.violations)
    minval = section.integer("minval", least=MIN_INTEGER, most=MAX_INTEGER)
    maxval = section.integer("maxval", least=MIN_INTEGER, most=MAX_INTEGER)
    if len(section.violations) == noted:  # else the bounds are placeholders
        _in_order(section, minval, maxval)
    return Int(minval, maxval, _count(section))


def _double(section: Section) -> Double:
    section.allow(("type", "minval", "maxval", "count"))
    minval, maxval = section.number("minval"), section.number("maxval")
    _in_order(section, minval, maxval)
    if math.isinf(maxval - minval):
        section.refuse("maxval", f"got {maxval!r}, wanted a distance from minval that a number can hold")
    return Double(minval, maxval, _count(section))


def _log(section: Section) -> Log:
    section.allow(("type", "base", "minval", "maxval", "count"))
    base, minval, maxval = section.number("base"), section.number("minval"), section.number("maxval")
    _in_order(section, minval, maxval)
    if base <= 0 or base == 1:
        section.refuse("base", f"got {base!r}, wanted a positive number other than 1: values are base ** exponent")
    else:
        for key, exponent in (("minval", minval), ("maxval", maxval)):
            if not _power_fits(base, exponent):
                section.refuse(key, f"got {exponent!r}, but {base!r} ** {exponent!r} is no positive finite number")
    return Log(base, minval, maxval, _count(section))


def _power_fits(base: float, exponent: float) -> bool:
    try:
        return bool(base**exponent)  # a NaN is the placeholder of a violation noted already
    except OverflowError:
        return False


def _categorical(section: Section) -> Categorical:
    section.allow(("type", "vals"))
    vals = section.values.get("vals")
    if not isinstance(vals, list | tuple) or not 1 <= len(vals) <= MAX_VALUES:
        section.refuse("vals", f"got {shown(vals)}, wanted a list of 1 to {MAX_VALUES} values")
        return Categorical((None,))
    path = joined(section.path, "vals")
    return Categorical(tuple(_json(val, f"{path}[{i}]", section.violations) for i, val in enumerate(vals)))


_READERS: dict[str, Callable[[Section], Parameter]] = {
    "const": _const,
    "int": _int,
    "double": _double,
    "log": _log,
    "categorical": _categorical,
}


def _in_order(section: Section, minval: float, maxval: float) -> None:
    if minval >= maxval:
        section.refuse("minval", f"got {minval!r}, wanted less than maxval ({maxval!r})")


def _count(section: Section) -> int | None:
    return section.optional_integer("count", least=1, most=MAX_COUNT)


def _json(value: object, path: str, violations: list[Violation], depth: int = 0) -> object:
    """A copy of a JSON value, so that nothing the caller does later changes the space."""
    if isinstance(value, list | tuple | Mapping) and depth >= MAX_DEPTH:
        violations.append(Violation(path, f"nested deeper than {MAX_DEPTH} lists and mappings"))
        return None
    if isinstance(value, list | tuple):
        return [_json(item, f"{path}[{i}]", violations, depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        section = Section(value, path, violations)
        return {key: _json(value[key], joined(path, key), violations, depth + 1) for key in _names(section)}
    if not _is_scalar(value):
        wanted = "null, true, false, a text, a 64-bit integer or a finite number"
        violations.append(Violation(path, f"got {shown(value)}, wanted {wanted}"))
    return value


def _is_scalar(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return MIN_INTEGER <= value <= MAX_INTEGER
    return is_text(value, MAX_VALUE_TEXT) if isinstance(value, str) else finite(value) is not None
