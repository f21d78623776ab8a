"""Each example really trains, is killed and told to leave in the middle, and ends as an undisturbed run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.frameworks import table
from tests.support.disturbed import Example, check_same, disturbed, undisturbed

ROUNDS = {"max_length": 48, "metric": "rmse"}
EXAMPLES = {
    "torch": Example("pytorch_loop.py"),
    "transformers": Example("huggingface_trainer.py"),
    "lightning": Example("lightning_trainer.py"),
    "pytorch_lightning": Example("lightning_trainer.py pytorch_lightning"),
    "sklearn": Example("sklearn_partial_fit.py"),
    "xgboost": Example("xgboost_rounds.py", searcher=ROUNDS),
    "lightgbm": Example("lightgbm_rounds.py", searcher=ROUNDS),
    "keras": Example("keras_fit.py", environment={"KERAS_BACKEND": "torch"}),
    "flax": Example("flax_orbax.py"),
}
NOT_WITHIN_AN_EPOCH = ("lightning", "pytorch_lightning")
"""A training that is resumed within an epoch begins with the first batches of its data again: the rates are the same,
the losses of that epoch are not."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_disturbed_training_is_like_an_undisturbed_one(
    target: str, tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    example, compared = EXAMPLES[name], name not in NOT_WITHIN_AN_EPOCH
    row = table.begin(record_property, name, name, example.script)
    first = undisturbed(example, target, tmp_path / "first")
    assert len(first.rates) >= 60
    second = disturbed(example, target, tmp_path / "second", len(first.rates))
    check_same(first, second, tolerance=1e-6 if compared else None)
    table.done(row, first, second, "SIGKILL, SIGTERM", compares_metrics=compared)
