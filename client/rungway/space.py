"""Search spaces in Python: each function returns what a configuration file would contain.

from rungway import choice, log_uniform, randint, uniform

hyperparameters = {
    "lr": log_uniform(1e-5, 1e-1),
    "layers": randint(1, 4),
    "optimizer": choice(["adam", "sgd"]),
    "momentum": uniform(0.0, 0.99, when={"optimizer": "sgd"}),
}

Groups are nested dictionaries; plain values are constants, but a list has to be a `choice`, an `ordinal` or a `const`.
`count` is the number of points in a grid search. `when` makes a parameter conditional: it exists only if each parameter
in `when` has the value given there, or one of the list of values. Nested parameters are named with dots
("model.optimizer"); a name with characters other than letters, digits and "_" is put in backquotes. Nothing is checked
here: the service does that.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Parameter: TypeAlias = dict[str, object]
"""One parameter as in a configuration file."""
When: TypeAlias = Mapping[str, object]
"""Values, or lists of values, by parameter name."""


def uniform(low: float, high: float, *, count: int | None = None, when: When | None = None) -> Parameter:
    """A number from `low` to below `high`, uniformly."""
    return _parameter("double", minval=low, maxval=high, count=count, when=when)


def quantized_uniform(
    low: float, high: float, step: float, *, count: int | None = None, when: When | None = None
) -> Parameter:
    """One of low, low + step, low + 2 * step … up to `high` (INCLUDED if a step falls on it), uniformly."""
    return _parameter("double", minval=low, maxval=high, step=step, count=count, when=when)


def log_uniform(
    low: float, high: float, *, step: float | None = None, count: int | None = None, when: When | None = None
) -> Parameter:
    """A number from `low` to `high` whose logarithm is uniform. The bounds are values (1e-5), NOT exponents (-5). With
    `step`, one of low, low + step … up to `high`."""
    return _parameter("log_uniform", minval=low, maxval=high, step=step, count=count, when=when)


def reverse_log_uniform(
    low: float, high: float, *, step: float | None = None, count: int | None = None, when: When | None = None
) -> Parameter:
    """A number from `low`, at least 0, to `high`, below 1, whose distance from 1 is log-uniform: from 0.9 to 0.999,
    half of the numbers are above 0.99. With `step`, one of low, low + step … up to `high`."""
    return _parameter("reverse_log_uniform", minval=low, maxval=high, step=step, count=count, when=when)


def randint(low: int, high: int, *, count: int | None = None, when: When | None = None) -> Parameter:
    """An integer from `low` to `high`, uniformly. `high` IS INCLUDED, unlike in numpy and Ray Tune: randint(1, 3)
    is 1, 2 or 3."""
    return _parameter("int", minval=low, maxval=high, count=count, when=when)


def quantized_randint(
    low: int, high: int, step: int, *, count: int | None = None, when: When | None = None
) -> Parameter:
    """One of low, low + step, low + 2 * step … up to `high` (INCLUDED if a step falls on it), uniformly."""
    return _parameter("int", minval=low, maxval=high, step=step, count=count, when=when)


def log_randint(
    low: int, high: int, *, step: int | None = None, count: int | None = None, when: When | None = None
) -> Parameter:
    """An integer from `low`, at least 1, to `high` (INCLUDED) whose logarithm is uniform: 1, 2 to 3, 4 to 7 are equally
    likely. With `step`, one of low, low + step … up to `high`."""
    return _parameter("log_int", minval=low, maxval=high, step=step, count=count, when=when)


def normal(
    mu: float,
    sigma: float,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    count: int | None = None,
    when: When | None = None,
) -> Parameter:
    """A number with the mean `mu` and the standard deviation `sigma`; within `low` and `high`, each of which may be
    left out. With `step`, the nearest of low, low + step …, or of the multiples of `step` without `low`."""
    return _parameter("normal", mu=mu, sigma=sigma, minval=low, maxval=high, step=step, count=count, when=when)


def lognormal(
    mu: float,
    sigma: float,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    count: int | None = None,
    when: When | None = None,
) -> Parameter:
    """A positive number whose natural logarithm has the mean `mu` and the standard deviation `sigma`: half of the
    numbers are above e ** mu. `low`, `high` and `step` are those of the number, as in `normal`."""
    return _parameter("lognormal", mu=mu, sigma=sigma, minval=low, maxval=high, step=step, count=count, when=when)


def choice(values: Sequence[object], *, weights: Sequence[float] | None = None, when: When | None = None) -> Parameter:
    """One of the values, each with the same probability, or in proportion to its weight: choice(["adam", "sgd"],
    weights=[3, 1])."""
    return _parameter("categorical", vals=list(values), weights=_listed(weights), when=when)


def ordinal(values: Sequence[object], *, weights: Sequence[float] | None = None, when: When | None = None) -> Parameter:
    """One of the values, whose order means something: ordinal(["small", "medium", "large"]). Population based training
    moves to a neighbour, and constraints compare by the order."""
    return _parameter("ordinal", vals=list(values), weights=_listed(weights), when=when)


def const(value: object, *, when: When | None = None) -> Parameter:
    """Always the same value; needed for a list or a mapping, and with `when`."""
    return {"type": "const", "val": value} if when is None else {"type": "const", "val": value, "when": dict(when)}


def _listed(weights: Sequence[float] | None) -> list[float] | None:
    return None if weights is None else list(weights)


def _parameter(kind: str, *, when: When | None, **keys: object) -> Parameter:
    document = {"type": kind, **{key: value for key, value in keys.items() if value is not None}}
    return document if when is None else {**document, "when": dict(when)}
