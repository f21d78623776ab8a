"""Sources of configurations in the plainest form: whose turn it is, what is in stock, and what the shares are."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rungway_server.domain.engine import SAMPLER, USER, Proposal, Report, SourceShare
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.sources import EXTERNAL, FOREST
from tests.model.costs import Costs, lags, total, used
from tests.model.entries import PARTS, credits, is_due
from tests.model.ladder import Ladder
from tests.model.objectives import Window

Hparams = Mapping[str, object]
ModelHparams = Callable[[str, int], Hparams]
"""What a source proposes under a number."""
MOST_IN_STOCK = 256


def no_proposals(source: str, number: int) -> Hparams:
    """Of a search without models."""
    raise NotImplementedError


@dataclass
class Stock:
    """What waits in a lane: numbers of proposals; how many were drawn; from how many results the oldest is, and of
    which revision."""

    numbers: list[int] = field(default_factory=list)
    drawn: int = 0
    made: int = 0
    revision: int = 0


class Sources:
    """The sources of one search. Lists are in the order of the plan; shares and credits in 1/PARTS."""

    def __init__(self, plan: Plan, ladders: Sequence[Ladder], hparams: ModelHparams) -> None:
        assert plan.sources is not None
        self.plan, self.ladders, self.sources = plan, ladders, plan.sources
        self.names = plan.sources.names
        self.hparams = hparams
        self.share, self.credit, self.spent = list(plan.sources.shares), [0] * len(self.names), [0] * len(self.names)
        self.base: list[int] | None = None
        self.costs = Costs(len(self.names)) if plan.cost_aware and plan.sources.learns else None
        self.learned = 0
        self.stock = [Stock() for _ in (*self.names, None)]
        self.seen, self.seen_revision = -1, 0
        self.barren: dict[int, int] = {}

    def shown(self) -> tuple[SourceShare, ...]:
        """As explanations and the progress show them."""
        weighed = self.costs.weigh(self.spent) if self.costs else [None] * len(self.spent)
        of_each = zip(self.names, self.share, self.spent, self.credit, weighed, strict=True)
        return tuple(
            SourceShare(name, share / PARTS, spent, credit / PARTS, used)
            for name, share, spent, credit, used in of_each
        )

    def spend(self, source: str, length: int) -> None:
        """Training is handed out to a trial of this source, or given back."""
        if self.sources.learns and source in self.names:
            self.spent[self.names.index(source)] += length

    def count_cost(self, source: str, length: int, report: Report) -> None:
        """A report of a trial of this source came, so long after the one before."""
        if self.costs and source in self.names:
            self.costs.add(self.names.index(source), length, report)

    # Whose turn it is.

    def usable(self) -> bool:
        """Whether models have enough results."""
        return max(len(rung) for ladder in self.ladders for rung in ladder.entries) >= self.sources.least

    def choose(self, told: int) -> int:
        """The source of the next trial, after so many results."""
        if not self.usable():
            return 0
        if self.sources.learns and is_due(told, self.learned):
            self.learned = told
            self._learn()
        if self.base is None:
            self.base = list(self.spent)
            if self.costs:
                self.costs.remember()
        have, had = used(self.spent, self.costs), used(self.base, self.costs, then=True)
        behind = lags(self.share, have, had, PARTS)
        open_ones = [s for s, share in enumerate(self.share) if share > 0]
        return max(open_ones, key=lambda s: (behind[s], -s))

    def _learn(self) -> None:
        tops = [entry for ladder in self.ladders for entry in ladder.entries[-1]]
        ranked = sorted(tops, key=lambda entry: entry.rank_key)
        whole = min(math.floor(len(tops) / self.plan.divisor), Window.credit)
        if whole < 2:
            return
        owners = [
            self.names.index(entry.source) if entry.score is not None and entry.source in self.names else None
            for entry in ranked[: Window.looked_at]
        ]
        credit = credits(owners, len(self.names), whole)
        trained = [length / self.ladders[0].length(-1) for length in used(self.spent, self.costs)]
        brought, cost = total(credit), total(trained)
        if brought == 0 or cost <= 0:
            return
        first = [parts / PARTS for parts in self.sources.shares]
        rates = [
            (own + 2 * part * brought / cost) / (length + 2 * part)
            for own, part, length in zip(credit, first, trained, strict=True)
        ]
        weights = [
            rate * rate * rate * rate * parts / PARTS for rate, parts in zip(rates, self.sources.shares, strict=True)
        ]
        all_weights = total(weights)
        self.share = [
            math.floor(PARTS * (1 - 0.4) * weight / all_weights + 0.4 * parts + 0.5)
            for weight, parts in zip(weights, self.sources.shares, strict=True)
        ]
        self.share[0] += PARTS - sum(self.share)
        self.credit = [math.floor(PARTS * each + 0.5) for each in credit]

    # What is in stock.

    def is_stale(self, lane: int, told: int) -> bool:
        """Whether the results have grown too much for what is in stock."""
        if lane < len(self.names) and self.names[lane] == EXTERNAL:
            return False
        made = self.stock[lane].made
        return told - made >= max(4, math.floor(0.15 * made))

    def _lane(self, s: int, entry: int) -> int:
        rungs = len(self.plan.entries)
        return len(self.names) if self.names[s] == FOREST and rungs > 2 and entry >= rungs - 2 else s

    def fill(
        self, new: int, asked: int, told: int, revision: int, opened: bool, is_free: Callable[[Hparams], bool]
    ) -> None:
        """Models propose what so many new trials lack."""
        if not self.usable():
            return
        kept = self.share, self.credit, self.learned, self.base
        chosen = self.choose(told)
        self.share, self.credit, self.learned, self.base = kept
        wanted: list[tuple[int, int]] = []
        for s in range(1, len(self.names)):
            count = new if s == chosen else new - 1
            wanted.append((s, count))
            if count > 0 and opened and (lane := self._lane(s, len(self.plan.entries) - 1)) != s:
                wanted.append((lane, 1))
        lacking = [
            (lane, count - (0 if self.is_stale(lane, told) else len(self.stock[lane].numbers)))
            for lane, count in wanted
        ]
        lacking = [(lane, count) for lane, count in lacking if count > 0 and self._may_propose(lane, told)]
        self.seen, self.seen_revision = told, revision
        for lane, count in lacking:
            self._propose(lane, count, asked, told, is_free)

    def _may_propose(self, lane: int, told: int) -> bool:
        if lane < len(self.names) and self.names[lane] == EXTERNAL:
            return False
        return lane not in self.barren or told >= self.barren[lane] + max(4, int(0.15 * self.barren[lane]))

    def _propose(self, lane: int, lacking: int, asked: int, told: int, is_free: Callable[[Hparams], bool]) -> None:
        stock, ahead = self.stock[lane], max(4, min(32, int(0.05 * self.seen)))
        if lane == len(self.names):
            ahead = min(ahead, stock.drawn // 8)
        count = max(lacking, asked, ahead)
        if self.is_stale(lane, told):
            stock.numbers = []
        if not stock.numbers:
            stock.made, stock.revision = self.seen, self.seen_revision
        self._draw(lane, count, is_free)
        if len(stock.numbers) < lacking:
            self.barren[lane] = self.seen

    def _draw(self, lane: int, count: int, is_free: Callable[[Hparams], bool]) -> None:
        stock = self.stock[lane]
        for _ in range(count):
            if len(stock.numbers) == MOST_IN_STOCK:
                return
            if is_free(self.hparams(self._source(lane), stock.drawn)):
                stock.numbers.append(stock.drawn)
            stock.drawn += 1

    def _source(self, lane: int) -> str:
        return self.names[lane] if lane < len(self.names) else FOREST

    def take(self, first: int, count: int, is_free: Callable[[Hparams], bool]) -> tuple[int, int]:
        """Another program proposes so many, numbered from `first` on. How many wait, and the number of the next."""
        lane = self.names.index(EXTERNAL)
        stock = self.stock[lane]
        if first <= stock.drawn < first + count:
            if not stock.numbers:
                stock.made = stock.revision = 0
            self._draw(lane, first + count - stock.drawn, is_free)
        return len(stock.numbers), stock.drawn

    def propose(self, told: int, entry: int, is_free: Callable[[Hparams], bool]) -> tuple[Hparams | None, Proposal]:
        """The configuration of a new trial, None for one of the sampler; and where it comes from."""
        s = self.choose(told)
        lane, before, found = self._lane(s, entry), self.shown(), None
        stock = self.stock[lane]
        while s and stock.numbers and found is None and not self.is_stale(lane, told):
            hparams = self.hparams(self.names[s], stock.numbers.pop(0))
            found = hparams if is_free(hparams) else None
        source = self.names[s] if found is not None else SAMPLER
        if not self.sources.learns:
            self.spent[self.names.index(source)] += 1
        return found, Proposal(source, self.names[s], stock.revision if found is not None else 0, before)

    def for_user(self) -> Proposal:
        """Of a trial with a user's configuration."""
        return Proposal(USER, USER, 0, self.shown())
