"""Finds what there is to say about searches, from the event log and the best trial: nothing is sent by those that
decide, so that no call waits for it and a server that dies loses nothing.
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rungway_server.domain.engine import TrialView
from rungway_server.domain.errors import RungwayError, StoreFull, StoreUnavailable
from rungway_server.domain.ranking import sort_key
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.service.port import ExperimentRef
from rungway_server.service.warnings import is_fruitless
from rungway_server.store.redis.webhooks import Glance, RedisWebhooks
from rungway_server.webhooks.signing import Endpoint

BEST_APART_MS = 60_000
"""Least time between two messages of a new best of one search."""
OLDEST_MS = 24 * 3_600_000
"""Events that are older are not told any more, and messages as old are given up."""
MOST_PENDING = 1_000
"""Messages that wait to be sent to one endpoint: of more the oldest are given up."""
_SELDOM = 30
"""Searches that are over are looked at in every so many rounds, and so are namespaces looked for."""
_FIRST_NAMESPACE = "default"
_WORDS = {"stopped": "stopped", "too_many_invalid": "stopped", "failing": "paused"}
"""What an event becomes in the type of a message; "done" is "done" or "failed"."""


class Finder:
    """Looks at all searches in rounds, and puts messages among the pending ones, those of each endpoint apart.

    `pending` has what waits to be sent: the same as Redis has, as long as this server is the one that sends. `give_up`
    takes the key of one that is too many, and why.
    """

    def __init__(
        self, webhooks: RedisWebhooks, endpoints: Sequence[Endpoint], give_up: Callable[[str, str], Awaitable[None]]
    ) -> None:
        self._give_up = give_up
        self._webhooks, self._store, self._endpoints = webhooks, webhooks.store, endpoints
        self.pending: dict[str, dict[str, Any]] = {}
        self._since = 0
        self._noted: dict[str, dict[str, Any]] = {}
        self._marks: dict[ExperimentRef, tuple[Any, ...]] = {}
        self._over: set[ExperimentRef] = set()
        self._namespaces = {each.namespace for each in endpoints if each.namespace}
        self._of_all = any(not each.namespace for each in endpoints)
        self._round = 0

    async def begin(self) -> None:
        """Read what the server that sent before has noted."""
        self._since, self._noted = await self._webhooks.seen()
        self.pending = await self._webhooks.pending()
        self._marks, self._over, self._round = {}, set(), 0

    async def look(self) -> None:
        """One round. Raises StoreUnavailable and StoreFull; what was found before stays."""
        self._round += 1
        seldom = self._round % _SELDOM == 1
        if seldom and self._of_all:
            self._namespaces |= {_FIRST_NAMESPACE, *await self._webhooks.namespaces()}
        refs = await self._webhooks.searches(self._namespaces)
        due = [ref for ref in refs if seldom or ref not in self._over]
        async for ref, glance in self._webhooks.glances(due):
            if glance and self._marks.get(ref) != glance.mark:
                try:
                    await self._look_at(ref, glance)
                except (StoreUnavailable, StoreFull):
                    raise
                except (RungwayError, ValueError):  # it is gone, or damaged
                    self._marks[ref] = glance.mark
        if seldom:
            await self._forget({"/".join(ref) for ref in refs})

    async def _forget(self, there: set[str]) -> None:
        gone = [name for name in self._noted if name not in there]
        for at in range(0, len(gone), 500):
            await self._webhooks.forget(gone[at : at + 500])
            for name in gone[at : at + 500]:
                del self._noted[name]

    async def _look_at(self, ref: ExperimentRef, glance: Glance) -> None:
        noted = self._noted.get("/".join(ref))
        if noted is None or noted["uid"] != glance.uid:
            noted = {"uid": glance.uid, "event": f"{self._since}-0", "best": None, "best_ms": 0}
            if glance.created_ms < self._since:  # its best until now is no news
                best = await self._best(ref)
                noted["best"] = best and _of_best(best)
                await self._note(ref, noted)
        settled = True
        if glance.state.is_over or glance.failing:
            for line in await self._webhooks.endings(ref, glance.uid, noted["event"]):
                at_ms = int(line.id.partition("-")[0])
                word = _WORDS.get(line.kind) or await self._done_or_failed(ref)
                more = {"message": line.message} if line.message else {}
                await self._say(ref, glance.uid, word, at_ms, line.id, more)
                noted = {**noted, "event": line.id}
                await self._note(ref, noted)
        else:
            settled = await self._look_at_best(ref, glance, noted)
        (self._over.add if glance.state.is_over else self._over.discard)(ref)
        if settled:
            self._marks[ref] = glance.mark

    async def _look_at_best(self, ref: ExperimentRef, glance: Glance, noted: dict[str, Any]) -> bool:
        """Say that there is a new best; False where it is too early to."""
        now_ms = time.time_ns() // 1_000_000
        best = await self._best(ref)
        if best is None or not await self._is_better(ref, best, noted["best"]):
            return True
        if 0 <= now_ms - noted["best_ms"] < BEST_APART_MS:
            return False
        await self._say(ref, glance.uid, "new_best", now_ms, json.dumps(_of_best(best)), {})
        await self._note(ref, {**noted, "best": _of_best(best), "best_ms": now_ms})
        return True

    async def _best(self, ref: ExperimentRef) -> TrialView | None:
        return next(iter(await self._store.best(ref, 1)), None)

    async def _is_better(self, ref: ExperimentRef, best: TrialView, before: list[Any] | None) -> bool:
        smaller = (await self._store.definition(ref)).config.searcher.smaller_is_better
        return before is None or sort_key(best.best_metric or 0.0, smaller) < sort_key(float(before[1]), smaller)

    async def _done_or_failed(self, ref: ExperimentRef) -> str:
        return "failed" if is_fruitless(await self._store.progress(ref), await self._best(ref)) else "done"

    async def _note(self, ref: ExperimentRef, noted: dict[str, Any]) -> None:
        await self._webhooks.note(ref, noted)
        self._noted["/".join(ref)] = noted

    async def _say(self, ref: ExperimentRef, uid: str, word: str, at_ms: int, what: str, more: dict[str, Any]) -> None:
        """Put a message among the pending ones, before it is noted that this was done: rather twice than never. Its id
        is the same whoever finds it."""
        if time.time_ns() // 1_000_000 - at_ms > OLDEST_MS:
            return
        message_id = "evt_" + hashlib.sha256(f"{uid} {word} {what}".encode()).hexdigest()[:32]
        data = {**await self._data(ref, uid), **more}
        body = json.dumps({"type": f"experiment.{word}", "timestamp": in_iso(at_ms), "data": data})
        for endpoint in self._endpoints:
            key = f"{message_id}@{endpoint.name}"
            if endpoint.hears_of(ref.namespace) and key not in self.pending:
                message = {"id": message_id, "endpoint": endpoint.name, "at_ms": at_ms, "body": body}
                await self._webhooks.put(key, message)
                self.pending[key] = message
                mine = [each for each, held in self.pending.items() if held["endpoint"] == endpoint.name]
                if len(mine) > MOST_PENDING:
                    oldest = min(mine, key=lambda each: int(self.pending[each]["at_ms"]))
                    await self._give_up(oldest, f"{MOST_PENDING:,} later ones wait")

    async def _data(self, ref: ExperimentRef, uid: str) -> dict[str, Any]:
        brief, progress = await self._store.brief(ref)
        best, searcher = await self._best(ref), (await self._store.definition(ref)).config.searcher
        return {
            "namespace": ref.namespace,
            "experiment": ref.experiment,
            "uid": uid,
            "state": progress.state.value,
            "progress": fraction_done(brief.plan, progress),
            "trials": {"started": sum(progress.started), **{k.value: n for k, n in progress.trial_states.items() if n}},
            "trained_length": progress.trained_length,
            "metric": searcher.metric,
            "best": best and dict(zip(("trial", "metric", "length"), _finite(_of_best(best)), strict=True)),
            "labels": dict(brief.about.labels),
            "owner": brief.about.owner,
        }


def _of_best(best: TrialView) -> list[Any]:
    """Trial, metric (as a text, which keeps infinities) and length."""
    return [best.trial, repr(best.best_metric), best.best_length]


def _finite(best: list[Any]) -> Iterator[Any]:
    """The same with the metric as JSON has it: a number, or a text."""
    metric = float(best[1])
    yield from (best[0], metric if metric - metric == 0 else best[1], best[2])


def in_iso(ms: int) -> str:
    """A time as ISO 8601 has it, in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
