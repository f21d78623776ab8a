"""What the store reads without deciding anything: tallies, trials, events, lists."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rungway_server.domain.decisions import EventView, Tally, TrialView
from rungway_server.domain.errors import ExperimentTooLarge, UnknownTrial
from rungway_server.service.port import Definition, ExperimentRef
from rungway_server.store.redis.answers import read_event, read_life, read_tally, read_trial
from rungway_server.store.redis.export_file import lines_of
from rungway_server.store.redis.keys import index_key
from rungway_server.store.redis.known import Known, KnownExperiments
from rungway_server.store.redis.lanes import Lanes
from rungway_server.store.redis.stored import MOST_ITEMS, decode

_TIES_PER_PAGE = 64


class RedisReads:
    """The reading half of `RedisStore`."""

    def __init__(self, lanes: Lanes, experiments: KnownExperiments) -> None:
        self._lanes = lanes
        self._experiments = experiments

    async def definition(self, ref: ExperimentRef, *, fresh: bool = False) -> Definition:
        """See the port."""
        if fresh:
            self._experiments.forget(ref)
        return (await self._experiments.find(ref)).definition

    async def tally(self, ref: ExperimentRef) -> Tally:
        """See the port."""
        known, answer = await self._experiments.run("tally", ref, [])
        return read_tally(answer[1:], known.definition.plan)

    async def trials(self, ref: ExperimentRef, numbers: Sequence[int], *, curve: bool = False) -> list[TrialView]:
        """See the port."""
        known, answer = await self._experiments.run("trials", ref, ["1" if curve else "0", *numbers])
        return [_view(fields, known) for fields in answer[1:] if fields is not None]

    async def best(self, ref: ExperimentRef, count: int) -> list[TrialView]:
        """See the port."""
        known, answer = await self._experiments.run("best", ref, [count])
        return [_view(fields, known) for fields in answer[1:]]

    async def explain(
        self, ref: ExperimentRef, trial: int, before: int = 0, count: int = 1_000
    ) -> tuple[list[EventView], int]:
        """See the port."""
        known, answer = await self._experiments.run("explain", ref, [trial, before, count])
        if answer[0] == "unknown_trial":
            raise UnknownTrial(ref.experiment, trial)
        return [read_life(fields, trial, known.smaller_is_better) for fields in answer[2:]], answer[1]

    async def events(self, ref: ExperimentRef, after: str, count: int) -> list[EventView]:
        """See the port."""
        known, answer = await self._experiments.run("events", ref, [after, count])
        return [read_event(fields, known.smaller_is_better) for fields in answer[1:]]

    async def export(self, ref: ExperimentRef) -> str:
        """See the port."""
        self._experiments.forget(ref)  # so that the schema is looked at
        _, answer = await self._experiments.run("snapshot", ref, [MOST_ITEMS])
        if answer[0] == "too_large":
            raise ExperimentTooLarge(ref.experiment, answer[1], MOST_ITEMS)
        return await asyncio.to_thread(_export_text, ref, answer[1:])

    async def experiments(self, namespace: str, after: str, count: int) -> tuple[list[str], str]:
        """See the port. The token is the creation time and id of the last one given."""
        created, _, last = after.partition("/")
        key, ties = index_key(namespace), _TIES_PER_PAGE
        words = ("ZRANGE", key, created or "-inf", "+inf", "BYSCORE", "LIMIT", 0, count + ties, "WITHSCORES")
        found: Any = await self._lanes.call(key, words)
        past = [(int(score), name) for name, score in zip(found[::2], found[1::2], strict=True)]
        if after:
            past = [item for item in past if item > (int(created), last)]
        page = past[:count]
        more = len(found) == 2 * (count + ties) or len(past) > count
        return [name for _, name in page], f"{page[-1][0]}/{page[-1][1]}" if page and more else ""


def _view(fields: list[Any], known: Known) -> TrialView:
    return read_trial(fields, known.smaller_is_better, known.configurations.unpack)


_PAIRS, _EVENTS = (0, 1, 2, 7, 9, 10, 13), 8
"""Positions of the keys that are hashes, and of the stream."""


def _export_text(ref: ExperimentRef, answers: list[Any]) -> str:
    """The export file, from what snapshot.lua answered."""
    shaped = [
        dict(zip(answer[::2], answer[1::2], strict=True)) if position in _PAIRS else answer
        for position, answer in enumerate(answers)
    ]
    shaped[3] = list(zip(shaped[3][::2], shaped[3][1::2], strict=True))
    shaped[_EVENTS] = [(name, dict(zip(words[::2], words[1::2], strict=True))) for name, words in shaped[_EVENTS]]
    return "".join(lines_of(decode(ref, shaped)))
