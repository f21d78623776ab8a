"""What a client remembers of its leases: which ones to renew, and which trials go on with the next ask.

Both are bookkeeping under a short lock, shared by `Client` and `AsyncClient`.
"""

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from rungway._core.enums import Decision
from rungway.models.work import Assignment, Lease, LeaseStatus


class Holder(Protocol):
    """What works under a lease and must hear when it is no longer renewed."""

    @property
    def lease(self) -> Lease:
        """The lease it works under."""
        ...

    def notice(self, decision: Decision) -> None:
        """The service said STOP or SUPERSEDED to a heartbeat."""
        ...


class LiveLeases:
    """The leases to renew: those of assignments that are still referred to and have not ended.

    Assignments and holders are only referred to weakly: a lease whose assignment is dropped expires.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._assignments: dict[Lease, WeakSet[Assignment]] = {}
        self._holders: WeakValueDictionary[Lease, Holder] = WeakValueDictionary()
        self._next_renewal = 0.0

    def watch(self, assignment: Assignment, holder: Holder | None = None) -> None:
        """Renew this assignment's lease from now on."""
        with self._lock:
            if not self._assignments:
                self._next_renewal = self._clock() + assignment.lease_duration / 3
            self._assignments.setdefault(assignment.lease, WeakSet()).add(assignment)
            if holder is not None:
                self._holders[assignment.lease] = holder

    def follow(self, assignment: Assignment, continuation: Assignment) -> None:
        """Renew for the continuation too, if the assignment that it continues is renewed."""
        with self._lock:
            held = self._assignments.get(assignment.lease)
            if held is not None and assignment in held:
                held.add(continuation)

    def end(self, lease: Lease) -> None:
        """Stop renewing this lease."""
        with self._lock:
            self._assignments.pop(lease, None)
            self._holders.pop(lease, None)

    def holders(self) -> list[Holder]:
        """The holders of live leases."""
        with self._lock:
            return list(self._holders.values())

    def interval(self) -> float | None:
        """Seconds between renewals, a third of the shortest lease; None when there is nothing to renew."""
        with self._lock:
            for lease in [lease for lease, held in self._assignments.items() if not held]:
                del self._assignments[lease]
            return min((each.lease_duration / 3 for held in self._assignments.values() for each in held), default=None)

    def pause(self) -> float | None:
        """Seconds until the next renewal; None when there is nothing to renew."""
        if self.interval() is None:
            return None
        return max(self._next_renewal - self._clock(), 0.0)

    def live(self) -> list[Lease]:
        """The leases to renew."""
        with self._lock:
            return list(self._assignments)

    def end_replaced(self) -> None:
        """End the leases of trials of which this client has a later one: it lost them without hearing of it. (The
        service refuses a call that names a trial twice.)"""
        live = sorted(self.live(), key=lambda lease: lease.fencing_token)
        latest = {lease.trial: lease for lease in live}
        lost = [lease for lease in live if latest[lease.trial] is not lease]
        self.apply([LeaseStatus(lease, Decision.SUPERSEDED) for lease in lost])

    def renewed(self, next_renewal: float) -> None:
        """A renewal was tried; `next_renewal` is when the next one is due, on this clock."""
        self._next_renewal = next_renewal

    def apply(self, statuses: list[LeaseStatus]) -> None:
        """The answers to a heartbeat: stop renewing each lease that was not renewed, and notify its holder."""
        for status in statuses:
            if status.decision is not Decision.CONTINUE:
                with self._lock:
                    holder = self._holders.get(status.lease)
                if holder is not None:
                    holder.notice(status.decision)
                self.end(status.lease)


class Continuations:
    """Assignments that go on under the same lease, kept for the next ask of the thread or task that told them."""

    def __init__(self, caller: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        """`caller` returns the running thread or task; its continuations vanish with it."""
        self._caller = caller
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[object, dict[Lease, tuple[float, Assignment]]] = WeakKeyDictionary()
        self._keepers: WeakValueDictionary[Lease, object] = WeakValueDictionary()

    def keep(self, assignment: Assignment) -> None:
        """Keep one for the caller; it replaces an earlier one of the same lease."""
        self.drop(assignment.lease)
        # A copy: an assignment that a user holds keeps its lease alive, and nothing has asked for this one yet.
        entry = (self._clock(), dataclasses.replace(assignment))
        with self._lock:
            caller = self._caller()
            self._kept.setdefault(caller, {})[assignment.lease] = entry
            self._keepers[assignment.lease] = caller

    def pop(self) -> Assignment | None:
        """Remove and return the caller's oldest continuation whose lease cannot have expired; None without one."""
        with self._lock:
            waiting = self._kept.get(self._caller(), {})
            while waiting:
                kept_at, assignment = waiting.pop(next(iter(waiting)))
                if self._clock() - kept_at < assignment.lease_duration:
                    return assignment
        return None

    def drop(self, lease: Lease) -> None:
        """Forget the continuation of a lease, of any caller."""
        with self._lock:
            if (keeper := self._keepers.pop(lease, None)) is not None:
                self._kept[keeper].pop(lease, None)
