"""The demo's models: they learn, resume exactly, and say so when they diverge."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rungway_server.demo import digits
from rungway_server.demo.network import Network, NotFinite

HPARAMS: dict[str, Any] = {
    "hidden_layers": 2,
    "hidden_size": 48,
    "activation": "relu",
    "learning_rate": 0.05,
    "learning_rate_decay": 0.95,
    "momentum": 0.8,
    "batch_size": 32,
    "weight_decay": 1e-4,
    "dropout": 0.1,
    "init_scale": 1.0,
    "shift_probability": 0.3,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> digits.Digits:
    return digits.load(tmp_path_factory.mktemp("digits"))


def test_the_split_is_fixed_and_its_halves_are_apart(data: digits.Digits, tmp_path: Path) -> None:
    again = digits.load(tmp_path)
    assert (data.train_images.shape, data.valid_images.shape) == ((898, 8, 8), (899, 8, 8))
    assert np.array_equal(data.valid_images, again.valid_images)
    assert set(data.train_labels) == set(range(10))
    assert (data.train_images.min(), data.train_images.max()) == (-0.5, 0.5)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_network_learns(data: digits.Digits, activation: str) -> None:
    network = Network(HPARAMS | {"activation": activation}, seed=3)
    before = network.error(data)
    for _ in range(3):
        network.train_epoch(data)
    assert before > 0.7
    assert network.error(data) < 0.1


def test_the_gradient_is_that_of_the_loss(data: digits.Digits) -> None:
    """Against finite differences, through both layers, without dropout."""
    network = Network(HPARAMS | {"activation": "tanh", "dropout": 0.0, "momentum": 0.0, "weight_decay": 0.0}, seed=1)
    inputs, labels = data.train_images[:16].reshape(16, 64), data.train_labels[:16]
    start = network.weights.copy()
    network._step(inputs, labels, np.float32(1), np.random.default_rng(0))
    gradient = (start - network.weights).astype(float)
    rng = np.random.default_rng(2)
    for index in rng.choice(np.flatnonzero(np.abs(gradient) > 1e-3), 12):
        slopes = []
        for step in (1e-2, -1e-2):
            network.weights[:] = start
            network.weights[index] += step
            slopes.append(loss(network, inputs, labels))
        assert gradient[index] == pytest.approx((slopes[0] - slopes[1]) / 2e-2, rel=0.05, abs=2e-4)


def loss(network: Network, inputs: Any, labels: Any) -> float:
    values = inputs.astype(float)
    for index, (matrix, bias) in enumerate(network._layers):
        values = values @ matrix.astype(float) + bias
        values = np.tanh(values) if index < len(network._layers) - 1 else values
    normalised = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    return float(-normalised[np.arange(len(labels)), labels].mean())


def test_a_resumed_network_is_the_one_that_was_never_interrupted(data: digits.Digits, tmp_path: Path) -> None:
    straight, first, second = (Network(HPARAMS, seed=5) for _ in range(3))
    for _ in range(3):
        straight.train_epoch(data)
    first.train_epoch(data)
    second.load(first.save(tmp_path / "checkpoint.npz"))
    second.train_epoch(data)
    second.train_epoch(data)
    assert second.epoch == 3
    assert np.array_equal(straight.weights, second.weights)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_divergence_is_noticed(data: digits.Digits) -> None:
    network = Network(HPARAMS | {"learning_rate": 1e6, "hidden_layers": 3, "dropout": 0.0}, seed=1)
    with pytest.raises(NotFinite, match="after epoch 1"):
        network.train_epoch(data)


def test_shifted_images_move_by_a_pixel_at_most(data: digits.Digits) -> None:
    rng = np.random.default_rng(0)
    images = data.train_images[:50]
    assert np.array_equal(digits.shifted(images, 0.0, rng), images)
    moved = digits.shifted(images, 1.0, rng)
    assert not np.array_equal(moved, images)
    assert np.array_equal(moved[:, 2:6, 2:6].sum(axis=(1, 2)).shape, (50,))
    for image, other in zip(images, moved, strict=True):
        candidates = [np.roll(image, (down, right), (0, 1))[2:6, 2:6] for down in (-1, 0, 1) for right in (-1, 0, 1)]
        assert any(np.array_equal(candidate, other[2:6, 2:6]) for candidate in candidates)
