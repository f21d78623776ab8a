"""The keys of an experiment, in the order every script expects (see lua/KEYS.md)."""

from rungway_server.domain.plan import Plan
from rungway_server.service.port import ExperimentRef

_FIXED = (
    "meta",
    "trials",
    "configs",
    "leases",
    "line",
    "ready",
    "best",
    "curves",
    "events",
    "requests:0",
    "requests:1",
    "queue",
)

FIRST_RUNG = len(_FIXED) + 1
"""Position of the first rung in KEYS, counted from 1 as Lua does."""


def fixed_keys(ref: ExperimentRef) -> list[str]:
    """The keys that do not depend on the plan."""
    return [f"{_tag(ref)}:{name}" for name in _FIXED]


def experiment_keys(ref: ExperimentRef, plan: Plan) -> list[str]:
    """Every key of the experiment: the fixed ones, then one per rung by bracket and rung."""
    tag = _tag(ref)
    rungs = [f"{tag}:rung:{b}:{k}" for b, bracket in enumerate(plan.brackets) for k in range(len(bracket.rungs))]
    return fixed_keys(ref) + rungs


def index_key(namespace: str) -> str:
    """The sorted set of a namespace's experiment ids by creation time."""
    return f"rungway:{{{namespace}}}:experiments"


def ledger_key(namespace: str) -> str:
    """The hash of what a namespace's experiments claim of its quotas."""
    return f"rungway:{{{namespace}}}:ledger"


def _tag(ref: ExperimentRef) -> str:
    return f"rungway:{{{ref.namespace}/{ref.experiment}}}"
