"""What entries and sources have used of the training, weighed by its cost (lua/include/costs.lua)."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any


def used_in(numbers: Sequence[Any]) -> tuple[Sequence[Any], list[float] | None]:
    """The numbers of a decision about a new trial without what was used, and that: a text at their end, where the cost
    of training counts, else None."""
    if not numbers or isinstance(numbers[-1], int):
        return numbers, None
    text = numbers[-1]
    return numbers[:-1], [float(each) for each in (text.decode() if isinstance(text, bytes) else text).split()]


def weighed_by_cost(spent: Sequence[int], costs: Mapping[str, Sequence[float]]) -> list[float]:
    """Training that was handed out, by entry or source, in units of length: the part of it that was `told` with a cost
    counts as its `cost` is to all cost. The sum stays."""
    told, cost = sum(costs["told"]), reduce(add, costs["cost"])  # one after the other, as the scripts add
    if cost <= 0:
        return [float(each) for each in spent]
    of_each = zip(spent, costs["told"], costs["cost"], strict=True)
    return [length - own_told + told * (own_cost / cost) for length, own_told, own_cost in of_each]
