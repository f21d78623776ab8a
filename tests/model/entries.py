"""Entries in the plainest form: where the next new trial enters, from the results and the training by entry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rungway_server.domain.engine import ELSEWHERE, Entry
from rungway_server.domain.search.plan import Plan
from tests.model.costs import Costs, lags, total, used
from tests.model.ladder import Ladder
from tests.model.objectives import Window

PARTS = 4096


def credits(owners: Sequence[int | None], count: int, whole: float) -> list[float]:
    """The credit of each of `count` for results, best first: by the square of the share of these that each beats, and
    together so much. `owners`: whose they are, None for nobody's."""
    beaten = [1 - (rank - 0.5) / len(owners) for rank in range(1, len(owners) + 1)]
    found, weights = [0.0] * count, [share * share for share in beaten]
    for owner, weight in zip(owners, weights, strict=True):
        if owner is not None:
            found[owner] += weight
    return [each * (whole / total(weights)) for each in found]


def is_due(told: int, learned: int) -> bool:
    """Whether there are enough new results since shares were learned."""
    return told - learned >= max(1, math.floor(0.03 * learned))


@dataclass
class Entries:
    """The entries of a ladder. Lists are by rung; shares and credits in 1/PARTS, training in the unit of lengths."""

    plan: Plan
    ladder: Ladder
    spent: list[int]
    """Shared with the search, which counts it."""
    costs: Costs | None = None
    """The same, in a cost-aware search."""
    share: list[int] = field(init=False)
    credit: list[int] = field(init=False)
    opened: list[int] | None = None
    learned: int = 0
    """How many results there had been when it last learned."""

    def __post_init__(self) -> None:
        self.share, self.credit = list(self.plan.entries), [0] * len(self.plan.entries)

    def shown(self) -> tuple[Entry, ...]:
        """As explanations and the progress show them."""
        weighed = self.costs.weigh(self.spent) if self.costs else [None] * len(self.spent)
        return tuple(
            Entry(share / PARTS, spent, credit / PARTS, used)
            for share, spent, credit, used in zip(self.share, self.spent, self.credit, weighed, strict=True)
        )

    def choose(self, told: int, *, now: bool = False) -> int:
        """Where the next trial enters, after so many results. `now`: without waiting for the first full result."""
        if is_due(told, self.learned):
            self.learned = told
            self._learn()
        if self.opened is None and (now or self.ladder.entries[-1]):
            self.opened = list(self.spent)
            if self.costs:
                self.costs.remember()
        if self.opened is None:
            return 0
        have, had = used(self.spent, self.costs), used(self.opened, self.costs, then=True)
        behind = lags(self.share, have, had, PARTS)
        return behind.index(max(behind))

    def _learn(self) -> None:
        judging = [k for k in range(len(self.share)) if self._top(k) >= 2]
        if not judging:
            return
        k = judging[-1]
        credit = self._credits(k)
        first = [share / PARTS for share in self.plan.entries]
        trained = [length / self.ladder.length(-1) for length in used(self.spent, self.costs)]
        judged = range(k + 1)
        brought, cost = total(credit[s] for s in judged), total(trained[s] for s in judged)
        if brought == 0 or cost <= 0:
            return
        rates = [(credit[s] + 2 * first[s] * brought / cost) / (trained[s] + 2 * first[s]) for s in judged]
        weights = [rate * rate * rate * rate * math.sqrt(first[s]) for s, rate in enumerate(rates)]
        part, whole = total(first[s] for s in judged), total(weights)
        shares = [part * weight / whole for weight in weights] + first[k + 1 :]
        self.share = [
            math.floor(PARTS * 0.9 * share + 0.1 * parts + 0.5)
            for share, parts in zip(shares, self.plan.entries, strict=True)
        ]
        self.share[0] += PARTS - sum(self.share)
        self.credit = [math.floor(PARTS * each + 0.5) for each in credit]

    def _top(self, k: int) -> int:
        return min(math.floor(len(self.ladder.entries[k]) / self.plan.divisor), Window.credit)

    def _credits(self, k: int) -> list[float]:
        best = self.ladder.best(k, Window.looked_at)
        owners = [
            entry.entered if entry.score is not None and not entry.ranks_last and entry.source != ELSEWHERE else None
            for entry in best
        ]
        return credits(owners, len(self.share), self._top(k))
