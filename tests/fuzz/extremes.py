"""Configurations in which two numbers are extreme and everything else is good: each pair of fields, each pair of
values."""

import copy
import itertools
import math
from collections.abc import Iterator, Mapping, Set
from typing import Any

from rungway_server.domain.search.config import KEYS, SearcherName
from tests.fuzz.documents import SEARCHERS

WHOLE = (-(2**63), -1, 0, 1, 100, 10**6, 10**7, 10**12, 10**18, 2**63 - 1, 1e3)
NUMBERS = (math.nan, -math.inf, -1e308, 5e-324, 0.5, 1 + 2**-52, 300.0, 1e308)
RANGES: tuple[dict[str, object], ...] = (
    {"type": "int", "minval": 1, "maxval": 9, "count": 3, "step": 2},
    {"type": "double", "minval": 0.0, "maxval": 1.0, "count": 3, "step": 0.25},
    {"type": "log", "base": 10.0, "minval": -4.0, "maxval": -1.0, "count": 3, "step": 0.5},
    {"type": "log_uniform", "minval": 1e-4, "maxval": 1.0, "count": 3, "step": 0.1},
    {"type": "log_int", "minval": 1, "maxval": 9, "count": 3, "step": 2},
    {"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.999, "count": 3, "step": 0.1},
    {"type": "normal", "mu": 0.5, "sigma": 2.0, "minval": 0.0, "maxval": 9.0},
    {"type": "normal", "mu": 0.5, "sigma": 2.0, "count": 3, "step": 0.5},
    {"type": "lognormal", "mu": 0.5, "sigma": 1.0, "minval": 0.25, "maxval": 9.0},
    {"type": "lognormal", "mu": 0.5, "sigma": 1.0, "count": 3, "step": 0.5},
)
LISTS: tuple[dict[str, object], ...] = (
    {"type": "categorical", "vals": ["a", "b", "c"], "weights": [1, 2.5, 3]},
    {"type": "ordinal", "vals": [1, 2, 3], "weights": [1, 2, 3]},
)
"""Types with weights."""
TOP: Mapping[str, object] = {"seed": 7, "max_restarts": 2, "pause_after_failures": 3, "lease_seconds": 60.0}
_FURTHER = {"num_rungs": 3, "budget": 100, "target_metric": 0.5, "min_length": 2, "num_samples": 2, "brackets": 2}
"""Keys that not every searcher above has, and good values of them."""


def extreme_searchers() -> Iterator[dict[str, Any]]:
    """Of every searcher, with a space of one constant."""
    for searcher in SEARCHERS:
        section = {"metric": "loss", **copy.deepcopy(searcher)}
        document = {"hyperparameters": {"x": 1}, "searcher": section, **TOP}
        yield from ({**document, "searcher": changed} for changed in _searchers(section))
        for key in _FURTHER.keys() & KEYS[SearcherName(str(searcher["name"]))] - section.keys():
            more = section | {key: _FURTHER[key]}
            yield from ({**document, "searcher": changed} for changed in _searchers(more, among={key}))
    for top in _changed(dict(TOP)):
        yield {"hyperparameters": {"x": 1}, "searcher": {"metric": "loss", **SEARCHERS[0]}, **top}


def extreme_spaces() -> Iterator[dict[str, Any]]:
    """Of every type of range, drawn in every way but for one: the sequence takes seconds to reach 100,000 values that
    are not equally likely."""
    for parameter, name in itertools.product(RANGES, ("random", "sobol", "grid")):
        if name == "sobol" and "step" in parameter and parameter["type"] in ("log_int", "log_uniform"):
            continue
        searcher: dict[str, Any] = {"name": "random", "metric": "loss", "max_trials": 5, "max_length": 3}
        searcher |= {"sampler": name} if name != "grid" else {"name": "grid", "max_trials": None}
        for changed in _changed(dict(parameter)):
            yield {"hyperparameters": {"x": changed}, "searcher": searcher}
    for parameter, pair in itertools.product(LISTS, itertools.product(WHOLE + NUMBERS, repeat=2)):
        searcher = {"name": "random", "metric": "loss", "max_trials": 5, "max_length": 3}
        yield {"hyperparameters": {"x": parameter | {"weights": [1, *pair]}}, "searcher": searcher}


def _searchers(section: dict[str, Any], among: Set[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """The section with each pair of its numbers made extreme, lengths in a unit included."""
    inner = [key for key, value in section.items() if isinstance(value, dict)]
    flat = {f"{key}/{name}": number for key in inner for name, number in section[key].items()}
    for changed in _changed(section | flat, among):
        lengths = {key: {name: changed[f"{key}/{name}"] for name in section[key]} for key in inner}
        yield {key: value for key, value in changed.items() if "/" not in key} | lengths


def _changed(values: dict[str, Any], among: Set[str] = frozenset()) -> Iterator[dict[str, Any]]:
    """With each pair of the numbers in it made extreme, or each pair with one of those in `among`."""
    numbers = [key for key, value in values.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    for pair in itertools.combinations(numbers, 2):
        if not among or among & set(pair):
            for extremes in itertools.product(WHOLE + NUMBERS, repeat=2):
                yield {**values, **dict(zip(pair, extremes, strict=True))}
