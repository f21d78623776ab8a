"""Use cases of users with trials: list, get, best, explain, enqueue."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from rungway_server.domain.engine import (
    MOST_BEST,
    BestBy,
    EventView,
    Report,
    Standing,
    Stock,
    TrialState,
    TrialView,
)
from rungway_server.domain.errors import InvalidInput, UnknownTrial
from rungway_server.domain.ranking import WORST_KEY
from rungway_server.domain.sampling.completing import completed, is_part, is_quick_to_complete
from rungway_server.domain.sampling.sampling import own_configuration
from rungway_server.domain.search.fronts import in_fronts
from rungway_server.domain.search.plan import PromotionRule
from rungway_server.domain.space.space import Space
from rungway_server.service.checks import check_text, page_of
from rungway_server.service.offload import at_once_or_in_process, in_process, in_thread, in_thread_or_process
from rungway_server.service.outcomes import results_at_top
from rungway_server.service.port import Definition, ExperimentRef, ExperimentStore
from rungway_server.service.reading import LARGEST_PAGE, PIECE, Reading, Sized
from rungway_server.service.worker_thread import Priority

Shown = TypeVar("Shown", bound=Sized)
Show = Callable[[TrialView], Shown]


MOST_WORKERS = 1_000
"""Most workers of an answer."""
MOST_PROPOSALS = 256
"""Most proposals of a call."""
_MOST_VALUES = 1 << 16
"""Values of all proposals of a call together."""


class Working(NamedTuple):
    """A worker: the trial that it trains, when it was last heard of, and when its lease expires (ms since 1970)."""

    trial: TrialView
    heard_ms: int
    deadline_ms: int


class Workers(NamedTuple):
    """The workers of a search, and how many are left out."""

    workers: Sequence[Working]
    left_out: int


class Enqueued(NamedTuple):
    """A configuration that was enqueued: how many are before it, what it is as a whole, and the number of its trial if
    its result is known."""

    position: int
    hparams: Mapping[str, object]
    trial: int | None = None


class TrialUseCases:
    """Reads trials. Errors are those of the store, UnknownTrial, InvalidInput, and for reads Overloaded and
    QuotaExceeded. `show` turns a trial into the message that is returned, so that a page can be bounded in bytes."""

    def __init__(self, store: ExperimentStore, reading: Reading | None = None) -> None:
        self._store, self._reading = store, reading or Reading()

    async def page(self, ref: ExperimentRef, asked: int, token: str, show: Show[Shown]) -> tuple[list[Shown], str]:
        """A page of trials by number, and the token of the next page."""
        first, size = page_of(asked, token)
        numbers = range(first, first + size + 1)  # one more tells whether there is another page
        shown, whole = await self._shown(ref, numbers, show, lambda _: True)
        page = shown[:size]
        return page, str(first + len(page)) if len(shown) > size or not whole else ""

    async def _shown(
        self, ref: ExperimentRef, numbers: Sequence[int], show: Show[Shown], wanted: Callable[[TrialView], bool]
    ) -> tuple[list[Shown], bool]:
        """The messages of these trials, as many as fit into an answer, and whether these are all."""
        shown: list[Shown] = []
        room = LARGEST_PAGE
        with self._reading.admit(ref.namespace):
            await self._reading.pay(ref.namespace, len(numbers) - 1)
            for at in range(0, len(numbers), PIECE):
                piece = numbers[at : at + PIECE]
                async with self._reading.turn(ref.namespace) as turn:
                    found = await self._store.trials(ref, list(piece))
                    for trial in filter(wanted, found):
                        message = show(trial)
                        room -= message.ByteSize()
                        if room < 0 and shown:
                            return shown, False
                        shown.append(message)
                        await turn.breathe()
                if len(found) < len(piece):
                    break
        return shown, True

    async def get(self, ref: ExperimentRef, number: int) -> TrialView:
        """One trial with its curve."""
        with self._reading.admit(ref.namespace):
            async with self._reading.turn(ref.namespace):
                found = await self._store.trials(ref, [number], curve=True) if number >= 0 else []
        if not found:
            await self._store.definition(ref, fresh=True)
            raise UnknownTrial(ref.experiment, number)
        return found[0]

    async def workers(self, ref: ExperimentRef) -> Workers:
        """Who holds a lease, those first that were not heard of for the longest time."""
        lease_ms = round((await self._store.definition(ref, fresh=True)).config.lease_seconds * 1000)
        workers: list[Working] = []
        with self._reading.admit(ref.namespace):
            leases, count = await self._store.leases(ref, MOST_WORKERS)
            await self._reading.pay(ref.namespace, len(leases))
            for at in range(0, len(leases), PIECE):
                deadlines = dict(leases[at : at + PIECE])
                async with self._reading.turn(ref.namespace) as turn:
                    for trial in await self._store.trials(ref, list(deadlines)):
                        if trial.state is TrialState.RUNNING:
                            deadline = deadlines[trial.trial]
                            workers.append(Working(replace(trial, hparams={}), deadline - lease_ms, deadline))
                        await turn.breathe()
        return Workers(workers, count - len(leases))

    async def best(self, ref: ExperimentRef, count: int, show: Show[Shown], by: BestBy = BestBy.BEST) -> list[Shown]:
        """The best trials, best first; fewer if they do not fit into an answer. Those with the best metric at any
        length are as they ranked at one moment; for any other result all trials are read one after the other."""
        if not 0 <= count <= MOST_BEST:
            raise InvalidInput.one("count", f"got {count}, wanted 0 (= 1) to {MOST_BEST}")
        plan = (await self._store.definition(ref)).plan
        if plan.objectives:
            return await self._first_fronts(ref, count or 1, show, by)
        numbers = await (self._store.ranked(ref, count or 1) if by is BestBy.BEST else self._last(ref, count or 1, by))
        shown, _ = await self._shown(ref, numbers, show, lambda trial: trial.state is not TrialState.INVALID)
        return shown

    async def _first_fronts(self, ref: ExperimentRef, count: int, show: Show[Shown], by: BestBy) -> list[Shown]:
        """The first of the fronts of all results at the longest length that has any, each with its front."""
        if by is BestBy.LAST:
            raise InvalidInput.one("by", "got last, but this search ranks by several objectives: wanted best or final")
        with self._reading.admit(ref.namespace):
            found = await results_at_top(self._store, self._reading, ref, only_top=by is BestBy.FINAL)
            vectors = [vector for _, vector in found]
            ranked = await in_thread(Priority.READ, ref.namespace, in_fronts, vectors, count, count)
        fronts = {found[each.place][0]: each.front for each in ranked}

        def with_front(trial: TrialView) -> Shown:
            shown = trial.objectives and trial.objectives._replace(front=fronts[trial.trial])
            return show(replace(trial, objectives=shown))

        return (await self._shown(ref, [*fronts], with_front, lambda _: True))[0]

    async def _last(self, ref: ExperimentRef, count: int, by: BestBy) -> list[int]:
        """The trials whose last results are the best, best first."""
        best: list[tuple[bytes, int]] = []
        trials = (await self._store.progress(ref)).trials_created
        with self._reading.admit(ref.namespace):
            await self._reading.pay(ref.namespace, trials)
            for at in range(0, trials, PIECE):
                async with self._reading.turn(ref.namespace):
                    found = await self._store.standings(ref, range(at, min(at + PIECE, trials)))
                best += [(each.key, each.trial) for each in found if _counts(each, by)]
                best = sorted(best)[:count]
        return [trial for _, trial in best]

    async def explain(
        self, ref: ExperimentRef, number: int, asked: int = 0, token: str = ""
    ) -> tuple[list[EventView], str]:
        """A page of the decisions about a trial, oldest first, and the token of the next page."""
        first, size = page_of(asked, token)
        if number < 0:
            await self._store.definition(ref, fresh=True)
            raise UnknownTrial(ref.experiment, number)
        with self._reading.admit(ref.namespace):
            async with self._reading.turn(ref.namespace):
                events, before = await self._store.explain(ref, number, first, size)
        return events, str(before or "")

    async def enqueue(self, ref: ExperimentRef, request_id: str, hparams: Mapping[str, object]) -> Enqueued:
        """Enqueue a configuration for the next new trial. What it does not name is filled in: constants, and values
        drawn by the seed and the number of that trial."""
        config = (await self._store.definition(ref, fresh=True)).config
        space = config.space
        if wrong := check_text("request_id", request_id, 64):
            raise InvalidInput(wrong)
        if not is_part(space, hparams):
            own = await at_once_or_in_process(space, ref.namespace, own_configuration, space, hparams)
            return Enqueued(await self._store.enqueue(ref, request_id, own), own)

        async def draw(number: int) -> list[dict[str, object]]:
            if is_quick_to_complete(space, hparams):
                return completed(space, config.seed, number, hparams)
            return await in_process(Priority.CREATE, ref.namespace, completed, space, config.seed, number, hparams)

        await draw(0)  # raises for values that belong nowhere, before a repeat is looked for
        part = json.dumps(hparams, sort_keys=True)
        return Enqueued(*await self._store.enqueue_part(ref, request_id, part, draw))

    async def add_proposals(
        self, ref: ExperimentRef, first: int, proposals: Sequence[Mapping[str, object]], revision: int
    ) -> Stock:
        """Add whole configurations that another program proposes, numbered from `first` on (see the port)."""
        space = (await self._store.definition(ref, fresh=True)).config.space
        most = max(1, _MOST_VALUES // (len(space.leaves) or 1))
        if first < 0 or revision < 0:
            field, got = ("first", first) if first < 0 else ("revision", revision)
            raise InvalidInput.one(field, f"got {got}, wanted 0 or more")
        if len(proposals) > most:
            wanted = f"at most {most}, with {len(space.leaves)} parameters each"
            raise InvalidInput.one("proposals", f"got {len(proposals)}, wanted {wanted}")
        own = await in_thread_or_process(space, ref.namespace, _own_configurations, space, proposals)
        return await self._store.fill_stock(ref, first, own, revision)

    async def enqueue_known(
        self, ref: ExperimentRef, request_id: str, hparams: Mapping[str, object], result: Report
    ) -> Enqueued:
        """Add a trial of elsewhere that is finished: its whole configuration, and its result at the length of a rung.
        Raises InvalidInput in a search that does not judge a trial by its own result alone."""
        definition = await self._store.definition(ref, fresh=True)
        if wrong := check_text("request_id", request_id, 64):
            raise InvalidInput(wrong)
        _check_known(definition, result)
        space = definition.config.space
        own = await at_once_or_in_process(space, ref.namespace, own_configuration, space, hparams)
        return Enqueued(0, own, await self._store.enqueue_known(ref, request_id, own, result))


def _own_configurations(space: Space, proposals: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    return [own_configuration(space, hparams, f"proposals[{i}]") for i, hparams in enumerate(proposals)]


def _check_known(definition: Definition, result: Report) -> None:
    plan, name = definition.plan, definition.config.searcher.name
    if plan.objectives:
        wanted = "a search that ranks by one metric alone: a known result has no other"
        raise InvalidInput.one("result", f"got a known result for one with several objectives or constraints, {wanted}")
    if plan.rule is not PromotionRule.ASYNC:
        wanted = "a search by auto, async_halving, adaptive_asha, random, grid or single"
        raise InvalidInput.one("result", f"got a known result for a search by {name}, wanted {wanted}")
    if math.isnan(result.metric):
        raise InvalidInput.one("result.metric", "got NaN, wanted a number: NaN would rank after every result")
    lengths = sorted({rung.length for bracket in plan.brackets for rung in bracket.rungs})
    if result.length not in lengths:
        wanted = f"the length of a rung: {', '.join(map(str, lengths))} {plan.unit}"
        raise InvalidInput.one("result.length", f"got {result.length}, wanted {wanted}")


def _counts(standing: Standing, by: BestBy) -> bool:
    """Whether a trial has a real result of this kind."""
    if not standing.key or standing.key == WORST_KEY or standing.state is TrialState.INVALID:
        return False
    return by is not BestBy.FINAL or standing.state is TrialState.COMPLETED
