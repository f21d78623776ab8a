"""Replays what happened in the reference model: every event of the log, in its order, with the calls that caused it.

The log has each decision in the order in which it was made, and names the ask under whose lease it was; the recorded
requests say what was told. So a call whose reply was lost needs no guess: if it was executed, its event or its points
are there. Results between rungs have no event; they touch their own trial alone and are replayed before its next one.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rungway import Event, Explanation, Proposal
from rungway.v1 import trial_pb2
from rungway.values import from_map
from rungway_server.domain import engine as domain
from rungway_server.domain.errors import RungwayError
from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.search.planning import make_plan
from tests.chaos.calls import Call
from tests.chaos.remains import Remains
from tests.chaos.tellings import Lease, Telling, Tellings
from tests.model.costs import with_cost
from tests.model.driver import finite_of
from tests.model.pair import plain
from tests.model.reference import ReferenceModel
from tests.model.sources import Sources, no_proposals

CLOCK_SECONDS = 0.1
"""How far the machine's two clocks may drift apart within a run."""


class Mismatch(Exception):
    """The service and the model differ."""


class Replay:
    """One search. After `run`, `problem` says where it differs from the model, if it does."""

    def __init__(self, calls: list[Call], remains: Remains, tellings: Tellings) -> None:
        self.problem = ""
        self.changes: list[Call | None] = []
        """The call behind each change, in order; None for a lease that expired."""
        self.logged: list[Call] = []
        """Those of them that decided something, in the order of the log."""
        self.expired: list[tuple[Lease | None, Event]] = []
        """Every lease that expired, with its event; None for a lease whose worker never got it."""
        self.leases_lost = 0
        """Assignments that were acknowledged and are not in the log."""
        self.endings_lost = 0
        """The same for releases and failures."""
        self._remains = remains
        self._kept = {trial: list(tellings) for trial, tellings in tellings.kept.items()}
        self._asks = {call.request.request_id: call for call in calls if call.rpc == "Ask"}
        self._endings = _endings(calls)
        self._held: dict[int, Lease | None] = {}
        self._finished: dict[int, object] = {}
        self._model = _model(remains)

    def run(self) -> None:
        """Replay it all."""
        event = None
        try:
            for event in self._remains.events:
                self._apply(event)
            self._finish()
        except Mismatch as mismatch:
            self.problem = str(mismatch)
        except (LookupError, RungwayError) as error:  # the model does not know the trial or lease, or refuses the call
            self.problem = f"{event}: {type(error).__name__}: {error}"
        seen = {event.worker for event in self._remains.events if event.kind == "assign"}
        lost = [call for name, call in self._asks.items() if call.reply and call.reply.assignments and name not in seen]
        self.leases_lost = len(lost)
        self.endings_lost = sum(_counts(call) for calls in self._endings.values() for call in calls)

    def _apply(self, event: Event) -> None:
        match event.kind:
            case "assign":
                self._assign(event)
            case "continue" | "pause" | "stop":
                self._decide(event)
            case "release" | "retry" | "failed" | "invalid":
                self._end(event)
            case "finished":
                pass  # it is promoted without training, which the model does by itself
            case "failing":
                _same(event, "the search", "paused", self._model.progress().state.value)
            case "paused" | "running" | "stopped":
                self._model.set_state(domain.ExperimentState(event.kind))
                self.changes.append(None)
            case "done":
                status = self._model.ask("", 1, "", 0).status
                _same(event, "the search", "done", status.value)
            case _:
                raise Mismatch(f"{event}: no call of a worker does this")

    def _assign(self, event: Event) -> None:
        ask = self._asks.get(event.worker)
        if ask is None or ask.refused:
            raise Mismatch(f"{event}: no ask got it")
        told = ask.reply.assignments[0] if ask.reply and ask.reply.assignments else None
        if ask.reply and told is None:
            raise Mismatch(f"{event}: the ask was told {ask.reply}")
        search = self._model.search
        if told:
            if told.lease.fence < search.next_fencing_token:
                raise Mismatch(f"{event}: fencing token {told.lease.fence} after {search.next_fencing_token - 1}")
            search.next_fencing_token = told.lease.fence
        if isinstance(search.sources, _LoggedSources) and event.explanation and event.explanation.proposal:
            search.sources.logged = (
                _proposal(event.explanation.proposal),
                self._remains.trials[event.trial or 0].hparams,
            )
        answer = self._model.ask("", 1, event.worker, 0)
        if not answer.assignments:
            raise Mismatch(f"{event}: the model hands out nothing: {answer}")
        given = answer.assignments[0]
        _same(
            event, "assignment", (event.trial, _why(event.explanation)), (given.lease.trial, plain(given.explanation))
        )
        if told:
            _same(event, "reply", _told_assignment(told), _given_assignment(given))
        self._held[given.lease.trial] = (told.lease.trial, told.lease.fence) if told else None
        self.changes.append(ask)
        self.logged.append(ask)

    def _decide(self, event: Event) -> None:
        """A tell that decided something; in the stopping form one tell may have several events in a row."""
        assert event.trial is not None
        if finished := self._finished.pop(event.trial, None):
            _same(event, "decision", (event.kind, _why(event.explanation)), finished)
            return
        trial = self._model.search.trials[event.trial]
        if trial.length >= event.length and event.kind == "continue" and self._model.search.stops:
            return
        while telling := self._next_telling(event.trial):
            reply = self._tell(event, telling)
            if reply.explanation.reason is not domain.Reason.BETWEEN_RUNGS:
                break
        else:
            raise Mismatch(f"{event}: no tell explains it")
        self.logged.append(telling.call)
        decided = (reply.decision.value, plain(reply.explanation))
        if event.kind == "continue" and telling.result.finished:
            # It may go on, and ends itself: the next event says so.
            self._finished[event.trial] = decided
        elif not (self._model.search.stops and event.kind == "continue"):
            _same(event, "decision", (event.kind, _why(event.explanation)), decided)

    def _next_telling(self, trial: int) -> Telling | None:
        """The next in the curve under the lease that is held."""
        kept = self._kept[trial]
        return kept.pop(0) if kept and kept[0].lease == self._held.get(trial) else None

    def _tell(self, about: object, telling: Telling) -> domain.TellReply:
        result = telling.result
        lease = self._model_lease(result.lease.trial)
        reports = [
            domain.Report(told.length, told.metric, with_cost(None, told.cost if told.HasField("cost") else None))
            for told in result.reports
        ]
        [reply] = self._model.tell("", [domain.Result(lease, reports, result.checkpoint, result.finished)], 0).replies
        if telling.acknowledged:
            _same(about, "reply", _told_reply(telling.reply), _given_reply(reply))
        self.changes.append(telling.call)
        return reply

    def _model_lease(self, trial: int) -> domain.Lease:
        return domain.Lease(trial, self._model.search.trials[trial].fencing_token)

    def _tell_rest(self, about: object, trial: int) -> None:
        while telling := self._next_telling(trial):
            if self._tell(about, telling).explanation.reason is not domain.Reason.BETWEEN_RUNGS:
                raise Mismatch(f"{about}: {telling.result} decided something, and the log does not say so")

    def _end(self, event: Event) -> None:
        """A lease that ended otherwise: by a call of its worker, or because it expired."""
        assert event.trial is not None
        self._tell_rest(event, event.trial)
        held = self._held[event.trial]
        possible = self._endings.get(held, [])
        causes = [call for call in possible if event.kind in _kinds(call) and _at_the_time(call, event)]
        if causes:
            possible.remove(causes[0])
            self._end_by_call(event, causes[0])
        elif event.kind in ("retry", "failed"):
            standing = self._model.search.restart(self._model.search.trials[event.trial], "lease expired")
            _same(event, "an expired lease", event.kind, "failed" if standing else "retry")
            self.expired.append((held, event))
            self.changes.append(None)
        else:
            raise Mismatch(f"{event}: no call explains it")

    def _end_by_call(self, event: Event, call: Call) -> None:
        assert event.trial is not None
        lease = self._model_lease(event.trial)
        if call.rpc == "Release":
            [item] = call.request.releases
            release = domain.Release(lease, item.checkpoint, item.checkpoint_length)
            [reply] = self._model.release("", [release], 0).replies
        else:
            outcome = domain.Outcome(_word(trial_pb2.Outcome, call.request.outcome, "OUTCOME_"))
            reply, _ = self._model.fail("", lease, outcome, call.request.message, 0)
        _same(event, "end", _why(event.explanation), plain(reply.explanation))
        if _counts(call):
            _same(event, "reply", _told_reply(_reply(call)), _given_reply(reply))
        self.changes.append(call)
        self.logged.append(call)

    def _finish(self) -> None:
        """The rest of the curves, then everything that can be read of the search."""
        for trial in self._kept:
            self._tell_rest(f"trial {trial} at the end", trial)
            if self._kept[trial]:
                raise Mismatch(f"trial {trial}: {self._kept[trial][0].result} was stored under a lease that had ended")
        for shown, view in zip(self._remains.trials, self._model.trials(list(range(10**6)), curve=True), strict=False):
            _same(f"trial {shown.trial}", "state at the end", _shown(shown), _viewed(view))
        _same(
            "the best", "trials", [trial.trial for trial in self._remains.best], [v.trial for v in self._model.best(5)]
        )
        experiment, progress = self._remains.experiment, self._model.progress()
        assert experiment.plan
        rungs = [[(rung.results, rung.promoted) for rung in bracket.rungs] for bracket in experiment.plan.brackets]
        counted = [
            list(zip(results, promoted, strict=True))
            for results, promoted in zip(progress.rung_results, progress.rung_promoted, strict=True)
        ]
        _same("the search", "trials", len(self._remains.trials), progress.trials_created)
        _same("the search", "rungs", rungs, counted)
        _same("the search", "trained length", experiment.trained_length, progress.trained_length)
        _same("the search", "state", experiment.state.value, progress.state.value)


class _Model(ReferenceModel):
    """The reference model without its own count of revisions, which compares everything before and after each call."""

    def _fingerprint(self) -> str:
        return ""


class _LoggedSources(Sources):
    """Sources of which the log says what was in stock; whose turn it was, and the shares, they find by themselves."""

    logged: tuple[domain.Proposal, Mapping[str, object]]

    def fill(self, *_: object) -> None:
        """Nothing: the log says what models had proposed."""

    def propose(
        self, told: int, entry: int, is_free: Callable[[Mapping[str, object]], bool]
    ) -> tuple[Mapping[str, object] | None, domain.Proposal]:
        """See `Sources`."""
        turn, before, (proposal, hparams) = self.names[self.choose(told)], self.shown(), self.logged
        if not self.sources.learns:
            self.spent[self.names.index(proposal.source)] += 1
        found = domain.Proposal(proposal.source, turn, proposal.revision, before)
        return None if proposal.source == domain.SAMPLER else hparams, found


def _model(remains: Remains) -> ReferenceModel:
    config, _ = parse(remains.experiment.config)
    plan, _ = make_plan(config.searcher, config.space)
    model = _Model(
        plan,
        lease_ms=1,
        max_restarts=config.max_restarts,
        pause_after=config.pause_after_failures,
        smaller_is_better=config.searcher.smaller_is_better,
        first_fencing_token=0,
        hparams=lambda number: propose(config.space, config.seed, number),
        finite=finite_of(config),
        seed=config.seed,
    )
    if plan.sources:
        model.search.sources = _LoggedSources(plan, model.search.ladders, no_proposals)
    return model


def _endings(calls: Iterable[Call]) -> dict[Lease | None, list[Call]]:
    """Releases and failures that may have ended their lease, by lease."""
    found: dict[Lease | None, list[Call]] = {}
    for call in calls:
        if call.rpc in ("Release", "Fail") and not call.refused and (call.reply is None or _counts(call)):
            lease = (call.request.releases[0] if call.rpc == "Release" else call.request).lease
            found.setdefault((lease.trial, lease.fence), []).append(call)
    return found


def _reply(call: Call) -> Any:
    return call.reply.verdicts[0] if call.rpc == "Release" else call.reply.verdict


def _counts(call: Call) -> bool:
    """Whether the service said that the release or failure took effect."""
    return call.reply is not None and _reply(call).decision != trial_pb2.DECISION_SUPERSEDED


def _at_the_time(call: Call, event: Event) -> bool:
    """Whether an answered call can be the cause. When Redis has lost it, its lease expired later instead."""
    moment = event.time.timestamp() - (time.time() - time.monotonic())
    return call.ended is None or call.begun - CLOCK_SECONDS <= moment <= call.ended + CLOCK_SECONDS


def _kinds(call: Call) -> tuple[str, ...]:
    """The events that a release or failure may cause."""
    if call.rpc == "Release" or call.request.outcome == trial_pb2.OUTCOME_PREEMPTED:
        too_often = _counts(call) and _reply(call).explanation.reason != trial_pb2.REASON_PREEMPTED
        return ("retry", "failed") if too_often else ("release",)
    if call.request.outcome == trial_pb2.OUTCOME_INVALID:
        return ("invalid",)
    return ("retry", "failed") if call.request.outcome == trial_pb2.OUTCOME_TRANSIENT else ("failed",)


def _same(about: object, what: str, service: object, model: object) -> None:
    if service != model:
        raise Mismatch(f"{about}: {what}:\n  service: {service}\n  model:   {model}")


def _word(enum: Any, number: int, prefix: str) -> str:
    return str(enum.Name(number)).removeprefix(prefix).lower()


def _why(explanation: Explanation | None) -> object:
    """An explanation of the service in the plain form of the model's."""
    assert explanation
    reason = domain.Reason(explanation.reason.value)
    return plain(
        domain.Explanation(
            reason, explanation.bracket, explanation.rung, explanation.rank, explanation.rung_size, explanation.quota,
            explanation.cutoff,
            entries=tuple(domain.Entry(each.share, each.spent, each.credit, each.used) for each in explanation.entries),
            proposal=_proposal(explanation.proposal) if explanation.proposal else None,
        )
    )  # fmt: skip


def _proposal(found: Proposal) -> domain.Proposal:
    """Where a configuration comes from, as the model has it."""
    shares = (domain.SourceShare(each.source, each.share, each.spent, each.credit, each.used) for each in found.sources)
    return domain.Proposal(found.source, found.turn, found.revision, tuple(shares))


def _told_assignment(told: Any) -> object:
    return (
        told.lease.trial, told.lease.fence, from_map(told.hparams), told.from_length, told.to_length,
        told.next_decision_length, told.checkpoint, told.bracket, told.rung, told.restarts,
        _why(Explanation.from_proto(told.explanation)),
    )  # fmt: skip


def _given_assignment(given: domain.Assignment) -> object:
    return (
        given.lease.trial, given.lease.fencing_token, given.hparams, given.from_length, given.to_length,
        given.next_decision_length, given.checkpoint, given.bracket, given.rung, given.restarts,
        plain(given.explanation),
    )  # fmt: skip


def _told_reply(told: Any) -> object:
    decision = _word(trial_pb2.Decision, told.decision, "DECISION_")
    why = _why(Explanation.from_proto(told.explanation))
    return decision, told.to_length, told.next_decision_length, why


def _given_reply(given: domain.TellReply) -> object:
    return given.decision.value, given.to_length, given.next_decision_length, plain(given.explanation)


def _shown(trial: Any) -> object:
    curve = [(report.length, report.metric) for report in trial.curve or ()]
    outcome = trial.outcome.value if trial.outcome else None
    return (
        trial.state.value, trial.hparams, trial.bracket, trial.rung, trial.length, trial.metric, trial.best_metric,
        trial.best_length, trial.restarts, trial.checkpoint, trial.checkpoint_length, trial.worker, outcome,
        trial.message, trial.best_checkpoint, curve,
    )  # fmt: skip


def _viewed(view: domain.TrialView) -> object:
    curve = [(report.length, report.metric) for report in view.curve]
    outcome = view.outcome.value if view.outcome else None
    return (
        view.state.value, view.hparams, view.bracket, view.rung, view.length, view.metric, view.best_metric,
        view.best_length, view.restarts, view.checkpoint, view.checkpoint_length, view.worker, outcome, view.message,
        view.best_checkpoint, curve,
    )  # fmt: skip
