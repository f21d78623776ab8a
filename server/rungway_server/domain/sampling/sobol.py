"""Points of a Sobol sequence, which cover a space more evenly than independent draws.

Sobol 1967, with the direction numbers of Joe and Kuo 2008, "Constructing Sobol Sequences with Better Two-Dimensional
Projections", from scipy (the extra `sobol`). scipy computes the plain sequence, which is exact and does not change
between releases. The caller scrambles it by a digital shift of seeded bits per dimension (L'Ecuyer and Lemieux 2002,
"Recent Advances in Randomized Quasi-Monte Carlo Methods"), because a library's scrambling may change.
"""

import importlib
import importlib.util
from functools import lru_cache
from typing import Any

BITS = 32
"""Bits of a coordinate."""
_BLOCK = 256


def available() -> bool:
    """Whether scipy is installed (the extra `sobol`)."""
    return importlib.util.find_spec("scipy") is not None


def sobol(number: int, dimensions: int) -> list[int]:
    """The coordinates of point `number` of the sequence, counted from 0; each is from 0 to 2**BITS - 1."""
    return _block(dimensions, number // _BLOCK)[number % _BLOCK]


@lru_cache(maxsize=16)
def _block(dimensions: int, index: int) -> list[list[int]]:
    # Imported when needed: it takes a second, and few searches use it.
    qmc: Any = importlib.import_module("scipy.stats.qmc")
    engine = qmc.Sobol(dimensions, scramble=False, bits=BITS)
    if index:
        engine.fast_forward(index * _BLOCK)
    points = engine.random(_BLOCK) * 2.0**BITS
    return [[int(coordinate) for coordinate in point] for point in points]
