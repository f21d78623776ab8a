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
    return _rounds(counter, keys, _WORD)


def leading_bits(counter: Words, keys: RoundKeys) -> int:
    """The first 128 of them."""
    high, low, _, _ = _rounds(counter, keys, _WORD)
    return high << 64 | low


def philox_column(numbers: range, rest: tuple[int, int, int], seed: int) -> list[int]:
    """The first 128 bits at each of the counters (number, *rest), for consecutive numbers below 2**64.

    All counters go through the rounds at once, packed in long integers: each has a lane of 128 bits, which is what
    the product of two words needs. That costs a quarter of going one by one.
    """
    ones, ramp, keys = _router(len(numbers), seed)
    b, c, d = (word * ones for word in rest)
    high, low, _, _ = _rounds((numbers.start * ones + ramp, b, c, d), keys, _WORD * ones)
    packed = (high << 64 | low).to_bytes(16 * len(numbers), "little")
    return [int.from_bytes(packed[at : at + 16], "little") for at in range(0, len(packed), 16)]


@lru_cache(maxsize=64)
def _router(count: int, seed: int) -> tuple[int, int, RoundKeys]:
    """For so many lanes: in each of them 1, its number, and the round keys of the seed."""
    ones = sum(1 << 128 * connection for connection in range(count))
    ramp = sum(connection << 128 * connection for connection in range(count))
    return ones, ramp, tuple((low * ones, high * ones) for low, high in seed_keys(seed))


def _rounds(counter: Words, keys: RoundKeys, mask: int) -> Words:
    a, b, c, d = counter
    first, second = _MULTIPLIERS
    for low, high in keys:
        left, right = first * a, second * c
        a, b, c, d = right >> 64 & mask ^ b ^ low, right & mask, left >> 64 & mask ^ d ^ high, left & mask
    return a, b, c, d


def round_keys(low: int, high: int) -> RoundKeys:
    """The key of each round: Weyl sequences that start at the two words of the key."""
    return tuple(((low + i * _WEYL[0]) & _WORD, (high + i * _WEYL[1]) & _WORD) for i in range(_ROUNDS))


@lru_cache(maxsize=1024)
def seed_keys(seed: int) -> RoundKeys:
    """The round keys of a seed."""
    return round_keys(seed, 0)
