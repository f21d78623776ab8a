"""Access control: the check that a transport makes before it serves a call.

A token belongs to one namespace (or to all) and has a role. Without tokens (on loopback, or behind a proxy that guards
the port) every caller may do everything, in the namespace that the call names.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from async_lru import alru_cache

from rungway_server.domain.errors import PermissionDenied, Unauthenticated
from rungway_server.domain.names import check_namespace
from rungway_server.service.quotas import Quotas
from rungway_server.service.tokens import EVERY_NAMESPACE, Role, Token, now_ms, read_token

DEFAULT_NAMESPACE = "default"

REVOKED_WITHIN_SECONDS = 3.0
"""How long a server may accept a revoked token: tokens are cached for so many seconds."""
_MOST_REMEMBERED = 10_000
_LONGEST_HEADER = 100

_SEARCH, _EXPERIMENT, _VIEW = "rungway.v1.SearchService", "rungway.v1.ExperimentService", "rungway.v1.ViewService"

ROLES: Mapping[str, Role] = {
    f"{_SEARCH}/Ask": Role.WORK,
    f"{_SEARCH}/Tell": Role.WORK,
    f"{_SEARCH}/Heartbeat": Role.WORK,
    f"{_SEARCH}/Release": Role.WORK,
    f"{_SEARCH}/Fail": Role.WORK,
    f"{_EXPERIMENT}/CreateExperiment": Role.ADMIN,
    f"{_EXPERIMENT}/GetExperiment": Role.READ,
    f"{_EXPERIMENT}/ListExperiments": Role.READ,
    f"{_EXPERIMENT}/PauseExperiment": Role.ADMIN,
    f"{_EXPERIMENT}/ResumeExperiment": Role.ADMIN,
    f"{_EXPERIMENT}/StopExperiment": Role.ADMIN,
    f"{_EXPERIMENT}/DeleteExperiment": Role.ADMIN,
    f"{_EXPERIMENT}/PreviewSearch": Role.READ,
    f"{_EXPERIMENT}/UpdateExperiment": Role.ADMIN,
    f"{_EXPERIMENT}/EnqueueTrial": Role.ADMIN,
    f"{_EXPERIMENT}/AddProposals": Role.ADMIN,
    f"{_EXPERIMENT}/ListTrials": Role.READ,
    f"{_EXPERIMENT}/ListWorkers": Role.READ,
    f"{_EXPERIMENT}/GetTrial": Role.READ,
    f"{_EXPERIMENT}/BestTrials": Role.READ,
    f"{_EXPERIMENT}/ListStaleCheckpoints": Role.READ,
    f"{_EXPERIMENT}/ExplainTrial": Role.READ,
    f"{_EXPERIMENT}/WatchEvents": Role.READ,
    f"{_EXPERIMENT}/ExportExperiment": Role.READ,
    f"{_VIEW}/GetView": Role.READ,
    f"{_VIEW}/WatchView": Role.READ,
    f"{_VIEW}/GetCurves": Role.READ,
    f"{_VIEW}/GetImportance": Role.READ,
    f"{_VIEW}/GetCaller": Role.READ,
    f"{_VIEW}/ReadConfig": Role.READ,
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.READ,
}
"""The role that each rpc needs. With tokens on, an rpc that is not listed is refused to all callers."""

EXEMPT = frozenset({"grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch", "grpc.health.v1.Health/List"})
"""Calls that need no token, because load balancers have none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: its role in the namespace in which it acts, and whether its token is for every namespace. Where
    tokens are off, everybody may do everything."""

    namespace: str
    role: Role = Role.ADMIN
    every_namespace: bool = True
    tokens: bool = False


CALLER: ContextVar[Caller] = ContextVar("caller")
"""Who makes the call being served: set by `Guard.check`."""


CHECK_AGAIN: ContextVar[Callable[[], Awaitable[object]]] = ContextVar("check_again")
"""Checks the call being served once more, for one that lasts; not set where tokens are off. Raises as `Guard.check`."""


class TokenFinder(Protocol):
    """The store of tokens, as this check needs it."""

    async def find(self, token_id: str) -> Token | None:
        """The token with this id, or None. Raises StoreUnavailable."""
        ...


class Guard:
    """Admits calls, or refuses them. Without a `finder` tokens are off; without `quotas` calls are not counted."""

    def __init__(self, finder: TokenFinder | None, quotas: Quotas | None = None) -> None:
        self._finder, self._quotas = finder, quotas
        # Concurrent calls with the same token, and those of the next seconds, share one read from the store.
        self._owner = alru_cache(maxsize=_MOST_REMEMBERED, ttl=REVOKED_WITHIN_SECONDS)(self._find_owner)

    async def admit(self, rpc: str, authorization: str, namespace: str) -> str:
        """The namespace in which this call acts; the call is charged to it. Raises as `check`, or QuotaExceeded."""
        found = await self.check(rpc, authorization, namespace)
        if self._finder:
            CHECK_AGAIN.set(partial(self.check, rpc, authorization, namespace))
        if self._quotas:
            await self._quotas.charge_call(found)
        return found

    @property
    def wants_tokens(self) -> bool:
        """Whether calls need a token."""
        return self._finder is not None

    async def sign_in(self, token: str) -> None:
        """Check that a token is valid. Raises Unauthenticated or StoreUnavailable."""
        await self._identify(f"Bearer {token}")

    async def check(self, rpc: str, authorization: str, namespace: str) -> str:
        """The namespace in which this call may act.

        `rpc` is "package.Service/Method", `authorization` the header of that name and `namespace` the one named by
        the caller (both "" = not given). Raises Unauthenticated, PermissionDenied, InvalidInput or StoreUnavailable.
        """
        if namespace:
            check_namespace(namespace)
        if self._finder is None:
            CALLER.set(Caller(namespace or DEFAULT_NAMESPACE))
            return namespace or DEFAULT_NAMESPACE
        token = await self._identify(authorization)
        wanted = ROLES.get(rpc)
        if wanted is None or token.role < wanted:
            needed = f"the role {wanted.word}" if wanted else "more than any role allows"
            raise PermissionDenied(f"the call needs {needed}, the token has {token.role.word}")
        every = token.namespace == EVERY_NAMESPACE
        found = namespace or DEFAULT_NAMESPACE if every else token.namespace
        if namespace not in ("", found):
            raise PermissionDenied(f"the token is not for the namespace {namespace!r}", namespace=namespace)
        CALLER.set(Caller(found, token.role, every, tokens=True))
        return found

    async def check_reads_all(self, authorization: str) -> None:
        """Check that who sent this header may read of every namespace. Raises Unauthenticated, PermissionDenied or
        StoreUnavailable."""
        if self._finder is None:
            return
        token = await self._identify(authorization)
        if token.namespace != EVERY_NAMESPACE:
            raise PermissionDenied("the page needs a token for all namespaces (*)")

    async def _identify(self, authorization: str) -> Token:
        """The valid token in this header. Raises Unauthenticated."""
        token = await self._owner(authorization) if len(authorization) <= _LONGEST_HEADER else None
        if token is None or token.expired(now_ms()):
            raise Unauthenticated(given=bool(authorization))
        return token

    async def _find_owner(self, authorization: str) -> Token | None:
        """The token of this header; None if there is no such token, or its secret is another."""
        scheme, _, text = authorization.partition(" ")
        read = read_token(text.strip()) if scheme.lower() == "bearer" else None
        token = await self._finder.find(read.token_id) if read and self._finder else None
        return token if read and token and token.has_secret(read.secret) else None
