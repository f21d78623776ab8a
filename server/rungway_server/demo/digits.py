"""The images of the demo: 1,797 handwritten digits of 8 x 8 pixels in scikit-learn, with a fixed split."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE = "digits.npz"
SPLIT_SEED = 2019
TRAIN_IMAGES = 898

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Digits:
    """898 images to train on and 899 to validate with; pixels lie in [-0.5, 0.5], images have the shape (n, 8, 8)."""

    train_images: Images
    train_labels: Labels
    valid_images: Images
    valid_labels: Labels


def load(folder: Path) -> Digits:
    """The same split for every worker, on every machine; read from the folder if it was prepared there."""
    path = folder / FILE
    if not path.exists():
        prepare(folder)
    with np.load(path) as saved:
        images, labels = saved["images"], saved["labels"]
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    train, valid = order[:TRAIN_IMAGES], order[TRAIN_IMAGES:]
    return Digits(images[train], labels[train], images[valid], labels[valid])


def prepare(folder: Path) -> None:
    """Write scikit-learn's images to the folder: importing it takes each worker longer than an epoch."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    partial = folder / f"{os.getpid()}.tmp"
    with partial.open("wb") as file:
        np.savez(file, images=(bunch.images / 16.0 - 0.5).astype(np.float32), labels=bunch.target.astype(np.int64))
    partial.replace(folder / FILE)


def shifted(images: Images, probability: float, rng: np.random.Generator) -> Images:
    """Images moved by -1, 0 or 1 pixel each way, each with this probability; what moves in is background."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=-0.5)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), axis=(1, 2))
    down, right = rng.integers(0, 3, (2, len(images)))
    stay = rng.random(len(images)) >= probability
    down[stay] = right[stay] = 1
    moved: Images = windows[np.arange(len(images)), down, right]
    return moved
