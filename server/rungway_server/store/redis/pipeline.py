"""The scripts on one Redis, each sent by the name that Redis has for it."""

from collections.abc import Awaitable, Sequence
from typing import Any

from rungway_server.store.redis.fitness import version_of
from rungway_server.store.redis.lanes import Lanes
from rungway_server.store.redis.scripts import Script, Transform, load_scripts


class ScriptPipeline:
    """Scripts by name. Raises StoreUnavailable when Redis does not answer or refuses to write."""

    def __init__(self, lanes: Lanes, transform: Transform | None = None) -> None:
        self._lanes = lanes
        self._transform = transform
        self._scripts: dict[str, Script] = {}

    def run(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Awaitable[list[Any]]:
        """The script's answer, to be awaited: a list whose first item is a word."""
        if not self._scripts:
            return self._load_and_run(name, keys, args)
        script = self._scripts[name]
        return self._lanes.call(keys[0], ("EVALSHA", script.sha, len(keys), *keys, *args), script.source)

    async def _load_and_run(
        self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]
    ) -> list[Any]:
        version = version_of(await self._lanes.call(keys[0], ("INFO", "server")))
        self._scripts = load_scripts(self._transform, shebang=version >= (7,))
        return await self.run(name, keys, args)
