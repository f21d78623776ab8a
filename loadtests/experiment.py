"""The experiment of the load tests: six hyperparameters and Adaptive ASHA, too large to be used up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rungway import AsyncClient, ClientConfig

MAX_LENGTH = 1_000_000_000
"""So long that a slot that reports each length never reaches a rung."""

CONFIG: dict[str, object] = {
    "hyperparameters": {
        "learning_rate": {"type": "log", "base": 10, "minval": -5, "maxval": -1},
        "momentum": {"type": "double", "minval": 0.8, "maxval": 0.99},
        "weight_decay": {"type": "log", "base": 10, "minval": -6, "maxval": -2},
        "layers": {"type": "int", "minval": 1, "maxval": 6},
        "batch_size": {"type": "categorical", "vals": [32, 64, 128, 256]},
        "optimizer": {"type": "const", "val": "sgd"},
    },
    "searcher": {
        "name": "adaptive_asha",
        "metric": "error",
        "max_trials": 10_000_000,
        "max_length": MAX_LENGTH,
        "max_concurrent_trials": 0,
    },
    "lease_seconds": 3600,
    "seed": 1,
}


@asynccontextmanager
async def create_experiment(address: str, name: str) -> AsyncIterator[None]:
    """Create the experiment; delete it at the end of the block."""
    async with AsyncClient(config=ClientConfig(target=address)) as client:
        await client.create_experiment(name, CONFIG)
        yield
        await client.delete_experiment(name)
