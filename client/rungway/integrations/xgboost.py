"""XGBoost: `xgboost.train(…, callbacks=[RungwayCallback(trial, "validation", "rmse")])`. A length is a round."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xgboost

from rungway.integrations._metrics import split
from rungway.integrations._trial import ManagedTrial

FILE = "model.ubj"
"""The file in the folder of a checkpoint."""


def rounds(trial: ManagedTrial) -> dict[str, Any]:
    """Arguments for `xgboost.train`: how many rounds are left, and the model to go on with.

    The library counts the rounds of a resumed training from 0 again, and asks a schedule after each round for the rate
    of the next one: that of round `trial.from_length + number + 1`. The parameters need the `learning_rate` of the
    first round, `trial.from_length`, for which no schedule is asked. Its random numbers (`subsample`) begin anew, too,
    so such a training is resumed, but not to the same model."""
    folder = trial.restore()
    return {
        "num_boost_round": trial.max_length - trial.from_length,
        "xgb_model": str(folder / FILE) if folder else None,
    }


class RungwayCallback(xgboost.callback.TrainingCallback):
    """Reports every round, saves where a decision is due or after a signal, and stops when the trial is over."""

    def __init__(self, trial: ManagedTrial, data: str, metric: str) -> None:
        """`data` is the name in `evals`, `metric` that of its evaluation."""
        super().__init__()
        self._trial, self._data, self._metric = trial, data, metric

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        """Report the round; whether to stop."""
        found = {
            name if data == self._data else f"{data} {name}": values[-1]
            for data, every in evals_log.items()
            for name, values in every.items()
        }
        metric, others = split(found, self._metric, self._trial.metric)

        def save(folder: Path) -> None:
            model.save_model(folder / FILE)

        # `epoch` begins at 0 again in a resumed training.
        return not self._trial.report(model.num_boosted_rounds(), metric, save, metrics=others)
