"""The leases of live workers: renewed when they would expire, as heartbeats do, but without a call per heartbeat."""

import heapq

from rungway_server.domain.engine import Lease


class Leases:
    """The deadlines of the leases of live workers."""

    def __init__(self) -> None:
        self._deadlines: dict[Lease, int] = {}
        self._by_deadline: list[tuple[int, int, int]] = []

    def renewed(self, lease: Lease, deadline_ms: int) -> None:
        """Set the deadline of a lease."""
        self._deadlines[lease] = deadline_ms
        heapq.heappush(self._by_deadline, (deadline_ms, lease.trial, lease.fencing_token))

    def ended(self, lease: Lease) -> None:
        """Forget a lease that has ended, or whose worker went silent."""
        self._deadlines.pop(lease, None)

    def due(self, now_ms: int) -> list[Lease]:
        """The leases that have expired at this time, to be renewed before an ask reclaims them."""
        found = []
        while self._by_deadline and self._by_deadline[0][0] <= now_ms:
            deadline, trial, fencing_token = heapq.heappop(self._by_deadline)
            lease = Lease(trial, fencing_token)
            if self._deadlines.get(lease) == deadline:
                found.append(lease)
        return found
