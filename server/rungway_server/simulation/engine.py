"""The simulation: workers as events on a clock, and every decision made by the service's own store.

A worker trains to the next length at which a decision is made or its fleet reports, tells, and then continues or asks
again. Results of the same moment are told together, in the order of the workers; then all idle workers ask together. A
worker that has to wait asks again at the next event: a real one polls, which costs up to a second. Leases of live
workers are renewed before they expire; those of silent ones are not.
"""

import heapq
import time
from collections.abc import Awaitable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from rungway_server.domain.engine import (
    AskStatus,
    Assignment,
    Decision,
    Further,
    Lease,
    Outcome,
    Reason,
    Report,
    Result,
    TellReply,
)
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.search.plan import Plan
from rungway_server.service.port import ExperimentRef, Store
from rungway_server.simulation.curves import Checkpoint, Curves, Several
from rungway_server.simulation.fleet import DropForm, Fate, Fleet, Luck
from rungway_server.simulation.leases import Leases
from rungway_server.simulation.records import Job, Run, Step

MOST_AT_ONCE = 256
"""Most results or assignments in one call."""

_CHECKPOINT = "simulated"
_REF = ExperimentRef("simulation", "search")
_T = TypeVar("_T")


async def simulate(
    store: Store, config: ExperimentConfig, plan: Plan, curves: Curves, fleet: Fleet, *, keep_steps: bool = True
) -> Run:
    """Run a search to its end, or to the fleet's horizon. The same arguments give the same run, except for its cost.

    The store is used by one simulation at a time. Raises BadCurves where curves and plan do not fit (see `check_fit`),
    and StoreUnavailable.
    """
    definition = await store.create(_REF, config, plan, (), "")
    began = time.perf_counter()
    try:
        simulation = _Simulation(store, definition.created_ms, plan, curves, fleet, keep_steps)
        run = await simulation.run()
    finally:
        await store.delete(_REF)
    run.cost.seconds = time.perf_counter() - began
    return run


class _Running(NamedTuple):
    """A running job, and what will happen to it until the next decision."""

    lease: Lease
    job: Job
    fate: Fate


class _Simulation:
    """The state of one simulation: future events, idle workers, running jobs by worker."""

    def __init__(self, store: Store, base_ms: int, plan: Plan, curves: Curves, fleet: Fleet, keep_steps: bool) -> None:
        self._store, self._base_ms = store, base_ms
        self._curves, self._fleet = curves, fleet
        self._several = curves if plan.objectives and isinstance(curves, Several) else None
        self._cost_aware = plan.cost_aware
        self._luck = Luck(fleet, curves.unit_seconds)
        self._rungs = [{rung.length: k for k, rung in enumerate(bracket.rungs)} for bracket in plan.brackets]
        self._keep_steps = keep_steps
        self._run = Run(plan, fleet)
        self._idle = list(range(fleet.workers))
        self._jobs: dict[int, _Running] = {}
        self._drops: dict[int, int] = {}
        self._clones: dict[int, int] = {}
        self._leases = Leases()
        # (time, worker): the worker's job ends or is dropped; (time, -1): a silent worker's lease expires.
        self._events: list[tuple[float, int]] = []

    async def run(self) -> Run:
        """Simulate from the first ask to the end."""
        run = self._run
        await self._hand_out(0.0)
        while self._events and not run.done:
            now = self._events[0][0]
            if now > self._fleet.horizon:
                run.end = self._fleet.horizon
                break
            workers = self._due(now)
            finished = [worker for worker in workers if self._jobs[worker].job.told]
            dropped = [worker for worker in workers if not self._jobs[worker].job.told]
            for start in range(0, len(finished), MOST_AT_ONCE):
                await self._tell(now, finished[start : start + MOST_AT_ONCE])
            for worker in dropped:
                await self._drop(now, worker)
            if workers:
                run.end = now
            await self._hand_out(now)
        unfinished = sorted(self._jobs.items())
        run.jobs += [replace(job, ended=run.end, told=False) for _, (_, job, _) in unfinished]
        return run

    def _due(self, now: float) -> list[int]:
        """Remove the events at this time. Returns the workers whose jobs end, in order."""
        workers = []
        while self._events and self._events[0][0] == now:
            worker = heapq.heappop(self._events)[1]
            if worker >= 0:
                workers.append(worker)
        return workers

    async def _tell(self, now: float, workers: list[int]) -> None:
        """Tell the results of jobs that ended normally; continue those whose reply says so."""
        jobs = [self._jobs.pop(worker) for worker in workers]
        reports = [self._report(job) for _, job, _ in jobs]
        results = [
            Result(lease, (report,) if job.end > job.start else (), _CHECKPOINT, job.over)
            for (lease, job, _), report in zip(jobs, reports, strict=True)
        ]
        answer = await self._timed(self._store.tell(_REF, "", results, now_ms=self._ms(now)))
        self._run.cost.tells += len(results)
        for (_, job, fate), report, reply in zip(jobs, reports, answer.replies, strict=True):
            self._run.jobs.append(job)
            self._run.finished += reply.explanation.reason is Reason.FINISHED
            self._note(now, job, report, reply.decision, reply)
            if reply.decision is Decision.CONTINUE:
                self._leases.renewed(reply.lease, reply.deadline_ms)
                goal = reply.next_decision_length
                rest = fate if job.end < job.goal else self._draw(job.trial, job.end, goal)
                self._start(now, job.worker, reply.lease, job.bracket, job.end, goal, rest)
            else:
                self._leases.ended(reply.lease)
                self._idle.append(job.worker)

    def _report(self, job: Job) -> Report:
        metrics = self._several.further(job.trial, job.end) if self._several else {}
        cost = job.ended - job.began if self._cost_aware else None  # seconds, as stragglers have them
        further = Further(metrics, cost) if metrics or cost is not None else None
        return Report(job.end, self._curves.metric(job.trial, job.end), further)

    async def _drop(self, now: float, worker: int) -> None:
        """Drop a job: its worker is free, and the service learns of it by a failure or an expired lease."""
        lease, job, _ = self._jobs.pop(worker)
        self._run.jobs.append(job)
        self._run.drops += 1
        self._drops[job.trial] = self._drops.get(job.trial, 0) + 1
        self._leases.ended(lease)
        self._idle.append(worker)
        if self._fleet.drop_form is DropForm.TOLD:
            failing = self._store.fail(_REF, "", lease, Outcome.TRANSIENT, "dropped", now_ms=self._ms(now))
            self._note(now, job, None, "dropped", (await self._timed(failing))[0])
            self._run.cost.tells += 1
            return
        [status] = await self._timed(self._store.heartbeat(_REF, [lease], now_ms=self._ms(now)))
        heapq.heappush(self._events, ((status.deadline_ms - self._base_ms) / 1000, -1))
        self._note(now, job, None, "dropped", None)

    async def _hand_out(self, now: float) -> None:
        """Let idle workers ask, until the answer is WAIT or DONE."""
        self._idle.sort()
        if self._idle and (due := self._leases.due(self._ms(now))):
            statuses = await self._timed(self._store.heartbeat(_REF, due, now_ms=self._ms(now)))
            for status in statuses:
                self._leases.renewed(status.lease, status.deadline_ms)
        while self._idle:
            count = min(len(self._idle), MOST_AT_ONCE)
            answer = await self._timed(self._store.ask(_REF, "", count, "", now_ms=self._ms(now)))
            self._run.cost.asks += len(answer.assignments) or 1
            if answer.status is not AskStatus.ASSIGNED:
                self._run.done = answer.status is AskStatus.DONE
                if answer.reason is Reason.FAILING:
                    self._run.failing = answer.message
                return
            for worker, assignment in zip(self._idle, answer.assignments, strict=False):
                self._take(now, worker, assignment)
            del self._idle[: len(answer.assignments)]

    def _take(self, now: float, worker: int, assignment: Assignment) -> None:
        lease, start, goal = assignment.lease, assignment.from_length, assignment.next_decision_length
        self._leases.renewed(lease, assignment.deadline_ms)
        why = assignment.explanation
        if why.reason is Reason.CLONED or why.proposal:
            checkpoint = None if why.parent is None else Checkpoint(why.parent, start)
            self._curves.configured(lease.trial, assignment.hparams, checkpoint)
        if why.reason is Reason.CLONED:
            self._clones[lease.trial] = start
        fate = self._draw(lease.trial, start, goal)
        job = self._start(now, worker, lease, assignment.bracket, start, goal, fate)
        self._note(now, job, None, "assigned", assignment)

    def _draw(self, trial: int, start: int, goal: int) -> Fate:
        return self._luck.draw(trial, start, goal, self._drops.get(trial, 0))

    def _start(self, now: float, worker: int, lease: Lease, bracket: int, start: int, goal: int, fate: Fate) -> Job:
        """Begin a job and schedule its end, which is already known."""
        trial, over = lease.trial, self._over(lease.trial)
        end = min(self._fleet.next_report(start, goal), over)
        seconds = self._curves.seconds(trial, start, end) * fate.factor
        ended = now + min(seconds, fate.dropped_after)
        told = seconds <= fate.dropped_after
        job = Job(worker, trial, bracket, start, end, goal, now, ended, told, end == over < goal)
        self._jobs[worker] = _Running(lease, job, Fate(fate.factor, fate.dropped_after - seconds))
        heapq.heappush(self._events, (ended, worker))
        return job

    def _over(self, trial: int) -> int:
        """Where the training of a trial is over by itself. A clone trains on from its checkpoint, if only a bit."""
        return max(self._curves.ends(trial), self._clones.get(trial, -1) + 1)

    def _note(
        self, now: float, job: Job, report: Report | None, decision: str, answer: Assignment | TellReply | None
    ) -> None:
        if self._keep_steps:
            rung = self._rungs[job.bracket].get(job.goal, -1)
            reason = answer.explanation.reason.value if answer else "silent"
            end = job.goal if decision == "assigned" else job.end
            told = (report.metric if report else None, decision, reason, job.bracket, rung)
            metrics = report.further.metrics if report and report.further else {}
            self._run.steps.append(Step(now, job.worker, job.trial, job.start, end, *told, metrics))

    def _ms(self, now: float) -> int:
        return self._base_ms + round(now * 1000)

    async def _timed(self, call: Awaitable[_T]) -> _T:
        began = time.perf_counter()
        answer = await call
        self._run.cost.store_seconds += time.perf_counter() - began
        self._run.cost.calls += 1
        return answer
