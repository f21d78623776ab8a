"""Experiments made straight in a store, past the service, from a plan of the test's own."""

from rungway_server.domain.config import ExperimentConfig, parse
from rungway_server.domain.plan import Plan
from rungway_server.service.port import Definition, ExperimentRef, Store


def config_of(plan: Plan, *, lease_seconds: float = 60.0, max_restarts: int = 5, seed: int = 7) -> ExperimentConfig:
    """A configuration to go with a plan."""
    document = {
        "hyperparameters": {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}},
        "searcher": {
            "name": "random",
            "metric": "loss",
            "max_trials": plan.max_trials,
            "max_length": {plan.unit: plan.max_length},
        },
        "seed": seed,
        "max_restarts": max_restarts,
        "lease_seconds": lease_seconds,
    }
    return parse(document)[0]


async def stored(
    store: Store,
    ref: ExperimentRef,
    plan: Plan,
    *,
    lease_seconds: float = 60.0,
    max_restarts: int = 5,
    request_id: str = "",
) -> Definition:
    """Create an experiment with this plan."""
    config = config_of(plan, lease_seconds=lease_seconds, max_restarts=max_restarts)
    return await store.create(ref, config, plan, (), request_id)
