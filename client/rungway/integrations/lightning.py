"""Lightning, as `lightning` or as `pytorch_lightning`: `Trainer(callbacks=[rungway_callback(trial, "val_loss")])`."""

import sys
from pathlib import Path
from typing import Any

from rungway.integrations._metrics import split
from rungway.integrations._trial import ManagedTrial

FILE = "lightning.ckpt"
"""The file in the folder of a checkpoint."""
_PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def resume_path(trial: ManagedTrial) -> str | None:
    """For `trainer.fit(…, ckpt_path=resume_path(trial))`; None = start afresh."""
    folder = trial.restore()
    return str(folder / FILE) if folder else None


def rungway_callback(trial: ManagedTrial, metric: str) -> Any:
    """A callback of the package that was imported, or of both, whose classes differ. Raises ImportError before one is.

    It reports `metric` after each validation of an epoch, saves where a decision is due, and stops the training when
    the trial is over. A length is an epoch. Build the Trainer for the whole search:

        Trainer(max_epochs=trial.max_length, callbacks=[rungway_callback(trial, "val_loss")], …)

    `min_epochs` would override the stop. In a group (`rungway.distributed`) every rank has a callback; log the metric
    with `sync_dist=True`. Under Slurm give the Trainer `SLURMEnvironment(auto_requeue=False)`: it would save inside the
    handler of the signal.
    """
    bases = [sys.modules[name].Callback for name in _PACKAGES if name in sys.modules]
    if not bases:
        raise ImportError("import lightning or pytorch_lightning first: the callback is one of that package")
    return type("RungwayCallback", (_Callback, *bases), {})(trial, metric)


class _Callback:
    """What it does, whichever package it is for."""

    def __init__(self, trial: ManagedTrial, metric: str) -> None:
        super().__init__()
        self._trial, self._metric = trial, metric

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        """Report the epoch."""
        length = trainer.current_epoch + 1
        if trainer.sanity_checking or length <= self._trial.from_length or self._trial.should_stop:
            return
        metric, others = split(trainer.callback_metrics, self._metric, self._trial.metric)
        goes_on = self._trial.report(length, metric, self._saver(trainer), metrics=others)
        trainer.should_stop = trainer.should_stop or not goes_on

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int) -> None:
        """After a signal: save, and leave. The last batch of an epoch is followed by its validation."""
        if not trainer.is_last_batch and self._trial.must_leave():
            self._trial.leave(self._saver(trainer))

    def _saver(self, trainer: Any) -> Any:
        def save(folder: Path) -> None:
            trainer.save_checkpoint(folder / FILE)

        return save
