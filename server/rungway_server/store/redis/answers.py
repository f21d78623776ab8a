"""Reads what the scripts answer into the values of the domain."""

import json
from typing import Any

from rungway_server.domain.decisions import (
    AskAnswer,
    AskStatus,
    Assignment,
    Decision,
    EventView,
    ExperimentState,
    Explanation,
    Lease,
    Outcome,
    Reason,
    Report,
    Tally,
    TrialState,
    TrialView,
    Verdict,
)
from rungway_server.domain.plan import Plan
from rungway_server.domain.ranking import metric_of


def read_explanation(fields: list[Any], smaller_is_better: bool) -> Explanation:
    """`fields`: reason, bracket, rung, rank, size, quota, cutoff key ("" for none), and the parent of a clone."""
    reason, bracket, rung, rank, size, quota, cutoff, *parent = fields
    metric = metric_of(cutoff, smaller_is_better) if cutoff else None
    return Explanation(Reason(reason), bracket, rung, rank, size, quota, metric, int(parent[0]) if parent else None)


def read_assignment(fields: list[Any], smaller_is_better: bool) -> Assignment:
    """One assignment of ask.lua."""
    number, fence, hparams, start, end, decision, checkpoint, bracket, rung, restarts, deadline = fields[:11]
    return Assignment(
        lease=Lease(int(number), fence),
        hparams=hparams,
        from_length=start,
        to_length=end,
        next_decision_length=decision,
        checkpoint=checkpoint,
        bracket=bracket,
        rung=rung,
        restarts=restarts,
        deadline_ms=deadline,
        explanation=read_explanation(fields[11:], smaller_is_better),
    )


def read_ask(answer: list[Any], smaller_is_better: bool) -> AskAnswer:
    """An answer of ask.lua other than 'propose' and 'clone'."""
    word, revision = answer[0], answer[1]
    if word == "assigned":
        assignments = [read_assignment(fields, smaller_is_better) for fields in answer[4:]]
        return AskAnswer(AskStatus.ASSIGNED, assignments, None, 0, revision)
    if word == "wait":
        return AskAnswer(AskStatus.WAIT, (), Reason(answer[2]), int(answer[3]), revision)
    return AskAnswer(AskStatus.DONE, (), Reason(answer[2]), 0, revision)


def read_verdict(fields: list[Any], smaller_is_better: bool) -> Verdict:
    """One verdict: trial, fence, decision, to, next decision, deadline, explanation."""
    number, fence, decision, end, following, deadline = fields[:6]
    return Verdict(
        lease=Lease(int(number), int(fence)),
        decision=Decision(decision),
        explanation=read_explanation(fields[6:], smaller_is_better),
        to_length=end,
        next_decision_length=following,
        deadline_ms=deadline,
    )


def read_event(event_id: str, event: str, state: str, smaller_is_better: bool) -> EventView:
    """One line of the event log (see lua/include/event.lua)."""
    kind, trial, *why = event.split(" ")
    time_ms = int(event_id.partition("-")[0])
    if not why:
        return EventView(event_id, time_ms, kind)
    explanation = read_explanation([why[0], *map(int, why[1:6]), *why[6:]], smaller_is_better)
    length, metric, worker = state.split(" ", 2)
    measured = float(metric) if metric else None
    return EventView(event_id, time_ms, kind, int(trial), explanation, int(length), measured, worker)


def read_trial(fields: list[Any]) -> TrialView:
    """One trial view (see lua/include/view.lua)."""
    number, state, hparams, bracket, rung, length, metric, best, best_length = fields[:9]
    restarts, checkpoint, checkpoint_length, worker, outcome, message, created, curve, parent = fields[9:]
    return TrialView(
        trial=int(number),
        state=TrialState(state),
        hparams=hparams,
        bracket=bracket,
        rung=rung,
        length=length,
        metric=float(metric) if metric else None,
        best_metric=float(best) if best else None,
        best_length=int(best_length),
        restarts=restarts,
        checkpoint=checkpoint,
        checkpoint_length=checkpoint_length,
        worker=worker,
        outcome=Outcome(outcome) if outcome else None,
        message=message,
        created_ms=int(created),
        curve=tuple(_read_curve(curve)),
        parent=int(parent) if parent else None,
    )


def _read_curve(text: str) -> list[Report]:
    points = (point.split(" ") for point in text.split(";") if point)
    return [Report(int(length), float(metric)) for length, metric in points]


def read_tally(text: str, sizes: list[int], ready: list[int], plan: Plan) -> Tally:
    """The answer of tally.lua."""
    fields: dict[str, Any] = json.loads(text)
    return Tally(
        state=ExperimentState(fields["state"]),
        revision=fields["revision"],
        trials_created=fields["next_trial"],
        trained_length=int(fields["trained"]),
        started=tuple(fields["started"]),
        running=tuple(fields["live"]),
        rung_results=_by_rung(sizes, plan),
        rung_passed=tuple(tuple(passed) for passed in fields["passed"]),
        rung_ready=_by_rung(ready, plan),
        trial_states={TrialState(state): count for state, count in dict(fields["states"] or {}).items()},
    )


def _by_rung(counts: list[int], plan: Plan) -> tuple[tuple[int, ...], ...]:
    """What was counted rung by rung, by bracket."""
    left = iter(counts)
    return tuple(tuple(next(left) for _ in bracket.rungs) for bracket in plan.brackets)
