"""A summary of a search in words: its metric and direction, and each hyperparameter with its effective range."""

import json
from collections.abc import Iterable
from itertools import repeat

from rungway_server.domain.documents.json_values import identity
from rungway_server.domain.documents.paths import Path, spelled
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.search.objectives import At
from rungway_server.domain.space.axes import grid, support
from rungway_server.domain.space.decimals import exponential
from rungway_server.domain.space.ranges import bounds
from rungway_server.domain.space.space import (
    TYPES,
    Bell,
    Categorical,
    Condition,
    Const,
    Entry,
    Listed,
    Log,
    LogNormal,
    Normal,
    Ordinal,
    Parameter,
    Ranged,
    Source,
    Space,
)

_AT = {At.ANY: "", At.FINAL: " at the top rung alone"}
MOST_LINES = 200
"""Most hyperparameters that have a line."""
_LONGEST_PATH, _LONGEST_VALUES, _MOST_CONDITIONS = 200, 120, 5


def describe(config: ExperimentConfig) -> tuple[str, ...]:
    """Lines of text: the metric, how many hyperparameters are searched, and one line for each, at most MOST_LINES.

    A parameter that has only one value counts as constant, of any type.
    """
    searcher, space = config.searcher, config.space
    target = "" if searcher.target_metric is None else f", done at {_number(searcher.target_metric)} or better"
    direction = "smaller" if searcher.smaller_is_better else "larger"
    entries = list(space.leaves.values())
    constant = sum(_is_constant(entry.parameter, space.source) for entry in entries)
    lines = [
        f"metric: {searcher.metric}, {direction} is better{target}",
        *(f"further objective: {each.name}, {each.goal}{_AT[each.at]}" for each in searcher.objectives[1:]),
        *(f"outcome constraint: {each}" for each in searcher.outcome_constraints),
        *([f"proposals: {searcher.proposals}, beside draws"] if searcher.proposals else ()),
        f"hyperparameters: {len(entries) - constant} searched, {constant} constant",
        *(_line(entry, space) for entry in entries[:MOST_LINES]),
    ]
    if len(entries) > MOST_LINES:
        lines.append(f"and {len(entries) - MOST_LINES} more")
    return tuple(lines)


def _line(entry: Entry, space: Space) -> str:
    conditions = space.conditions.get(entry.path, ())
    return f"{_short(entry.path)}: {_parameter(entry.parameter, space.source)}{_when(conditions)}"


def _when(conditions: tuple[Condition, ...]) -> str:
    said = [f"{_short(each.path)} is {_values(each.values, ' or ')}" for each in conditions[:_MOST_CONDITIONS]]
    if len(conditions) > _MOST_CONDITIONS:
        said.append(f"{len(conditions) - _MOST_CONDITIONS} conditions more hold")
    return f", when {' and '.join(said)}" if said else ""


def _is_constant(node: Parameter, source: Source) -> bool:
    match node:
        case Const():
            return True
        case Categorical(vals) | Ordinal(vals):
            return all(identity(val) == identity(vals[0]) for val in vals)
        case _:
            points = grid(node) if source is Source.GRID else None
            return points is not None and points.size == 1


def _parameter(node: Parameter, source: Source) -> str:
    match node:
        case Const(val):
            return f"const, {_values((val,), '')}"
        case Categorical() | Ordinal():
            return _listed(node)
        case _:
            return _range(node, source)


def _listed(node: Listed) -> str:
    """The type with the values, and their shares if they have weights."""
    total = sum(node.weights)
    shares = [f" {100 * weight / total:.3g} %" for weight in node.weights] or [""] * len(node.vals)
    order = " in this order" if isinstance(node, Ordinal) else ""
    return f"{TYPES[type(node)]}, one of {_values(node.vals, ', ', shares)}{order}"


def _range(node: Ranged, source: Source) -> str:
    """The type with the smallest and largest possible value."""
    name = TYPES[type(node)]
    axis = grid(node) if source is Source.GRID else support(node)
    if isinstance(node, Normal | LogNormal):
        name = f"{name}, {_middle(node)}"
        if axis is None and (node.minval is None or node.maxval is None):
            ends = ((" from ", node.minval), (" to ", node.maxval))
            said = "".join(f"{word}{_number(end)}" for word, end in ends if end is not None)
            steps = "" if node.step is None else f", in steps of {_number(node.step)}"
            return f"{name}{',' if said else ''}{said}{steps}"
    found = bounds(node) if axis is None else (axis.at(0), axis.at(axis.size - 1))
    low, high = sorted(bound for bound in found if isinstance(bound, int | float))
    size = axis.size if axis is not None and source is Source.GRID else 0
    if size == 1:
        return f"{name}, {_number(low)}, 1 point"
    step = None if size else node.step
    stepping = ", exponents in steps of" if isinstance(node, Log) else ", in steps of"
    steps = "" if step is None else f"{stepping} {_number(step)}"
    return f"{name}, {_number(low)} to {_number(high)}{steps}{f', {size} points' if size else ''}"


def _middle(node: Bell) -> str:
    median = f"median {_number(exponential(node.mu))}" if isinstance(node, LogNormal) else f"mu {_number(node.mu)}"
    return f"{median}, sigma {_number(node.sigma)}"


def _number(value: float) -> str:
    """The number as it was written if that is short, else with five significant digits."""
    written = str(value).removesuffix(".0")
    return written if isinstance(value, int) or len(written) <= 10 else f"{value:.5g}"


def _values(values: Iterable[object], between: str, after: Iterable[str] = repeat("")) -> str:
    """Values as JSON, as many as fit into _LONGEST_VALUES characters; `after`: what is said after each."""
    listed, text = tuple(values), ""
    for i, (value, said) in enumerate(zip(listed, after, strict=False)):
        more = f"{between if i else ''}{json.dumps(value, ensure_ascii=False)}{said}"
        if len(text) + len(more) > _LONGEST_VALUES:
            return f"{(text + more)[:_LONGEST_VALUES]}… ({len(listed)} values)" if len(listed) > 1 else f"{more[:100]}…"
        text += more
    return text


def _short(names: Path) -> str:
    path = spelled(*names)
    return path if len(path) <= _LONGEST_PATH else f"{path[: _LONGEST_PATH // 2]}…{path[-_LONGEST_PATH // 2 :]}"
