"""The rungs of one bracket in the plainest form: lists that are sorted each time someone asks."""

import math
from dataclasses import dataclass

from rungway_server.domain.engine import SAMPLER
from rungway_server.domain.search.plan import Bracket, Plan, PromotionRule
from tests.model.objectives import Outcome, Window, ranked


@dataclass(frozen=True)
class Entry:
    """The result of one trial at one rung; `score` is None for a dead trial and for NaN, else smaller is better."""

    trial: int
    metric: float | None
    score: float | None
    sequence: int
    entered: int = 0
    """The rung at which its trial entered the ladder."""
    source: str = SAMPLER
    """The source of the configuration of its trial."""
    outcome: Outcome | None = None
    """How it ranks where there are several objectives."""

    @property
    def ranks_last(self) -> bool:
        """Whether it never goes up, where there are several objectives."""
        return self.outcome is not None and self.outcome.violation == math.inf

    @property
    def rank_key(self) -> tuple[bool, float, int]:
        """Real results first, smaller scores first, of equal ones the one told earlier."""
        return self.score is None, 0.0 if self.score is None else self.score, self.sequence

    def beats(self, other: "Entry") -> bool:
        """Strictly better: being told earlier does not count."""
        return self.rank_key[:2] < other.rank_key[:2]


@dataclass(frozen=True)
class Standing:
    """Where an entry stands in its rung at one moment."""

    rung: int
    rank: int
    size: int
    quota: int
    cutoff: float | None
    in_top_k: bool
    among_own: bool = False
    """Its numbers are those among the results of the sampler."""
    front: int | None = None
    """Where there are several objectives."""


class Ladder:
    """The rungs of one bracket with their entries, and how many trials were promoted from each."""

    def __init__(self, plan: Plan, bracket: Bracket) -> None:
        self.plan = plan
        self.rungs = bracket.rungs
        self.top = len(bracket.rungs) - 1
        self.entries: list[list[Entry]] = [[] for _ in bracket.rungs]
        self.promoted = [0] * len(bracket.rungs)

    def length(self, k: int) -> int:
        """The length at which rung k compares."""
        return self.rungs[k].length

    def ranked(self, k: int) -> list[Entry]:
        """The entries of rung k, best first; of several objectives the newest alone."""
        if self.plan.objectives:
            return [entry for entry, _ in self.in_fronts(self.entries[k], self.quota(k))]
        return sorted(self.entries[k], key=lambda entry: entry.rank_key)

    def in_fronts(self, entries: list[Entry], most: int) -> list[tuple[Entry, int]]:
        """The newest of some entries with their fronts, best first; the first `most` in the order of epsilon-nets."""
        newest = sorted(entries, key=lambda entry: entry.sequence)[-Window.most :]
        outcomes = [entry.outcome for entry in newest if entry.outcome]
        return [(newest[i], front) for i, front in ranked(outcomes, most)]

    def best(self, k: int, most: int) -> list[Entry]:
        """The best entries of rung k, so many at most."""
        if self.plan.objectives:
            return [entry for entry, _ in self.in_fronts(self.entries[k], most)][:most]
        return self.ranked(k)[:most]

    def quota(self, k: int) -> int:
        """How many of rung k's entries may be promoted (promote form); none from the top."""
        results = len(self.entries[k])
        if k == self.top:
            return 0
        if self.plan.rule is PromotionRule.POPULATION:
            return self.rungs[k].slots if self.full(k) else 0
        if self.plan.rule is PromotionRule.SYNC:
            return max(0, results + self.rungs[k].slots - self.rungs[k].size)
        if self.plan.objectives:
            results = min(results, Window.most)
        return math.floor(results / self.plan.divisor)

    def full(self, k: int) -> bool:
        """Whether rung k holds all results it ever will (sync and population rules)."""
        return len(self.entries[k]) == self.rungs[k].size

    def top_k(self, k: int) -> list[Entry]:
        """The entries of rung k that may be promoted, best first: those within its quota and, where the sampler's are
        protected, those within that of these alone."""
        if self.plan.objectives:
            return [entry for entry in self.ranked(k)[: self.quota(k)] if not entry.ranks_last]
        best = [*self.ranked(k)[: self.quota(k)], *self.own(k)[: self.own_quota(k)]]
        return sorted(set(best), key=lambda entry: entry.rank_key)

    def is_full(self, k: int) -> bool:
        """Whether rung k has promoted as many as may be promoted from it now, where that is a bound."""
        sources = self.plan.sources
        return bool(sources and sources.bounded and self.promoted[k] >= len(self.top_k(k)))

    def own(self, k: int) -> list[Entry]:
        """The sampler's entries of rung k, best first, where they are protected."""
        protects = self.plan.sources and self.plan.sources.protects
        return [entry for entry in self.ranked(k) if entry.source == SAMPLER] if protects else []

    def own_quota(self, k: int) -> int:
        """How many of these may be promoted by their rank among themselves."""
        return 0 if k == self.top else math.floor(len(self.own(k)) / self.plan.divisor)

    def cut(self, k: int) -> int:
        """How many strictly better results are too many at rung k (stop form)."""
        return max(math.floor(len(self.entries[k]) / self.plan.divisor), 1)

    def entry_of(self, k: int, trial: int) -> Entry:
        """The one entry of this trial in rung k."""
        [entry] = [entry for entry in self.entries[k] if entry.trial == trial]
        return entry

    def promote_standing(self, k: int, entry: Entry) -> Standing:
        """Where the entry stands under the promote form."""
        if self.plan.objectives:
            return self._front_standing(k, entry, self.in_fronts(self.entries[k], self.quota(k)), self.quota(k))
        ranked, quota = self.ranked(k), self.quota(k)
        rank = ranked.index(entry)
        own, own_quota = self.own(k), self.own_quota(k)
        if rank >= quota and entry in own[:own_quota]:
            cutoff = own[own_quota - 1].metric
            return Standing(k, own.index(entry), len(own), own_quota, cutoff, in_top_k=True, among_own=True)
        cutoff = ranked[quota - 1].metric if quota > 0 else None
        return Standing(k, rank, len(ranked), quota, cutoff, in_top_k=rank < quota)

    def waiting_standing(self, k: int, entry: Entry, waiting: list[Entry]) -> Standing:
        """Where an entry stands among those that wait, of several objectives."""
        found = self.in_fronts(waiting, 1)
        return self._front_standing(k, entry, found, math.floor(len(found) / self.plan.divisor))

    def _front_standing(self, k: int, entry: Entry, found: list[tuple[Entry, int]], quota: int) -> Standing:
        rank = [each for each, _ in found].index(entry)
        in_top_k = rank < quota and not entry.ranks_last
        return Standing(k, rank, len(found), quota, None, in_top_k, front=found[rank][1])

    def clone_standing(self, k: int, rank: int) -> Standing:
        """Where the parent of a clone stands; the quota is that of the clones."""
        ranked, clones = self.ranked(k), self.rungs[k].clones
        return Standing(k, rank, len(ranked), clones, ranked[clones - 1].metric, in_top_k=rank < clones)

    def stop_standing(self, k: int, entry: Entry) -> Standing:
        """Where the entry stands under the stop form: its rank is the number of strictly better results."""
        ranked, cut = self.ranked(k), self.cut(k)
        better = sum(other.beats(entry) for other in ranked)
        return Standing(k, better, len(ranked), cut, ranked[cut - 1].metric, in_top_k=better < cut)

    def compared(self, k: int, trial: int) -> bool:
        """Whether the trial has a result in rung k; there is no rung below 0."""
        return k >= 0 and any(entry.trial == trial for entry in self.entries[k])

    def remove(self, trial: int) -> None:
        """Erase every entry of the trial."""
        self.entries = [[entry for entry in rung if entry.trial != trial] for rung in self.entries]
