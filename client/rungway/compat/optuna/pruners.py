"""Pruners: which ladder of rungs the service prunes by. Rules that it does not have are refused by name."""

from typing import Any

from rungway._core import requests
from rungway.compat.optuna._refused import refused
from rungway.compat.optuna.exceptions import NotOffered

OPEN_END = 10**9
"""Largest length where nobody says how many steps there are: rungs that no trial reaches cost nothing."""


class Pruner:
    """What the keys of the searcher are made of."""

    def searcher(self) -> dict[str, object]:
        """Its keys, without the metric and the number of trials. With no pruner given the best half goes on at 2, 4, 8,
        … trained steps."""
        return {
            "name": "async_halving",
            "min_length": 2,
            "divisor": 2,
            "max_length": OPEN_END,
            "stop_once": True,
        }


class NopPruner(Pruner):
    """Prunes nothing."""

    def searcher(self) -> dict[str, object]:
        """Every trial trains to its own end."""
        return {"name": "random", "max_length": OPEN_END}


class SuccessiveHalvingPruner(Pruner):
    """Asynchronous successive halving (Li et al. 2020): the best 1 / `reduction_factor` of a rung go on; rungs are at
    `min_resource` trained steps, and each `reduction_factor` times further."""

    def __init__(
        self,
        min_resource: str | int = "auto",
        reduction_factor: int = 4,
        min_early_stopping_rate: int = 0,
        bootstrap_count: int = 0,
    ) -> None:
        """A `min_resource` of "auto" is two steps. Raises InvalidArgument, and NotOffered for a bootstrap_count."""
        _no_bootstrap("SuccessiveHalvingPruner", bootstrap_count)
        least = 2 if min_resource == "auto" else requests.whole("min_resource", min_resource, least=1)
        self._divisor = requests.whole("reduction_factor", reduction_factor, least=2)
        rate = requests.whole("min_early_stopping_rate", min_early_stopping_rate, most=100)
        self._least = least * self._divisor**rate

    def searcher(self) -> dict[str, object]:
        """One ladder, up without an end."""
        return super().searcher() | {"min_length": self._least, "divisor": self._divisor}


class HyperbandPruner(Pruner):
    """Several such ladders side by side (adaptive_asha), up to `max_resource` trained steps."""

    def __init__(
        self,
        min_resource: int = 1,
        max_resource: str | int = "auto",
        reduction_factor: int = 3,
        bootstrap_count: int = 0,
    ) -> None:
        """Raises InvalidArgument, and NotOffered without a number as `max_resource`, or for a bootstrap_count."""
        _no_bootstrap("HyperbandPruner", bootstrap_count)
        if max_resource == "auto":
            raise NotOffered("HyperbandPruner with max_resource='auto'", "give the number of steps of a training")
        self._least = requests.whole("min_resource", min_resource, least=1)
        self._most = requests.whole("max_resource", max_resource, least=self._least)
        self._divisor = requests.whole("reduction_factor", reduction_factor, least=2)

    def searcher(self) -> dict[str, object]:
        """Several ladders with one top."""
        return {
            "name": "adaptive_asha",
            "min_length": self._least,
            "divisor": self._divisor,
            "max_length": self._most + 1,  # the last length is for the value that is returned
            "stop_once": True,
        }


def _no_bootstrap(name: str, count: int) -> None:
    if count != 0:
        raise NotOffered(f"{name} with bootstrap_count={count!r}", "a rung compares from its second result on")


def __getattr__(name: str) -> Any:
    instead = (
        "leave the pruner out: the service then lets the best half go on, at 2, 4, 8, … steps; "
        "SuccessiveHalvingPruner, HyperbandPruner and NopPruner are there"
    )
    names = ("MedianPruner", "PercentilePruner", "PatientPruner", "ThresholdPruner", "WilcoxonPruner", "BasePruner")
    raise refused(f"optuna.pruners.{name}", name, dict.fromkeys(names, instead))
