"""A search makes the same decisions on every version of Redis and Valkey at hand, proposals of models included."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rungway_server.service.experiments import plan_search
from rungway_server.simulation.curves import Checkpoint
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.stage import stage
from tests.support.curves import SteadyCurves
from tests.support.redis_server import servers_at_hand

SPACE: dict[str, Any] = {
    "x": {"type": "double", "minval": 0.0, "maxval": 1.0},
    "n": {"type": "int", "minval": 1, "maxval": 9},
    "kind": {"type": "categorical", "vals": ["a", "b", "c"]},
    "m": {"type": "log_uniform", "minval": 1e-4, "maxval": 1.0, "when": {"kind": "a"}},
}
LADDER = {"max_trials": 70, "max_length": 27, "divisor": 3, "max_concurrent_trials": 0}
SEARCHERS: dict[str, dict[str, Any]] = {
    "auto, mixture": {"name": "auto", "proposals": "mixture", **LADDER},
    "auto, forest": {"name": "auto", "proposals": "forest", **LADDER, "budget": {"epochs": 700}},
    "bohb": {"name": "bohb", "max_length": 27, "divisor": 3, "max_concurrent_trials": 0},
    "adaptive_asha": {"name": "adaptive_asha", **LADDER},
    "pbt": {"name": "pbt", "population_size": 8, "num_rounds": 4, "length_per_round": 6},
}


class Configured(SteadyCurves):
    """The metric follows the configuration, where the search says it, and comes to its end at its own pace."""

    name, max_length = "configured", 27

    def __init__(self) -> None:
        self.worth: dict[int, float] = {}
        self.proposed: list[tuple[int, Mapping[str, object]]] = []

    def configured(self, trial: int, hparams: Mapping[str, object], checkpoint: Checkpoint | None = None) -> None:
        values: Any = hparams
        self.proposed.append((trial, hparams))
        self.worth[trial] = abs(values["x"] - 0.3) + abs(values["n"] - 6) / 9 + "bca".index(values["kind"]) / 3

    def metric(self, trial: int, length: int) -> float:
        if trial % 11 == 5:
            return math.nan
        pace = 1 + trial * 7 % 5
        return self.worth.get(trial, trial * 37 % 23 / 23) + math.exp(-length / pace)

    def finals(self) -> list[float]:
        raise AssertionError("no summary here")


async def decisions(binary: str, name: str) -> tuple[list[str], list[tuple[int, Mapping[str, object]]]]:
    """Every decision of a search, and the configurations that were proposed."""
    section = {"metric": "error", "unit": "epochs", **SEARCHERS[name]}
    planned = plan_search({"hyperparameters": SPACE, "searcher": section, "lease_seconds": 60, "seed": 3})
    curves = Configured()
    async with stage(Path(binary)) as store:
        run = await simulate(store, planned.config, planned.plan, curves, Fleet(4, seed=3))
    return [repr(step) for step in run.steps], curves.proposed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SEARCHERS)
async def test_decisions_are_the_same_on_every_version(name: str) -> None:
    servers = servers_at_hand()
    if len(servers) < 2:
        pytest.skip(f"needs two versions of Redis or Valkey, has {', '.join(servers)} (make versions fetches one)")
    found = {server: await decisions(binary, name) for server, binary in servers.items()}
    first, *others = found.values()
    assert len(first[0]) > 50
    assert name in ("adaptive_asha", "pbt") or len(first[1]) > 10  # proposals; those of pbt are its clones
    assert all(each == first for each in others), f"{name}: {list(found)} differ"
