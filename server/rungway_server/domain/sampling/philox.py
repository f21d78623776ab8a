"""Random bits at any position of a stream: the counter-based generator Philox 4x64-10.

Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3". The rounds are implemented here, on Python integers:
that is cheaper than setting up a library's generator for each block, and does not depend on a library's seeding. Tests
compare the output with numpy's.
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
    """The block of 256 bits at a counter."""
    return _rounds(counter, keys, _WORD)


def leading_bits(counter: Words, keys: RoundKeys) -> int:
    """The first 128 bits of the block at a counter."""
    high, low, _, _ = _rounds(counter, keys, _WORD)
    return high << 64 | low


def philox_column(numbers: range, rest: tuple[int, int, int], seed: int) -> list[int]:
    """The first 128 bits of the blocks at the counters (number, *rest), for consecutive numbers below 2**64.

    All counters go through the rounds together, packed into long integers: each has a lane of 128 bits, which the
    product of two words needs. That takes a quarter of the time of one after the other.
    """
    ones, ramp, keys = _lanes(len(numbers), seed)
    b, c, d = (word * ones for word in rest)
    high, low, _, _ = _rounds((numbers.start * ones + ramp, b, c, d), keys, _WORD * ones)
    packed = (high << 64 | low).to_bytes(16 * len(numbers), "little")
    return [int.from_bytes(packed[at : at + 16], "little") for at in range(0, len(packed), 16)]


@lru_cache(maxsize=64)
def _lanes(count: int, seed: int) -> tuple[int, int, RoundKeys]:
    """Packed integers of `count` lanes: with 1 in each lane, with its index, and with the round keys of the seed."""
    ones = sum(1 << 128 * lane for lane in range(count))
    ramp = sum(lane << 128 * lane for lane in range(count))
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
