"""Caches the experiments that a server serves, and runs scripts on them.

Any entry may be dropped at any time. The uid shows that an experiment was deleted and created anew.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rungway_server.domain.about import About
from rungway_server.domain.errors import StoreFull, UnknownExperiment
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.experiment import parse as parse_config
from rungway_server.domain.ranking import WORST_KEY
from rungway_server.service.offload import in_process, is_slow_to_plan
from rungway_server.service.port import Brief, Definition, ExperimentRef
from rungway_server.service.worker_thread import Priority
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.counting import SearchCounter
from rungway_server.store.redis.layout import about as layout_about
from rungway_server.store.redis.layout.about import read_about
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.further import FIELD
from rungway_server.store.redis.layout.keys import OF_LAYOUT, every_key, experiment_keys, index_key
from rungway_server.store.redis.layout.plan_codec import plan_from_json
from rungway_server.store.redis.layout.records import BINARY, as_bytes
from rungway_server.store.redis.layout.schema import check_schema
from rungway_server.store.redis.suggestions import Suggestions

_MOST_REMEMBERED = 10_000
_SUGGESTIONS_LOW = 128
_SUGGESTIONS_AHEAD = 32
_MOST_BROUGHT = 1_000
_STORED = ("schema", "uid", "created", "config", "plan_json", "notes", "keys", FIELD, layout_about.FIELD)
GONE = frozenset({b"missing", b"stale"})
"""First words of answers of scripts that did not find the experiment of this uid."""
_BRIEF = ("schema", "uid", "created", "plan_json", "notes", layout_about.FIELD)


@dataclass(slots=True)
class CachedExperiment:
    """One experiment: what never changes of it, its keys, and how far its trials and suggestions are.

    `next_trial`: number of the next suggestion to be used: the number of a trial or, in a finite space, the position in
    the order of points. `proposed`: number of the next suggestion to be drawn. `asking`: how many assignments this
    server is asking for now, each of which may use a suggestion. `best_told`: the key of the best metric that this
    server was told.
    """

    definition: Definition
    keys: list[str]
    configurations: Configurations
    suggestions: Suggestions
    stored: tuple[str, ...] = ()
    """The fields that it was read from."""
    next_trial: int = 0
    proposed: int = 0
    asking: int = 0
    best_told: bytes = WORST_KEY
    further: bytes | None = None
    """Names of further metrics as they are stored (`layout/further.py`); more may have come since."""
    about_text: str = ""
    """Labels, owner and comment as they are stored (`layout/about.py`)."""

    @property
    def smaller_is_better(self) -> bool:
        """Direction of the metric."""
        return self.definition.config.searcher.smaller_is_better

    @property
    def most_rungs(self) -> int:
        """Rungs of the bracket that has most."""
        return max(len(bracket.rungs) for bracket in self.definition.plan.brackets)

    def reserve(self, count: int) -> range:
        """Numbers of the suggestions that an ask for `count` should bring along: none while there are enough.

        They count as proposed from now on, so that simultaneous asks bring different ones. If they get lost on the way,
        a later ask finds them missing and brings them.
        """
        enough = self.proposed - self.next_trial - self.asking >= _SUGGESTIONS_LOW
        if enough or not self.next_trial < self.proposed < self.definition.plan.new_trials:
            return range(0)
        return self.bring(self.proposed, count)

    def bring(self, first: int, count: int) -> range:
        """The same when `count` suggestions from `first` on are missing; at most 1,000 and some ahead."""
        numbers = range(first, first + min(count, _MOST_BROUGHT) + _SUGGESTIONS_AHEAD)
        self.proposed = max(self.proposed, numbers.stop)
        return numbers


Arguments = Sequence[Argument] | Callable[[CachedExperiment], Awaitable[Sequence[Argument]]]


class ExperimentCache:
    """Finds experiments and runs scripts on them.

    Raises UnknownExperiment, NewerSchema, OlderSchema, StoreUnavailable.
    """

    def __init__(self, router: Router, counter: SearchCounter | None = None) -> None:
        self._router, self._counter = router, counter
        self._known: dict[ExperimentRef, CachedExperiment] = {}

    async def find(self, ref: ExperimentRef) -> CachedExperiment:
        """The experiment, from the cache if it is there."""
        return self._known.get(ref) or await self.refresh(ref)

    def forget(self, ref: ExperimentRef) -> None:
        """Drop the experiment from the cache."""
        self._known.pop(ref, None)

    async def run(
        self, script: str, ref: ExperimentRef, args: Arguments, noted: list[Any] | None = None
    ) -> tuple[CachedExperiment, list[Any]]:
        """Run a script on the experiment; `args` follow the uid.

        Arguments that depend on the experiment are a function of it, because the cached one may turn out to be a
        deleted experiment of the same name. Then the script runs again on the new one.
        """
        while True:
            known = await self.find(ref)
            given = await args(known) if callable(args) else args
            answer = await self._router.run(script, known.keys, (known.definition.uid, *given))
            notes: list[Any] = []
            if answer[0] == b"noted":
                _, notes, answer = answer
                if noted is not None:
                    noted += notes
            if answer[0] not in GONE:
                if self._counter:
                    self._counter.count(script, ref.namespace, given, answer, notes)
                return known, answer
            self.forget(ref)

    async def removable(self, ref: ExperimentRef) -> tuple[str, str, list[str]]:
        """Uid, creation time and all keys of an experiment of any layout. Raises UnknownExperiment."""
        meta = experiment_keys(ref)[0]
        uid, created, *layout = _texts(await self._router.call(meta, ("HMGET", meta, "uid", "created", *OF_LAYOUT)))
        if uid is None:
            await self._repair_list(ref)
            raise UnknownExperiment(ref.experiment)
        return uid, created or "", every_key(ref, *layout)

    async def unlist(self, ref: ExperimentRef, created: str | bytes | int) -> None:
        """Remove a deleted experiment from its namespace's list, but not a new one of the same name."""
        await self._router.run("unlist", [index_key(ref.namespace)], [ref.experiment, created])

    async def brief(self, ref: ExperimentRef) -> tuple[Brief, list[Any]]:
        """The small fields of the experiment as it is now, and the answer of progress.lua."""
        while True:
            schema, uid, created, plan_json, notes, about = await self._stored(ref, _BRIEF)
            check_schema(ref.experiment, int(schema))
            answer = await self._router.run("progress", experiment_keys(ref), [uid])
            if answer[0] == b"progress":
                known = self._known.get(ref)
                same = known and known.stored[1] == uid and known.stored[4] == plan_json
                plan = known.definition.plan if known and same else plan_from_json(plan_json)
                return Brief(uid, plan, tuple(json.loads(notes)), int(created), read_about(about)), answer

    async def about(self, ref: ExperimentRef) -> About:
        """Labels, owner and comment as they are now."""
        schema, about = await self._stored(ref, ("schema", layout_about.FIELD))
        check_schema(ref.experiment, int(schema))
        return read_about(about)

    async def _stored(self, ref: ExperimentRef, fields: Sequence[str]) -> list[Any]:
        meta = experiment_keys(ref)[0]
        values = _texts(await self._router.call(meta, ("HMGET", meta, *fields)))
        if values[0] is None:
            await self._repair_list(ref)
            raise UnknownExperiment(ref.experiment)
        return values

    async def refresh(self, ref: ExperimentRef) -> CachedExperiment:
        """The experiment as it is stored now. If it has not changed, it is not parsed again: it may be large."""
        index, values = index_key(ref.namespace), await self._stored(ref, _STORED)
        # Repairs the list: a server may have died after it made the experiment and before it listed it.
        with suppress(StoreFull):
            await self._router.call(index, ("ZADD", index, values[2], ref.experiment))
        schema, uid, created, config, plan_json, notes, more, further, about = values
        check_schema(ref.experiment, int(schema))
        if (before := self._known.get(ref)) and before.stored == tuple(values):
            return before
        plan = plan_from_json(plan_json)
        parsed, read_notes = await _parsed(ref.namespace, config), tuple(json.loads(notes))
        definition = Definition(uid, parsed, plan, read_notes, int(created), config, read_about(about))
        configurations = Configurations(parsed.space)
        suggestions = Suggestions(ref.namespace, parsed, configurations)
        known = CachedExperiment(
            definition, experiment_keys(ref, more or ""), configurations, suggestions, tuple(values)
        )
        known.further, known.about_text = as_bytes(further) if further else None, about or ""
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[ref] = known
        return known

    async def _repair_list(self, ref: ExperimentRef) -> None:
        """Finish a deletion that broke off after the experiment was removed and before its entry in the list was."""
        meta, index = experiment_keys(ref)[0], index_key(ref.namespace)
        created = await self._router.call(index, ("ZSCORE", index, ref.experiment))
        if created is not None and await self._router.call(meta, ("HGET", meta, "uid")) is None:
            await self.unlist(ref, created)


def _texts(values: list[bytes | None]) -> list[Any]:
    """Fields of `meta` that are texts, damaged ones too; None for those that are not there."""
    return [value if value is None else value.decode(errors=BINARY) for value in values]


async def _parsed(namespace: str, config: str) -> ExperimentConfig:
    document = json.loads(config)
    if is_slow_to_plan(document):
        return (await in_process(Priority.ASK, namespace, parse_config, document))[0]
    return parse_config(document)[0]
