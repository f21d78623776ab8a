"""Configurations as the scripts take them, packed."""

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.service.suggester import Suggester
from rungway_server.service.worker_thread import Priority
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.records import BINARY, packed

_AT_CREATION, _AT_CREATION_SLOW = 256, 32


class Suggestions:
    """Those of one experiment. Its methods raise Overloaded."""

    def __init__(self, namespace: str, config: ExperimentConfig, configurations: Configurations) -> None:
        self._suggester = Suggester(namespace, config)
        self._configurations = configurations

    async def at_creation(self, most: int) -> list[bytes]:
        """Those that a new experiment starts with, of `most` that there may be."""
        numbers = range(min(most, _AT_CREATION if self._suggester.quick else _AT_CREATION_SLOW))
        return [*map(self._configurations.pack, await self._suggester.new(numbers, Priority.CREATE))]

    async def new(self, numbers: range) -> list[bytes]:
        """Those of the trials with these numbers."""
        return [*map(self._configurations.pack, await self._suggester.new(numbers))] if numbers else []

    async def clones(self, wanted: list[tuple[bytes, bytes]]) -> bytes:
        """Those of clones by number, for Lua; `wanted`: numbers with the parents' configurations."""
        unpack, pack = self._configurations.unpack, self._configurations.pack
        parents = [(int(number), unpack(parent)) for number, parent in wanted]
        made = [pack(hparams).decode(errors=BINARY) for hparams in await self._suggester.clones(parents)]
        numbers = [number.decode() for number, _ in wanted]
        return packed(dict(zip(numbers, made, strict=True)))  # Lua reads text alone
