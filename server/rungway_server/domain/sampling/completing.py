"""Configurations of which a user names some values: constants are filled in, and the others are drawn."""

from collections.abc import Mapping

from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.sampling.drawing import drawer
from rungway_server.domain.sampling.philox import leading_bits, seed_keys
from rungway_server.domain.sampling.sampling import MAX_ATTEMPTS, as_proposed, counted, is_quick
from rungway_server.domain.space.configuration import ABSENT, Configuration, flat
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.membership import as_drawn, check_values, not_met
from rungway_server.domain.space.space import Entry, Space

_CANDIDATES = 64
"""Configurations that are drawn in a finite space, where a point may be used already."""
_LOOKED_AT = 4 * _CANDIDATES
"""Draws after which fewer will do."""
_VERY_FEW = 5
"""Most parameters of a finite space in which so many draws take a few milliseconds."""


def is_part(space: Space, hparams: Mapping[str, object]) -> bool:
    """Whether a configuration lacks a parameter that exists beside the values that it has."""
    given = flat(space, hparams)
    if len(given) == len(space.leaves):
        return False
    values = Configuration(space, lambda entry: given.get(entry.path, ABSENT))
    return any(
        path not in given
        and all(condition.admits(values[condition.path]) for condition in space.conditions.get(path, ()))
        for path in space.leaves
    )


def is_quick_to_complete(space: Space, hparams: Mapping[str, object]) -> bool:
    """Whether `completed` takes a few milliseconds at most. Otherwise the values given may exist together in few draws,
    or in none, and in a finite space many points are drawn."""
    if not is_quick(space) or any(path in space.conditions for path in flat(space, hparams)):
        return False
    return len(space.leaves) <= _VERY_FEW or not counted(space)


def completed(space: Space, seed: int, number: int, hparams: Mapping[str, object]) -> list[dict[str, object]]:
    """The whole configurations to choose from for a trial, the first one first: several only in a finite space.

    The values drawn are those of independent draws for the trial, the first ones with which all given values exist and
    the constraints are met. Raises InvalidInput for values that the space does not allow, alone or together.
    """
    if wrong := check_values(space, hparams):
        raise InvalidInput(wrong)
    given = flat(space, as_drawn(space, hparams))
    keys, met, many = seed_keys(seed), checker(space), _CANDIDATES if counted(space) else 1
    drawers = {path: drawer(entry.parameter) for path, entry in space.leaves.items() if path not in given}
    found: list[dict[str, object]] = []
    for attempt in range(MAX_ATTEMPTS):

        def value(entry: Entry, attempt: int = attempt) -> object:
            if entry.path in given:
                return given[entry.path]
            return drawers[entry.path](leading_bits((number, attempt, *entry.stream), keys))

        values = Configuration(space, value)
        if all(values[path] is not ABSENT for path in given) and met(values):
            whole = as_proposed(space, values.nested())  # None: rounded to a grid, it does not meet the constraints
            found += [dict(whole)] if whole is not None and whole not in found else []
        if len(found) == many or (found and attempt >= _LOOKED_AT):
            return found
    if found:
        return found
    if hidden := [path for path in given if path in space.conditions]:
        names = ", ".join(spelled(*path) for path in hidden)
        raise InvalidInput.one("hparams", f"{names}: the conditions under which they exist never held; name those, too")
    raise InvalidInput([not_met(space, "hparams")])
