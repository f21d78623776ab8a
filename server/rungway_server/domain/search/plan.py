"""A plan: the brackets of a search, computed once at creation and stored with it.

Every search method is a function that returns a plan (see `searchers`); the engine asks for nothing else.
"""

from dataclasses import dataclass
from enum import StrEnum


class PromotionRule(StrEnum):
    """How many results of a rung may go up."""

    ASYNC = "async"
    """The best floor(n / divisor) of n results, at any time (Li et al. 2020, "A System for Massively Parallel
    Hyperparameter Tuning", algorithm 2)."""
    SYNC = "sync"
    """Of a rung that will hold N results and passes K on: the best max(0, n + K - N)."""
    POPULATION = "population"
    """None until all N results are there, then the best K; and a number of the best go on as clones, too (Jaderberg et
    al. 2017, "Population Based Training of Neural Networks")."""


class DecisionForm(StrEnum):
    """What happens to a trial at a rung."""

    PROMOTE = "promote"
    """It pauses, and whoever asks next may resume it from its checkpoint."""
    STOP = "stop"
    """It runs on until a rung stops it."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A length at which trials are compared.

    `size` and `passes` are used by the sync and population rules, `clones` by the latter alone: so many of the best
    are copied into the next rung.
    """

    length: int
    size: int = 0
    passes: int = 0
    clones: int = 0


@dataclass(frozen=True, slots=True)
class Bracket:
    """A ladder of rungs, lowest first, with the number of valid trials to start, clones included, and its share of the
    concurrency."""

    rungs: tuple[Rung, ...]
    max_trials: int
    max_concurrent_trials: int

    @property
    def new_trials(self) -> int:
        """Trials that start in the lowest rung: all but the clones."""
        return self.max_trials - sum(rung.clones for rung in self.rungs)


@dataclass(frozen=True, slots=True)
class Plan:
    """The brackets of a search, the one that stops most first.

    `max_concurrent_trials` caps the leases over all brackets (0 = no cap); those of the brackets only balance them.
    """

    brackets: tuple[Bracket, ...]
    rule: PromotionRule
    form: DecisionForm
    divisor: float
    max_concurrent_trials: int
    unit: str

    @property
    def max_trials(self) -> int:
        """Valid trials started over all brackets."""
        return sum(bracket.max_trials for bracket in self.brackets)

    @property
    def new_trials(self) -> int:
        """Those of them that are no clones."""
        return sum(bracket.new_trials for bracket in self.brackets)

    @property
    def max_length(self) -> int:
        """The length of the top rung, the same in every bracket (unit: `unit`)."""
        return self.brackets[0].rungs[-1].length
