"""The keys of an experiment, in the order every script expects (see lua/KEYS.md)."""

from rungway_server.service.port import ExperimentRef

_NAMES = (
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
    "rungs",
)


def experiment_keys(ref: ExperimentRef) -> list[str]:
    """Every key of the experiment."""
    tag = f"rungway:{{{ref.namespace}/{ref.experiment}}}"
    return [f"{tag}:{name}" for name in _NAMES]


def index_key(namespace: str) -> str:
    """The sorted set of a namespace's experiment ids by creation time."""
    return f"rungway:{{{namespace}}}:experiments"


def ledger_key(namespace: str) -> str:
    """The hash of what a namespace's experiments claim of its quotas."""
    return f"rungway:{{{namespace}}}:ledger"
