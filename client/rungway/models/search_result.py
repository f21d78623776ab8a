"""What a search has found, as `rungway.minimize` and `rungway.maximize` return it."""

from dataclasses import dataclass
from typing import Any

from rungway.models import shown
from rungway.models.experiments import Experiment
from rungway.models.work import Trial


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best trial of a finished search, and all others."""

    experiment: Experiment
    """The search itself."""
    best: Trial
    """The trial with the best metric, with its curve."""
    trials: tuple[Trial, ...]
    """Every trial by number, without their curves."""

    @property
    def hparams(self) -> dict[str, Any]:
        """The best configuration."""
        return self.best.hparams

    @property
    def metric(self) -> float:
        """The best result."""
        assert self.best.best_metric is not None
        return self.best.best_metric

    @property
    def length(self) -> int:
        """The length at which it was reported (the experiment's unit)."""
        return self.best.best_length

    @property
    def checkpoint(self) -> str:
        """The last checkpoint of the best trial; empty when there is none."""
        return self.best.checkpoint

    @property
    def best_checkpoint(self) -> str:
        """The checkpoint that was told together with the best result; empty when none was."""
        return self.best.best_checkpoint

    _repr_html_ = shown.result_html

    def __repr__(self) -> str:
        hparams = dict(sorted(self.hparams.items()))
        return (
            f"SearchResult(metric={self.metric!r}, hparams={hparams!r}, length={self.length}, "
            f"trial={self.best.trial} of {len(self.trials)})"
        )
