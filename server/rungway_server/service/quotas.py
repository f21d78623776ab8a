"""How much a namespace may have: experiments, trials, leases, calls per second.

The first three are kept exactly, in a ledger of the namespace. Before an experiment is made, or gets a larger plan,
room for the most that it can use is reserved in one atomic step. Afterwards the entry is replaced by what it uses. An
experiment and the ledger may be on different shards of a Cluster, so a server that dies in between leaves a reservation
behind. The next call that finds no room repairs that: it compares the ledger with the experiments that exist.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from async_lru import alru_cache

from rungway_server.domain.about import About
from rungway_server.domain.engine import ExperimentState
from rungway_server.domain.errors import (
    NewerSchema,
    OlderSchema,
    QuotaExceeded,
    StoreUnavailable,
    UnknownExperiment,
)
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.search.plan import Plan
from rungway_server.service.port import Definition, ExperimentRef, ExperimentStore

KNOWN_FOR_SECONDS = 3.0
"""How long a server caches a quota: a changed one is in force after so many seconds."""
_COMPARED_EVERY_SECONDS = 5.0
_MOST_REMEMBERED = 10_000
_LISTED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of a namespace; 0 = none."""

    experiments: int = 0
    """Experiments that exist."""
    trials: int = 0
    """Sum of max_trials of the experiments that are not over."""
    leases: int = 0
    """Sum of max_concurrent_trials (max_trials, where it is no limit) of the experiments that are not over."""
    calls_per_second: int = 0
    """Calls that one server takes; as many at once after a quiet second."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The most that an experiment can use."""

    trials: int = 0
    leases: int = 0


def claim_of(plan: Plan, state: ExperimentState = ExperimentState.RUNNING) -> Claim:
    """What must be reserved for a search in this state. It can never hold more leases than this, so an ask need not
    count them."""
    if state.is_over:
        return Claim()
    return Claim(plan.max_trials, min(plan.max_concurrent_trials or plan.max_trials, plan.max_trials))


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation: the entry of an experiment in the ledger, and what it was before ("" = none)."""

    ref: ExperimentRef
    entry: str
    before: str


class Ledger(Protocol):
    """The store of quotas and reservations. Every method raises StoreUnavailable."""

    async def quota(self, namespace: str, defaults: Quota) -> Quota:
        """The limits of this namespace."""
        ...

    async def reserve(self, ref: ExperimentRef, claim: Claim, quota: Quota) -> Reserved:
        """Note that an experiment may claim this, beside what it claims already. Raises QuotaExceeded when that is more
        than before and too much."""
        ...

    async def cancel(self, reserved: Reserved) -> None:
        """Undo a reservation; where the entry has changed since, it stays."""
        ...

    async def set_claim(
        self, ref: ExperimentRef, claim: Claim | None, instead_of: str, *, reserved_too: bool = True
    ) -> None:
        """Note what an experiment claims (None = it does not exist) in place of an entry that was read. An entry that
        has changed since stays; so does a reservation of the last minute, unless `reserved_too`: a call may still be
        between reserving and setting."""
        ...

    async def entries(self, namespace: str) -> dict[str, str]:
        """The ledger of a namespace: entries by experiment."""
        ...

    async def entry(self, ref: ExperimentRef) -> str:
        """One of them; "" = there is none."""
        ...


class CallRate:
    """Calls per second and namespace, on this server alone, by the generic cell rate algorithm (ITU-T I.371). It holds
    one time for each namespace: when all calls so far would be over if each took its share of a second."""

    def __init__(self) -> None:
        self._over: dict[str, float] = {}

    def charge(self, namespace: str, per_second: int, calls: int = 1) -> None:
        """Count a call, or several; more than `per_second` count as that many. Raises QuotaExceeded, with the time
        until there is room again."""
        now, share = time.monotonic(), min(calls, per_second) / per_second
        over = max(self._over.get(namespace, now), now)
        wait = over + share - now - 1
        if wait > 1e-9:
            raise QuotaExceeded("calls_per_second", most=per_second, retry_seconds=wait)
        if len(self._over) >= _MOST_REMEMBERED:
            self._over = {name: busy for name, busy in self._over.items() if busy > now}
        self._over[namespace] = over + share


class Quotas:
    """Keeps namespaces within their limits: `defaults`, or what is set for one of them."""

    def __init__(self, ledger: Ledger, store: ExperimentStore, defaults: Quota) -> None:
        self._ledger, self._store, self._defaults = ledger, store, defaults
        self._rate = CallRate()
        self._quota = alru_cache(maxsize=_MOST_REMEMBERED, ttl=KNOWN_FOR_SECONDS)(self._find_quota)
        # So that a namespace at its limit that keeps trying does not make us compare each time.
        self._compared = alru_cache(maxsize=_MOST_REMEMBERED, ttl=_COMPARED_EVERY_SECONDS)(self.compare)

    async def _find_quota(self, namespace: str) -> Quota:
        return await self._ledger.quota(namespace, self._defaults)

    async def charge_call(self, namespace: str, calls: int = 1) -> None:
        """Count a call of this namespace, or what counts as several. Raises QuotaExceeded, with the time until there is
        room again."""
        if most := (await self._quota(namespace)).calls_per_second:
            self._rate.charge(namespace, most, calls)

    async def reserve(self, ref: ExperimentRef, claim: Claim) -> Reserved:
        """Reserve this much before an experiment is made or changed. Raises QuotaExceeded."""
        quota = await self._quota(ref.namespace)
        try:
            return await self._ledger.reserve(ref, claim, quota)
        except QuotaExceeded:
            await self._compared(ref.namespace)
            return await self._ledger.reserve(ref, claim, quota)

    @asynccontextmanager
    async def room(self, ref: ExperimentRef, claim: Claim) -> AsyncIterator[Reserved]:
        """Reserves room around a call that may need this much; a refused call leaves no reservation."""
        reserved = await self.reserve(ref, claim)
        try:
            yield reserved
        except StoreUnavailable:  # it may have been executed: `compare` finds out when the room is needed
            raise
        except Exception:
            await self._ledger.cancel(reserved)
            raise

    @asynccontextmanager
    async def claimed(self, ref: ExperimentRef, claim: Claim) -> AsyncIterator[None]:
        """The same around a call that makes an experiment which claims exactly this."""
        async with self.room(ref, claim) as reserved:
            yield
        await self._ledger.set_claim(ref, claim, reserved.entry)

    async def compare(self, namespace: str) -> None:
        """Make the ledger agree with the experiments that exist, also with those made without it."""
        entries = await self._ledger.entries(namespace)
        listed: dict[str, str] = {}
        token = ""
        while page := await self._store.experiments(namespace, token, _LISTED_AT_ONCE):
            listed |= {name: "" for name, _ in page}
            token = page[-1][1]
        for name, entry in (listed | entries).items():
            ref = ExperimentRef(namespace, name)
            try:
                claim = await self._claim(ref)
            except (NewerSchema, OlderSchema):  # another version's: leave its claim
                continue
            await self._ledger.set_claim(ref, claim, entry, reserved_too=False)

    async def _claim(self, ref: ExperimentRef) -> Claim | None:
        """What an experiment claims; None = there is none."""
        try:
            brief, progress = await self._store.brief(ref)
            return claim_of(brief.plan, progress.state)
        except UnknownExperiment:
            return None


class ExperimentsWithinQuotas:
    """An `ExperimentStore` whose experiments stay within the quotas of their namespaces.

    A call whose outcome is not known leaves its reservation; see `Quotas.compare`.
    """

    def __init__(self, store: ExperimentStore, quotas: Quotas, ledger: Ledger) -> None:
        self._store, self._quotas, self._ledger = store, quotas, ledger
        # What claims nothing is the store's own.
        self.enqueue, self.enqueue_part = store.enqueue, store.enqueue_part
        self.enqueue_known, self.fill_stock = store.enqueue_known, store.fill_stock
        self.definition, self.export = store.definition, store.export
        self.leases, self.progress = store.leases, store.progress
        self.brief, self.trials = store.brief, store.trials
        self.ranked, self.best, self.explain = store.ranked, store.best, store.explain
        self.standings, self.checkpoint_standing = store.standings, store.checkpoint_standing
        self.outcomes = store.outcomes
        self.superseded, self.holdings = store.superseded, store.holdings
        self.events, self.experiments = store.events, store.experiments
        self.about, self.change_about = store.about, store.change_about

    async def create(
        self,
        ref: ExperimentRef,
        config: ExperimentConfig,
        plan: Plan,
        notes: tuple[str, ...],
        request_id: str,
        *,
        enqueued: Sequence[Mapping[str, object]] = (),
        origin: str = "",
        about: About | None = None,
    ) -> Definition:
        """See the port. Raises QuotaExceeded."""
        async with self._quotas.room(ref, claim_of(plan)) as reserved:
            made = await self._store.create(
                ref, config, plan, notes, request_id, enqueued=enqueued, origin=origin, about=about
            )
        await self._ledger.set_claim(ref, claim_of(made.plan), reserved.entry)
        return made

    async def change_plan(
        self,
        ref: ExperimentRef,
        seen: Definition,
        config: ExperimentConfig,
        plan: Plan,
        notes: tuple[str, ...] | None = None,
    ) -> bool:
        """See the port. Raises QuotaExceeded."""
        async with self._quotas.room(ref, claim_of(plan)) as reserved:
            changed = await self._store.change_plan(ref, seen, config, plan, notes)
        if changed:
            now = (await self._store.definition(ref, fresh=True)).plan
            await self._ledger.set_claim(ref, claim_of(now), reserved.entry)
        else:
            await self._ledger.cancel(reserved)
        return changed

    async def set_state(self, ref: ExperimentRef, state: ExperimentState) -> None:
        """See the port."""
        await self._store.set_state(ref, state)
        if state is ExperimentState.STOPPED:
            await self._ledger.set_claim(ref, Claim(), await self._ledger.entry(ref))

    async def delete(self, ref: ExperimentRef, uid: str = "") -> None:
        """See the port."""
        entry = await self._ledger.entry(ref)
        await self._store.delete(ref, uid)
        await self._ledger.set_claim(ref, None, entry)


def changed(quota: Quota, values: dict[str, int | None]) -> Quota:
    """The quota with the values that are given; None = as it is."""
    return replace(quota, **{name: value for name, value in values.items() if value is not None})
