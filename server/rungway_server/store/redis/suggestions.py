"""Suggestions for the scripts: drawn configurations, packed."""

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.service.suggester import Suggester
from rungway_server.service.worker_thread import Priority
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.records import BINARY, packed

_AT_CREATION, _AT_CREATION_SLOW = 256, 32
_VALUES_AT_CREATION = 1 << 16
"""Values of all suggestions together that an experiment starts with: a value takes up to 9 bytes."""


class Suggestions:
    """Suggestions of one experiment. Methods raise Overloaded."""

    def __init__(self, namespace: str, config: ExperimentConfig, configurations: Configurations) -> None:
        self._suggester = Suggester(namespace, config)
        self._configurations = configurations

    async def at_creation(self, most: int) -> list[bytes]:
        """The suggestions that a new experiment starts with; it needs at most `most` in all."""
        fitting = _VALUES_AT_CREATION // max(1, self._configurations.count)
        numbers = range(min(most, fitting, _AT_CREATION if self._suggester.quick else _AT_CREATION_SLOW))
        return [*map(self._configurations.pack, await self._suggester.new(numbers, Priority.CREATE))]

    async def new(self, numbers: range) -> list[bytes]:
        """The suggestions with these numbers."""
        return [*map(self._configurations.pack, await self._suggester.new(numbers))] if numbers else []

    async def clones(self, parents: list[tuple[bytes, bytes]]) -> bytes:
        """Configurations of clones by number, packed for Lua. `parents`: numbers of clones, each with its parent's
        configuration."""
        unpack, pack = self._configurations.unpack, self._configurations.pack
        unpacked = [(int(number), unpack(parent)) for number, parent in parents]
        made = [pack(hparams).decode(errors=BINARY) for hparams in await self._suggester.clones(unpacked)]
        numbers = [number.decode() for number, _ in parents]
        return packed(dict(zip(numbers, made, strict=True)))  # Lua reads text alone
