"""Reading normal and lognormal parameters: any bound may be missing, and what is left must be a curve worth drawing."""

import math
from typing import TypeVar

from rungway_server.domain.documents.fields import Section
from rungway_server.domain.space.other_words import OUR_KEYS
from rungway_server.domain.space.ranges import REACH, bounds, share_within, steps_of
from rungway_server.domain.space.space import LogNormal, Normal

MAX_COUNT = 10_000_000
"""Most points of a parameter in a grid."""
MAX_ROUNDED = 10_000
"""Most points in a grid of a normal parameter with a step, which are rounded one by one."""
MAX_STEPS = 2**53
"""Most values of a number with a step."""
LEAST_SHARE_WITHIN = 1e-9
"""Least share of the curve between the bounds."""
_FARTHEST = 700.0
"""e to this power, or to minus it, is a float."""

_B = TypeVar("_B", Normal, LogNormal)


def read_bell(kind: type[_B], section: Section) -> _B:
    """A normal or lognormal parameter; a placeholder after a violation."""
    section.allow(("type", "when", "mu", "sigma", "minval", "maxval", "count", "step"), meant=OUR_KEYS)
    noted = len(section.violations)
    mu, sigma = section.number("mu"), section.number("sigma")
    minval, maxval, step = (section.number(key) if section.has(key) else None for key in ("minval", "maxval", "step"))
    count = read_count(section, MAX_COUNT if step is None else MAX_ROUNDED)
    if sigma <= 0:
        section.refuse("sigma", f"got {sigma!r}, wanted more than 0")
    if step is not None and step <= 0:
        section.refuse("step", f"got {step!r}, wanted more than 0")
    node = kind(mu, sigma, minval, maxval, count, step)
    if len(section.violations) == noted and _has_range(section, node) and _has_steps(section, node):
        _check_share(section, node)
    return node if len(section.violations) == noted else kind(0.0, 1.0)


def read_count(section: Section, most: int = MAX_COUNT) -> int | None:
    """The number of points in a grid."""
    return section.optional_integer("count", least=1, most=most)


def _has_range(section: Section, node: Normal | LogNormal) -> bool:
    """Whether there is something between the bounds, those given and those that are not."""
    noted = len(section.violations)
    for key, given, sign in (("minval", node.minval, -1), ("maxval", node.maxval, 1)):
        end = node.mu + sign * REACH * node.sigma
        if given is not None and given <= 0 and isinstance(node, LogNormal):
            section.refuse(key, f"got {given!r}, wanted more than 0: bounds of lognormal are values, not logarithms")
        elif given is None and not math.isfinite(end):
            section.refuse("sigma", f"got {node.sigma!r}, wanted a finite mu {_signed(sign)} sigma, or {key}")
        elif given is None and isinstance(node, LogNormal) and not -_FARTHEST <= end <= _FARTHEST:
            reach = f"e ** (mu {_signed(sign)} sigma)"
            section.refuse("sigma", f"got {node.sigma!r}, but {reach} is not a positive finite number: give {key}")
    if len(section.violations) > noted:
        return False
    low, high = bounds(node)
    if node.minval is not None and node.maxval is not None and low >= high:
        section.refuse("minval", f"got {low!r}, wanted less than maxval ({high!r})")
    elif low >= high:
        key, given = ("minval", node.minval) if node.minval is not None else ("maxval", node.maxval)
        if given is None:
            section.refuse("sigma", f"got {node.sigma!r}, which is nothing beside mu ({node.mu!r})")
        else:
            section.refuse(key, f"got {given!r}, more than {REACH:g} sigma from mu")
    elif math.isinf(high - low):
        section.refuse("sigma", f"got {node.sigma!r}, wanted bounds whose distance a number can hold")
    return len(section.violations) == noted


def _signed(sign: int) -> str:
    return f"{'+' if sign > 0 else '-'} {REACH:g}"


def _has_steps(section: Section, node: Normal | LogNormal) -> bool:
    """Whether the step is absent, or gives two values at least, and not too many."""
    low, high = bounds(node)
    if node.step is None:
        return True
    if node.step > high - low:
        section.refuse("step", f"got {node.step!r}, wanted at most maxval - minval ({high - low!r})")
    elif (high - low) / node.step > MAX_STEPS:
        section.refuse("step", f"got {node.step!r}, wanted at most 2 ** 53 steps from {low!r} to {high!r}")
    else:
        steps = steps_of(node)
        assert steps is not None
        if steps.size > 1:
            return True
        section.refuse("step", f"got {node.step!r}, wanted two steps at least from {low!r} to {high!r}")
    return False


def _check_share(section: Section, node: Normal | LogNormal) -> None:
    share = share_within(node)
    if share < LEAST_SHARE_WITHIN:
        low, high = bounds(node)
        section.refuse(
            "minval" if node.minval is not None else "maxval" if node.maxval is not None else "step",
            f"from {low!r} to {high!r} lies {share:.1g} of the distribution, wanted at least {LEAST_SHARE_WITHIN:g}",
        )
