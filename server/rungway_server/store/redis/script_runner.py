"""The scripts on one Redis, each sent by the name that Redis has for it."""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from rungway_server.store.redis.connection.pipelined import Call
from rungway_server.store.redis.connection.preflight import version_of
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.scripts import Script, Transform, load_scripts


class ScriptRunner:
    """Scripts by name. Raises StoreUnavailable when Redis does not answer or refuses to write.

    Their text depends on the version of Redis. A Redis that does not know a script is asked for its version again: it
    may be another one by now, behind the same address.
    """

    def __init__(self, router: Router, transform: Transform | None = None) -> None:
        self._router = router
        self._transform = transform
        self._scripts: dict[str, Script] = {}
        self._known: dict[bool, dict[str, Script]] = {}

    def run(self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Awaitable[list[Any]]:
        """The script's answer, to be awaited: a list whose first item is a word."""
        if not self._scripts:
            return self._load_and_run(name, keys, args)
        command = ("EVALSHA", self._scripts[name].sha, len(keys), *keys, *args)
        return self._router.call(keys[0], command, partial(self._whole, name, command))

    async def _load_and_run(
        self, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]
    ) -> list[Any]:
        await self._load(keys[0])
        return await self.run(name, keys, args)

    async def _load(self, key: str) -> None:
        """Take the texts for the node of the key."""
        shebang = version_of(await self._router.call(key, ("INFO", "server"))) >= (7,)
        if shebang not in self._known:
            self._known[shebang] = load_scripts(self._transform, shebang=shebang)
        self._scripts = self._known[shebang]

    async def _whole(self, name: str, command: Call) -> Call:
        """The command with the text of its script, which Redis keeps. SCRIPT LOAD would do, but not on a full one."""
        await self._load(str(command[3]))
        return ("EVAL", self._scripts[name].source, *command[2:])
