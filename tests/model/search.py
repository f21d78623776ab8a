"""What the reference model knows of one search, and the rules by which trials are promoted, die and end.

Everything that can be counted is counted each time from the trials and the rungs' lists: how many run, how many were
started, which results are promotable. Nothing is cached.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from rungway_server.domain.engine import (
    ELSEWHERE,
    SAMPLER,
    USER,
    Assignment,
    Explanation,
    Lease,
    Outcome,
    Proposal,
    Reason,
    Report,
    TrialState,
)
from rungway_server.domain.engine import ExperimentState as State
from rungway_server.domain.errors import NoTrialsLeft, WrongState
from rungway_server.domain.search.plan import DecisionForm, Plan, PromotionRule
from tests.model.costs import Costs
from tests.model.entries import Entries
from tests.model.finite import Finite, Points
from tests.model.ladder import Entry, Ladder, Standing
from tests.model.objectives import Outcome as RankedOutcome
from tests.model.objectives import fit, last, outcome_of
from tests.model.records import Parent, TrialRecord
from tests.model.sources import ModelHparams, Sources, no_proposals

TOKENS_PER_MS = 1000
"""No fencing token is below the time in microseconds."""


class Search:
    """One search: its trials in order of their numbers, a ladder per bracket, the requeued ones, the deadlines."""

    def __init__(
        self,
        plan: Plan,
        *,
        lease_ms: int,
        max_restarts: int,
        smaller_is_better: bool,
        first_fencing_token: int,
        hparams: Callable[[int], Mapping[str, object]],
        clone_hparams: Callable[[int, Mapping[str, object]], Mapping[str, object]],
        target: float | None = None,
        pause_after: int = 0,
        finite: Finite | None = None,
        seed: int = 1,
        model_hparams: ModelHparams = no_proposals,
    ) -> None:
        self.plan = plan
        self.points = Points(finite, hparams) if finite else None
        self.pause_after = pause_after
        self.failures = 0
        self.failing: str | None = None
        self.lease_ms = lease_ms
        self.max_restarts = max_restarts
        self.smaller_is_better = smaller_is_better
        self.hparams = hparams
        self.clone_hparams = clone_hparams
        self.target = target
        self.enqueued: list[Mapping[str, object]] = []
        self.state = State.RUNNING
        self.trials: list[TrialRecord] = []
        self.ladders = [Ladder(plan, bracket) for bracket in plan.brackets]
        self.requeued: list[int] = []
        self.clones: list[int] = []
        self.deadlines: dict[int, int] = {}
        self.next_fencing_token = first_fencing_token
        self.next_sequence = 0
        self.trained_length = 0
        self.now_ms = 0
        self.seed = seed
        self.drawn = 0
        self.proposal: Proposal | None = None
        """Of the last new trial."""
        self.spent = [0] * max(len(plan.entries), 1)
        self.costs = Costs(len(plan.entries)) if plan.cost_aware and plan.entries else None
        self.entries = Entries(plan, self.ladders[0], self.spent, self.costs) if plan.entries else None
        self.sources = Sources(plan, self.ladders, model_hparams) if plan.sources else None
        self.ends_ms = first_fencing_token // TOKENS_PER_MS + plan.budget_ms if plan.budget_ms else math.inf

    # What is true now.

    @property
    def stops(self) -> bool:
        """Whether the decision form is `stop`."""
        return self.plan.form is DecisionForm.STOP

    @property
    def over(self) -> bool:
        """Whether nothing is handed out and nothing ranks any more."""
        return self.state in (State.STOPPED, State.DONE)

    def reaches(self, metric: float) -> bool:
        """Whether a metric is as good as the target; NaN never is."""
        if self.target is None:
            return False
        return metric <= self.target if self.smaller_is_better else metric >= self.target

    def enqueue(self, experiment: str, hparams: Mapping[str, object]) -> int:
        """Enqueue a configuration for the next new trial; how many wait in front of it."""
        if self.over:
            raise WrongState(experiment, self.state, "it has ended")
        if len(self.enqueued) >= sum(map(self.room, range(len(self.ladders)))):
            raise NoTrialsLeft(experiment)
        if self.points:
            self.points.check_free(hparams, self.trials, self.enqueued)
        self.enqueued.append(hparams)
        return len(self.enqueued) - 1

    def add_known(self, experiment: str, hparams: Mapping[str, object], result: Report) -> int:
        """A trial of elsewhere that is finished, with its result at the length of a rung; its number."""
        if self.over:
            raise WrongState(experiment, self.state, "it has ended")
        open_brackets = [b for b in range(len(self.ladders)) if self.room(b) > 0]
        fitting = [b for b in open_brackets if result.length in {rung.length for rung in self.ladders[b].rungs}]
        if not fitting or len(self.enqueued) >= sum(map(self.room, range(len(self.ladders)))):
            raise NoTrialsLeft(experiment)
        if self.points:
            self.points.check_free(hparams, self.trials, self.enqueued)
        trial = TrialRecord(len(self.trials), fitting[0], hparams, self.now_ms, TrialState.COMPLETED)
        ladder = self.ladder(trial)
        trial.rung = min(k for k in range(ladder.top + 1) if ladder.length(k) == result.length)
        trial.outcome, trial.source = Outcome.FINISHED, ELSEWHERE
        trial.fencing_token = max(self.next_fencing_token, self.now_ms * TOKENS_PER_MS)
        self.next_fencing_token = trial.fencing_token + 1
        self.trials.append(trial)
        trained = self.trained_length
        self.record(trial, result)
        self.trained_length = trained
        self.add_result(trial, result.metric)
        if self.reaches(result.metric):
            self.state = State.DONE
        return trial.number

    def ladder(self, trial: TrialRecord) -> Ladder:
        """The trial's ladder."""
        return self.ladders[trial.bracket]

    def running(self, b: int) -> int:
        """Leases held in bracket b."""
        return sum(trial.bracket == b and trial.state is TrialState.RUNNING for trial in self.trials)

    def started(self, b: int) -> int:
        """Valid trials of bracket b."""
        return sum(trial.bracket == b and trial.state is not TrialState.INVALID for trial in self.trials)

    def room(self, b: int) -> int:
        """New trials that bracket b may still start."""
        if self.points and self.points.exhausted(self.trials):
            return 0
        return self.plan.brackets[b].new_trials - self.started(b) - self.lost

    @property
    def lost(self) -> int:
        """Trials of the plan that a grid will not have."""
        return self.points.lost(self.trials) if self.points else 0

    def brackets_by_share(self) -> list[int]:
        """Bracket indices, the smallest share of its concurrency in use first; of equal ones the lower index."""
        brackets = self.plan.brackets
        return sorted(
            range(len(brackets)), key=lambda b: (Fraction(self.running(b), brackets[b].max_concurrent_trials), b)
        )

    def promotable(self, b: int) -> list[tuple[int, Entry]]:
        """The promotable results of bracket b: highest rung first, then best first."""
        if self.stops:
            return []
        ladder = self.ladders[b]
        return [
            (k, entry)
            for k in reversed(range(ladder.top))
            for entry in ladder.top_k(k)
            if self.trials[entry.trial].rung == k and not self.trials[entry.trial].ended
        ]

    def promotable_with_room(self, b: int) -> list[tuple[int, Entry]]:
        """Those at rungs that are not full: the others wait until no new trial is left."""
        return [(k, entry) for k, entry in self.promotable(b) if not self.ladders[b].is_full(k)]

    def must_wait_for_room(self, trial: TrialRecord) -> bool:
        """Whether a trial that was just told waits for room at its rung, because it is full or a better one waits."""
        ladder, k = self.ladder(trial), trial.rung
        sources, own = self.plan.sources, ladder.entry_of(k, trial.number)
        before = [entry for rung, entry in self.promotable(trial.bracket) if rung == k]
        better = [entry for entry in before if entry.rank_key < own.rank_key]
        return bool(sources and sources.bounded and (better or ladder.is_full(k)))

    def promotable_by_rung(self, b: int) -> list[int]:
        """How many are promotable in each rung of bracket b."""
        rungs = [k for k, _ in self.promotable(b)]
        return [rungs.count(k) for k in range(self.ladders[b].top + 1)]

    @property
    def out_of_budget(self) -> bool:
        """Whether nothing may be handed out any more."""
        return bool(self.plan.budget and sum(self.spent) >= self.plan.budget) or self.now_ms >= self.ends_ms

    def waiting(self, b: int) -> list[TrialRecord]:
        """The trials of bracket b that go on after the last new one: highest rung first, then best first."""
        if not self.plan.go_on:
            return []
        ladder = self.ladders[b]
        if self.plan.objectives:
            rungs = [self._waiting_at(ladder, k) for k in reversed(range(ladder.top))]
            return [self.trials[entry.trial] for rung in rungs for entry, _ in ladder.in_fronts(rung, 1)]
        ranked = [self.trials[entry.trial] for k in reversed(range(ladder.top)) for entry in self._at(ladder, k)]
        return [trial for trial in ranked if trial.state is TrialState.PAUSED]

    def _waiting_at(self, ladder: Ladder, k: int) -> list[Entry]:
        found = [(entry, self.trials[entry.trial]) for entry in ladder.entries[k]]
        return [entry for entry, trial in found if trial.rung == k and trial.state is TrialState.PAUSED]

    def _at(self, ladder: Ladder, k: int) -> list[Entry]:
        return [entry for entry in ladder.ranked(k) if self.trials[entry.trial].rung == k]

    def finished(self) -> bool:
        """Nothing runs, is requeued, promotable or going on, no clone is to come, and every bracket has started its
        trials; or nothing runs and the budget is spent."""
        brackets = range(len(self.ladders))
        if self.out_of_budget:
            return not self.deadlines
        if any(self.waiting(b) for b in brackets):
            return False
        full = all(self.room(b) <= 0 for b in brackets)
        idle = not self.deadlines and not self.requeued and not self.clones
        return full and idle and not any(self.promotable(b) for b in brackets)

    # Rungs.

    def add_result(self, trial: TrialRecord, metric: float | None) -> Standing:
        """Put a result (None: that of a dead trial) into the rung the trial trains towards, and see where it stands."""
        ladder, k = self.ladder(trial), trial.rung
        real = metric is not None and not math.isnan(metric)
        score = metric if self.smaller_is_better or metric is None else -metric
        real_metric, real_score = (metric, score) if real else (None, None)
        entry = Entry(
            trial.number, real_metric, real_score, self.next_sequence, trial.entry, trial.source,
            self._outcome(trial, metric) if self.plan.objectives else None,
        )  # fmt: skip
        self.next_sequence += 1
        ladder.entries[k].append(entry)
        if self.stops:
            return ladder.stop_standing(k, entry)
        standing = ladder.promote_standing(k, entry)
        if self.plan.objectives:
            self._climb(ladder, k, trial)
            return standing
        self._promote_ended(ladder)
        if self.plan.rule is PromotionRule.POPULATION and k < ladder.top and ladder.full(k):
            self._clone_best(trial.bracket, k)
        return standing

    def _outcome(self, trial: TrialRecord, metric: float | None) -> RankedOutcome:
        """How the last report of a trial ranks at its rung; None: that of a dead trial."""
        if metric is None:
            return last(self.plan)
        top = trial.rung == self.ladder(trial).top
        return outcome_of(self.plan, trial.curve[-1], self.smaller_is_better, top=top)

    def _climb(self, ladder: Ladder, k: int, newcomer: TrialRecord | None = None) -> None:
        """Of several objectives: trials that have ended and are among the first of rung k now go up, one by one."""
        found = [self.trials[entry.trial] for entry in ladder.top_k(k)]
        for trial in [trial for trial in found if trial.ended and trial.rung == k and trial is not newcomer]:
            self.climb(trial)

    def climb(self, trial: TrialRecord) -> None:
        """A trial that has ended goes up, as far as it is among the first."""
        goes_on = True
        while goes_on:
            self.enter_next_rung(trial)
            goes_on = self.add_result(trial, trial.metric).in_top_k

    def enter_next_rung(self, trial: TrialRecord) -> None:
        """The trial leaves its rung for the next."""
        self.ladder(trial).promoted[trial.rung] += 1
        trial.rung += 1

    def _promote_ended(self, ladder: Ladder) -> None:
        """A trial that has ended and wins a slot counts at once in the next rung with its result, and so on up."""
        for k in range(ladder.top):
            for entry in ladder.top_k(k):
                trial = self.trials[entry.trial]
                if trial.ended and trial.rung == k:
                    self.enter_next_rung(trial)
                    self.add_result(trial, entry.metric)
                    return

    def forget(self, trial: TrialRecord) -> None:
        """Erase an invalid trial's results; a result that this moves into the top-k is promotable."""
        if self.points:
            self.enqueued = self.points.without_invalid(self.trials, self.enqueued)
        ladder = self.ladder(trial)
        if self.plan.objectives:
            for k in range(ladder.top + 1):
                if ladder.compared(k, trial.number):
                    ladder.entries[k].remove(ladder.entry_of(k, trial.number))
                    self._climb(ladder, k)
            return
        if self.plan.sources and self.plan.sources.bounded:
            for k in range(trial.rung):
                ladder.promoted[k] -= ladder.compared(k, trial.number)
        ladder.remove(trial.number)
        if not self.stops:
            for _ in ladder.rungs:
                self._promote_ended(ladder)

    def in_a_past_round(self, trial: TrialRecord) -> bool:
        """Whether a round of a population was decided with a result of this trial."""
        return self.plan.rule is PromotionRule.POPULATION and self.ladder(trial).compared(trial.rung - 1, trial.number)

    def promote(self, trial: TrialRecord, entry: Entry, first: Standing | None = None) -> Standing | None:
        """A waiting trial is promoted; `first`: where it stands. None when it ended on rungs whose lengths it had
        reached: no training to do."""
        ladder = self.ladder(trial)
        standing = first or ladder.promote_standing(trial.rung, entry)
        self.enter_next_rung(trial)
        while ladder.length(trial.rung) <= trial.length:
            standing = self.add_result(trial, entry.metric)
            if trial.rung == ladder.top:
                trial.state = TrialState.COMPLETED
                return None
            if not standing.in_top_k:
                trial.state = TrialState.PAUSED
                return None
            self.enter_next_rung(trial)
        return standing

    def go_on(self) -> tuple[TrialRecord, Explanation | None] | None:
        """A trial that waits goes on though it is not promoted; without an explanation where that took no training.
        None when no trial waits."""
        for b in self.brackets_by_share():
            if waiting := self.waiting(b):
                return self._go_blindly(waiting) or self._go_on(waiting[0])
        return None

    def _go_on(self, trial: TrialRecord) -> tuple[TrialRecord, Explanation | None]:
        entry = self.ladder(trial).entry_of(trial.rung, trial.number)
        ladder, k = self.ladder(trial), trial.rung
        if self.plan.objectives:
            standing = ladder.waiting_standing(k, entry, self._waiting_at(ladder, k))
        else:
            standing = ladder.promote_standing(k, entry)
        up = self.promote(trial, entry, standing)
        if up is None:
            return trial, None
        reason = Reason.GOING_ON if up.rung == standing.rung else Reason.PROMOTED
        return trial, explain(reason, trial, up)

    def _go_blindly(self, waiting: list[TrialRecord]) -> tuple[TrialRecord, Explanation] | None:
        """One that waits below the rung of the next entry goes there, drawn evenly."""
        if not (self.plan.blind and self.entries):
            return None
        to = self.entries.choose(self.next_sequence, now=True)
        below = [trial for trial in reversed(waiting) if trial.rung < to]
        if not below:
            return None
        self.drawn += 1
        digits = hashlib.sha1(f"{self.seed}:{self.drawn}".encode(), usedforsecurity=False).hexdigest()[:12]
        trial = below[int(digits, 16) % len(below)]
        ladder = self.ladder(trial)
        standing = ladder.promote_standing(trial.rung, ladder.entry_of(trial.rung, trial.number))
        ladder.promoted[trial.rung] += 1
        trial.rung = trial.entry = to
        return trial, explain(Reason.BLIND, trial, standing)

    # Clones.

    def _clone_best(self, b: int, k: int) -> None:
        """The round is over: the best that live are cloned; where they are too few, they take turns."""
        ranked = [self.trials[entry.trial] for entry in self.ladders[b].ranked(k)]
        wanted = self.plan.brackets[b].rungs[k].clones
        alive = [(rank, trial) for rank, trial in enumerate(ranked) if not trial.dead][:wanted]
        for i in range(wanted if alive else 0):
            rank, trial = alive[i % len(alive)]
            parent = Parent(trial.number, rank, trial.hparams, trial.checkpoint, trial.checkpoint_length)
            self.clone(b, k, parent)

    def clone(self, b: int, k: int, parent: Parent) -> None:
        """A trial of rung k + 1, as its parent was at rung k. It waits for its own configuration."""
        if self.over:
            return
        trial = TrialRecord(len(self.trials), b, parent.hparams, self.now_ms, TrialState.QUEUED, k + 1, parent=parent)
        trial.source = self.trials[parent.number].source
        trial.checkpoint, trial.checkpoint_length = parent.checkpoint, parent.checkpoint_length
        trial.length = trial.reached = parent.checkpoint_length
        self.trials.append(trial)
        self.clones.append(trial.number)

    def configure_clones(self) -> None:
        """Clones get their configurations, as many as the store does in one go, and are requeued."""
        for number in self.clones[:64]:
            trial = self.trials[number]
            trial.hparams = self.clone_hparams(number, trial.hparams)
        self.requeued += self.clones[:64]
        del self.clones[:64]

    # Trials.

    def new_trial(self, b: int, now_ms: int) -> TrialRecord:
        """A fresh trial in bracket b."""
        number = len(self.trials)
        entry = self.entries.choose(self.next_sequence) if self.entries else 0
        hparams: Mapping[str, object] | None = None
        source, self.proposal = SAMPLER, None
        if self.enqueued:
            hparams, source = self.enqueued.pop(0), USER
            if self.sources:
                self.proposal = self.sources.for_user()
        elif self.sources:
            hparams, self.proposal = self.sources.propose(self.next_sequence, entry, self.is_free)
            source = self.proposal.source
        if hparams is None:
            hparams = self.points.following(self.trials) if self.points else self.hparams(number)
        trial = TrialRecord(number, b, hparams, now_ms, rung=entry, entry=entry, source=source)
        self.trials.append(trial)
        return trial

    def is_free(self, hparams: Mapping[str, object]) -> bool:
        """Whether a new trial may have this configuration."""
        return self.points is None or self.points.is_free(hparams, self.trials, self.enqueued)

    def let_models_propose(self, count: int, revision: int) -> None:
        """What an ask for so many finds lacking in the stock is proposed before it hands out anything."""
        brackets = range(len(self.ladders))
        new = min(count, sum(map(self.room, brackets)))
        bounded = self.plan.sources is not None and self.plan.sources.bounded
        promotable = 0 if bounded else sum(len(self.promotable(b)) for b in brackets)
        new = min(new, count - len(self.requeued) - promotable)
        new -= len(self.enqueued)
        if cap := self.plan.max_concurrent_trials:
            new = min(new, cap - len(self.deadlines))
        if self.sources and new > 0 and not self.out_of_budget:
            opened = self.entries is not None and self.entries.opened is not None
            self.sources.fill(new, count, self.next_sequence, revision, opened, self.is_free)

    def spend(self, trial: TrialRecord, length: int) -> None:
        """Training is handed out to a trial, or given back."""
        self.spent[trial.entry] += length
        if self.sources:
            self.sources.spend(trial.source, length)

    def hand_out(self, trial: TrialRecord, why: Explanation, worker: str, now_ms: int) -> Assignment:
        """Give a lease on the trial, from its checkpoint."""
        ladder = self.ladder(trial)
        trial.state, trial.worker = TrialState.RUNNING, worker
        trial.returns += 1
        trial.fencing_token = max(self.next_fencing_token, now_ms * TOKENS_PER_MS)
        self.next_fencing_token = trial.fencing_token + 1
        trial.length = trial.from_length = trial.checkpoint_length
        trial.to_length = ladder.length(ladder.top if self.stops else trial.rung)
        self.spend(trial, trial.to_length - trial.from_length)
        self.deadlines[trial.number] = now_ms + self.lease_ms
        return Assignment(
            Lease(trial.number, trial.fencing_token), trial.hparams, trial.length,
            trial.to_length, ladder.length(trial.rung),
            trial.checkpoint, trial.bracket, trial.rung, trial.restarts, self.deadlines[trial.number], why,
        )  # fmt: skip

    def end_lease(self, trial: TrialRecord, state: TrialState) -> None:
        """The trial runs no more, for now or for good."""
        del self.deadlines[trial.number]
        self.spend(trial, trial.length - trial.to_length)
        trial.state = state
        if state is TrialState.QUEUED:
            self.requeued.append(trial.number)

    def die(self, trial: TrialRecord, outcome: Outcome, message: str) -> Standing:
        """The trial ranks after every real result and never runs again. Returns where it stands at last."""
        self.end_lease(trial, TrialState.STOPPED if outcome is Outcome.STOPPED else TrialState.FAILED)
        trial.outcome, trial.message = outcome, message
        standing = self.add_result(trial, None)
        if outcome is not Outcome.STOPPED:
            self.count_failure(message)
        if self.stops:
            return standing
        ladder = self.ladder(trial)
        return ladder.promote_standing(trial.rung, ladder.entry_of(trial.rung, trial.number))

    def restart(self, trial: TrialRecord, message: str) -> Standing | None:
        """Requeued at the cost of one restart; dead (and where it then stands) when they are spent."""
        trial.restarts, trial.returns = trial.restarts + 1, 0
        if trial.restarts > self.max_restarts:
            return self.die(trial, Outcome.TRANSIENT, message)
        self.end_lease(trial, TrialState.QUEUED)
        self.count_failure(message)
        return None

    def finish(self, trial: TrialRecord) -> Standing:
        """The training is over: its last result stands in its rung, and in those above. Where it stands first."""
        self.end_lease(trial, TrialState.COMPLETED)
        trial.outcome, trial.returns = Outcome.FINISHED, 0
        trial.length = trial.curve[-1].length
        standing = self.add_result(trial, trial.metric)
        if self.plan.objectives and standing.in_top_k:
            self.climb(trial)
        return standing

    def count_failure(self, message: str) -> None:
        """The brake: the search pauses itself when its first tries all failed and nothing was ever told."""
        if not self.pause_after or self.trained_length or self.state is not State.RUNNING:
            return
        self.failures += 1
        if self.failures >= self.pause_after:
            self.state, self.failing = State.PAUSED, message

    def record(self, trial: TrialRecord, report: Report) -> None:
        """One report enters the trial's curve and, when real and strictly better, becomes its best."""
        if self.costs:
            self.costs.add(trial.entry, report.length - trial.length, report)
        if self.sources:
            self.sources.count_cost(trial.source, report.length - trial.length, report)
        self.trained_length += report.length - trial.length
        if not trial.checkpoint and report.length > trial.reached:
            trial.progress_to(report.length)
        trial.curve.append(report)
        trial.length, trial.metric = report.length, report.metric
        sign = 1.0 if self.smaller_is_better else -1.0
        if math.isnan(report.metric) or (self.plan.objectives and not fit(self.plan, report, self.smaller_is_better)):
            return
        if trial.best_metric is None or sign * report.metric < sign * trial.best_metric:
            trial.best_metric, trial.best_length, trial.best_checkpoint = report.metric, report.length, ""


def explain_requeued(search: Search, trial: TrialRecord) -> Explanation:
    """Why a requeued trial is handed out: it was before, or it is a new clone."""
    if trial.fencing_token >= 0 or trial.parent is None:
        return explain(Reason.REQUEUED, trial)
    standing = search.ladder(trial).clone_standing(trial.rung - 1, trial.parent.rank)
    return explain(Reason.CLONED, trial, standing)._replace(parent=trial.parent.number)


def explain_new(search: Search, trial: TrialRecord, reason: Reason) -> Explanation:
    """Why a new trial is handed out, and what was known of the entries."""
    found = explain(reason, trial)._replace(proposal=search.proposal)
    return found._replace(rung=trial.entry, entries=search.entries.shown()) if search.entries else found


def explain(reason: Reason, trial: TrialRecord, standing: Standing | None = None) -> Explanation:
    """The reason with the numbers it rested on; without a standing no rung took part."""
    if standing is None:
        return Explanation(reason, trial.bracket)
    if reason is Reason.PROMOTED and standing.among_own:
        reason = Reason.PROMOTED_AMONG_OWN
    if reason is Reason.NOT_PROMOTED and standing.front is not None:
        reason = Reason.OUTRANKED
    return Explanation(
        reason, trial.bracket, standing.rung, standing.rank, standing.size, standing.quota, standing.cutoff,
        front=standing.front,
    )  # fmt: skip
