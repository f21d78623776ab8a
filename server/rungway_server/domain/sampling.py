"""Configurations by seed and trial number: a pure function, the same on every replica, version and platform.

Bits come from the counter-based generator Philox 4x64-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as
1, 2, 3"). Its key is the seed; its counter is the trial's number, followed by 128 bits made from the parameter's
path. Every (seed, number, path) thus has a block of bits of its own: any trial can be drawn at any time in any order,
and adding, removing or reordering parameters changes no other. The rounds are written out here, in integers, because
they cost less (about 2 µs a parameter) than preparing a library's generator for each block, and because a library's
streams and start-up time are then nobody's concern; the tests hold them to numpy's raw output.

Bits become values by exact integer arithmetic, by single binary64 operations, and for `log` by the decimal module,
whose logarithm and exponential are correctly rounded: no result depends on a C library's last bit.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from functools import lru_cache
from math import nextafter
from typing import Any, TypeAlias

from rungway_server.domain.space import Categorical, Const, Double, Entry, Int, Log, Space

_WORD = (1 << 64) - 1
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_ROUNDS = 10
_DECIMAL = Context(prec=28)

Words: TypeAlias = tuple[int, int, int, int]
RoundKeys: TypeAlias = tuple[tuple[int, int], ...]


def propose(space: Space, seed: int, number: int) -> dict[str, object]:
    """The configuration of a trial: names in byte order to values, groups as nested dictionaries.

    `seed` and `number` count from 0 and are below 2**64. Values of constants and categorical parameters are the
    space's own: not to be changed.
    """
    return _group(space, _round_keys(seed), number)


def _group(space: Space, keys: RoundKeys, number: int) -> dict[str, object]:
    return {entry.name: _value(entry, keys, number) for entry in space.entries}


def _value(entry: Entry, keys: RoundKeys, number: int) -> object:
    node = entry.node
    if isinstance(node, Const):
        return node.val
    if isinstance(node, Space):
        return _group(node, keys, number)
    return _DRAW[type(node)](node, philox((number, 0, *entry.stream), keys))


def philox(counter: Words, keys: RoundKeys) -> Words:
    """The 256 bits of Philox 4x64-10 at a counter, as 64-bit words, for the round keys of a key."""
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
def _round_keys(seed: int) -> RoundKeys:
    return round_keys(seed, 0)


def _below(size: int, words: Words) -> int:
    """An integer from 0 to size - 1: of 128 bits, the part above the point after multiplying with the size.

    No integer is likelier than another by more than 2**-128, far below what any number of trials could show.
    """
    return (((words[0] << 64) | words[1]) * size) >> 128


def _between(low: float, high: float, words: Words) -> float:
    """A number from low to below high, by 53 bits."""
    number = low + (high - low) * ((words[0] >> 11) * 2.0**-53)
    return number if number < high else nextafter(high, low)  # the sum may have been rounded up to high


def _int(node: Int, words: Words) -> int:
    return node.minval + _below(node.maxval - node.minval + 1, words)


def _double(node: Double, words: Words) -> float:
    return _between(node.minval, node.maxval, words)


def _log(node: Log, words: Words) -> float:
    exponent = Decimal(_between(node.minval, node.maxval, words))
    return float(_DECIMAL.exp(_DECIMAL.multiply(_natural_log(node.base), exponent)))


@lru_cache(maxsize=1024)
def _natural_log(base: float) -> Decimal:
    return _DECIMAL.ln(Decimal(base))


def _categorical(node: Categorical, words: Words) -> object:
    return node.vals[_below(len(node.vals), words)]


_DRAW: dict[type, Callable[[Any, Words], object]] = {
    Int: _int,
    Double: _double,
    Log: _log,
    Categorical: _categorical,
}
