"""What training costs in the plainest form: what entries, or sources, have used of it, weighed by its cost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rungway_server.domain.engine import Further, Report

MOST = 1e300
"""No sum of costs grows beyond this."""


@dataclass
class Costs:
    """Of so many entries or sources: training that was told with a cost (in the unit of lengths), and its cost."""

    count: int
    told: list[int] = field(init=False)
    cost: list[float] = field(init=False)
    before: tuple[list[int], list[float]] | None = None
    """Both as they were when shares began to count."""

    def __post_init__(self) -> None:
        self.told, self.cost = [0] * self.count, [0.0] * self.count

    def add(self, at: int, length: int, report: Report) -> None:
        """A report came, so long after the one before."""
        if report.further and report.further.cost is not None:
            self.told[at] += length
            self.cost[at] = min(self.cost[at] + report.further.cost, MOST)

    def remember(self) -> None:
        """Shares begin to count."""
        self.before = list(self.told), list(self.cost)

    def weigh(self, spent: Sequence[int], *, then: bool = False) -> list[float]:
        """What each has used when so much was spent: now, or when shares began to count."""
        told, cost = self.before if then and self.before else (self.told, self.cost)
        if total(self.cost) == 0:
            return list(spent)
        of_each = zip(spent, told, cost, strict=True)
        return [
            length - own_told + sum(self.told) * (own_cost / total(self.cost)) for length, own_told, own_cost in of_each
        ]


def with_cost(further: Further | None, cost: float | None) -> Further | None:
    """What a report has beside its metric, and what the training since the one before cost."""
    metrics = further.metrics if further else {}
    return Further(metrics, cost) if metrics or cost is not None else None


def used(spent: Sequence[int], costs: Costs | None, *, then: bool = False) -> list[float]:
    """What each has used: what was spent or, in a cost-aware search, that weighed by its cost."""
    return costs.weigh(spent, then=then) if costs else list(spent)


def lags(share: Sequence[int], now: Sequence[float], before: Sequence[float], parts: int) -> list[float]:
    """How far each is below its share of what all have used since."""
    whole = 0.0
    for have, had in zip(now, before, strict=True):
        whole = whole + have - had
    return [own * whole - parts * (have - had) for own, have, had in zip(share, now, before, strict=True)]


def total(values: Iterable[float]) -> float:
    """The sum in this order, one after the other, as the scripts add."""
    found = 0.0
    for value in values:
        found += value
    return found
