"""Sends messages over HTTP: to one endpoint one at a time, and to one that fails ever more seldom."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from rungway.__about__ import __version__
from rungway_server.webhooks.signing import Endpoint

ATTEMPT_SECONDS = 15.0
"""How long a receiver may take to answer."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
"""Seconds after the first failure in a row, doubled with each further one, and the most."""
_LONGEST_WHY = 200
"""Characters of the reason of a failure: it may have parts of the answer."""
GIVEN_UP = 410
"""The status with which a receiver says that it wants no such message again."""


class Failed(Exception):
    """An attempt failed; the text says why, and `status` is that of the answer, 0 = none."""

    def __init__(self, why: str, status: int = 0, retry_seconds: float = 0.0) -> None:
        super().__init__(why)
        self.status, self.retry_seconds = status, retry_seconds


def client() -> httpx.AsyncClient:
    """Follows no redirect, which could lead where the operator does not want; proxies are those of the environment."""
    return httpx.AsyncClient(follow_redirects=False, timeout=ATTEMPT_SECONDS, headers={"user-agent": _AGENT})


_AGENT = f"rungway/{__version__}"


async def attempt(http: httpx.AsyncClient, endpoint: Endpoint, message_id: str, body: bytes) -> None:
    """Send a message once; its answer's body is not read. Raises Failed."""
    headers = {"content-type": "application/json", **endpoint.headers(message_id, int(time.time()), body)}
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            async with http.stream("POST", endpoint.url, content=body, headers=headers) as reply:
                status, after = reply.status_code, reply.headers.get("retry-after", "")
    except TimeoutError:
        raise Failed(f"no answer in {ATTEMPT_SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        why = f"{type(error).__name__}: {error}".replace(endpoint.url, endpoint.shown)
        raise Failed(why if len(why) <= _LONGEST_WHY else f"{why[:_LONGEST_WHY]}…") from None
    if not 200 <= status < 300:
        raise Failed(f"status {status}", status, float(after) if after.isascii() and after.isdigit() else 0.0)


class Sender:
    """Sends the messages of one endpoint. One that fails is tried again after all others that wait."""

    def __init__(self, endpoint: Endpoint, http: httpx.AsyncClient) -> None:
        self.endpoint, self._http = endpoint, http
        self._failures = 0
        self._next = 0.0
        self._tried = Counter[str]()
        self.task: asyncio.Task[None] | None = None

    def begin(self, pending: dict[str, dict[str, Any]], ended: Callable[[str, Failed | None], Any]) -> None:
        """Begin to send a message if it is time; `ended` is awaited with its key and what went wrong."""
        if (self.task and not self.task.done()) or time.monotonic() < self._next:
            return
        mine = [key for key, message in pending.items() if message["endpoint"] == self.endpoint.name]
        if mine:
            key = min(mine, key=lambda each: (self._tried[each], pending[each]["at_ms"]))
            self.task = asyncio.ensure_future(self._send(key, pending[key], ended))

    async def _send(self, key: str, message: dict[str, Any], ended: Callable[[str, Failed | None], Any]) -> None:
        try:
            await attempt(self._http, self.endpoint, message["id"], message["body"].encode())
        except Failed as error:
            self._tried[key] += 1
            pause = min(_FIRST_PAUSE * 2.0 ** min(self._failures, 20), _LONGEST_PAUSE)
            self._failures += 1
            pause *= random.uniform(0.75, 1.25)  # noqa: S311  # so that not all senders come at once
            self._next = time.monotonic() + max(pause, min(error.retry_seconds, _LONGEST_PAUSE))
            await ended(key, error)
        else:
            self._failures = 0
            self._tried.pop(key, None)
            await ended(key, None)
