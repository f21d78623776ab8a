"""The part of a server that sends webhooks: one server of all does, and another one takes over when it is gone."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

import structlog

from rungway_server.domain.errors import RungwayError
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.store import RedisStore
from rungway_server.store.redis.webhooks import RedisWebhooks
from rungway_server.webhooks.finding import OLDEST_MS, Finder
from rungway_server.webhooks.sending import GIVEN_UP, Failed, Sender, client
from rungway_server.webhooks.signing import Endpoint

if TYPE_CHECKING:
    from rungway_server.metrics import Metrics

_LEASE_SECONDS, _RENEW_SECONDS = 4.0, 1.0
"""How long a server is the one that sends, and how often it says that it still is."""
_ROUND_SECONDS, _MOST_BUSY = 1.0, 20
"""Least time between two rounds, and so many times as long as the last one took, if that is more."""
_TICK_SECONDS = 0.1

_log = structlog.get_logger()


class Notifier:
    """Finds what is to be said and sends it, while this server is the one that does."""

    def __init__(self, webhooks: RedisWebhooks, endpoints: Sequence[Endpoint], metrics: "Metrics | None") -> None:
        self._webhooks, self._metrics = webhooks, metrics
        self._finder = Finder(webhooks, endpoints, self._drop)
        self._endpoints = {each.name: each for each in endpoints}
        self._name = uuid.uuid4().hex
        self._leads_until = 0.0
        self._begun = False

    async def run(self) -> None:
        """Until it is cancelled; then another server may send at once."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(client())
            senders = [Sender(each, http) for each in self._endpoints.values()]
            works = (self._lead, self._find, self._send_with(senders))
            tasks = [asyncio.ensure_future(_again(work)) for work in works]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in (*tasks, *(each.task for each in senders if each.task)):
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with suppress(RungwayError):
                    await self._webhooks.retire(self._name)

    @property
    def _leads(self) -> bool:
        return time.monotonic() < self._leads_until

    async def _lead(self) -> float:
        asked, led = time.monotonic(), self._leads
        if await self._webhooks.lead(self._name, round(1000 * _LEASE_SECONDS)):
            self._leads_until = asked + _LEASE_SECONDS
            if not led:
                self._begun = False
                _log.info("webhooks_sender", endpoints=[each.shown for each in self._endpoints.values()])
        else:
            self._leads_until = 0.0
        return _RENEW_SECONDS

    async def _find(self) -> float:
        if not self._leads:
            return _TICK_SECONDS
        began = time.monotonic()
        if not self._begun:
            await self._finder.begin()
            self._begun = True
        await self._finder.look()
        return max(_ROUND_SECONDS, _MOST_BUSY * (time.monotonic() - began))

    def _send_with(self, senders: Sequence[Sender]) -> Callable[[], Any]:
        async def send() -> float:
            if self._leads and self._begun:
                await self._give_up()
                for sender in senders:
                    sender.begin(self._finder.pending, self._ended)
            if self._metrics:
                self._metrics.webhooks_pending(len(self._finder.pending) if self._leads else 0)
            return _TICK_SECONDS

        return send

    async def _give_up(self) -> None:
        """Drop messages that are too old."""
        oldest = time.time_ns() // 1_000_000 - OLDEST_MS
        for key in [key for key, each in self._finder.pending.items() if each["at_ms"] < oldest]:
            await self._drop(key, "it could not be sent within 24 hours")

    async def _ended(self, key: str, error: Failed | None) -> None:
        """An attempt has ended. Where Redis does not answer, the message stays, and is sent once more."""
        with suppress(RungwayError):
            if error is None:
                self._count("delivered")
                await self._remove(key)
                return
            self._count("failed")
            if (message := self._finder.pending.get(key)) is None:
                return
            endpoint = self._endpoints[message["endpoint"]].shown
            _log.warning("webhook_failed", endpoint=endpoint, webhook_id=message["id"], why=str(error))
            if error.status == GIVEN_UP:
                await self._drop(key, "the receiver wants it no more (410)")

    def _count(self, outcome: str) -> None:
        if self._metrics:
            self._metrics.webhook_ended(outcome)

    async def _drop(self, key: str, why: str) -> None:
        self._count("dropped")
        _log.error("webhook_dropped", webhook_id=key.partition("@")[0], why=why)
        await self._remove(key)

    async def _remove(self, key: str) -> None:
        await self._webhooks.remove(key)
        self._finder.pending.pop(key, None)


async def _again(work: Callable[[], Any]) -> None:
    """Do it again and again; `work` returns after how many seconds. While Redis is away, each second."""
    problem = ""
    while True:
        try:
            pause = await work()
            problem = ""
        except Exception as error:
            pause = 1.0
            if not isinstance(error, RungwayError):
                _log.exception("unexpected_error", part="webhooks")
            if str(error) != problem:
                problem = str(error)
                _log.warning("webhooks_wait", why=problem)
        await asyncio.sleep(pause)


def start(stack: AsyncExitStack, router: Router, endpoints: Sequence[Endpoint], metrics: "Metrics | None") -> None:
    """Send webhooks until the stack is left."""
    for each in endpoints:
        if each.url.startswith("http://"):
            _log.info("webhook_in_plain_text", endpoint=each.shown)
    running = asyncio.ensure_future(Notifier(RedisWebhooks(router, RedisStore(router)), endpoints, metrics).run())

    async def end() -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    stack.push_async_callback(end)
