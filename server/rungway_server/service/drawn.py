"""Draws configurations where it holds nobody up: here, if they are found in no time, else in a process of its own."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.sampling.perturb import clone
from rungway_server.domain.sampling.sampling import is_quick, suggest_many
from rungway_server.domain.space.space import Space
from rungway_server.service.turns import Turn
from rungway_server.service.worker_thread import in_process

R = TypeVar("R")
Hparams = dict[str, object]
_Work = Callable[[ExperimentConfig, Any], list[Hparams]]


class Drawn:
    """Draws the configurations of one experiment. Its methods raise Overloaded."""

    def __init__(self, namespace: str, config: ExperimentConfig) -> None:
        self._namespace = namespace
        self._config = config
        self.quick = is_quick(config.space)
        self._pickled = b"" if self.quick else pickle.dumps(config)  # once: a space may have a thousand parameters

    async def new(self, numbers: range, turn: Turn = Turn.ASK) -> list[Hparams]:
        """Configurations of the trials with these numbers."""
        return await self._done(turn, _new, numbers) if numbers else []

    async def clones(self, wanted: Sequence[tuple[int, Mapping[str, object]]]) -> list[Hparams]:
        """Configurations of clones; `wanted`: their numbers with the configurations of their parents."""
        return await self._done(Turn.ASK, _clones, wanted)

    async def _done(self, turn: Turn, work: _Work, what: object) -> list[Hparams]:
        if self.quick:
            return work(self._config, what)
        return await in_process(turn, self._namespace, _with_pickled, work, self._pickled, what)


async def with_space(turn: Turn, namespace: str, work: Callable[[Space], R], space: Space) -> R:
    """What the function says of a space: at once, if its points are quickly found, else in a process of its own. Raises
    Overloaded."""
    if is_quick(space):
        return work(space)
    return await in_process(turn, namespace, work, space)


def _with_pickled(work: _Work, pickled: bytes, what: object) -> list[Hparams]:
    return work(_unpickled(pickled), what)


@lru_cache(maxsize=128)
def _unpickled(pickled: bytes) -> ExperimentConfig:
    """The same one each time: what was worked out for a space is found by it."""
    config: ExperimentConfig = pickle.loads(pickled)  # noqa: S301 # pickled by this service
    return config


def _new(config: ExperimentConfig, numbers: range) -> list[Hparams]:
    return suggest_many(config.space, config.seed, numbers)


def _clones(config: ExperimentConfig, wanted: Sequence[tuple[int, Mapping[str, object]]]) -> list[Hparams]:
    return [clone(config, number, parent) for number, parent in wanted]
