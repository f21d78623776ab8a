"""`ray.tune.schedulers`: those that have a counterpart; any other name is refused with the nearest searcher."""

from dataclasses import dataclass
from typing import Any

from rungway._core import requests
from rungway._core.errors import InvalidArgument
from rungway.compat.tune._refused import SCHEDULERS, no_attribute
from rungway.compat.tune._session import ITERATION

__all__ = ["ASHAScheduler", "AsyncHyperBandScheduler", "FIFOScheduler"]


class FIFOScheduler:
    """Every trial is trained to its end."""


@dataclass(frozen=True, kw_only=True)
class ASHAScheduler:
    """Asynchronous successive halving that stops trials and never pauses them (Li et al., 2020,
    https://arxiv.org/abs/1810.05934): the searcher `async_halving` with `stop_once`. Lengths are reports."""

    time_attr: str = ITERATION
    metric: str | None = None
    mode: str | None = None
    max_t: int = 100
    grace_period: int = 1
    reduction_factor: float = 4
    brackets: int = 1
    stop_last_trials: bool = True

    def searcher(self) -> dict[str, Any]:
        """The keys of the searcher. Raises InvalidArgument for what has no counterpart."""
        if self.time_attr != ITERATION:
            raise InvalidArgument.one(
                "time_attr", f"got {self.time_attr!r:.100}, wanted {ITERATION!r}: a length is a report"
            )
        if not self.stop_last_trials:
            raise InvalidArgument.one("stop_last_trials", "got False, but no trial trains beyond max_t")
        return {
            "name": "async_halving",
            "max_length": requests.whole("max_t", self.max_t, least=1),
            "min_length": requests.whole("grace_period", self.grace_period, least=1),
            "divisor": self.reduction_factor,
            "brackets": requests.whole("brackets", self.brackets, least=1),
            "stop_once": True,
        }


AsyncHyperBandScheduler = ASHAScheduler


def __getattr__(name: str) -> Any:
    no_attribute("tune.schedulers", name, SCHEDULERS)
