"""The reference model: the engine's calls in plain Python, to compare the Lua scripts with.

The methods are those of the store port, but synchronous and with the time given by the caller.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from rungway_server.domain.engine import (
    AskAnswer,
    AskStatus,
    Assignment,
    Decision,
    ExpiredLease,
    Explanation,
    Lease,
    LeaseStatus,
    Objectives,
    Outcome,
    Progress,
    Reason,
    Release,
    Report,
    Result,
    Stock,
    TellAnswer,
    TellReply,
    TrialState,
    TrialView,
)
from rungway_server.domain.engine import ExperimentState as State
from rungway_server.domain.errors import InvalidInput, UnknownTrial, WrongState
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.sources import EXTERNAL
from tests.model.finite import Finite
from tests.model.ladder import Entry
from tests.model.objectives import missing, shown
from tests.model.records import Remembered, ReplyMemory, TrialRecord
from tests.model.replies import end_trial, release_lease, take_result
from tests.model.search import Search, explain, explain_new, explain_requeued
from tests.model.sources import ModelHparams, no_proposals

RECLAIMED_PER_ASK = 16
PAUSED_RETRY_MS = 5000
LONGEST_RETRY_MS = 1000
SHORTEST_RETRY_MS = 100


def _clone_of(number: int, parent: Mapping[str, object]) -> Mapping[str, object]:
    return {"clone": number, "of": parent}


class ReferenceModel:
    """One experiment. `first_fencing_token` is the fencing token of the first lease; times are in milliseconds."""

    def __init__(
        self,
        plan: Plan,
        *,
        lease_ms: int,
        max_restarts: int,
        smaller_is_better: bool,
        first_fencing_token: int,
        hparams: Callable[[int], Mapping[str, object]],
        clone_hparams: Callable[[int, Mapping[str, object]], Mapping[str, object]] = _clone_of,
        experiment: str = "model",
        target: float | None = None,
        pause_after: int = 0,
        finite: Finite | None = None,
        seed: int = 1,
        model_hparams: ModelHparams = no_proposals,
    ) -> None:
        self.experiment = experiment
        self.search = Search(
            plan,
            lease_ms=lease_ms,
            max_restarts=max_restarts,
            smaller_is_better=smaller_is_better,
            first_fencing_token=first_fencing_token,
            hparams=hparams,
            clone_hparams=clone_hparams,
            target=target,
            pause_after=pause_after,
            finite=finite,
            seed=seed,
            model_hparams=model_hparams,
        )
        self.revision = 1
        self.budget_spent = False
        self.expired: list[ExpiredLease] = []
        self.asks: Remembered[Any] = Remembered()
        self.replies = ReplyMemory()

    # Asking.

    def ask(self, request_id: str, count: int, worker: str, now_ms: int) -> AskAnswer:
        """Hand out up to `count` assignments."""
        known: AskAnswer | None = self.asks.recall(request_id, request=(count, worker))
        if known is not None:
            return known
        search = self.search
        if search.state is State.STOPPED:
            return self._nothing(AskStatus.DONE, Reason.EXPERIMENT_STOPPED)
        if search.state is State.DONE:
            return self._nothing(AskStatus.DONE, Reason.SEARCH_DONE)
        if search.state is State.PAUSED:
            return self._paused()
        self.expired, search.now_ms = [], now_ms
        search.let_models_propose(count, self.revision)
        answer = self._serve(count, worker, now_ms)
        if answer.assignments:
            self.asks.keep(request_id, request=(count, worker), answer=answer)
        return answer._replace(expired=tuple(self.expired))

    def _serve(self, count: int, worker: str, now_ms: int) -> AskAnswer:
        before = self._fingerprint()
        self._reclaim(now_ms)
        while self.search.clones and len(self.search.requeued) < count:  # the store is called again with configurations
            self._bump_if_changed(before)
            self.search.configure_clones()
            before = self._fingerprint()
            self._reclaim(now_ms)
        if self.search.state is State.PAUSED:  # by its brake
            self._bump_if_changed(before)
            return self._paused()
        assignments, why_not = self._hand_out(count, worker, now_ms)
        self._end_when_finished()
        self._bump_if_changed(before)
        if assignments:
            return AskAnswer(AskStatus.ASSIGNED, assignments, None, 0, self.revision)
        if self.search.state is State.DONE:
            return self._nothing(AskStatus.DONE, Reason.SEARCH_DONE)
        return self._nothing(AskStatus.WAIT, why_not, self._retry_ms(now_ms))

    def _nothing(self, status: AskStatus, reason: Reason, retry_ms: int = 0) -> AskAnswer:
        return AskAnswer(status, [], reason, retry_ms, self.revision)

    def _paused(self) -> AskAnswer:
        failing = self.search.failing
        reason = Reason.EXPERIMENT_PAUSED if failing is None else Reason.FAILING
        return AskAnswer(AskStatus.WAIT, [], reason, PAUSED_RETRY_MS, self.revision, failing or "")

    def _retry_ms(self, now_ms: int) -> int:
        until = min(self.search.deadlines.values(), default=now_ms + LONGEST_RETRY_MS) - now_ms
        return max(SHORTEST_RETRY_MS, min(LONGEST_RETRY_MS, until))

    def _reclaim(self, now_ms: int) -> None:
        self.search.now_ms = now_ms
        deadlines = self.search.deadlines
        expired = [number for number, deadline in deadlines.items() if deadline <= now_ms]
        for number in sorted(expired, key=lambda number: (deadlines[number], str(number)))[:RECLAIMED_PER_ASK]:
            trial = self.search.trials[number]
            self.search.restart(trial, "lease expired")
            self.expired.append(ExpiredLease(number, trial.worker, number in self.search.requeued, trial.restarts))
            self.replies.going.pop(number, None)

    def _hand_out(self, count: int, worker: str, now_ms: int) -> tuple[list[Assignment], Reason]:
        search, assignments = self.search, list[Assignment]()
        cap = search.plan.max_concurrent_trials
        while len(assignments) < count:
            if cap > 0 and len(search.deadlines) >= cap:
                return assignments, Reason.CONCURRENCY_LIMIT
            if search.out_of_budget:
                return assignments, Reason.BUDGET_SPENT
            found = self._next_trial(now_ms)
            if found is None:
                break
            assignments.append(search.hand_out(*found, worker, now_ms))
        return assignments, Reason.WAITING_FOR_RESULTS

    def _next_trial(self, now_ms: int) -> tuple[TrialRecord, Explanation] | None:
        search = self.search
        if search.requeued:
            trial = search.trials[search.requeued.pop(0)]
            return trial, explain_requeued(search, trial)
        for b in search.brackets_by_share():
            if promoted := self._promoted(b, search.promotable_with_room):
                return promoted
            if search.room(b) > 0:
                reason = Reason.ENQUEUED if search.enqueued else Reason.NEW_TRIAL
                trial = search.new_trial(b, now_ms)
                return trial, explain_new(search, trial, reason)
        for b in search.brackets_by_share():
            if promoted := self._promoted(b, search.promotable):
                return promoted
        if found := search.go_on():
            trial, why = found
            return (trial, why) if why else self._next_trial(now_ms)
        return None

    def _promoted(
        self, b: int, promotable: Callable[[int], list[tuple[int, Entry]]]
    ) -> tuple[TrialRecord, Explanation] | None:
        while found := promotable(b):
            _, entry = found[0]
            trial = self.search.trials[entry.trial]
            if standing := self.search.promote(trial, entry):
                return trial, explain(Reason.PROMOTED, trial, standing)
        return None

    # Telling.

    def tell(self, request_id: str, results: list[Result], now_ms: int) -> TellAnswer:
        """Take results, each for another lease."""
        known = [self._check_result(request_id, i, result) for i, result in enumerate(results)]
        before, self.search.now_ms = self._fingerprint(), now_ms
        replies = []
        for result, answer in zip(results, known, strict=True):
            trial = self.search.trials[result.lease.trial]
            if answer is None and trial.held_by(result.lease):
                answer = take_result(self.search, trial, result, now_ms)
                self._remember(request_id, trial, repr(result), answer)
            replies.append(answer or self._superseded(trial, result.lease))
            if self.search.plan.objectives:  # each is a step of its own
                self._end_when_finished()
                self._bump_if_changed(before)
                before = self._fingerprint()
        self._end_when_finished()
        self._bump_if_changed(before)
        return TellAnswer(replies, self.revision)

    def _check_result(self, request_id: str, i: int, result: Result) -> TellReply | None:
        trial = self._trial(result.lease)
        if known := self.replies.recall(request_id, trial, result.lease, repr(result)):
            return known
        least = trial.length
        for j, report in enumerate(result.reports):
            if trial.held_by(result.lease) and not least < report.length <= trial.to_length:
                raise InvalidInput.one(f"results[{i}].reports[{j}].length", f"{report.length} is out of order")
            least = report.length
        if trial.held_by(result.lease) and not result.reports and not trial.curve:
            raise InvalidInput.one(f"results[{i}].finished", "nothing was told")
        if trial.held_by(result.lease) and self.search.plan.objectives and not self.search.over:
            self._check_objectives(trial, i, result)
        return None

    def _check_objectives(self, trial: TrialRecord, i: int, result: Result) -> None:
        """What a decision needs must be there."""
        plan, ladder = self.search.plan, self.search.ladder(trial)
        if not result.reports:
            if missing(plan, trial.curve[-1], top=True):
                raise InvalidInput.one(f"results[{i}].finished", "the last report lacks an objective")
            return
        report = result.reports[-1]
        if report.length >= ladder.length(trial.rung) or result.finished:
            top = result.finished or report.length >= ladder.length(ladder.top)
            if name := missing(plan, report, top=top):
                field = f'results[{i}].reports[{len(result.reports) - 1}].metrics["{name}"]'
                raise InvalidInput.one(field, "missing")

    # Heartbeats, releases, failures.

    def heartbeat(self, leases: list[Lease], now_ms: int) -> list[LeaseStatus]:
        """Renew leases."""
        search, answers = self.search, list[LeaseStatus]()
        for lease in leases:
            known = 0 <= lease.trial < len(search.trials)
            if not known or not search.trials[lease.trial].held_by(lease):
                answers.append(LeaseStatus(lease, Decision.SUPERSEDED))
            elif search.over:
                answers.append(LeaseStatus(lease, Decision.STOP))
            else:
                search.deadlines[lease.trial] = now_ms + search.lease_ms
                answers.append(LeaseStatus(lease, Decision.CONTINUE, search.deadlines[lease.trial]))
        return answers

    def release(self, request_id: str, releases: list[Release], now_ms: int) -> TellAnswer:
        """Requeue trials at no cost."""
        known = [self._check_release(request_id, i, release) for i, release in enumerate(releases)]
        before, self.search.now_ms = self._fingerprint(), now_ms
        replies = []
        for release, answer in zip(releases, known, strict=True):
            trial = self.search.trials[release.lease.trial]
            if answer is None and trial.held_by(release.lease):
                answer = release_lease(self.search, trial, release)
                self._remember(request_id, trial, repr(release), answer)
            replies.append(answer or self._superseded(trial, release.lease))
        self._end_when_finished()
        self._bump_if_changed(before)
        return TellAnswer(replies, self.revision)

    def _check_release(self, request_id: str, i: int, release: Release) -> TellReply | None:
        trial = self._trial(release.lease)
        if known := self.replies.recall(request_id, trial, release.lease, repr(release)):
            return known
        if trial.held_by(release.lease) and not 0 <= release.checkpoint_length <= trial.length:
            raise InvalidInput.one(f"releases[{i}].checkpoint_length", f"{release.checkpoint_length} is not reached")
        return None

    def fail(self, request_id: str, lease: Lease, outcome: Outcome, message: str, now_ms: int) -> tuple[TellReply, int]:
        """End a trial, or requeue it, as `outcome` says."""
        trial, request = self._trial(lease), f"{lease} {outcome} {message}"
        reply = self.replies.recall(request_id, trial, lease, request)
        if reply is None and trial.held_by(lease):
            before, self.search.now_ms = self._fingerprint(), now_ms
            reply = end_trial(self.search, trial, lease, outcome, message)
            self._remember(request_id, trial, request, reply)
            self._end_when_finished()
            self._bump_if_changed(before)
        return reply or self._superseded(trial, lease), self.revision

    # The experiment.

    def fill_stock(self, first: int, count: int) -> Stock:
        """Another program proposes."""
        if self.search.over:
            raise WrongState(self.experiment, self.search.state, "it has ended")
        if self.search.sources is None or EXTERNAL not in self.search.sources.names:
            raise InvalidInput.one("experiment", "takes none")
        waiting, number = self.search.sources.take(first, count, self.search.is_free)
        return Stock(waiting, number, self.revision)

    def enqueue(self, request_id: str, hparams: Mapping[str, object], now_ms: int) -> int:
        """Enqueue a configuration; how many wait in front of it."""
        known: int | None = self.asks.recall(request_id, request=hparams)
        if known is None:
            known = self.search.enqueue(self.experiment, hparams)
            self.revision += 1
            self.asks.keep(request_id, request=hparams, answer=known)
        return known

    def enqueue_known(self, request_id: str, hparams: Mapping[str, object], result: Report, now_ms: int) -> int:
        """Add a trial of elsewhere; its number."""
        request = (hparams, repr(result))
        known: int | None = self.asks.recall(request_id, request=request)
        if known is None:
            self.search.now_ms = now_ms
            known = self.search.add_known(self.experiment, hparams, result)
            self._end_when_finished()
            self.revision += 1
            self.asks.keep(request_id, request=request, answer=known)
        return known

    def set_state(self, state: State) -> None:
        """Pause, resume or stop."""
        if self.search.state is state:
            return
        if self.search.state in (State.DONE, State.STOPPED):
            raise WrongState(self.experiment, self.search.state, "it has ended")
        self.search.state, self.search.failing, self.search.failures = state, None, 0
        self.revision += 1
        self._end_when_finished()

    def progress(self) -> Progress:
        """How far the experiment is."""
        search, brackets = self.search, range(len(self.search.ladders))
        return Progress(
            state=search.state,
            revision=self.revision,
            trials_created=len(search.trials),
            trained_length=search.trained_length,
            started=[search.started(b) for b in brackets],
            running=[search.running(b) for b in brackets],
            rung_results=[[len(entries) for entries in ladder.entries] for ladder in search.ladders],
            rung_promoted=[list(ladder.promoted) for ladder in search.ladders],
            rung_promotable=[search.promotable_by_rung(b) for b in brackets],
            trial_states=dict(Counter(trial.state for trial in search.trials)),
            failing=search.failing,
            lost=search.lost,
            entries=search.entries.shown() if search.entries else (),
            sources=search.sources.shown() if search.sources else (),
            budget_spent=self.budget_spent,
        )

    def trials(self, numbers: list[int], *, curve: bool = False) -> list[TrialView]:
        """The trials of these numbers that exist, in this order."""
        trials = self.search.trials
        known, sources = [trials[n] for n in numbers if 0 <= n < len(trials)], self.search.sources is not None
        return [trial.view(curve=curve, sources=sources, objectives=self._objectives(trial)) for trial in known]

    def _objectives(self, trial: TrialRecord) -> Objectives | None:
        plan = self.search.plan
        return shown(plan, trial.curve[-1], self.search.smaller_is_better) if plan.objectives and trial.curve else None

    def best(self, count: int) -> list[TrialView]:
        """The trials with the best metric, best first, ties by trial number."""
        sign = 1.0 if self.search.smaller_is_better else -1.0
        real = [
            (sign * trial.best_metric, trial.number)
            for trial in self.search.trials
            if trial.best_metric is not None and trial.state is not TrialState.INVALID
        ]
        return self.trials([number for _, number in sorted(real)[:count]])

    # Helpers.

    def _trial(self, lease: Lease) -> TrialRecord:
        if not 0 <= lease.trial < len(self.search.trials):
            raise UnknownTrial(self.experiment, lease.trial)
        return self.search.trials[lease.trial]

    def _superseded(self, trial: TrialRecord, lease: Lease) -> TellReply:
        return TellReply(lease, Decision.SUPERSEDED, explain(Reason.LEASE_LOST, trial))

    def _remember(self, request_id: str, trial: TrialRecord, request: str, reply: TellReply) -> None:
        if trial.state is not TrialState.RUNNING:
            self.replies.going.pop(trial.number, None)
        self.replies.keep(request_id, trial, request, reply)

    def _end_when_finished(self) -> None:
        if self.search.state is State.RUNNING and self.search.finished():
            self.search.state, self.budget_spent = State.DONE, self.search.out_of_budget

    def _fingerprint(self) -> str:
        search = self.search
        entries = [(ladder.entries, ladder.promoted) for ladder in search.ladders]
        return repr((search.state, search.trials, search.requeued, search.deadlines, entries))

    def _bump_if_changed(self, before: str) -> None:
        self.revision += before != self._fingerprint()
