"""The keys of an experiment, in the order every script expects (see lua/KEYS.md)."""

import json
from contextlib import suppress

from rungway_server.service.port import ExperimentRef

POINTS = "points"
"""The only further key: of an experiment whose points are counted."""
_TYPES = {
    "meta": "hash",
    "trials": "hash",
    "configs": "hash",
    "leases": "zset",
    "line": "list",
    "ready": "zset",
    "best": "zset",
    "curves": "hash",
    "events": "stream",
    "requests:0": "hash",
    "requests:1": "hash",
    "queue": "list",
    "rungs": "zset",
    POINTS: "hash",
}
_NAMES = tuple(name for name in _TYPES if name != POINTS)
KEY_TYPES = tuple(_TYPES.values())
"""Redis types of the keys of `experiment_keys(ref, POINTS)`, in the same order."""


def experiment_keys(ref: ExperimentRef, more: str = "") -> list[str]:
    """Every key of the experiment; `more` names further ones, as the field `keys` of its `meta` does."""
    return [f"{_tag(ref)}:{name}" for name in (*_NAMES, *more.split())]


OF_LAYOUT = ("schema", "keys", "plan_json")
"""Fields of `meta` that say which keys an experiment has."""
_RUNGS_APART = "1"
"""The layout in which each rung had a key of its own."""


def every_key(ref: ExperimentRef, schema: str | None, more: str | None, plan_json: str | None) -> list[str]:
    """Every key of an experiment of any layout, from the fields `OF_LAYOUT`.

    A layout names its further keys in the field `keys` of `meta`, with spaces between them.
    """
    rungs: list[str] = []
    if schema == _RUNGS_APART:
        with suppress(ValueError, TypeError, KeyError):
            brackets = json.loads(plan_json or "")["brackets"]
            rungs += [f"rung:{b}:{k}" for b, each in enumerate(brackets) for k in range(len(each["rungs"]))]
    return experiment_keys(ref, " ".join([more or "", *rungs]))


def _tag(ref: ExperimentRef) -> str:
    return f"rungway:{{{ref.namespace}/{ref.experiment}}}"


def index_key(namespace: str) -> str:
    """The sorted set of a namespace's experiment ids by creation time."""
    return f"rungway:{{{namespace}}}:experiments"


EVERY_INDEX = index_key("*")
"""The pattern of the index keys of all namespaces."""


def namespace_of(index: str) -> str:
    """The namespace of an index key."""
    return index.partition("{")[2].partition("}")[0]


def ledger_key(namespace: str) -> str:
    """The hash of the claims of a namespace's experiments on its quotas."""
    return f"rungway:{{{namespace}}}:ledger"
