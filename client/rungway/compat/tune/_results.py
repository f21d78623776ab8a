"""What a search by the interface of Ray Tune returns."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rungway._core.enums import TrialState
from rungway._core.errors import InvalidArgument
from rungway.compat.tune._checkpoint import Checkpoint
from rungway.compat.tune._refused import GRID, RESULT, no_attribute
from rungway.compat.tune._session import ITERATION
from rungway.models.search_result import SearchResult
from rungway.models.work import Trial

_SCOPES = ("last", "all")


@dataclass(frozen=True)
class Result:
    """One trial."""

    trial: Trial
    """As the service knows it."""
    metric: str
    """The name of the searcher's metric."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The last report, and the number of reports. Further metrics are those of `client.get_trial(n).curve`; of the
        best result of a search they are here, too."""
        trial = self.trial
        last = dict(trial.curve[-1].metrics) if trial.curve else {}
        return {**last, self.metric: trial.metric, ITERATION: trial.length, "trial_id": str(trial.trial)}

    @property
    def config(self) -> dict[str, Any]:
        """The configuration."""
        return self.trial.hparams

    @property
    def error(self) -> RuntimeError | None:
        """Why it failed; None when it did not."""
        return RuntimeError(self.trial.message) if self.trial.state is TrialState.FAILED else None

    @property
    def path(self) -> str:
        """Where its last checkpoint is; empty when there is none."""
        return self.trial.checkpoint

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Its last checkpoint; None when there is none here. That of a URL: `Checkpoints(…).restore(result.path)`."""
        with suppress(InvalidArgument):
            return Checkpoint(Path(self.path)) if self.path else None
        return None

    def __getattr__(self, name: str) -> Any:
        no_attribute("Result", name, RESULT)


class ResultGrid:
    """All trials, by number."""

    def __init__(self, found: SearchResult, metric: str, larger: bool) -> None:
        self.search = found
        """The same as `rungway.minimize` returns it."""
        self._metric, self._larger = metric, larger
        # Of the best one the curve is known.
        self._trials = [found.best if each.trial == found.best.trial else each for each in found.trials]

    def __len__(self) -> int:
        return len(self._trials)

    def __getitem__(self, index: int) -> Result:
        return Result(self._trials[index], self._metric)

    def __iter__(self) -> Iterator[Result]:
        return (self[index] for index in range(len(self)))

    @property
    def errors(self) -> list[RuntimeError]:
        """Of the trials that failed."""
        return [error for result in self if (error := result.error) is not None]

    @property
    def num_errors(self) -> int:
        """How many trials failed."""
        return len(self.errors)

    @property
    def num_terminated(self) -> int:
        """How many did not."""
        return len(self) - self.num_errors

    def get_best_result(self, metric: str | None = None, mode: str | None = None, scope: str = "last") -> Result:
        """The trial with the best last report, or with the best one at all (`scope="all"`).

        Raises InvalidArgument for another metric or mode than that of the search, and for another scope.
        """
        if metric not in (None, self._metric):
            raise InvalidArgument.one(
                "metric", f"got {metric!r:.100}, wanted {self._metric!r}, the metric of the search"
            )
        if mode not in (None, "max" if self._larger else "min"):
            raise InvalidArgument.one("mode", f"got {mode!r:.100}, wanted that of the search")
        if scope not in _SCOPES:
            raise InvalidArgument.one("scope", f"got {scope!r:.100}, wanted one of {', '.join(_SCOPES)}")

        def value(trial: Trial) -> float:
            found = trial.metric if scope == "last" else trial.best_metric
            worst = float("-inf") if self._larger else float("inf")
            return worst if found is None or math.isnan(found) else found

        choose = max if self._larger else min
        return Result(choose(self._trials, key=value), self._metric)

    def get_dataframe(self) -> Any:
        """A table with a row for each trial: its last metrics, and `config/…`. Needs pandas."""
        import pandas

        rows = [{**result.metrics, **dict(_columns(result.config, "config/"))} for result in self]
        return pandas.DataFrame(rows)

    def __getattr__(self, name: str) -> Any:
        no_attribute(type(self).__name__, name, GRID)


class ExperimentAnalysis(ResultGrid):
    """What `tune.run` returns: the same in its older form."""

    @property
    def best_config(self) -> dict[str, Any]:
        """The configuration with the best last report."""
        return self.get_best_result().config

    @property
    def best_result(self) -> dict[str, Any]:
        """Its metrics."""
        return self.get_best_result().metrics

    @property
    def best_checkpoint(self) -> Checkpoint | None:
        """Its checkpoint."""
        return self.get_best_result().checkpoint

    def get_best_config(
        self, metric: str | None = None, mode: str | None = None, scope: str = "last"
    ) -> dict[str, Any]:
        """As `get_best_result`."""
        return self.get_best_result(metric, mode, scope).config

    def dataframe(self) -> Any:
        """As `get_dataframe`."""
        return self.get_dataframe()


def _columns(config: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _columns(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
