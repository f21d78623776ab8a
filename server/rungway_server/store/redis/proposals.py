"""Configurations as the scripts take them, packed: drawn beside the event loop where that may take long."""

from collections.abc import Callable
from typing import TypeVar

from rungway_server.domain.config import ExperimentConfig
from rungway_server.domain.pbt import clone
from rungway_server.domain.sampling import propose_many
from rungway_server.domain.space import Source
from rungway_server.service.aside import aside
from rungway_server.store.redis.configurations import Configurations
from rungway_server.store.redis.lane import BINARY
from rungway_server.store.redis.records import packed

_FEW_PARAMETERS = 50
_AT_CREATION, _AT_CREATION_SLOW = 256, 32

T = TypeVar("T")


def at_creation(config: ExperimentConfig, most: int) -> range:
    """The trials whose configurations a new experiment starts with, of `most` that there may be."""
    return range(min(most, _AT_CREATION if _quick(config) else _AT_CREATION_SLOW))


async def proposals(config: ExperimentConfig, configurations: Configurations, numbers: range) -> list[bytes]:
    """Configurations of the trials with these numbers."""
    pack = configurations.pack
    return await _done(config, lambda: [pack(hparams) for hparams in propose_many(config.space, config.seed, numbers)])


async def clones(config: ExperimentConfig, configurations: Configurations, wanted: list[tuple[str, str]]) -> bytes:
    """Configurations of clones by number, for Lua; `wanted`: numbers with the parents' configurations."""

    def of(number: str, parent: str) -> str:
        hparams = clone(config, int(number), configurations.unpack(parent.encode(errors=BINARY)))
        return configurations.pack(hparams).decode(errors=BINARY)  # Lua reads no other kind of bytes

    def work() -> bytes:
        return packed({number: of(number, parent) for number, parent in wanted})

    return await _done(config, work)


async def _done(config: ExperimentConfig, work: Callable[[], T]) -> T:
    return work() if _quick(config) else await aside(work)


def _quick(config: ExperimentConfig) -> bool:
    """Whether configurations are found in no time; with some constraints, hundreds of draws fail for each."""
    space = config.space
    return not space.constraints and space.source is not Source.SOBOL and len(space.leaves) <= _FEW_PARAMETERS
