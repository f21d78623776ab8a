"""Asynchronous halving on one shared ladder with learned entries."""

from dataclasses import replace

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.methods.asynchronous import async_halving
from rungway_server.domain.search.plan import Plan

PARTS = 4096
"""Shares are whole numbers of so many parts: the last bit of a root may differ between platforms, a part does not."""
MAX_ENTRIES = 20
"""Most rungs of the ladder: each decision on a new trial reads and writes a few numbers for each."""
_LOW, _FULL = 0.7, 0.1
"""First shares of the lowest and of the top rung; those between share the rest."""


def auto(searcher: SearcherConfig) -> Plan:
    """One bracket of asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter
    Tuning", algorithm 2) whose new trials may enter at each of its rungs.

    At which they do is learned from the results: the training goes to the entries in proportion to how many of the best
    results each unit of it brought (after Streeter and Smith 2006, "A Simple Distribution-Free Approach to the Max
    k-Armed Bandit Problem", threshold ascent). Raises InvalidInput for more than MAX_ENTRIES rungs.
    """
    plan = async_halving(searcher)
    rungs = len(plan.brackets[0].rungs)
    if rungs > MAX_ENTRIES:
        wanted = f"wanted at most {MAX_ENTRIES}: use a larger min_length or divisor"
        raise InvalidInput.one("searcher.min_length", f"the ladder has {rungs} rungs, {wanted}")
    return replace(plan, entries=first_shares(rungs), blind=searcher.blind)


def first_shares(rungs: int) -> tuple[int, ...]:
    """The shares of a ladder with so many rungs, in 1/PARTS; the lowest rung has what is left by rounding."""
    if rungs == 1:
        return (PARTS,)
    between = [(1 - _LOW - _FULL) / (rungs - 2)] * (rungs - 2) if rungs > 2 else []
    whole = _LOW + sum(between) + _FULL
    rounded = [round(PARTS * share / whole) for share in (*between, _FULL)]
    return (PARTS - sum(rounded), *rounded)
