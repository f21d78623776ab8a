"""Replays the log of a search through the scripts that decide every search, and decides what comes next.

The clock is stopped, so no lease ever lapses, and the same events always give the same runs. A search is a row of
ladders: when one has nothing more to hand out, another begins. A single ladder of ASHA grows instead.
"""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

from rungway_server.domain.engine import Assignment, Decision, Lease, Outcome, Reason, Report, Result, TrialState
from rungway_server.domain.errors import RungwayError
from rungway_server.domain.search.plan import Plan, PromotionRule
from rungway_server.katib import log
from rungway_server.katib.experiment import ENDLESS, KatibSearch, plan_ladder, runs_of, size_ladder, with_configurations
from rungway_server.katib.log import BadLog, Begin, Event, Fate, Issue
from rungway_server.katib.outcomes import Run
from rungway_server.katib.parameters import shown
from rungway_server.service.port import ExperimentRef, Store

_NOW_MS = 1
_CHECKPOINT = "run"
_WORKER = "katib"
_MOST_SEEDS = 2**31
_LONGEST_PREFIX = 36
"""Letters of the experiment's name in the names of its runs, which have at most 63."""
_replays = count()


class Waiting(Exception):
    """Not so many runs can be handed out before results come in; the message says how many can, and what is awaited."""


class _Step(NamedTuple):
    """A step of a configuration that is to be handed out, under a lease that it has already."""

    ladder: int
    trial: int
    bracket: int
    length: int
    lease: Lease
    attempt: int
    after: str


@dataclass(frozen=True, slots=True)
class _Ladder:
    """A ladder that has begun. One that may grow has more configurations in the store than in this plan."""

    ref: ExperimentRef
    plan: Plan


class Replay:
    """The state of a search after `events`. One call at a time; after an error it must be closed.

    Methods raise StoreUnavailable, and BadLog where the log says something that these scripts do not do.
    """

    def __init__(self, store: Store, search: KatibSearch, search_id: str, seed: int) -> None:
        self._store, self._search, self._id, self._seed = store, search, search_id, seed
        self._name = f"replay-{next(_replays)}"
        self._ladders: list[_Ladder] = []
        self._ready: deque[_Step] = deque()
        self._hparams: dict[tuple[int, int], Mapping[str, object]] = {}
        self._told: dict[tuple[int, int], dict[int, str]] = {}
        self._issues = 0
        self.runs: list[Run] = []
        self.events: list[Event] = []
        self.whole = True
        """False once handing out has broken off: the state is none that events lead to."""

    async def apply(self, event: Event) -> None:
        """Do again what the log says. Raises BadLog."""
        if isinstance(event, Begin):
            await self._begin(event)
        elif isinstance(event, log.Outcome):
            await self._end(event)
        else:
            check = self.check(await self._issue(event.runs))
            if event.check not in ("", check):
                raise BadLog(f"the log's checksum {event.check} of {event} is {check} here: another version wrote it")
            event = Issue(event.runs, check)
        self.events.append(event)

    async def decide(self, wanted: int, search: KatibSearch) -> list[Run]:
        """Hand out so many runs. New ladders are sized for the runs that the experiment, as it is now, has left.

        Raises Waiting when fewer can be handed out before results come in.
        """
        while (found := await self._available(search)) < wanted:
            self._wait_for_results(wanted, found, search)
            await self.apply(self._next_ladder(search, wanted - found))
        before = len(self.runs)
        await self.apply(Issue(wanted, ""))
        return self.runs[before:]

    def assignments(self, run: Run) -> list[tuple[str, str]]:
        """Every parameter of a run with its value, in the order of the experiment."""
        values = {**run.hparams, self._search.resource: run.length}
        return [(name, shown(values[name])) for name in self._search.order]

    def check(self, runs: Sequence[Run]) -> str:
        """The checksum of runs: of their names and values."""
        text = repr([(run.name, self.assignments(run)) for run in runs])
        return hashlib.sha256(text.encode()).hexdigest()[:4]

    async def close(self) -> None:
        """Forget everything."""
        for ladder in self._ladders:
            with suppress(RungwayError):
                await self._store.delete(ladder.ref)

    @property
    def pending(self) -> int:
        """Runs without an outcome."""
        return sum(run.pending for run in self.runs)

    async def _begin(self, event: Begin) -> None:
        """Begin a ladder, or let the only one grow."""
        grows = self._search.endless
        if grows and self._ladders:
            more = min(ENDLESS, self._ladders[0].plan.max_trials + event.configurations)
            self._ladders[0] = replace(self._ladders[0], plan=with_configurations(self._ladders[0].plan, more))
            return
        number = len(self._ladders)
        seed = (self._seed + number) % _MOST_SEEDS
        planned = plan_ladder(self._search, ENDLESS if grows else event.configurations, event.parallel, seed)
        plan = replace(planned.plan, max_concurrent_trials=0)  # Katib says how many run at a time
        ref = ExperimentRef(self._name, f"ladder-{number}")
        await self._store.create(ref, planned.config, plan, (), "")
        self._ladders.append(_Ladder(ref, with_configurations(plan, event.configurations) if grows else plan))

    def _next_ladder(self, search: KatibSearch, missing: int) -> Begin:
        """The ladder that comes next; or, while the only one is not complete, how much it grows."""
        deleted = sum(isinstance(event, log.Outcome) and event.fate is Fate.DELETED for event in self.events)
        kept = len(self.runs) - deleted
        if search.endless and self._ladders and kept < runs_of(self._ladders[0].plan, 0):
            return Begin(missing, search.parallel)
        left = max(1, search.runs - kept) if search.runs else 0
        try:
            configurations = size_ladder(search, left)
        except RungwayError:  # too few are left for a ladder: Katib ends in the middle of it
            first = self.events[0] if self.events else None
            configurations = first.configurations if isinstance(first, Begin) else size_ladder(search, search.runs)
        return Begin(configurations, search.parallel)

    def _holds_back(self, search: KatibSearch) -> bool:
        """Whether runs that a rung has no work for yet wait. Only an asynchronous search without a limit of runs goes
        on with new configurations: where runs are counted, these would be taken from the rungs above."""
        rules = {ladder.plan.rule for ladder in self._ladders}
        return bool(search.runs) or rules != {PromotionRule.ASYNC}

    def _wait_for_results(self, wanted: int, found: int, search: KatibSearch) -> None:
        """Raises Waiting while runs are under way whose results a rung needs."""
        if self._holds_back(search) and (pending := self.pending):
            raise Waiting(f"{found} of {wanted} runs can begin now: a rung waits for the results of {pending} more")

    async def _available(self, search: KatibSearch) -> int:
        """How many runs could be handed out. New configurations of a later ladder do not count while the results of an
        earlier one are awaited: it is for what is left when that one is complete."""
        found, awaited = len(self._ready), False
        for number, ladder in enumerate(self._ladders):
            progress = await self._store.progress(ladder.ref)
            found += sum(map(sum, progress.rung_promotable)) + progress.trial_states.get(TrialState.QUEUED, 0)
            if not awaited:
                brackets = zip(ladder.plan.brackets, progress.started, strict=True)
                found += sum(max(0, bracket.new_trials - started) for bracket, started in brackets)
            if self._holds_back(search):
                awaited = awaited or any(run.pending and run.ladder == number for run in self.runs)
        return found

    async def _issue(self, wanted: int) -> list[Run]:
        self.whole = False
        runs = [self._run(self._ready.popleft()) for _ in range(min(wanted, len(self._ready)))]
        number = 0
        while len(runs) < wanted:
            if number == len(self._ladders):
                self._wait_for_results(wanted, len(runs), self._search)
                raise BadLog(f"only {len(runs)} of {wanted} runs could be handed out")
            ref = self._ladders[number].ref
            answer = await self._store.ask(ref, "", wanted - len(runs), _WORKER, now_ms=_NOW_MS)
            runs += [self._run(self._step(number, each)) for each in answer.assignments]
            number += not answer.assignments
        self._issues += 1
        self.whole = True
        return runs

    def _step(self, ladder: int, given: Assignment) -> _Step:
        trial, why = given.lease.trial, given.explanation
        self._hparams[ladder, trial] = given.hparams
        told = self._told.get((ladder, trial), {})
        if why.reason is Reason.CLONED and why.parent is not None:
            told = {why.rung: self._told[ladder, why.parent][why.rung]}
        after = next(reversed(told.values()), "")
        return _Step(ladder, trial, given.bracket, given.next_decision_length, given.lease, 1, after)

    def _run(self, step: _Step) -> Run:
        rungs = self._ladders[step.ladder].plan.brackets[step.bracket].rungs
        rung = next(k for k, each in enumerate(rungs) if each.length == step.length)
        ladder = f"l{step.ladder}" if step.ladder else ""
        attempt = f"a{step.attempt}" if step.attempt > 1 else ""
        prefix = self._search.name[:_LONGEST_PREFIX].rstrip("-.")
        run = Run(
            index=len(self.runs),
            name=f"{prefix}-{self._id}-{ladder}t{step.trial}r{rung}{attempt}",
            ladder=step.ladder,
            trial=step.trial,
            bracket=step.bracket,
            rung=rung,
            length=step.length,
            attempt=step.attempt,
            after=step.after,
            lease=step.lease,
            hparams=self._hparams[step.ladder, step.trial],
            issue=self._issues,
        )
        self.runs.append(run)
        return run

    async def _end(self, event: log.Outcome) -> None:
        if event.run >= len(self.runs) or not self.runs[event.run].pending:
            raise BadLog(f"the log has the event {event} of a run that is not under way")
        run = self.runs[event.run]
        run.pending, ref = False, self._ladders[run.ladder].ref
        step = _Step(run.ladder, run.trial, run.bracket, run.length, run.lease, run.attempt + 1, run.after)
        if event.fate is Fate.DELETED:
            self._ready.append(step)
        elif event.fate is Fate.TOLD:
            self._told.setdefault((run.ladder, run.trial), {})[run.rung] = run.name
            result = Result(run.lease, (Report(run.length, event.metric),), _CHECKPOINT)
            [reply] = (await self._store.tell(ref, "", [result], now_ms=_NOW_MS)).replies
            if reply.decision is Decision.CONTINUE:
                length = reply.next_decision_length
                self._ready.append(step._replace(length=length, lease=reply.lease, attempt=1, after=run.name))
        else:
            await self._store.fail(ref, "", run.lease, Outcome.ERROR, event.fate.name.lower(), now_ms=_NOW_MS)
