"""Points of a Sobol sequence: a quasi-random source that covers a space more evenly than independent draws.

Sobol 1967; direction numbers of Joe and Kuo 2008, "Constructing Sobol Sequences with Better Two-Dimensional
Projections", as scipy has them. scipy draws the plain sequence, whose points are exact and the same for ever; it is
scrambled here, by a digital shift of seeded bits for each dimension (L'Ecuyer and Lemieux 2002, "Recent Advances in
Randomized Quasi-Monte Carlo Methods"), because the scrambling of a library may change from one release to the next.
"""

import importlib
import importlib.util
from functools import lru_cache
from typing import Any

BITS = 32
"""Bits of a coordinate."""
_BLOCK = 256


def available() -> bool:
    """Whether scipy, which the sequence comes from, is installed."""
    return importlib.util.find_spec("scipy") is not None


def sobol(number: int, dimensions: int) -> list[int]:
    """The coordinates of a point of the sequence, each from 0 to below 2**BITS."""
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
