"""Reading the `when` of conditional parameters, once all names of the space are known."""

from collections.abc import Hashable, Mapping

from rungway_server.domain.documents.fields import Section, shown, whole
from rungway_server.domain.documents.json_values import identity, json_copy, names_of, same
from rungway_server.domain.documents.paths import Path, spelled
from rungway_server.domain.errors import Violation
from rungway_server.domain.space.space import (
    Categorical,
    Condition,
    Const,
    Int,
    LogInt,
    Ordinal,
    Parameter,
    Space,
)

MAX_CHAIN = 32
"""Longest chain of conditions on conditional parameters."""
MAX_ALTERNATIVES = 10_000
"""Most values of one condition."""
MAX_CONDITIONS = 10_000
"""Most conditions of a space: the names under all `when` keys together."""


def read_conditions(space: Space, whens: Mapping[Path, Section]) -> dict[Path, tuple[Condition, ...]]:
    """The conditions of each conditional parameter, by its path; what is wrong is noted in the sections."""
    if (count := sum(len(section.values) for section in whens.values())) > MAX_CONDITIONS:
        section = next(iter(whens.values()))
        problem = f"got {count} conditions in all parameters, wanted at most {MAX_CONDITIONS}"
        section.violations.append(Violation(section.path, problem))
        return {}
    conditions: dict[Path, tuple[Condition, ...]] = {}
    choices: dict[Path, frozenset[Hashable]] = {}
    for path, section in whens.items():
        found = [_condition(space, section, name, choices) for name in names_of(section)]
        conditions[path] = tuple(condition for condition in found if condition)
        if twice := _named_twice(conditions[path]):
            section.violations.append(Violation(section.path, f"names {spelled(*twice)} twice, in two spellings"))
    _check_chains(conditions, whens)
    return {path: found for path, found in conditions.items() if found}


def _condition(space: Space, section: Section, name: str, choices: dict[Path, frozenset[Hashable]]) -> Condition | None:
    """One condition; `choices` caches the values of each categorical parameter."""
    targets = space.paths_named(name)
    if len(targets) != 1:
        section.refuse(name, f"{shown(name)} {_which(targets)}")
        return None
    node = space.leaves[targets[0]].node
    if not isinstance(node, Const | Int | LogInt | Categorical | Ordinal):
        wanted = "wanted a const, int, log_int, categorical or ordinal parameter"
        section.refuse(name, f"{shown(name)} is continuous, {wanted}")
        return None
    value = section.values[name]
    alternatives = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(alternatives) <= MAX_ALTERNATIVES:
        section.refuse(name, f"got {len(alternatives)} values, wanted 1 to {MAX_ALTERNATIVES}")
        return None
    values = tuple(json_copy(item, f"{section.path}.{name}", section.violations) for item in alternatives)
    values = tuple(map(whole, values)) if isinstance(node, Int | LogInt) else values
    if isinstance(node, Categorical | Ordinal) and targets[0] not in choices:
        choices[targets[0]] = frozenset(map(identity, node.vals))
    for item in values:
        if not _possible(node, item, choices.get(targets[0], frozenset())):
            section.refuse(name, f"got {shown(item)}, which {name} never is")
    return Condition(targets[0], values)


def _named_twice(conditions: tuple[Condition, ...]) -> Path | None:
    seen = [condition.path for condition in conditions]
    return next((path for path in seen if seen.count(path) > 1), None) if len(set(seen)) < len(seen) else None


def _which(targets: list[Path]) -> str:
    if targets:
        return f"may be {' or '.join(spelled(*path) for path in targets[:5])}: write one of them"
    return (
        "is not a parameter of the space; wanted its names from the top with dots, as in model.optimizer, those with"
        " other characters than letters, digits and _ in backquotes, as in `weight.decay`"
    )


def _possible(node: Parameter, value: object, choices: frozenset[Hashable]) -> bool:
    match node:
        case Const(val):
            return same(val, value)
        case Categorical() | Ordinal():
            return identity(value) in choices
        case Int(minval, maxval, _, step) | LogInt(minval, maxval, _, step):
            is_int = isinstance(value, int) and not isinstance(value, bool)
            return is_int and minval <= value <= maxval and (value - minval) % (step or 1) == 0  # type: ignore[operator]
        case _:
            return False


def _check_chains(conditions: Mapping[Path, tuple[Condition, ...]], whens: Mapping[Path, Section]) -> None:
    """Refuse cycles, and chains longer than MAX_CHAIN.

    Each step removes the parameters that depend on none of those left; what remains after MAX_CHAIN steps is refused.
    """
    left = set(conditions)
    for _ in range(MAX_CHAIN):
        left -= {path for path in left if not any(condition.path in left for condition in conditions[path])}
    if left:
        path = min(left)
        names = ", ".join(sorted(spelled(*other) for other in left)[:5])
        problem = f"conditions go round in a circle, or on for more than {MAX_CHAIN} steps: {names[:200]}"
        whens[path].violations.append(Violation(whens[path].path, problem))
