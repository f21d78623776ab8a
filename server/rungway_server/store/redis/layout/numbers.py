"""What is counted of entries and of sources of configurations. Scripts store it as texts of numbers, which they read
and write faster (`lua/include/numbers.lua`, KEYS.md); here, as in layouts before 16, they are lists."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from rungway_server.domain.engine import Reason

NEW = frozenset({Reason.NEW_TRIAL, Reason.ENQUEUED})
"""Reasons whose explanations say what is known of entries and sources."""
_BINARY = "surrogateescape"
_CREDIT, _SHARE, _SPENT = 3, 2, 6
"""Bytes of a number of each kind. All have the most significant byte first."""
_KNOWN = _CREDIT + _SHARE + _SPENT
"""What the explanation of a new trial says of each entry, or source."""
_RESULTS = struct.Struct(">I")
_CACHED, _CACHE_HEAD = 8, 13
"""Of the credit that is kept until other results are the best (`lua/include/credit.lua`): a cache."""
_ORIGIN = struct.Struct(">BBI")
"""Of a new trial's configuration: its source, the one whose turn it was, the revision it was proposed from."""
_HEAD = 8
"""Bytes of the stock before its lanes."""
_LANE = struct.Struct(">6I")
_LANE_NAMES = ("used", "filled", "drawn", "made", "revision")


def counts_of(stored: Mapping[str, Any], ladder: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a search with lists. `stored`: as they are unpacked; `ladder`: its part of the plan. Raises
    ValueError for a text that has not as many bytes as its numbers."""
    counts = dict(stored)
    if isinstance(counts.get("entries"), str):
        counts |= _learned(_bytes(counts.pop("entries")), ladder["rungs"][0], "opened")
        if "entries_costs" in counts:
            counts["costs"] = counts.pop("entries_costs")
    if isinstance(counts.get("sources"), str):
        stock, rungs, names = _bytes(counts.pop("stock")), len(counts["sizes"]), len(ladder["sources"]["codes"])
        sources = _learned(_bytes(counts["sources"]), names, "base")
        _check(stock, _HEAD + _LANE.size * (names + 1) + 4 * rungs)
        lanes = _LANE.iter_unpack(stock[_HEAD : len(stock) - 4 * rungs])
        sources["stock"] = [dict(zip(_LANE_NAMES, lane[:-1], strict=True)) for lane in lanes]
        sources["sizes"] = list(struct.unpack(f">{rungs}I", stock[len(stock) - 4 * rungs :]))
        if "sources_costs" in counts:
            sources["costs"] = counts.pop("sources_costs")
        counts["sources"] = sources
    return counts


def _check(text: bytes, wanted: int) -> None:
    if len(text) != wanted:
        raise ValueError(f"numbers of entries or sources have {len(text)} bytes, wanted {wanted}")


def _learned(text: bytes, count: int, since: str) -> dict[str, Any]:
    _check(text, (_KNOWN + _SPENT + _CACHED) * count + _RESULTS.size + _CACHE_HEAD)
    known, then = _KNOWN * count, _KNOWN * count + _RESULTS.size
    shares, spent, credits = known_of(text[:known])
    before = _numbers(text[then : then + _SPENT * count], _SPENT)
    found = {"share": shares, "spent": spent, "credit": credits, "learned": _RESULTS.unpack_from(text, known)[0]}
    return found if before[0] < 0 else found | {since: before}


def known_of(text: bytes) -> tuple[list[int], list[int], list[int]]:
    """Shares, training and credits of all entries, or sources."""
    count = len(text) // _KNOWN
    spent = (_CREDIT + _SHARE) * count
    credits, shares = text[: _CREDIT * count], text[_CREDIT * count : spent]
    return _numbers(shares, _SHARE), _numbers(text[spent:], _SPENT), _numbers(credits, _CREDIT)


def _numbers(text: bytes, size: int) -> list[int]:
    return [int.from_bytes(text[at : at + size], "big", signed=size == _SPENT) for at in range(0, len(text), size)]


def ladder_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A search's part of the plan with lists."""
    ladder = dict(stored)
    if isinstance(ladder.get("entries"), str):
        ladder["entries"] = _numbers(_bytes(ladder["entries"]), _SHARE)
    if ladder.get("sources") and isinstance(ladder["sources"]["codes"], str):
        sources = ladder["sources"]
        codes, shares = list(_bytes(sources["codes"])), _numbers(_bytes(sources["shares"]), _SHARE)
        ladder["sources"] = {**sources, "codes": codes, "shares": shares}
    return ladder


def why_of(stored: Sequence[Any]) -> list[Any]:
    """What the explanation of a new trial ends with, as numbers: by entry shares, training and credits; what was used,
    where its cost counts; then, where there are sources, a list: the source of its configuration, the one whose turn it
    was, the revision that it was proposed from, how many sources there are, and of these the same. `stored`: a text
    (bytes, or as it is unpacked from the log) in the place of numbers; in layouts before 16 the numbers."""
    *own, last = stored if stored and isinstance(stored[-1], list | tuple) else (*stored, None)
    if own and (text := _text(own[0])):
        own = [number for some in known_of(text) for number in some] + list(own[1:])
    if last is None:
        return own
    if text := _text(last[0]):
        known = text[_ORIGIN.size :]
        count = len(known) // (1 + _KNOWN)
        numbers = [number for some in known_of(known[count:]) for number in some]
        last = [*_ORIGIN.unpack_from(text), count, *known[:count], *numbers, *last[1:]]
    return [*own, last]


def _text(stored: Any) -> bytes:
    return _bytes(stored) if isinstance(stored, str) else stored if isinstance(stored, bytes) else b""


def _bytes(unpacked: str) -> bytes:
    return unpacked.encode(errors=_BINARY)
