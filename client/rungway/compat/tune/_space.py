"""The search space functions of Ray Tune (https://docs.ray.io/en/latest/tune/api/search_space.html), and spaces of them
as those of a search.

The server reads the same functions in files (`rungway convert`); a test compares the two.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rungway import space
from rungway._core import requests
from rungway._core.errors import InvalidArgument
from rungway.values import plain


@dataclass(frozen=True)
class Domain:
    """What a function of the space returns: one parameter."""

    document: dict[str, Any]
    """As in a configuration file."""
    in_grid: bool = False
    """Whether every value is to be tried."""


def uniform(lower: float, upper: float) -> Domain:
    """A number from `lower` to below `upper`, uniformly."""
    return Domain(space.uniform(lower, upper))


def quniform(lower: float, upper: float, q: float) -> Domain:
    """A multiple of `q` from `lower` to `upper` (INCLUDED), uniformly."""
    return Domain(space.quantized_uniform(*_multiples("quniform", lower, upper, q), q))


def loguniform(lower: float, upper: float, base: object = None) -> Domain:
    """A number from `lower` to `upper` whose logarithm is uniform. `base` changes nothing, as in Tune."""
    return Domain(space.log_uniform(lower, upper))


def qloguniform(lower: float, upper: float, q: float, base: object = None) -> Domain:
    """A multiple of `q` from `lower` to `upper` (INCLUDED) whose logarithm is uniform."""
    return Domain(space.log_uniform(*_multiples("qloguniform", lower, upper, q), step=q))


def randint(lower: int, upper: int) -> Domain:
    """An integer from `lower` to below `upper`, as in Tune; that of `rungway.randint` is INCLUDED."""
    return Domain(space.randint(*_below("randint", lower, upper)))


def qrandint(lower: int, upper: int, q: int = 1) -> Domain:
    """A multiple of `q` from `lower` to `upper`, which is INCLUDED unless `q` is 1, as in Tune."""
    if q == 1:
        return randint(lower, upper)
    low, high = _multiples("qrandint", lower, upper, q)
    return Domain(space.quantized_randint(int(low), int(high), q))


def lograndint(lower: int, upper: int, base: object = None) -> Domain:
    """An integer from `lower` to below `upper` whose logarithm is uniform."""
    return Domain(space.log_randint(*_below("lograndint", lower, upper)))


def qlograndint(lower: int, upper: int, q: int, base: object = None) -> Domain:
    """A multiple of `q` from `lower` to `upper`, which is INCLUDED unless `q` is 1, whose logarithm is uniform."""
    if q == 1:
        return lograndint(lower, upper)
    low, high = _multiples("qlograndint", lower, upper, q)
    return Domain(space.log_randint(int(low), int(high), step=q))


def randn(mean: float = 0.0, sd: float = 1.0) -> Domain:
    """A number with this mean and standard deviation."""
    return Domain(space.normal(mean, sd))


def qrandn(mean: float, sd: float, q: float) -> Domain:
    """The multiple of `q` next to such a number."""
    return Domain(space.normal(mean, sd, step=q))


def choice(categories: Sequence[object]) -> Domain:
    """One of these values. They are what JSON knows: a tuple comes back as a list."""
    return Domain(space.choice(_values("choice", categories)))


def grid_search(values: Sequence[object]) -> Domain:
    """Each of these values, with each of all others; every parameter of the space has to be one."""
    return Domain(space.choice(_values("grid_search", values)), in_grid=True)


def hyperparameters(param_space: object) -> tuple[dict[str, object], int]:
    """The space of a search, and how many points it has as a grid, 0 if it is none. Raises InvalidArgument for what has
    no counterpart."""
    if not isinstance(param_space, Mapping):
        raise InvalidArgument.one("param_space", f"got {param_space!r:.100}, wanted a mapping of names to parameters")
    found: list[Domain] = []
    document = _group(param_space, "param_space", found)
    grid = {domain.in_grid for domain in found}
    if grid == {True, False}:
        raise InvalidArgument.one("param_space", "grid_search beside random parameters: make it a choice")
    return document, math.prod(len(domain.document["vals"]) for domain in found) if True in grid else 0


def _group(group: Mapping[Any, object], path: str, found: list[Domain]) -> dict[str, object]:
    document: dict[str, object] = {}
    for name, value in group.items():
        if not isinstance(name, str):
            raise InvalidArgument.one(path, f"got the name {name!r:.100}, wanted a text")
        if isinstance(value, Domain):
            found.append(value)
            document[name] = value.document
        elif isinstance(value, Mapping):
            document[name] = _group(value, f"{path}.{name}", found)
        elif callable(value):
            wanted = "a value, or a parameter such as tune.uniform: functions cannot be stored"
            raise InvalidArgument.one(f"{path}.{name}", f"got {value!r:.100}, wanted {wanted}")
        else:
            document[name] = space.const(value)
    return document


def _values(name: str, values: Sequence[object]) -> list[object]:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise InvalidArgument.one(name, f"got {values!r:.100}, wanted a list of values")
    for value in values:
        if isinstance(value, Domain) or callable(value):
            raise InvalidArgument.one(name, f"got {value!r:.100} among the values, wanted plain ones")
    return list(values)


def _below(name: str, lower: object, upper: object) -> tuple[int, int]:
    low, high = (requests.whole(name, bound, least=-(2**63)) for bound in (lower, upper))
    if low >= high:
        raise InvalidArgument.one(name, f"got {low} to below {high}, which is empty")
    return low, high - 1


def _multiples(name: str, lower: float, upper: float, q: float) -> tuple[float, float]:
    """The first and the last multiple of `q` within the bounds, as the decimals that users write: 3 * 0.1 is 0.3."""
    low, high, step = (_exact(f"{name}.{word}", x) for word, x in (("lower", lower), ("upper", upper), ("q", q)))
    if not step > 0:
        raise InvalidArgument.one(f"{name}.q", f"got {q!r:.100}, wanted a number above 0")
    first, last = math.ceil(low / step) * step, math.floor(high / step) * step
    if first > last:
        raise InvalidArgument.one(name, f"there is no multiple of {q} from {lower} to {upper}")
    return float(first), float(last)


def _exact(field: str, number: object) -> Fraction:
    """The decimal that is shown for it. Raises InvalidArgument for anything but a finite number."""
    value = requests.metric_value(number, field)
    if not math.isfinite(value):
        raise InvalidArgument.one(field, f"got {number!r:.100}, wanted a finite number")
    given = plain(number)
    return Fraction(given if isinstance(given, int) else repr(value))
