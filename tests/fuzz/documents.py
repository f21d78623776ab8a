"""Configurations: good ones of every kind, and those with something wrong anywhere."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from rungway_server.domain.search.config import KEYS
from tests.fuzz.strange import SCALARS, TEXTS, VALUES, deep

SPACE: dict[str, object] = {
    "rate": {"type": "log", "base": 10.0, "minval": -4.0, "maxval": -1.0, "count": 3},
    "layers": {"type": "int", "minval": 1, "maxval": 4, "count": 2},
    "momentum": {"type": "double", "minval": 0.0, "maxval": 1.0, "step": 0.25, "when": {"model.optimizer": "sgd"}},
    "decay": {"type": "log_uniform", "minval": 1e-6, "maxval": 1.0, "count": 2, "step": 1e-6},
    "model": {"optimizer": {"type": "categorical", "vals": ["sgd", "adam", None, [1, {"a": 2}]]}, "bias": True},
    "width": {"type": "log_int", "minval": 1, "maxval": 512, "count": 2, "step": 7},
    "beta": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.999, "count": 1},
    "noise": {"type": "normal", "mu": 0.0, "sigma": 1.0, "minval": -2.0, "count": 1, "step": 0.5},
    "scale": {"type": "lognormal", "mu": -1.0, "sigma": 0.5, "count": 1},
    "size": {"type": "ordinal", "vals": ["s", "m", "l"], "weights": [1, 2, 1.5], "when": {"width": [1, 8]}},
}
_TEN = {"max_length": {"epochs": 9}, "max_trials": 10}
SEARCHERS: tuple[dict[str, object], ...] = (
    {"name": "adaptive_asha", **_TEN, "divisor": 3, "mode": "standard", "max_rungs": 3},
    {"name": "adaptive_asha", **_TEN, "bracket_rungs": [3, 2], "stop_once": True, "target_metric": 0.5},
    {"name": "async_halving", **_TEN, "num_rungs": 3, "brackets": 2, "divisor": 2.5},
    {"name": "async_halving", **_TEN, "min_length": 1, "max_concurrent_trials": 3},
    {"name": "sync_halving", "max_length": 9, "unit": "laps", "num_rungs": 2, "budget": 100},
    {"name": "adaptive", **_TEN, "mode": "aggressive", "sampler": "sobol"},
    {"name": "hyperband", "max_length": {"epochs": 9}, "divisor": 3},
    {"name": "random", **_TEN, "max_time": 4, "time_metric": "seconds"},
    {"name": "grid", "num_samples": 2, "max_length": {"batches": 5}},
    {"name": "single", "max_length": {"records": 5}},
    {
        **{"name": "pbt", "population_size": 4, "num_rounds": 3, "length_per_round": {"epochs": 2}},
        **{"truncate_fraction": 0.25, "explore": {"resample_probability": 0.2, "perturb_factor": 0.2}},
    },
)
CONSTRAINTS = (
    "layers * rate < 1",
    "if model.optimizer == 'sgd' then layers <= 3",
    "not (momentum > 0.9 and layers > 3)",
    "if size > 's' then beta >= 0.9",
)


def good(searcher: Mapping[str, object]) -> dict[str, object]:
    """A good configuration with this searcher."""
    return {
        "name": "fuzz",
        "hyperparameters": copy.deepcopy(SPACE),
        "constraints": list(CONSTRAINTS),
        "searcher": {"metric": "loss", **copy.deepcopy(dict(searcher))},
        "seed": 7,
        "max_restarts": 2,
        "lease_seconds": 60.0,
    }


GOOD = st.sampled_from(SEARCHERS).map(good)
_SEARCHER_KEYS = sorted({key for keys in KEYS.values() for key in keys})
_ODD_CONSTRAINTS = st.lists(
    st.sampled_from(
        [
            *(*CONSTRAINTS, "rate", "layers", "model.optimizer", "<", "==", "+", "*", "/", "-", "(", ")", "not", "and"),
            *("or", "if", "then", "1", "0", "1e308", "'a'", "null", "true", "`x`", "\x00", "ä", "1" * 400, "(" * 40),
        ]
    ),
    max_size=12,
).map(" ".join)


@st.composite
def disturbed_documents(draw: st.DrawFn) -> dict[str, object]:
    """A good configuration, with up to four changes."""
    document = draw(GOOD)
    for _ in range(draw(st.integers(0, 4))):
        _disturb(draw, document)
    return document


def _disturb(draw: st.DrawFn, document: dict[str, object]) -> None:
    holder, key = draw(st.sampled_from(list(_entries(document))))
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2:
            holder[key] = draw(SCALARS)
        case 3:
            holder[key] = draw(VALUES)
        case 4:
            del holder[key]
        case 5:
            holder[key] = deep(draw(st.integers(10, 25)))
        case 6 if isinstance(holder, dict):
            holder[draw(TEXTS)] = copy.deepcopy(holder[key])
        case 7:
            document["constraints"] = draw(st.lists(_ODD_CONSTRAINTS, max_size=3))
        case 8 if isinstance(document.get("searcher"), dict):
            searcher: Any = document["searcher"]
            searcher[draw(st.sampled_from(_SEARCHER_KEYS))] = draw(SCALARS)
        case _:
            holder[key] = [copy.deepcopy(holder[key])] * draw(st.sampled_from([0, 2, 2_000]))


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every item of every mapping and list in a value, as (holder, key)."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _entries(value[key])
