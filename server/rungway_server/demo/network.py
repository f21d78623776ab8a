"""A multi-layer perceptron with stochastic gradient descent in numpy: small, fast, and the same on every resume."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rungway_server.demo.digits import Digits, shifted

CLASSES = 10
PIXELS = 64
PASSES_PER_EPOCH = 8

Floats = npt.NDArray[np.float32]


class NotFinite(ArithmeticError):
    """The weights overflowed: training has diverged."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """The hyperparameters of the demo, with the names of `search_config`."""

    hidden_layers: int
    hidden_size: int
    activation: str
    learning_rate: float
    learning_rate_decay: float
    momentum: float
    batch_size: int
    weight_decay: float
    dropout: float
    init_scale: float
    shift_probability: float


class Network:
    """One model in training.

    All weights live in one flat vector (layers are views into it), so that an optimiser step is a few operations on
    vectors. All random numbers of an epoch are drawn from (seed, epoch): a resumed trial trains exactly as one that was
    never interrupted.
    """

    def __init__(self, hparams: Mapping[str, Any], seed: int) -> None:
        self.hparams = Hyperparameters(**hparams)
        self.seed = seed
        self.epoch = 0
        sizes = [PIXELS, *[self.hparams.hidden_size] * self.hparams.hidden_layers, CLASSES]
        self._shapes = list(pairwise(sizes))
        total = sum(fan_in * fan_out + fan_out for fan_in, fan_out in self._shapes)
        self.weights: Floats = np.zeros(total, np.float32)
        self.velocity: Floats = np.zeros(total, np.float32)
        self._gradient: Floats = np.zeros(total, np.float32)
        self._layers = self._views(self.weights)
        self._gradients = self._views(self._gradient)
        rng = np.random.default_rng([seed, 0])
        for matrix, _ in self._layers:  # He initialisation, scaled
            spread = self.hparams.init_scale * np.sqrt(2 / len(matrix))
            matrix[:] = spread * rng.standard_normal(matrix.shape, np.float32)

    def train_epoch(self, digits: Digits) -> None:
        """Eight passes over the training images, each with new random shifts. Raises NotFinite when training
        diverged."""
        self.epoch += 1
        rng = np.random.default_rng([self.seed, self.epoch])
        rate = np.float32(self.hparams.learning_rate * self.hparams.learning_rate_decay ** (self.epoch - 1))
        with np.errstate(all="ignore"):  # overflow is found once, after the epoch
            for _ in range(PASSES_PER_EPOCH):
                self._pass(digits, rate, rng)
        if not np.isfinite(self.weights).all():
            raise NotFinite(f"weights are no longer finite after epoch {self.epoch}")

    def error(self, digits: Digits) -> float:
        """The fraction of validation images that are classified wrongly."""
        values = digits.valid_images.reshape(-1, PIXELS)
        for matrix, bias in self._layers[:-1]:
            values = self._activate(values @ matrix + bias)
        matrix, bias = self._layers[-1]
        return float(np.mean(np.argmax(values @ matrix + bias, axis=1) != digits.valid_labels))

    def save(self, path: Path) -> str:
        """Write a checkpoint that is either whole or absent, and return its path."""
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        with partial.open("wb") as file:
            np.savez(file, epoch=self.epoch, weights=self.weights, velocity=self.velocity)
        partial.replace(path)
        return str(path)

    def load(self, path: str) -> None:
        """Load a checkpoint."""
        with np.load(path) as saved:
            self.epoch = int(saved["epoch"])
            self.weights[:] = saved["weights"]
            self.velocity[:] = saved["velocity"]

    def _pass(self, digits: Digits, rate: np.float32, rng: np.random.Generator) -> None:
        images = shifted(digits.train_images, self.hparams.shift_probability, rng)
        order = rng.permutation(len(images))
        inputs, labels = images.reshape(-1, PIXELS)[order], digits.train_labels[order]
        for start in range(0, len(inputs), self.hparams.batch_size):
            batch = slice(start, start + self.hparams.batch_size)
            self._step(inputs[batch], labels[batch], rate, rng)

    def _step(self, inputs: Floats, labels: npt.NDArray[np.int64], rate: np.float32, rng: np.random.Generator) -> None:
        """One minibatch: forward, backward, then momentum with decoupled weight decay."""
        values, slopes = [inputs], []  # what each layer is given, and how it answers to what its neurons sum up
        for matrix, bias in self._layers[:-1]:
            hidden = self._activate(values[-1] @ matrix + bias)
            keep = self._keep(hidden.shape, rng)
            values.append(hidden * keep)
            slopes.append(self._derivative(hidden) * keep)
        matrix, bias = self._layers[-1]
        signal = _softmax(values[-1] @ matrix + bias)
        signal[np.arange(len(labels)), labels] -= 1
        signal /= np.float32(len(labels))
        for index in reversed(range(len(self._layers))):
            matrix_gradient, bias_gradient = self._gradients[index]
            np.matmul(values[index].T, signal, out=matrix_gradient)
            np.sum(signal, axis=0, out=bias_gradient)
            if index:
                signal = (signal @ self._layers[index][0].T) * slopes[index - 1]
        self.velocity *= np.float32(self.hparams.momentum)
        self.velocity -= rate * self._gradient
        self.weights *= np.float32(1 - rate * self.hparams.weight_decay)
        self.weights += self.velocity

    def _keep(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats | np.float32:
        """Inverted dropout: 0 for the units left out, 1 / (1 - rate) for the others."""
        rate = self.hparams.dropout
        if rate == 0:
            return np.float32(1)
        return (rng.random(shape, np.float32) >= rate).astype(np.float32) / np.float32(1 - rate)

    def _activate(self, sums: Floats) -> Floats:
        result: Floats = np.tanh(sums) if self.hparams.activation == "tanh" else np.maximum(sums, 0)
        return result

    def _derivative(self, activated: Floats) -> Floats:
        if self.hparams.activation == "tanh":
            return 1 - activated * activated
        return (activated > 0).astype(np.float32)

    def _views(self, flat: Floats) -> list[tuple[Floats, Floats]]:
        views, start = [], 0
        for fan_in, fan_out in self._shapes:
            middle, end = start + fan_in * fan_out, start + fan_in * fan_out + fan_out
            views.append((flat[start:middle].reshape(fan_in, fan_out), flat[middle:end]))
            start = end
        return views


def _softmax(logits: Floats) -> Floats:
    result: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    result /= result.sum(axis=1, keepdims=True)
    return result
