"""Spaces, and searches as models see them, that tests make."""

from collections.abc import Callable, Mapping, Sequence

from rungway_server.domain.ranking import WORST_KEY, sort_key
from rungway_server.domain.sampling.sampling import suggest_many
from rungway_server.domain.space.space import Space
from rungway_server.proposals.observed import Observed, Rung
from rungway_server.service.experiments import plan_search

MIXED: Mapping[str, object] = {
    "bell": {"type": "normal", "mu": 1, "sigma": 2},
    "bell_steps": {"type": "normal", "mu": 1, "sigma": 2, "step": 0.5},
    "deep": {"constant": 3, "x": {"type": "double", "minval": -1, "maxval": 1}},
    "layers": {"type": "int", "minval": 1, "maxval": 7},
    "log": {"type": "log", "base": 10, "minval": -5, "maxval": 0},
    "log_bell": {"type": "lognormal", "mu": 0, "sigma": 1, "maxval": 4},
    "log_steps": {"type": "log", "base": 2, "minval": -5, "maxval": 5, "step": 0.25},
    "momentum": {"type": "double", "minval": 0, "maxval": 1, "when": {"optimizer": "sgd"}},
    "nesterov": {
        "type": "categorical",
        "vals": [True, False],
        "when": {"units": list(range(1, 100)), "optimizer": "sgd"},
    },
    "optimizer": {"type": "categorical", "vals": ["sgd", "adam", "rms"], "weights": [1, 2, 1]},
    "plain_log": {"type": "log_uniform", "minval": 0.001, "maxval": 1},
    "plain_log_steps": {"type": "log_uniform", "minval": 0.001, "maxval": 1, "step": 0.001},
    "reverse": {"type": "reverse_log_uniform", "minval": 0, "maxval": 0.999},
    "reverse_steps": {"type": "reverse_log_uniform", "minval": 0, "maxval": 0.999, "step": 0.001},
    "size": {"type": "ordinal", "vals": ["small", "medium", "large"]},
    "steps": {"type": "double", "minval": 0, "maxval": 1, "step": 0.1},
    "units": {"type": "log_int", "minval": 1, "maxval": 1_000_000},
    "warmup": {"type": "int", "minval": 0, "maxval": 100_000},
}
"""Every kind of parameter, with steps, conditions and a group."""


def space_of(hyperparameters: Mapping[str, object], *constraints: str) -> Space:
    """The space of such a section."""
    searcher = {"name": "async_halving", "metric": "loss", "max_trials": 100, "max_length": 27, "min_length": 1}
    document = {"hyperparameters": hyperparameters, "constraints": list(constraints), "searcher": searcher}
    return plan_search(document).config.space


def observed(
    space: Space, metrics: Sequence[Callable[[Mapping[str, object]], float]], trials: int, *, seed: int = 1
) -> Observed:
    """A search of so many random trials: each rung has the best third of the one below by its own metric; NaN is dead.

    Two calls with the same arguments give searches at the same revision."""
    configs = dict(enumerate(suggest_many(space, seed, range(trials))))
    rungs, alive = [], list(configs)
    for metric in metrics:
        keys = {trial: sort_key(metric(configs[trial]), True) for trial in alive}
        ranked = sorted(alive, key=keys.__getitem__)
        dead = sum(key == WORST_KEY for key in keys.values())
        rungs.append(Rung(tuple(ranked), tuple(int.from_bytes(keys[trial]) for trial in ranked), dead))
        alive = ranked[: len(ranked) // 3]
    return Observed(trials, tuple(rungs), configs)
