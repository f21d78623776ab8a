"""The searcher section of a configuration as a value: the method, its parameters and its limits."""

from dataclasses import dataclass
from enum import StrEnum

from rungway_server.domain.search.ladder import Mode
from rungway_server.domain.search.objectives import Objective, OutcomeConstraint, objectives_document
from rungway_server.domain.search.sources import Proposals

MAX_TRIALS = 10_000_000
MAX_LENGTH = 10**12
MAX_BUDGET = 10**18
"""Most length that all trials may train together: every total of a search then fits into 64 bits."""
MAX_DIVISOR = 1000
WHOLE_RUN = "run"
"""The unit of a search without lengths: each trial trains once, to completion."""


class SearcherName(StrEnum):
    """The search methods."""

    SINGLE = "single"
    RANDOM = "random"
    GRID = "grid"
    SYNC_HALVING = "sync_halving"
    ASYNC_HALVING = "async_halving"
    HYPERBAND = "hyperband"
    ADAPTIVE = "adaptive"
    ADAPTIVE_ASHA = "adaptive_asha"
    PBT = "pbt"
    AUTO = "auto"


class Sampler(StrEnum):
    """How configurations are drawn: independently, or along a Sobol sequence."""

    RANDOM = "random"
    SOBOL = "sobol"


class AfterMaxTrials(StrEnum):
    """What happens when all trials of an asynchronous search were started."""

    STOP = "stop"
    """The promotions that are left are done, and the search ends."""
    GO_ON = "go_on"
    """Where nothing may be promoted, the best trial that waits at the highest rung trains on."""


UNLIMITED = "unlimited"
"""`max_trials` of a search that its budget ends."""
_COMMON = ("name", "metric", "smaller_is_better", "target_metric", "max_length", "unit")
_CAP = "max_concurrent_trials"
_DRAWN = ("sampler", "proposals", "cost_aware")
_SEVERAL = (*_COMMON, "max_trials", _CAP, *_DRAWN)
_BOUNDED = ("budget", "after_max_trials")
OF_OBJECTIVES = ("metrics", "outcome_constraints")
"""Keys of a search with several objectives, or with constraints on its outcomes."""
_ASYNC = (*_SEVERAL, *_BOUNDED, *OF_OBJECTIVES, "divisor", "min_length", "stop_once")
_SYNC = (*_SEVERAL, "budget", "divisor", "min_length")
_ADAPTIVE = ("mode", "max_rungs", "bracket_rungs")
KEYS: dict[SearcherName, tuple[str, ...]] = {
    SearcherName.SINGLE: (*_COMMON, *_DRAWN),
    SearcherName.RANDOM: (*_SEVERAL, "budget", *OF_OBJECTIVES),
    SearcherName.GRID: (*_COMMON, "max_trials", _CAP, "num_samples"),
    SearcherName.SYNC_HALVING: (*_SYNC, "num_rungs"),
    SearcherName.ASYNC_HALVING: (*_ASYNC, "num_rungs", "brackets"),
    SearcherName.HYPERBAND: (*_COMMON, _CAP, *_DRAWN, "divisor", "min_length"),
    SearcherName.ADAPTIVE: (*_SYNC, *_ADAPTIVE),
    SearcherName.ADAPTIVE_ASHA: (*_ASYNC, *_ADAPTIVE),
    SearcherName.PBT: (
        *("name", "metric", "smaller_is_better", "target_metric", "unit", _CAP, *_DRAWN),
        *("population_size", "num_rounds", "length_per_round", "truncate_fraction", "explore"),
    ),
    SearcherName.AUTO: (*_SEVERAL, *_BOUNDED, *OF_OBJECTIVES, "divisor", "min_length", "blind"),
}
"""The keys that the section of each searcher may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The keys of population based training beside the common ones; `length_per_round` is in the searcher's unit.

    After each of `num_rounds` rounds but the last, the worst `truncate_fraction` of the `population_size` trials are
    replaced by clones of the best. A clone resamples each hyperparameter with `resample_probability`, and otherwise
    changes it by `perturb_factor` of its value, up or down.
    """

    population_size: int
    num_rounds: int
    length_per_round: int
    truncate_fraction: float
    resample_probability: float
    perturb_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearcherConfig:
    """A searcher section with its defaults; a key that its searcher does not have keeps its default.

    `max_length`, `min_length` and `budget` are in `unit`; no max_length means that each trial trains once, to
    completion (single, random and grid only). A result as good as `target_metric` ends the search. `max_trials` is 0
    where it is not given: for a grid without a limit, and for synchronous halving by `budget`.
    `max_concurrent_trials` caps the leases (0 = no cap). `stop_once` selects the decision form STOP. Exactly one of
    `num_rungs` and `min_length` is set for the halvings; `bracket_rungs` replaces `mode` and `max_rungs`.
    `population` is set for pbt alone. Of an asynchronous search `budget` is no size but a bound: nothing is handed out
    once so much training was, or, with `budget_hours`, so long after its creation. `after_max_trials` is None without a
    budget. `blind` (auto): trials that wait may also go on regardless of their rank. `proposals` is None where
    `sampler` is the only source of configurations. `objectives` are () where there is one metric; else `metric` and
    `smaller_is_better` are those of the first. `cost_aware`: the shares of the training that are learned are weighed by
    what reports say that it cost.
    """

    name: SearcherName
    metric: str
    smaller_is_better: bool = True
    target_metric: float | None = None
    max_length: int | None = None
    unit: str = WHOLE_RUN
    max_trials: int = 1
    max_concurrent_trials: int = 16
    sampler: Sampler = Sampler.RANDOM
    num_samples: int = 1
    budget: int | None = None
    divisor: float = 4.0
    min_length: int | None = None
    stop_once: bool = False
    num_rungs: int | None = None
    brackets: int = 1
    mode: Mode = Mode.STANDARD
    max_rungs: int = 5
    bracket_rungs: tuple[int, ...] = ()
    population: Population | None = None
    budget_hours: float | None = None
    after_max_trials: AfterMaxTrials | None = None
    blind: bool = False
    proposals: Proposals | None = None
    objectives: tuple[Objective, ...] = ()
    outcome_constraints: tuple[OutcomeConstraint, ...] = ()
    cost_aware: bool = False

    @property
    def to_completion(self) -> bool:
        """Whether trials train once, to completion, instead of to lengths."""
        return self.max_length is None

    @property
    def full_length(self) -> int:
        """The length that a trial trains if it is never stopped, in `unit`."""
        return 1 if self.max_length is None else self.max_length


def searcher_document(searcher: SearcherConfig) -> dict[str, object]:
    """The section that reads back as this searcher, defaults included."""
    if searcher.population is None:
        keys = KEYS[searcher.name]
    else:
        keys = tuple(key for key in KEYS[searcher.name] if hasattr(searcher, key))
    document = {key: _plain(getattr(searcher, key)) for key in keys if key not in OF_OBJECTIVES}
    absent = {"max_trials": 0, "unit": searcher.unit if searcher.to_completion else None, "cost_aware": False}
    document = {key: value for key, value in document.items() if value is not None and absent.get(key) != value}
    if searcher.budget_hours is not None:
        document["budget"] = {"hours": searcher.budget_hours}
    document = objectives_document(document, searcher.objectives, searcher.outcome_constraints)
    return document if searcher.population is None else {**document, **_population_document(searcher.population)}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, StrEnum) else value


def _population_document(population: Population) -> dict[str, object]:
    return {
        "population_size": population.population_size,
        "num_rounds": population.num_rounds,
        "length_per_round": population.length_per_round,
        "truncate_fraction": population.truncate_fraction,
        "explore": {
            "resample_probability": population.resample_probability,
            "perturb_factor": population.perturb_factor,
        },
    }
