"""The arithmetic of synchronous successive halving: how many trials each rung takes.

Jamieson and Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", with the sizes
of Determined's synchronous halving; Li et al. 2017, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization".
"""

from math import ceil

from rungway_server.domain.search.ladder import MAX_RUNGS, log_floor, powers


def sizes_for_budget(lengths: tuple[int, ...], divisor: float, budget: int) -> tuple[int, ...]:
    """Trials per rung, lowest first, that train about `budget` together. The lowest rung may have 0.

    A rung with k rungs above it gets a share in proportion to divisor ** k, scaled to the budget and rounded down. No
    rung has more trials than the one below, and each above the lowest has at least one.
    """
    shape = _shape(lengths, divisor)
    factor = budget / _cost(shape, lengths)
    sizes = [int(factor * shape[0])]
    for trials in shape[1:]:
        sizes.append(max(min(int(factor * trials), sizes[-1]), 1))
    return tuple(sizes)


def least_budget(lengths: tuple[int, ...], divisor: float) -> int:
    """The smallest budget that pays for a trial in the lowest rung."""
    shape = _shape(lengths, divisor)
    budget = max(ceil(_cost(shape, lengths) / shape[0]) - 1, 1)
    while sizes_for_budget(lengths, divisor, budget)[0] == 0:
        budget += 1
    return budget


def sizes_for_trials(rungs: int, divisor: float, trials: int) -> tuple[int, ...]:
    """Trials per rung, lowest first: rung k has trials / divisor ** k, rounded down, at least one."""
    return tuple(max(int(trials / power), 1) for power in powers(divisor, rungs))


def hyperband_sizes(max_length: int, divisor: float, min_length: int) -> tuple[tuple[int, ...], ...]:
    """Trials per rung of each bracket, the one with most rungs first.

    Hyperband, Li et al. 2017, algorithm 1: with s_max = floor(log(max_length / min_length)) to the base `divisor`,
    bracket s starts floor((s_max + 1) / (s + 1)) * divisor ** s trials, as in table 1 of the paper (for 81 and 3: 81,
    27, 9, 6, 5). Algorithm 1 rounds up at the end instead (81, 34, 15, 8, 5); the sizes of the table are used because
    each rung is an exact fraction of the one below.
    """
    most = log_floor(max_length / min_length, divisor, MAX_RUNGS)
    brackets = []
    for s in range(most, -1, -1):
        power = powers(divisor, s + 1)[-1]
        brackets.append(sizes_for_trials(s + 1, divisor, int((most + 1) // (s + 1) * power)))
    return tuple(brackets)


def _shape(lengths: tuple[int, ...], divisor: float) -> tuple[int, ...]:
    return tuple(max(int(power), 1) for power in reversed(powers(divisor, len(lengths))))


def _cost(shape: tuple[int, ...], lengths: tuple[int, ...]) -> int:
    steps = (length - before for before, length in zip((0, *lengths), lengths, strict=False))
    return sum(trials * step for trials, step in zip(shape, steps, strict=True))
