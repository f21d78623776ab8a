"""How long a search would take: its plan simulated with workers of equal speed that never fail."""

import heapq
from dataclasses import dataclass, field

from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule
from rungway_server.domain.search.preview import preview

MAX_TRIALS = 20_000
"""Most trials that are simulated one by one; above it the estimate is a formula."""


def expected_seconds(plan: Plan, workers: int, seconds_per_unit: float) -> float:
    """About how many seconds the search takes with `workers` workers, each training a unit of length in
    `seconds_per_unit` seconds. Both are above 0.

    This is a list schedule (Graham 1969, "Bounds on Multiprocessing Timing Anomalies"): a free worker takes what the
    service would hand out, going by counts, as if each promotion were final. Start-up, checkpoints and failures cost
    nothing. Beyond MAX_TRIALS trials it is the work divided by the workers, plus one full training.
    A search with a budget is said to take all of it, and one full training more.
    """
    workers = min(workers, plan.max_concurrent_trials or workers)
    if plan.budget_ms:
        return plan.budget_ms / 1000 + plan.max_length * seconds_per_unit
    if plan.budget:
        return (plan.budget / workers + plan.max_length) * seconds_per_unit
    if plan.max_trials > MAX_TRIALS:
        return (preview(plan).total_length / workers + plan.max_length) * seconds_per_unit
    return _Simulation(plan).length(workers) * seconds_per_unit


@dataclass
class _Counts:
    """The state of a bracket: per rung, how many results it has and how many trials were promoted from it."""

    bracket: Bracket
    results: list[int]
    promoted: list[int]
    started: int = 0
    live: int = 0


@dataclass
class _Simulation:
    """A search reduced to counts; its clock counts units of length."""

    plan: Plan
    brackets: list[_Counts] = field(init=False)

    def __post_init__(self) -> None:
        self.brackets = [_Counts(b, [0] * len(b.rungs), [0] * len(b.rungs)) for b in self.plan.brackets]

    def length(self, workers: int) -> int:
        """The time at which the last run ends."""
        now, running = 0, list[tuple[int, int, int]]()  # runs: when they end, bracket, rung
        while True:
            while len(running) < workers and (run := self._next()):
                b, k = run
                rungs = self.brackets[b].bracket.rungs
                takes = rungs[k].length - (rungs[k - 1].length if k else 0)
                heapq.heappush(running, (now + takes, b, k))
            if not running:
                return now
            now, b, k = heapq.heappop(running)
            self.brackets[b].results[k] += 1
            self.brackets[b].live -= 1

    def _next(self) -> tuple[int, int] | None:
        """The next run as (bracket, rung): in the bracket that uses the least of its share, the highest promotion, else
        a new trial."""
        shares = [counts.live / counts.bracket.max_concurrent_trials for counts in self.brackets]
        for b in sorted(range(len(shares)), key=shares.__getitem__):
            counts = self.brackets[b]
            for k in range(len(counts.results) - 2, -1, -1):
                if self._slots(counts, k) > counts.promoted[k]:
                    counts.promoted[k] += 1
                    counts.live += 1
                    return b, k + 1
            if counts.started < counts.bracket.new_trials:
                counts.started += 1
                counts.live += 1
                return b, 0
        return None

    def _slots(self, counts: _Counts, k: int) -> int:
        results, rung = counts.results[k], counts.bracket.rungs[k]
        if self.plan.rule is PromotionRule.SYNC:
            return max(0, results + rung.slots - rung.size)
        if self.plan.rule is PromotionRule.POPULATION:
            return rung.slots + rung.clones if results == rung.size else 0
        going = int(results / self.plan.divisor)
        return max(going, min(results, 1)) if self.plan.form is DecisionForm.STOP else going
