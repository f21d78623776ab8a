"""Random numbers of models, as pure functions of a seed, a use and a number, on every platform and with every numpy.

The bits are those of Philox 4x64-10 (see `domain/sampling/philox.py`) by numpy's generator of blocks, whose output is
fixed by its specification; what is made of them is made here, because a library's distributions may change.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MODELS = int.from_bytes(b"proposal", "big")
"""A word of all counters, which keeps these numbers apart from those of `domain/sampling`."""


class Use(IntEnum):
    """What random numbers are for: each use has numbers of its own."""

    FIT = 0
    FOREST = 1
    LOCAL = 2
    KDE = 3


class Draws:
    """The random numbers of one use for one number (of a trial, or a revision), from the first on."""

    def __init__(self, seed: int, use: Use, number: int) -> None:
        self._bits = np.random.Philox(key=seed, counter=_MODELS << 192 | use << 128 | number << 64)

    def uniform(self, *shape: int) -> Floats:
        """Numbers from 0 to below 1, by 53 bits."""
        raw = np.asarray(self._bits.random_raw(int(np.prod(shape))), np.uint64)
        return np.asarray((raw >> np.uint64(11)) * 2.0**-53, np.float64).reshape(shape)

    def below(self, size: int, *shape: int) -> NDArray[np.intp]:
        """Integers from 0 to size - 1."""
        return (self.uniform(*shape) * size).astype(np.intp)

    def words(self, *shape: int) -> NDArray[np.uint64]:
        """64 random bits each."""
        return np.asarray(self._bits.random_raw(int(np.prod(shape))), np.uint64).reshape(shape)

    def normal(self, *shape: int) -> Floats:
        """Numbers with a standard normal distribution (Box and Muller 1958)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(*shape)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(*shape)), np.float64)
