"""Learning curves that are trained as a search asks for them: small networks on scikit-learn's handwritten digits."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rungway_server.demo import digits
from rungway_server.demo.digits import Digits
from rungway_server.demo.network import Floats, Network, NotFinite
from rungway_server.simulation.curves import Checkpoint
from rungway_server.simulation.rows import Column

TRAIN_IMAGES = 300
CHANCE = 0.9
"""The error of a training that has diverged."""
COLUMNS = (
    Column("learning_rate", 1e-3, 1.0, log=True),
    Column("learning_rate_decay", 0.9, 1.0),
    Column("momentum", 0.0, 0.99),
    Column("batch_size", choices=(16, 32, 64, 128), ordered=True),
    Column("weight_decay", 1e-5, 1e-1, log=True),
    Column("dropout", 0.0, 0.5),
    Column("shift_probability", 0.0, 1.0),
)
"""What is searched. The first two are a schedule: epoch e has the rate learning_rate * learning_rate_decay^(e - 1)."""
FIXED: Mapping[str, object] = {"hidden_layers": 2, "hidden_size": 64, "activation": "relu", "init_scale": 1.0}
"""The rest: a clone can load its parent's weights only if their shapes are the same."""


@dataclass(frozen=True, slots=True)
class Images:
    """What networks train on, with the images that a search validates with, and those that it never sees."""

    searched: Digits
    unseen: Digits


class Errors(NamedTuple):
    """The shares of images that are classified wrongly."""

    validation: float
    unseen: float


class _State(NamedTuple):
    """What a training goes on from."""

    weights: Floats
    velocity: Floats


@cache
def images() -> Images:
    """300 images to train on, 899 to validate with, and 598 that no search sees; the same everywhere."""
    with tempfile.TemporaryDirectory(prefix="rungway-digits-") as folder:
        whole = digits.load(Path(folder))
    few, few_labels = whole.train_images[:TRAIN_IMAGES], whole.train_labels[:TRAIN_IMAGES]
    rest, rest_labels = whole.train_images[TRAIN_IMAGES:], whole.train_labels[TRAIN_IMAGES:]
    return Images(
        searched=Digits(few, few_labels, whole.valid_images, whole.valid_labels),
        unseen=Digits(few, few_labels, rest, rest_labels),
    )


class TrainedCurves:
    """The trials of one search, each a network that trains on from where it was; an epoch takes a second.

    What was reached at a length is kept, so that a clone begins with its parent's weights of then. A training that has
    diverged has the error of chance from then on.
    """

    name, smaller_is_better, unit_seconds = "digits, trained", True, 1.0

    def __init__(self, drawn: Callable[[int], Mapping[str, object]], seed: int, max_length: int) -> None:
        """`drawn`: the hyperparameters of a trial that follow from its number. `max_length` in epochs."""
        self.max_length = max_length
        self._drawn, self._seed = drawn, seed
        self._hparams: dict[int, Mapping[str, object]] = {}
        self._begins: dict[int, Checkpoint] = {}
        self._lengths: dict[int, int] = {}
        self._states: dict[Checkpoint, _State | None] = {}
        self._errors: dict[Checkpoint, Errors] = {}

    def metric(self, trial: int, length: int) -> float:
        """The validation error (a share); trains on to this length."""
        return self.errors(trial, length).validation

    def errors(self, trial: int, length: int) -> Errors:
        """Both errors at a length; lengths grow from call to call, or are ones that were asked for before."""
        there = Checkpoint(trial, length)
        if there not in self._errors:
            self._train(there)
        return self._errors[there]

    def seconds(self, trial: int, start: int, end: int) -> float:
        """See `Curves`."""
        return float(end - start)

    def ends(self, trial: int) -> int:
        """See `Curves`."""
        return self.max_length

    def configured(self, trial: int, hparams: Mapping[str, object], checkpoint: Checkpoint | None = None) -> None:
        """See `Curves`."""
        self._hparams[trial] = hparams
        if checkpoint:
            self._begins[trial] = checkpoint

    def finals(self) -> Sequence[float]:
        """See `Curves`: those that were trained to the end."""
        return [each.validation for (_, length), each in self._errors.items() if length == self.max_length]

    def _train(self, there: Checkpoint) -> None:
        trial, length = there
        hparams = self._hparams.get(trial) or self._drawn(trial)
        network = Network(hparams, seed=self._seed * 1_000_003 + trial)
        here = Checkpoint(trial, self._lengths[trial]) if trial in self._lengths else self._begins.get(trial)
        if here:
            state, network.epoch = self._states[here], here.length
            if state is None:
                self._note(there, None, Errors(CHANCE, CHANCE))
                return
            network.weights[:], network.velocity[:] = state
        assert network.epoch < length
        try:
            while network.epoch < length:
                network.train_epoch(images().searched)
        except NotFinite:
            self._note(there, None, Errors(CHANCE, CHANCE))
            return
        errors = Errors(network.error(images().searched), network.error(images().unseen))
        self._note(there, _State(network.weights, network.velocity), errors)

    def _note(self, there: Checkpoint, state: _State | None, errors: Errors) -> None:
        self._states[there], self._errors[there], self._lengths[there.trial] = state, errors, there.length
