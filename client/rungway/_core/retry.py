"""When a call is tried again: the only layer that retries (gRPC's own retries are off).

Every attempt of a logical call carries the same request, and so the same request_id: even when a request or a reply
is lost, the service executes it once and gives the same answer.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

import grpc

from rungway._core.config import ClientConfig
from rungway._core.errors import OutcomeUnknown, RungwayError, Unavailable

_log = logging.getLogger("rungway")

_TRANSIENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_LOG_AFTER = 5.0
"""Seconds without an answer after which an outage is logged."""


def is_transient(error: RungwayError) -> bool:
    """Whether the same call may succeed later, so that trying again makes sense.

    RESOURCE_EXHAUSTED is transient with a `retry_after`, and without a reason: then a server without capacity refused
    the call before it read it. With a reason but no `retry_after` it is a limit that waiting does not lift.
    """
    if error.code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error.retry_after is not None or not error.reason
    return error.code in _TRANSIENT


class Outage:
    """Logs an outage of the service: one line when it has lasted for a while, one when it is over.

    All calls of a client share one, so that many calls at once log it once.
    """

    def __init__(self, target: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._logged = False

    def failed(self, what: str, error: RungwayError) -> None:
        """An attempt of the call `what` got no answer."""
        with self._lock:
            if self._since is None:
                self._since = self._clock()
            seconds = self._clock() - self._since
            if self._logged or seconds < _LOG_AFTER:
                return
            self._logged = True
        _log.warning("%s has not answered %s for %.0f s, still trying: %s", self._target, what, seconds, error)

    def answered(self) -> None:
        """An attempt got an answer."""
        with self._lock:
            since, logged = self._since, self._logged
            self._since, self._logged = None, False
        if logged and since is not None:
            _log.warning("%s answers again after %.0f s", self._target, self._clock() - since)


class Retry:
    """The attempts of one logical call: `timeout()` before each, `delay_after(error)` after each that failed."""

    def __init__(
        self,
        config: ClientConfig,
        what: str,
        *,
        limit: float | None,
        request_id: str | None = None,
        outage: Outage | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """`what` names the call; `limit` bounds all attempts together, in seconds (None = no limit).

        A call that changes something has a `request_id` (maybe empty), one that only reads has None. `outage` hears of
        every attempt.
        """
        self._config = config
        self._what = what
        self._limit = limit
        self._request_id = request_id
        self._clock = clock
        self._rng = rng
        self._begin = clock()
        self._attempts = 0
        self._ceiling = config.backoff_initial
        self._maybe_executed = False
        self._outage = outage or Outage(config.target, clock)

    @property
    def elapsed(self) -> float:
        """Seconds since the first attempt began."""
        return self._clock() - self._begin

    def timeout(self) -> float:
        """Seconds that the next attempt may take."""
        if self._limit is None:
            return self._config.attempt_timeout
        return max(min(self._config.attempt_timeout, self._limit - self.elapsed), 0.001)

    def delay_after(self, error: RungwayError) -> float:
        """Seconds to wait before the next attempt. Raises the error for the caller when there is no next attempt."""
        self._attempts += 1
        error.attempts = self._attempts
        if not is_transient(error):
            self._outage.answered()
            raise error
        self._outage.failed(self._what, error)
        self._maybe_executed |= error.code is not grpc.StatusCode.RESOURCE_EXHAUSTED
        delay = self._ceiling * self._rng() + (error.retry_after or 0.0)
        self._ceiling = min(self._ceiling * self._config.backoff_multiplier, self._config.backoff_max)
        if self._limit is not None and self.elapsed + delay >= self._limit:
            raise self._given_up(error) from error
        return delay

    def answered(self) -> None:
        """The last attempt was answered."""
        self._outage.answered()

    def _given_up(self, error: RungwayError) -> RungwayError:
        changes = self._request_id is not None
        if not self._maybe_executed:
            return error
        kind = OutcomeUnknown if changes else Unavailable
        doubt = "; it may or may not have been executed" if changes else ""
        text = (
            f"{self._config.target} gave no answer to {self._what} in {self.elapsed:.1f} s "
            f"({self._attempts} attempts){doubt}: {error}"
        )
        final = kind(text, code=error.code, reason=error.reason, details=error.details, retry_after=error.retry_after)
        final.attempts = self._attempts
        if isinstance(final, OutcomeUnknown):
            final.request_id = self._request_id or ""
        return final
