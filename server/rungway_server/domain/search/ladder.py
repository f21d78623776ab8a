"""The arithmetic of brackets and rungs: small pure functions that the search methods combine.

The rules are those of Determined's Adaptive ASHA (Li et al. 2018, "A System for Massively Parallel Hyperparameter
Tuning", published 2020). They use only multiplication, division and truncation of binary64 numbers, so that every
platform makes the same plan.
"""

import math
from enum import StrEnum

MAX_RUNGS = 100
"""Most rungs of a bracket, and most brackets of a plan."""


class Mode(StrEnum):
    """How much early stopping an adaptive search does: the more aggressive, the fewer brackets with few rungs."""

    AGGRESSIVE = "aggressive"
    STANDARD = "standard"
    CONSERVATIVE = "conservative"


def log_floor(value: float, divisor: float, limit: int) -> int:
    """The largest k <= limit with divisor**k <= value, by multiplication: logarithms are inexact at exact powers."""
    power, k = divisor, 0
    while k < limit and power <= value:
        power *= divisor
        k += 1
    return k


def mode_rungs(mode: Mode, most: int) -> tuple[int, ...]:
    """The rung counts of the brackets of a mode, most rungs first; `most` is the largest of them."""
    fewest = {Mode.AGGRESSIVE: most, Mode.STANDARD: (most - 1) // 2 + 1, Mode.CONSERVATIVE: 1}[mode]
    return tuple(range(most, fewest - 1, -1))


def rung_lengths(count: int, max_length: int, divisor: float) -> tuple[int, ...]:
    """`count` absolute lengths up to `max_length`, lowest first: each 1/divisor of the next, rounded down, at least
    1."""
    return tuple(max(int(max_length / _power(divisor, count - 1 - k)), 1) for k in range(count))


def geometric_lengths(min_length: int, max_length: int, divisor: float) -> tuple[int, ...]:
    """The lengths min_length, min_length * divisor, … below max_length, rounded down and without repeats, then
    max_length.

    At most MAX_RUNGS of them are below max_length.
    """
    count = log_floor(max_length / min_length, divisor, MAX_RUNGS) + 1
    steps = {int(min_length * _power(divisor, k)) for k in range(count)}
    return (*sorted(length for length in steps if length < max_length), max_length)


def bracket_trials(max_trials: int, divisor: float, rungs: tuple[int, ...]) -> tuple[int, ...]:
    """Trials per bracket, for rung counts listed with the most first.

    A bracket of r rungs has the weight divisor**(r-1) / r. It gets its share of `max_trials` rounded down, but at least
    one trial; the first bracket gets the rest. With too many brackets the sum exceeds `max_trials`.
    """
    weights = [_power(divisor, count - 1) / count for count in rungs]
    total = sum(weights)
    trials = [max(int(weight / total * max_trials), 1) for weight in weights]
    trials[0] += max(max_trials - sum(trials), 0)
    return tuple(trials)


def bracket_concurrency(max_concurrent_trials: int, divisor: float, trials: tuple[int, ...]) -> tuple[int, ...]:
    """Concurrent trials per bracket: an even split (the first brackets get the rest), at least one each.

    Without a cap (0) each bracket gets as many as the last one has trials, at least the divisor.
    """
    if max_concurrent_trials == 0:
        return (max(trials[-1], int(divisor)),) * len(trials)
    share, rest = divmod(max(max_concurrent_trials, len(trials)), len(trials))
    return tuple(share + (index < rest) for index in range(len(trials)))


def powers(divisor: float, count: int) -> tuple[float, ...]:
    """divisor ** 0, divisor ** 1, … divisor ** (count - 1)."""
    return tuple(_power(divisor, exponent) for exponent in range(count))


def _power(divisor: float, exponent: int) -> float:
    return math.prod((divisor,) * exponent)  # pow() may differ in the last bit from one C library to the next
