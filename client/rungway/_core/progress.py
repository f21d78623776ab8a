"""The progress bar of a loop over trials, drawn by tqdm where it is asked for."""

import time
import warnings
from typing import Any

from rungway._core.errors import InvalidArgument
from rungway.models.experiments import Experiment
from rungway.models.work import Trial

_LOOK_SECONDS = 1.0
"""Least time between two looks at the search, so that short trials do not pay for the bar."""


class Bar:
    """The share of a search that is done, by all its workers together, with its best result."""

    def __init__(self) -> None:
        """Raises InvalidArgument without tqdm."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a notebook without widgets gets a bar of text
                from tqdm.auto import tqdm
        except ModuleNotFoundError:
            raise InvalidArgument.one("progress", "got True, but tqdm is not installed: pip install tqdm") from None
        self._bar: Any = tqdm(total=100, bar_format="{desc}{percentage:3.0f}%|{bar}| {unit} [{elapsed}]", unit="")
        self._looked = 0.0

    def is_due(self) -> bool:
        """Whether it is time to look at the search again."""
        return time.monotonic() - self._looked >= _LOOK_SECONDS

    def show(self, experiment: Experiment, best: Trial | None) -> None:
        """Draw it anew."""
        self._looked = time.monotonic()
        self._bar.set_description_str(f"{experiment.experiment} ", refresh=False)
        found = "" if best is None or best.best_metric is None else f", best {best.best_metric:.6g}"
        self._bar.unit = f"{experiment.trials.started} trials started{found}"
        self._bar.n = round(100 * experiment.progress)
        self._bar.refresh()

    def close(self) -> None:
        """Leave it as it is."""
        self._bar.close()


def bar(wanted: bool) -> Bar | None:
    """A bar where one is wanted. Raises InvalidArgument without tqdm."""
    return Bar() if wanted else None
