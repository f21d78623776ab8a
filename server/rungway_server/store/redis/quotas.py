"""Quotas and reservations in Redis.

`rungway:quotas`: namespace -> JSON of the limits set for it; `*` -> the limits of all other namespaces, as the server
that started last has them. `rungway:{namespace}:ledger`: experiment -> what it claims (lua/include/claims.lua). Each
operation is one command or script on one key, so it works on a Cluster as well.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict

from rungway_server.domain.errors import QuotaExceeded
from rungway_server.service.port import ExperimentRef
from rungway_server.service.quotas import Claim, Quota, Reserved, changed
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.layout.keys import ledger_key

_KEY = "rungway:quotas"
_OTHERS = "*"
"""Stands for every namespace without limits of its own. It is not a valid name of a namespace."""
_RESERVED_MS = 60_000
"""A reservation that is older was left by a server that died: every wait for Redis is shorter."""


class RedisQuotas:
    """The limits that are set for namespaces, in place of the defaults. Raises StoreUnavailable."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def limits(self, namespace: str) -> dict[str, int]:
        """The limits set for this namespace, by name."""
        stored = await self._router.call(_KEY, ("HGET", _KEY, namespace))
        return dict(json.loads(stored)) if stored else {}

    async def every(self) -> dict[str, dict[str, int]]:
        """The limits of all namespaces that have some."""
        stored = await self._router.call(_KEY, ("HGETALL", _KEY))
        return {name: json.loads(limits) for name, limits in sorted(_pairs(stored).items()) if name != _OTHERS}

    async def defaults(self) -> Quota:
        """The limits of all other namespaces, as the server that started last has them; no limits before the first
        start."""
        return changed(Quota(), dict(await self.limits(_OTHERS)))

    async def publish(self, defaults: Quota) -> None:
        """Store a server's defaults, for the commands that work on Redis without a service."""
        await self.set_limits(_OTHERS, asdict(defaults))

    async def set_limits(self, namespace: str, limits: dict[str, int]) -> None:
        """Replace the limits of a namespace; an empty dict = the defaults."""
        if limits:
            await self._router.call(_KEY, ("HSET", _KEY, namespace, json.dumps(limits)))
        else:
            await self._router.call(_KEY, ("HDEL", _KEY, namespace))

    async def entries(self, namespace: str) -> dict[str, str]:
        """The ledger of a namespace: entries by experiment."""
        key = ledger_key(namespace)
        return _pairs(await self._router.call(key, ("HGETALL", key)))


class RedisLedger(RedisQuotas):
    """Implements `rungway_server.service.quotas.Ledger`."""

    async def quota(self, namespace: str, defaults: Quota) -> Quota:
        """See the protocol."""
        return changed(defaults, dict(await self.limits(namespace)))

    async def reserve(self, ref: ExperimentRef, claim: Claim, quota: Quota) -> Reserved:
        """See the protocol."""
        most = (quota.experiments, quota.trials, quota.leases)
        args: list[Argument] = [ref.experiment, claim.trials, claim.leases, *most, ""]
        answer = await self._router.run("reserve", [ledger_key(ref.namespace)], args)
        if answer[0] == b"full":
            raise QuotaExceeded(answer[1].decode(), most=int(answer[2]), used=int(answer[3]))
        return Reserved(ref, answer[1].decode(), answer[2].decode())

    async def set_claim(
        self, ref: ExperimentRef, claim: Claim | None, instead_of: str, *, reserved_too: bool = True
    ) -> None:
        """See the protocol."""
        claimed: list[Argument] = [claim.trials, claim.leases] if claim else ["", ""]
        args: list[Argument] = [ref.experiment, *claimed, instead_of, 0 if reserved_too else _RESERVED_MS, ""]
        await self._router.run("replace_claim", [ledger_key(ref.namespace)], args)

    async def cancel(self, reserved: Reserved) -> None:
        """See the protocol."""
        args: list[Argument] = [reserved.ref.experiment, reserved.before, "", reserved.entry, 0, ""]
        await self._router.run("replace_claim", [ledger_key(reserved.ref.namespace)], args)

    async def entry(self, ref: ExperimentRef) -> str:
        """See the protocol."""
        key = ledger_key(ref.namespace)
        entry: bytes | None = await self._router.call(key, ("HGET", key, ref.experiment))
        return entry.decode() if entry else ""


def totals(entries: Mapping[str, str]) -> dict[str, int]:
    """What a namespace claims: the sums of its ledger, by limit."""
    claims = [entry.split(" ") for entry in entries.values()]
    sums = (sum(int(claim[i]) for claim in claims) for i in (0, 1))
    return dict(zip(("experiments", "trials", "leases"), (len(claims), *sums), strict=True))


def _pairs(answer: list[bytes]) -> dict[str, str]:
    """What HGETALL answers, as texts."""
    texts = [text.decode() for text in answer]
    return dict(zip(texts[::2], texts[1::2], strict=True))
