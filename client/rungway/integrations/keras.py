"""Keras 3, on any of its backends: `model.fit(…, callbacks=[RungwayCallback(trial, "val_loss")])`."""

from pathlib import Path
from typing import Any

import keras

from rungway.integrations._metrics import split
from rungway.integrations._trial import ManagedTrial

FILE = "model.keras"
"""The file in the folder of a checkpoint: the model with its optimiser."""


def resumed_model(trial: ManagedTrial, **options: Any) -> Any:
    """The saved model, by `keras.models.load_model`, which takes these options; None = start afresh."""
    folder = trial.restore()
    return keras.models.load_model(folder / FILE, **options) if folder else None


class RungwayCallback(keras.callbacks.Callback):
    """Reports each epoch, saves where a decision is due or after a signal, and stops when the trial is over.

        model.fit(…, initial_epoch=trial.from_length, epochs=trial.max_length, callbacks=[RungwayCallback(trial, …)])

    A length is an epoch, and a signal is acted on at its end: Keras has no way to resume within one. The states of
    other callbacks (ReduceLROnPlateau) are not saved by Keras; schedules of the optimiser are.
    """

    def __init__(self, trial: ManagedTrial, metric: str) -> None:
        """`metric` is the name of the searcher's metric among the logs of an epoch."""
        super().__init__()
        self._trial, self._metric = trial, metric

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report the epoch."""
        metric, others = split(logs or {}, self._metric, self._trial.metric)

        def save(folder: Path) -> None:
            self.model.save(folder / FILE)

        if not self._trial.report(epoch + 1, metric, save, metrics=others):
            self.model.stop_training = True
