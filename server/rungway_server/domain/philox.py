"""Random bits that can be had in any order: the counter-based generator Philox 4x64-10.

Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3". The rounds are written out here, in integers,
because they cost less than preparing a library's generator for each block, and because a library's streams and
start-up time are then nobody's concern; the tests hold them to numpy's raw output.
"""

from functools import lru_cache
from typing import TypeAlias

Words: TypeAlias = tuple[int, int, int, int]
"""One block of 256 bits, as 64-bit words."""
RoundKeys: TypeAlias = tuple[tuple[int, int], ...]

_WORD = (1 << 64) - 1
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS = 10


def philox(counter: Words, keys: RoundKeys) -> Words:
    """The 256 bits of Philox 4x64-10 at a counter, for the round keys of a key."""
    a, b, c, d = counter
    first, second = _MULTIPLIERS
    for low, high in keys:
        left, right = first * a, second * c
        a, b, c, d = (right >> 64) ^ b ^ low, right & _WORD, (left >> 64) ^ d ^ high, left & _WORD
    return a, b, c, d


def round_keys(low: int, high: int) -> RoundKeys:
    """The key of each round: Weyl sequences that start at the two words of the key."""
    return tuple(((low + i * _WEYL[0]) & _WORD, (high + i * _WEYL[1]) & _WORD) for i in range(_ROUNDS))


@lru_cache(maxsize=1024)
def seed_keys(seed: int) -> RoundKeys:
    """The round keys of a seed."""
    return round_keys(seed, 0)
