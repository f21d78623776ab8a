"""A plan: the brackets of a search, computed when the search is created and stored with it.

Every search method is a function that returns a plan (see `methods/`). The engine knows plans only, not methods.
"""

from dataclasses import dataclass
from enum import StrEnum

from rungway_server.domain.search.sources import Sources


class PromotionRule(StrEnum):
    """How many results of a rung may be promoted: its slots."""

    ASYNC = "async"
    """The best floor(n / divisor) of n results, at any time (ASHA: Li et al. 2018, "A System for Massively Parallel
    Hyperparameter Tuning", algorithm 2)."""
    SYNC = "sync"
    """Of a rung that will have N results and K slots: the best max(0, n + K - N) of n results."""
    POPULATION = "population"
    """None until all N results are there, then the best K; some of the best are cloned into the next rung, too
    (Jaderberg et al. 2017, "Population Based Training of Neural Networks")."""


class DecisionForm(StrEnum):
    """What happens to a trial at a rung."""

    PROMOTE = "promote"
    """It pauses at the rung; once promoted, a worker that asks resumes it from its checkpoint."""
    STOP = "stop"
    """It keeps running until a rung stops it."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A length at which trials are compared, in the unit of the plan.

    `size` (results that the rung will have) and `slots` (how many of them are promoted) are used by the sync and
    population rules. `clones` is used by the population rule: how many of the best are cloned into the next rung.
    """

    length: int
    size: int = 0
    slots: int = 0
    clones: int = 0


@dataclass(frozen=True, slots=True)
class Bracket:
    """A ladder of rungs, lowest first.

    `max_trials` counts the valid trials that it starts, clones included; `max_concurrent_trials` is its share of the
    concurrency, by which asks choose a bracket.
    """

    rungs: tuple[Rung, ...]
    max_trials: int
    max_concurrent_trials: int

    @property
    def new_trials(self) -> int:
        """Trials that start at the lowest rung: all but the clones."""
        return self.max_trials - sum(rung.clones for rung in self.rungs)


@dataclass(frozen=True, slots=True)
class Plan:
    """The brackets of a search, the one with the most rungs first.

    `max_concurrent_trials` caps the leases of all brackets together (0 = no cap); the shares of the brackets only
    balance them. `entries`, of a search whose new trials may enter at each rung of its one bracket, are the first
    shares of the training by rung, in 1/4096. `go_on`: after the last new trial the best that wait train on; `blind`:
    some that wait train on regardless of their rank. Nothing is handed out once `budget` (in `unit`; 0 = none) was, or
    `budget_ms` after the creation (0 = without end). `sources` are those of the configurations of new trials, where
    there are more than the sampler. With `objectives` (how many; 0 = results rank by the metric) rungs rank by fronts;
    `finals`: at the top rung more of them count than below. `cost_aware`: learned shares are weighed by what reports
    say that the training cost.
    """

    brackets: tuple[Bracket, ...]
    rule: PromotionRule
    form: DecisionForm
    divisor: float
    max_concurrent_trials: int
    unit: str
    entries: tuple[int, ...] = ()
    go_on: bool = False
    blind: bool = False
    budget: int = 0
    budget_ms: int = 0
    sources: Sources | None = None
    objectives: int = 0
    finals: bool = False
    cost_aware: bool = False

    @property
    def max_trials(self) -> int:
        """Valid trials that all brackets start, clones included."""
        return sum(bracket.max_trials for bracket in self.brackets)

    @property
    def new_trials(self) -> int:
        """Valid trials that all brackets start, without clones."""
        return sum(bracket.new_trials for bracket in self.brackets)

    @property
    def max_length(self) -> int:
        """The length of the top rung, the same in every bracket, in `unit`."""
        return self.brackets[0].rungs[-1].length

    @property
    def max_rungs(self) -> int:
        """The rungs of the bracket that has most."""
        return max(len(bracket.rungs) for bracket in self.brackets)

    @property
    def counts_training(self) -> bool:
        """Whether the training that is handed out is counted."""
        return bool(self.entries or self.budget or (self.sources and self.sources.learns))
