"""LightGBM: `lightgbm.train(…, callbacks=[rungway_callback(trial, "validation", "l2")])`. A length is a round."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightgbm.callback import EarlyStopException

from rungway.integrations._metrics import split
from rungway.integrations._trial import ManagedTrial

FILE = "model.txt"
"""The file in the folder of a checkpoint. It has no bins: those of a resumed training come from the same data."""


def rounds(trial: ManagedTrial) -> dict[str, Any]:
    """Arguments for `lightgbm.train`: how many rounds are left, and the model to go on with.

    The library counts the rounds of a resumed training from 0 again: schedules have to add `trial.from_length`."""
    folder = trial.restore()
    return {
        "num_boost_round": trial.max_length - trial.from_length,
        "init_model": str(folder / FILE) if folder else None,
    }


def rungway_callback(trial: ManagedTrial, data: str, metric: str) -> Callable[[Any], None]:
    """Reports every round, saves where a decision is due or after a signal, and stops when the trial is over. `data` is
    the name in `valid_names`, `metric` that of its evaluation."""

    def after_iteration(env: Any) -> None:
        results = env.evaluation_result_list or []
        found = {each[1] if each[0] == data else f"{each[0]} {each[1]}": each[2] for each in results}
        value, others = split(found, metric, trial.metric)

        def save(folder: Path) -> None:
            env.model.save_model(str(folder / FILE))

        if not trial.report(env.model.current_iteration(), value, save, metrics=others):
            raise EarlyStopException(env.iteration, results)

    return after_iteration
