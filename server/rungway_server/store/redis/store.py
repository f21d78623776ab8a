"""The store on Redis: one script per decision, one exchange per call; calls for many trials are done in pieces."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from rungway_server.domain.about import About, AboutChange
from rungway_server.domain.engine import (
    AskAnswer,
    Available,
    Decision,
    ExperimentState,
    Lease,
    LeaseStatus,
    Outcome,
    Release,
    Report,
    Result,
    Stock,
    TellAnswer,
    TellReply,
)
from rungway_server.domain.errors import (
    ExperimentExists,
    InvalidInput,
    RequestIdReused,
    UnknownExperiment,
    WrongState,
)
from rungway_server.domain.experiment import ExperimentConfig, to_document
from rungway_server.domain.ranking import WORST_KEY, metric_key
from rungway_server.domain.sampling.sampling import counted
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.replan import too_few_for_queue
from rungway_server.service.offload import at_once_or_in_process, in_model_process
from rungway_server.service.port import Definition, ExperimentRef
from rungway_server.store.redis.answers import read_ask, read_available, read_enqueued, read_expired
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.counting import SearchCounter
from rungway_server.store.redis.experiment_cache import CachedExperiment, ExperimentCache
from rungway_server.store.redis.layout.about import stored
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.further import ToldFurther
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.plan_codec import plan_for_lua, plan_to_json, told_apart_by
from rungway_server.store.redis.layout.schema import ABOUT, schema_of
from rungway_server.store.redis.layout.vectors import told_vectors
from rungway_server.store.redis.models import LONGEST_WAIT, Compute, Models
from rungway_server.store.redis.pieces import in_pieces, pieces, read_told, refuse_tell
from rungway_server.store.redis.reads import RedisReads
from rungway_server.store.redis.suggestions import Suggestions

_GRACE_SECONDS = 15.0
"""Longer than clients wait before they retry."""
TRIALS_AT_ONCE = 32
"""Trials that one script handles of a call for more: others get their turn in between."""
STEPS_AT_ONCE = 128
"""Results at rungs that one script of a tell may come to: each trial may pass all rungs of its bracket at once."""


class RedisStore(RedisReads):
    """Implements `rungway_server.service.port.Store`.

    `request_window_ms` and `request_window_count` bound how long, and how many, answers are kept for repeats: an answer
    stays for at least one window unless more than `request_window_count` came within it. `most_events` bounds the event
    log of each experiment: the oldest lines are dropped. `counter` counts what the scripts do. An ask waits
    `longest_wait_for_models` seconds for models (None: until they have proposed), which `compute` lets work.
    """

    def __init__(
        self,
        router: Router,
        *,
        request_window_ms: int = 600_000,
        request_window_count: int = 50_000,
        most_events: int = 1_000_000,
        counter: SearchCounter | None = None,
        longest_wait_for_models: float | None = LONGEST_WAIT,
        compute: Compute = in_model_process,
    ) -> None:
        self._bounds = {
            "window_ms": request_window_ms,
            "window_count": request_window_count,
            "most_events": most_events,
        }
        super().__init__(router, ExperimentCache(router, counter))
        self._models = Models(self._experiments, longest_wait_for_models, compute)
        self.note_best: Callable[[ExperimentRef, Sequence[Result]], None] | None = None
        """Called after a tell with the best metric that this server was told."""

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
        """See the port."""
        document, beside = json.dumps(to_document(config)), stored(about) if about else ""
        said = "\n".join([document, told_apart_by(plan), origin, *[beside] * bool(beside)])
        configurations = Configurations(config.space)
        first = await Suggestions(ref.namespace, config, configurations).at_creation(plan.new_trials)
        points = await at_once_or_in_process(config.space, ref.namespace, counted, config.space)
        args: list[Argument] = [
            uuid.uuid4().hex,
            "",
            request_id,
            sha256(said.encode()).hexdigest(),
            self._for_lua(plan, config),
            plan_to_json(plan),
            document,
            json.dumps(notes),
            max(schema_of(config), ABOUT if beside else 0),
            beside,
            *(points or (0, 0)),
            len(enqueued),
            *map(configurations.pack, enqueued),
        ]
        keys = experiment_keys(ref, POINTS if points else "")
        answer = await self._router.run("create", keys, [*args, *first])
        if answer[0] == b"exists":
            raise ExperimentExists(ref.experiment)
        if answer[0] == b"reused":
            raise RequestIdReused(request_id)
        self._experiments.forget(ref)
        return await self.definition(ref)

    async def ask(
        self, ref: ExperimentRef, request_id: str, count: int, worker: str, *, now_ms: int | None = None
    ) -> AskAnswer:
        """See the port. If few suggestions are left, new ones are sent along. If none is left, a clone needs its
        configuration or models have to propose, the script runs again."""
        asked = await self._experiments.find(ref)
        notes: list[Any] = []
        missing: tuple[int, int] | None = None
        cloned: Argument = ""
        nothing_more: Argument = ""
        models = self._models.patience()

        async def args(known: CachedExperiment) -> list[Argument]:
            numbers = known.reserve(count) if missing is None else known.bring(*missing)
            brought = await known.suggestions.new(numbers)
            reclaim = "1" if now_ms is not None or self._may_reclaim(known) else ""
            first = numbers.start if numbers else ""
            return [_time(now_ms), request_id, count, worker, reclaim, first, cloned, nothing_more, *brought]

        asked.asking += count
        try:
            while True:
                known, answer = await self._experiments.run("ask", ref, args, notes)
                if answer[0] == b"suggest":
                    missing = answer[1], answer[2]
                elif answer[0] == b"clone":
                    cloned = await known.suggestions.clones(answer[1:])
                elif answer[0] == b"propose":
                    nothing_more = "" if await self._models.fill(ref, known, answer, models) else "1"
                else:
                    found = _asked(request_id, answer, known)
                    return found._replace(expired=read_expired(notes)) if notes else found
        finally:
            asked.asking -= count

    async def available(self, ref: ExperimentRef, request_ids: Sequence[str] = ()) -> Available:
        """See the port."""
        reclaim = "1" if self._may_reclaim(await self._experiments.find(ref)) else ""
        _, answer = await self._experiments.run("available", ref, ("", reclaim, *request_ids))
        return read_available(answer, request_ids)

    def _may_reclaim(self, known: CachedExperiment) -> bool:
        """False after an outage: its workers could not renew leases, so an expired one does not mean a dead worker."""
        return self._router.answers_for() >= min(_GRACE_SECONDS, known.definition.config.lease_seconds)

    async def tell(
        self, ref: ExperimentRef, request_id: str, results: Sequence[Result], *, now_ms: int | None = None
    ) -> TellAnswer:
        """See the port."""
        known = await self._experiments.find(ref)
        searcher, by_fronts = known.definition.config.searcher, known.definition.plan.objectives > 0
        items: list[list[Argument]] = []
        best, further = WORST_KEY, None
        for result in results:
            finished = "1" if result.finished else ""
            items.append(
                [result.lease.trial, result.lease.fencing_token, result.checkpoint, finished, len(result.reports)]
            )
            for report in result.reports:
                key = metric_key(report.metric, known.smaller_is_better)
                items[-1] += [report.length, key]
                best = min(best, key)
                if report.further and not further:
                    further = ToldFurther(results)
        steps = 1 if by_fronts else STEPS_AT_ONCE
        size = min(TRIALS_AT_ONCE, max(1, steps // known.most_rungs)) if len(results) > 1 else 1

        async def run(part: slice, only_check: Argument) -> tuple[CachedExperiment, list[Any]]:
            some = items[part]
            more = further.of(part) if further else ()
            if by_fronts:
                more = (*(more or ("",)), told_vectors(searcher, results[part]))
            args = (_time(now_ms), request_id, only_check, len(some), *chain.from_iterable(some), *more)
            known, answer = await self._experiments.run("tell", ref, args)
            if further and answer[0] == b"names":
                raise further.too_many(results, answer[1])
            refuse_tell(answer, results, part.start, searcher)
            return known, answer

        told = await in_pieces(ref, request_id, [result.lease for result in results], size, run)
        if best < known.best_told:
            known.best_told = best
            if self.note_best:
                self.note_best(ref, results)
        return told

    async def heartbeat(
        self, ref: ExperimentRef, leases: Sequence[Lease], *, now_ms: int | None = None
    ) -> list[LeaseStatus]:
        """See the port."""
        found: list[LeaseStatus] = []
        for part in pieces(len(leases), TRIALS_AT_ONCE):
            some = leases[part]
            args = [number for lease in some for number in (lease.trial, lease.fencing_token)]
            _, answer = await self._experiments.run("heartbeat", ref, [_time(now_ms), *args])
            found += [
                LeaseStatus(lease, Decision(decision.decode()), deadline)
                for lease, (decision, deadline) in zip(some, answer[1:], strict=True)
            ]
        return found

    async def release(
        self, ref: ExperimentRef, request_id: str, releases: Sequence[Release], *, now_ms: int | None = None
    ) -> TellAnswer:
        """See the port."""

        async def run(part: slice, only_check: Argument) -> tuple[CachedExperiment, list[Any]]:
            args: list[Argument] = [_time(now_ms), request_id, only_check]
            for item in releases[part]:
                args += [item.lease.trial, item.lease.fencing_token, item.checkpoint, item.checkpoint_length]
            known, answer = await self._experiments.run("release", ref, args)
            if answer[0] == b"checkpoint_length":
                index = part.start + answer[1]
                raise InvalidInput.one(
                    f"releases[{index}].checkpoint_length",
                    f"got {releases[index].checkpoint_length}, wanted at most {answer[2]} (the length told)",
                )
            return known, answer

        return await in_pieces(ref, request_id, [item.lease for item in releases], TRIALS_AT_ONCE, run)

    async def fail(
        self,
        ref: ExperimentRef,
        request_id: str,
        lease: Lease,
        outcome: Outcome,
        message: str,
        *,
        now_ms: int | None = None,
    ) -> tuple[TellReply, int]:
        """See the port."""
        args: list[Argument] = [request_id, lease.trial, lease.fencing_token, outcome.value, message]
        known, answer = await self._experiments.run("fail", ref, [_time(now_ms), *args])
        told = read_told(ref, request_id, [lease], answer, known)
        return told.replies[0], told.revision

    async def set_state(self, ref: ExperimentRef, state: ExperimentState) -> None:
        """See the port."""
        _, answer = await self._experiments.run("change_state", ref, ["", state.value])
        if answer[0] == b"refused":
            raise WrongState(
                ref.experiment, answer[1].decode(), "an ended experiment cannot be paused, resumed or stopped"
            )

    async def change_plan(
        self,
        ref: ExperimentRef,
        seen: Definition,
        config: ExperimentConfig,
        plan: Plan,
        notes: tuple[str, ...] | None = None,
    ) -> bool:
        """See the port."""
        args: list[Argument] = ["", self._for_lua(plan, config), plan_to_json(plan), json.dumps(to_document(config))]
        args += [seen.config_text, schema_of(config), json.dumps(seen.notes if notes is None else notes)]
        _, answer = await self._experiments.run("change_plan", ref, args)
        self._experiments.forget(ref)
        if answer[0] == b"refused":
            raise WrongState(ref.experiment, answer[1].decode(), "an ended experiment cannot be changed")
        if answer[0] == b"enqueued":
            raise too_few_for_queue(plan.max_trials, *answer[1:])
        return answer[0] not in {b"outdated", b"started"}

    async def change_about(self, ref: ExperimentRef, change: AboutChange) -> None:
        """See the port."""
        while True:
            definition = await self.definition(ref, fresh=True)
            before = (await self._experiments.find(ref)).about_text
            after = stored(change.of(definition.about))
            if after == before:
                return
            _, answer = await self._experiments.run("change_about", ref, ["", before, after])
            if answer[0] != b"outdated":
                return

    async def enqueue(
        self, ref: ExperimentRef, request_id: str, hparams: Mapping[str, object], *, now_ms: int | None = None
    ) -> int:
        """See the port."""

        async def args(known: CachedExperiment) -> list[Argument]:
            return [_time(now_ms), request_id, known.configurations.pack(hparams)]

        _, answer = await self._experiments.run("enqueue", ref, args)
        return read_enqueued(answer, ref.experiment, request_id)[0]

    async def enqueue_part(
        self,
        ref: ExperimentRef,
        request_id: str,
        part: str,
        draw: Callable[[int], Awaitable[Sequence[Mapping[str, object]]]],
        *,
        now_ms: int | None = None,
    ) -> tuple[int, Mapping[str, object]]:
        """See the port."""
        drawn_for = ""
        drawn: Sequence[Mapping[str, object]] = ()

        async def args(known: CachedExperiment) -> list[Argument]:
            packed = map(known.configurations.pack, drawn)
            return [_time(now_ms), request_id, f"part {part}", drawn_for, *packed]

        while True:
            known, answer = await self._experiments.run("enqueue", ref, args)
            if answer[0] != b"draw":
                position, config = read_enqueued(answer, ref.experiment, request_id)
                return position, known.configurations.unpack(config)
            drawn_for = answer[1].decode()
            drawn = await draw(int(drawn_for))

    async def enqueue_known(
        self,
        ref: ExperimentRef,
        request_id: str,
        hparams: Mapping[str, object],
        result: Report,
        *,
        now_ms: int | None = None,
    ) -> int:
        """See the port."""

        async def args(known: CachedExperiment) -> list[Argument]:
            key = metric_key(result.metric, known.smaller_is_better)
            return [_time(now_ms), request_id, known.configurations.pack(hparams), result.length, key]

        _, answer = await self._experiments.run("enqueue_known", ref, args)
        return read_enqueued(answer, ref.experiment, request_id)[0]

    async def fill_stock(
        self, ref: ExperimentRef, first: int, proposals: Sequence[Mapping[str, object]], revision: int = 0
    ) -> Stock:
        """See the port."""
        return await self._models.take(ref, first, proposals, revision)

    def _for_lua(self, plan: Plan, config: ExperimentConfig) -> str:
        return plan_for_lua(plan, config, pause_after=config.pause_after_failures, **self._bounds)

    async def delete(self, ref: ExperimentRef, uid: str = "") -> None:
        """See the port. It reads as little as it can, so that an unreadable experiment can be deleted."""
        while True:
            self._experiments.forget(ref)
            found, created, keys = await self._experiments.removable(ref)
            if uid and found != uid:
                raise UnknownExperiment(ref.experiment)
            answer = await self._router.run("delete", keys, [found])
            if answer[0] == b"done":
                break
        await self._experiments.unlist(ref, created)  # if we crash before this, the next read repairs the list
        self._experiments.forget(ref)


def _time(now_ms: int | None) -> str | int:
    return "" if now_ms is None else now_ms


def _asked(request_id: str, answer: list[Any], known: CachedExperiment) -> AskAnswer:
    if answer[0] == b"reused":
        raise RequestIdReused(request_id)
    if answer[0] == b"assigned":
        known.next_trial = max(known.next_trial, answer[2])
        known.proposed = max(known.proposed, answer[3])
    return read_ask(answer, known.smaller_is_better, known.configurations.unpack)
