"""What all experiments of the store add up to: for the metrics that are the same from every server.

No key lists the namespaces, so every key is scanned, in small pieces between which others have their turn.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgpack

from rungway_server.domain.engine import ExperimentState
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.keys import EVERY_INDEX, experiment_keys, index_key, namespace_of

_READ_AT_ONCE = 50
_LEASES = 3
"""Place among the keys of an experiment."""


@dataclass(slots=True)
class NamespaceTotals:
    """The counts of a namespace."""

    experiments: Counter[str] = field(default_factory=Counter)
    """By state."""
    trials: Counter[str] = field(default_factory=Counter)
    """By state, of all experiments."""
    leases: int = 0


@dataclass(slots=True)
class Totals:
    """The counts of all namespaces, and the experiments that are running."""

    namespaces: dict[str, NamespaceTotals] = field(default_factory=dict)
    running: list[tuple[int, ExperimentRef]] = field(default_factory=list)
    """Each with its creation time (ms)."""


async def read_totals(router: Router) -> Totals:
    """Read them all. Raises StoreUnavailable."""
    totals = Totals()
    for namespace in sorted(map(namespace_of, await router.keys(EVERY_INDEX))):
        found = totals.namespaces.setdefault(namespace, NamespaceTotals())
        key = index_key(namespace)
        listed: Any = await router.call(key, ("ZRANGE", key, 0, -1, "WITHSCORES"))
        experiments = [
            (int(created), ExperimentRef(namespace, name.decode()))
            for name, created in zip(listed[::2], listed[1::2], strict=True)
        ]
        for at in range(0, len(experiments), _READ_AT_ONCE):
            some = experiments[at : at + _READ_AT_ONCE]
            states = await asyncio.gather(*(_add(router, ref, found) for _, ref in some))
            totals.running += [
                each for each, state in zip(some, states, strict=True) if state == ExperimentState.RUNNING
            ]
    return totals


async def _add(router: Router, ref: ExperimentRef, found: NamespaceTotals) -> str:
    """Add one experiment; returns its state, "" if it is gone."""
    keys = experiment_keys(ref)
    meta, leases = keys[0], keys[_LEASES]
    (tally, counts), held = await asyncio.gather(
        router.call(meta, ("HMGET", meta, "tally", "counts")), router.call(meta, ("ZCARD", leases))
    )
    if tally is None or counts is None:
        return ""
    state: str = msgpack.unpackb(tally)["state"]
    found.experiments[state] += 1
    found.trials.update(dict(msgpack.unpackb(counts)["states"] or {}))
    found.leases += held
    return state
