"""Cost-aware searches: what reports said that their training cost is counted, by entry and by source."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from typing import Any

from rungway_server.domain.search.sources import CODES
from rungway_server.store.redis.layout.further import FIELD, Names
from rungway_server.store.redis.snapshot.snapshot import Snapshot, further_of

_MOST_COST = 1e300
"""No sum grows beyond this (`add_cost` in lua/include/costs.lua)."""
_SUMS = 1e-9
"""Sums of the same costs in another order may differ by so much, as parts of them."""


def _costs(snapshot: Snapshot) -> Iterator[tuple[str, Mapping[str, Any], Sequence[int], Sequence[int]]]:
    """Of entries, and of sources: what is counted, the training handed out, and the key of each in `_told`."""
    assert snapshot.plan is not None
    progress, sources = snapshot.progress, snapshot.plan.sources
    if "costs" in progress:
        yield "entries", progress["costs"], progress["spent"], range(len(snapshot.plan.entries))
    if sources and "costs" in progress["sources"]:
        codes = [CODES[name] for name in sources.names]
        yield "sources", progress["sources"]["costs"], progress["sources"]["spent"], codes


def costs_are_counted_where_they_are_to_be(snapshot: Snapshot) -> Iterator[str]:
    """A cost-aware search counts costs by entry, and by source where these learn; any other counts none.

    Since shares count, what the costs were then is known.
    """
    assert snapshot.plan is not None
    plan = snapshot.plan
    wanted = {"entries"} if plan.cost_aware and plan.entries else set()
    wanted |= {"sources"} if plan.cost_aware and plan.sources and plan.sources.learns else set()
    found = {name for name, *_ in _costs(snapshot)}
    if found != wanted:
        yield f"costs are counted by {sorted(found)}, wanted {sorted(wanted)}"
    began = {"entries": "opened" in snapshot.progress, "sources": "base" in snapshot.progress.get("sources", ())}
    for name, now, *_ in _costs(snapshot):
        if began[name] and "before" not in now:
            yield f"{name}: shares count, and what the costs were before is not known"


def costs_are_of_training(snapshot: Snapshot) -> Iterator[str]:
    """No more training was told with a cost than was handed out, and neither this nor its cost becomes less."""
    for name, now, spent, keys in _costs(snapshot):
        before = now.get("before") or {each: [0] * len(keys) for each in ("told", "cost")}
        lists = [now["told"], now["cost"], before["told"], before["cost"]]
        if {len(each) for each in lists} != {len(keys)}:
            yield f"{name}: there are {len(keys)}, and costs of {[len(each) for each in lists]}"
            continue
        told, cost, told_before, cost_before = lists
        if any(least > most for least, most in (*zip(told, spent, strict=True), *zip(told_before, told, strict=True))):
            yield f"{name}: {spent} units were handed out, {told} told with a cost, {told_before} of these before"
        if any(least > most for least, most in zip(cost_before, cost, strict=True)):
            yield f"{name}: the costs are {cost}, and were {cost_before} before"


def costs_are_those_of_the_reports(snapshot: Snapshot) -> Iterator[str]:
    """What is counted is what reports said. A trial that went to a rung blindly has changed its entry on the way."""
    assert snapshot.plan is not None
    counted = list(_costs(snapshot))
    if not counted:
        return
    names = Names(snapshot.meta.get(FIELD))
    told: dict[tuple[str, int], float] = defaultdict(float)
    for number, trial in snapshot.trials.items():
        cost = sum(further.cost or 0 for _, further in further_of(snapshot, number, names))
        told["entries", trial.entry] += cost
        told["sources", trial.source] += cost
    for name, costs, _, keys in counted:
        if name == "entries" and snapshot.plan.blind:
            continue
        wanted = [min(told[name, key], _MOST_COST) for key in keys]
        if len(wanted) != len(costs["cost"]) or not all(
            isclose(*pair, rel_tol=_SUMS) for pair in zip(wanted, costs["cost"], strict=True)
        ):
            yield f"{name}: costs of {costs['cost']} are counted, the reports say {wanted}"


INVARIANTS = (costs_are_counted_where_they_are_to_be, costs_are_of_training, costs_are_those_of_the_reports)
