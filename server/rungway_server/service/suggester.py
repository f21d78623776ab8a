"""Draws configurations without delaying the event loop: on it if that is quick, else in a worker process."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.sampling.perturb import perturb
from rungway_server.domain.sampling.sampling import is_quick, suggest_many
from rungway_server.service.offload import in_process
from rungway_server.service.worker_thread import Priority

Hparams = dict[str, object]
_Work = Callable[[ExperimentConfig, Any], list[Hparams]]


class Suggester:
    """Draws the configurations of one experiment. Its methods raise Overloaded."""

    def __init__(self, namespace: str, config: ExperimentConfig) -> None:
        self._namespace = namespace
        self._config = config
        self.quick = is_quick(config.space)
        self._pickled = b"" if self.quick else pickle.dumps(config)  # once: a space may have a thousand parameters

    async def new(self, numbers: range, priority: Priority = Priority.ASK) -> list[Hparams]:
        """Configurations of the trials with these numbers."""
        return await self._run(priority, _draw_new, numbers) if numbers else []

    async def clones(self, wanted: Sequence[tuple[int, Mapping[str, object]]]) -> list[Hparams]:
        """Configurations of clones; `wanted` has the trial number of each with the configuration of its parent."""
        return await self._run(Priority.ASK, draw_clones, wanted)

    async def _run(self, priority: Priority, work: _Work, what: object) -> list[Hparams]:
        if self.quick:
            return work(self._config, what)
        return await in_process(priority, self._namespace, _with_pickled, work, self._pickled, what)


def _with_pickled(work: _Work, pickled: bytes, what: object) -> list[Hparams]:
    return work(_unpickled(pickled), what)


@lru_cache(maxsize=128)
def _unpickled(pickled: bytes) -> ExperimentConfig:
    """The same object each time, so that the caches keyed by its space are hit."""
    config: ExperimentConfig = pickle.loads(pickled)  # noqa: S301 # pickled by this service
    return config


def _draw_new(config: ExperimentConfig, numbers: range) -> list[Hparams]:
    return suggest_many(config.space, config.seed, numbers)


def draw_clones(config: ExperimentConfig, wanted: Sequence[tuple[int, Mapping[str, object]]]) -> list[Hparams]:
    """The configurations of clones by trial number and parent's configuration. The searcher must have a population."""
    population = config.searcher.population
    if population is None:
        raise ValueError(f"{config.searcher.name} has no population")
    resample, factor = population.resample_probability, population.perturb_factor
    return [perturb(config.space, parent, config.seed, number, resample, factor) for number, parent in wanted]
