"""The Trainer of Hugging Face: `Trainer(…, callbacks=[RungwayCallback(trial, "eval_loss")])`."""

import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from rungway.integrations._metrics import split
from rungway.integrations._trial import ManagedTrial

_NEARLY = 1e-6


class RungwayCallback(TrainerCallback):
    """Reports each evaluation, saves where a decision is due, and stops the training when the trial is over.

    Build the Trainer for the whole search and resume it from the checkpoint:

        TrainingArguments(…, num_train_epochs=trial.max_length, eval_strategy="epoch", save_strategy="no")
        trainer.train(resume_from_checkpoint=trial.restore())

    A signal is acted on at the end of a step, and that very step is resumed. In a group (`rungway.distributed`) every
    rank has a callback, and `output_dir` is a folder that all of them see.
    """

    def __init__(self, trial: ManagedTrial, metric: str, *, unit: str = "epochs") -> None:
        """`metric` is the name of the searcher's metric among those of an evaluation. `unit` is what lengths count:
        "epochs", or "steps" (of the optimiser). Raises ValueError for another one."""
        if unit not in ("epochs", "steps"):
            raise ValueError(f"unit: got {unit!r}, wanted 'epochs' or 'steps'")
        self._trial, self._metric, self._unit = trial, metric, unit
        self._held: tuple[int, float, dict[str, float]] | None = None
        self._leaves = False

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, Any], **_: Any) -> None:
        """Report the evaluation, or hold it until the state is saved."""
        length = round(state.epoch) if self._unit == "epochs" else state.global_step
        if length <= self._trial.from_length or self._trial.should_stop:  # before the first step, after the last
            return
        found = (length, *split(metrics, self._metric, self._trial.metric))
        if self._trial.must_save(length):
            self._held, control.should_save = found, True
        else:
            self._report(*found, state, args, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After a signal: save, and leave."""
        if not self._is_evaluated_next(args, state) and self._trial.must_leave():
            self._leaves = control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell what was held. Raises Preempted after a signal."""
        held, self._held = self._held, None
        if held is not None:
            self._report(*held, state, args, control)
        elif self._leaves:
            self._trial.leave(lambda folder: self._take(args, state, folder))

    def _is_evaluated_next(self, args: Any, state: Any) -> bool:
        """Whether the result of a length comes right after this step: it must not be skipped."""
        if self._unit == "epochs":
            return bool(abs(state.epoch - round(state.epoch)) < _NEARLY)
        return bool(state.global_step % max(round(args.eval_steps or 1), 1) == 0)

    def _report(
        self, length: int, metric: float, others: dict[str, float], state: Any, args: Any, control: Any
    ) -> None:
        goes_on = self._trial.report(length, metric, lambda folder: self._take(args, state, folder), metrics=others)
        control.should_training_stop = control.should_training_stop or not goes_on

    def _take(self, args: Any, state: Any, folder: Path) -> None:
        """The Trainer has saved in a folder of its own, on all ranks."""
        if self._trial.rank == 0:
            source = Path(args.output_dir, f"checkpoint-{state.global_step}")
            shutil.copytree(source, folder, dirs_exist_ok=True)
            shutil.rmtree(source)
