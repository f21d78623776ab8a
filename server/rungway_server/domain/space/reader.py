"""Reading a `hyperparameters` section; each violation is noted with the path of its key."""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar
from unicodedata import normalize

from rungway_server.domain.documents.fields import MAX_INTEGER, MIN_INTEGER, Section, finite, joined, shown
from rungway_server.domain.documents.json_values import MAX_DEPTH, identity, json_copy, names_of
from rungway_server.domain.documents.paths import Path, below
from rungway_server.domain.errors import Violation
from rungway_server.domain.space.conditions import read_conditions
from rungway_server.domain.space.decimals import step_count
from rungway_server.domain.space.did_you_mean import suspicion
from rungway_server.domain.space.other_words import OUR_KEYS, advice, is_kind, list_advice
from rungway_server.domain.space.read_bell import MAX_STEPS, read_bell, read_count
from rungway_server.domain.space.space import (
    Categorical,
    Const,
    Double,
    Group,
    Int,
    Log,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Parameter,
    ReverseLogUniform,
    Space,
    make_entry,
)

MAX_PARAMETERS = 1000
"""Most parameters of a space, constants included."""
MAX_VALUES = 10_000
"""Most values of a categorical parameter."""
LEAST_WEIGHT, MOST_WEIGHT = 1e-9, 1e9
"""Smallest and largest weight of a value."""

_RANGE = ("minval", "maxval", "count")


def read_space(document: object, path: str, violations: list[Violation]) -> Space:
    """Read a section into a space. What is wrong is added to `violations`; the space is then unusable."""
    if not isinstance(document, Mapping):
        violations.append(Violation(path, f"got {shown(document)}, wanted a mapping of names to parameters"))
        return Space()
    reader = _Reader(violations)
    space = Space(reader.group(Section(document, path, violations), ()).entries)
    if (size := len(space.leaves)) > MAX_PARAMETERS:
        violations.append(Violation(path, f"got {size} parameters, wanted at most {MAX_PARAMETERS}"))
        return space
    return replace(space, conditions=read_conditions(space, reader.whens))


class _Reader:
    """Walks down the tree; `whens` collects the conditions, which are read once all names are known."""

    def __init__(self, violations: list[Violation]) -> None:
        self.violations = violations
        self.whens: dict[Path, Section] = {}

    def group(self, section: Section, names: Path) -> Group:
        if len(names) > MAX_DEPTH:
            section.violations.append(Violation(section.path, f"nested deeper than {MAX_DEPTH} groups"))
            return Group()
        entries, looks = [], dict[str, str]()
        for name in names_of(section):
            if (other := looks.setdefault(normalize("NFC", name), name)) != name:
                section.refuse(name, f"looks like another name of the group, {other!a}: rename one of them")
            here, path = (*names, name), below(section.path, name)
            entries.append(make_entry(here, self._node(section.values[name], path, here)))
        return Group(tuple(entries))

    def _node(self, value: object, path: str, names: Path) -> Parameter | Group:
        if isinstance(value, list | tuple):
            self.violations.append(Violation(path, list_advice(value)))
            return Const(None)
        if not isinstance(value, Mapping):
            return Const(json_copy(value, path, self.violations))
        section = Section(value, path, self.violations)
        if "type" not in value:
            key, why = suspicion(value)
            if why:
                self.violations.append(Violation(joined(path, key) if key else path, why))
            return Group() if why else self.group(section, names)
        if section.has("when"):
            self.whens[names] = section.section("when")
        return _parameter(section)


def _parameter(section: Section) -> Parameter:
    kind = section.values["type"]
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is not None:
        return reader(section)
    likely = f"; {advice(section.values)}" if is_kind(kind) else ""
    section.refuse("type", f"got {shown(kind)}, wanted one of {', '.join(_READERS)}; a group has no key 'type'{likely}")
    return Const(None)


def _allow(section: Section, *keys: str) -> None:
    section.allow(("type", "when", *keys), meant=OUR_KEYS)


def _const(section: Section) -> Const:
    _allow(section, "val")
    if "val" not in section.values:
        section.refuse("val", "missing, wanted any value, null included")
    return Const(json_copy(section.values.get("val"), joined(section.path, "val"), section.violations))


def _int(section: Section) -> Int | LogInt:
    _allow(section, *_RANGE, "step", "log")
    return _integers(section, LogInt) if section.flag("log", False) else _integers(section, Int)


def _log_int(section: Section) -> LogInt:
    _allow(section, *_RANGE, "step")
    return _integers(section, LogInt)


_I = TypeVar("_I", Int, LogInt)


def _integers(section: Section, kind: type[_I]) -> _I:
    noted = len(section.violations)
    minval = section.integer("minval", least=MIN_INTEGER, most=MAX_INTEGER)
    maxval = section.integer("maxval", least=MIN_INTEGER, most=MAX_INTEGER)
    sound = _in_order(section, noted, minval, maxval)
    if sound and kind is LogInt and minval < 1:
        section.refuse("minval", f"got {minval}, wanted at least 1 on a logarithmic scale")
    step = section.optional_integer("step", least=1, most=MAX_INTEGER)
    if sound and step is not None and step > maxval - minval:
        section.refuse("step", f"got {step}, wanted at most maxval - minval ({maxval - minval})")
    return kind(minval, maxval, read_count(section), step)


def _double(section: Section) -> Double | LogUniform:
    _allow(section, *_RANGE, "step", "log")
    if section.flag("log", False):
        return _log_uniform(section)
    minval, maxval, sound = _bounds(section)
    if sound and math.isinf(maxval - minval):
        section.refuse("maxval", f"got {maxval!r}, wanted a distance from minval that a number can hold")
        sound = False
    return Double(minval, maxval, read_count(section), _step(section, minval, maxval) if sound else None)


def _log(section: Section) -> Log:
    _allow(section, *_RANGE, "base", "step")
    noted = len(section.violations)
    base = section.number("base")
    minval, maxval, sound = _bounds(section)
    if base <= 0 or base == 1:
        section.refuse("base", f"got {base!r}, wanted a positive number other than 1: values are base ** exponent")
    elif len(section.violations) == noted:
        for key, exponent in (("minval", minval), ("maxval", maxval)):
            if not _power_fits(base, exponent):
                section.refuse(key, f"got {exponent!r}, but {base!r} ** {exponent!r} is not a positive finite number")
    return Log(base, minval, maxval, read_count(section), _step(section, minval, maxval) if sound else None)


def _plain_log_uniform(section: Section) -> LogUniform:
    _allow(section, *_RANGE, "step")
    return _log_uniform(section)


def _log_uniform(section: Section) -> LogUniform:
    minval, maxval, sound = _bounds(section)
    if minval <= 0:
        section.refuse("minval", f"got {minval!r}, wanted more than 0: bounds of log_uniform are values, not exponents")
    step = _step(section, minval, maxval) if sound and minval > 0 else None
    if step is not None and math.isinf(maxval + step):
        section.refuse("step", f"got {step!r}, wanted one that can be added to maxval")
    return LogUniform(minval, maxval, read_count(section), step)


def _reverse_log_uniform(section: Section) -> ReverseLogUniform:
    _allow(section, *_RANGE, "step")
    minval, maxval, sound = _bounds(section)
    if maxval >= 1:
        section.refuse("maxval", f"got {maxval!r}, wanted less than 1: the distance from 1 is log-uniform")
        sound = False
    if minval < 0:
        section.refuse("minval", f"got {minval!r}, wanted 0 or more: the distance from 1 is log-uniform")
        sound = False
    step = _step(section, minval, maxval) if sound else None
    return ReverseLogUniform(minval, maxval, read_count(section), step)


def _bounds(section: Section) -> tuple[float, float, bool]:
    """The bounds, and whether they are valid: after a violation they are placeholders."""
    noted = len(section.violations)
    minval, maxval = section.number("minval"), section.number("maxval")
    return minval, maxval, _in_order(section, noted, minval, maxval)


def _power_fits(base: float, exponent: float) -> bool:
    try:
        return bool(base**exponent)
    except OverflowError:
        return False


def _categorical(section: Section) -> Categorical:
    vals, weights = _values(section)
    if weights and _twice(section, vals):
        return Categorical((None,))
    return Categorical(vals, weights)


def _ordinal(section: Section) -> Ordinal:
    vals, weights = _values(section)
    return Ordinal((None,)) if _twice(section, vals) else Ordinal(vals, weights)


def _values(section: Section) -> tuple[tuple[object, ...], tuple[float, ...]]:
    """The values and their weights, () if they have none."""
    _allow(section, "vals", "weights")
    vals = section.values.get("vals")
    if not isinstance(vals, list | tuple) or not 1 <= len(vals) <= MAX_VALUES:
        section.refuse("vals", f"got {shown(vals)}, wanted a list of 1 to {MAX_VALUES} values")
        return (None,), ()
    path = joined(section.path, "vals")
    copied = tuple(json_copy(val, f"{path}[{i}]", section.violations) for i, val in enumerate(vals))
    return copied, _weights(section, len(vals)) if section.has("weights") else ()


def _weights(section: Section, size: int) -> tuple[float, ...]:
    given = section.values["weights"]
    if not isinstance(given, list | tuple) or len(given) != size:
        found = f"{len(given)} weights" if isinstance(given, list | tuple) else shown(given)
        section.refuse("weights", f"got {found}, wanted a list of {size}, one for each of vals")
        return ()
    weights = [finite(weight) for weight in given]
    for index, (written, weight) in enumerate(zip(given, weights, strict=True)):
        if weight is None or not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
            wanted = f"a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}; a value that is never drawn is left out"
            section.refuse(f"weights[{index}]", f"got {shown(written)}, wanted {wanted}")
            return ()
    return tuple(weight for weight in weights if weight is not None)


def _twice(section: Section, vals: tuple[object, ...]) -> bool:
    """Whether a value is there twice, which is refused where values have an order or weights."""
    places: dict[Hashable, int] = {}
    for index, value in enumerate(vals):
        if (first := places.setdefault(identity(value), index)) != index:
            section.refuse(
                f"vals[{index}]", f"got {shown(value)}, which is vals[{first}], too: wanted different values"
            )
            return True
    return False


_READERS: dict[str, Callable[[Section], Parameter]] = {
    "const": _const,
    "int": _int,
    "log_int": _log_int,
    "double": _double,
    "log": _log,
    "log_uniform": _plain_log_uniform,
    "reverse_log_uniform": _reverse_log_uniform,
    "normal": partial(read_bell, Normal),
    "lognormal": partial(read_bell, LogNormal),
    "categorical": _categorical,
    "ordinal": _ordinal,
}


def _in_order(section: Section, noted: int, minval: float, maxval: float) -> bool:
    """Refuse bounds in the wrong order. Returns whether the bounds are valid; `noted`: violations before they were
    read."""
    if len(section.violations) == noted and minval >= maxval:
        section.refuse("minval", f"got {minval!r}, wanted less than maxval ({maxval!r})")
    return len(section.violations) == noted


def _step(section: Section, minval: float, maxval: float) -> float | None:
    if not section.has("step"):
        return None
    noted = len(section.violations)
    step = section.number("step")
    if len(section.violations) > noted:
        return None
    if not 0 < step <= maxval - minval:
        section.refuse("step", f"got {step!r}, wanted more than 0, at most maxval - minval")
    elif step_count(minval, maxval, step) > MAX_STEPS:
        section.refuse("step", f"got {step!r}, wanted at most 2 ** 53 steps from minval to maxval")
    else:
        return step
    return None
