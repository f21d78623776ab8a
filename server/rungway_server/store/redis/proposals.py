"""Configurations as the scripts take them: JSON texts, drawn beside the event loop where that may take long."""

import json
from collections.abc import Callable
from typing import TypeVar

from rungway_server.domain.config import ExperimentConfig
from rungway_server.domain.pbt import clone
from rungway_server.domain.sampling import propose_many
from rungway_server.domain.space import Source
from rungway_server.service.aside import aside

_FEW_PARAMETERS = 50
_AT_CREATION, _AT_CREATION_SLOW = 256, 32

T = TypeVar("T")


def at_creation(config: ExperimentConfig, most: int) -> range:
    """The trials whose configurations a new experiment starts with, of `most` that there may be."""
    return range(min(most, _AT_CREATION if _quick(config) else _AT_CREATION_SLOW))


async def proposals(config: ExperimentConfig, numbers: range) -> list[str]:
    """Configurations of the trials with these numbers."""
    return await _done(config, lambda: [_text(hparams) for hparams in propose_many(config.space, config.seed, numbers)])


async def clones(config: ExperimentConfig, wanted: list[tuple[str, str]]) -> str:
    """Configurations of clones by number; `wanted`: numbers with the parents' configurations."""

    def work() -> str:
        made = {number: clone(config, int(number), json.loads(parent)) for number, parent in wanted}
        return json.dumps({number: _text(hparams) for number, hparams in made.items()})

    return await _done(config, work)


async def _done(config: ExperimentConfig, work: Callable[[], T]) -> T:
    return work() if _quick(config) else await aside(work)


def _quick(config: ExperimentConfig) -> bool:
    """Whether configurations are found in no time; with some constraints, hundreds of draws fail for each."""
    space = config.space
    return not space.constraints and space.source is not Source.SOBOL and len(space.leaves) <= _FEW_PARAMETERS


def _text(hparams: dict[str, object]) -> str:
    return json.dumps(hparams, separators=(",", ":"))
