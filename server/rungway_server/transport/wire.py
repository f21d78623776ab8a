"""Writes values of the domain as messages of the wire."""

import time
from functools import lru_cache
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from rungway.v1 import experiment_pb2, experiment_service_pb2, trial_pb2
from rungway.v1 import search_service_pb2 as search
from rungway.values import fill_map, to_map
from rungway_server.domain.checkpoints import Superseded
from rungway_server.domain.describe import describe
from rungway_server.domain.engine import (
    AskAnswer,
    AskStatus,
    Assignment,
    BestBy,
    Decision,
    EventView,
    ExperimentState,
    Lease,
    LeaseStatus,
    Objectives,
    Outcome,
    Progress,
    Report,
    TellAnswer,
    TellReply,
    TrialState,
    TrialView,
)
from rungway_server.domain.experiment import ExperimentConfig, to_document
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule
from rungway_server.domain.search.preview import PreviewRow, preview
from rungway_server.domain.search.replan import without_lost
from rungway_server.service.experiments import ExperimentView, Found, Listed, Planned, Unreadable
from rungway_server.service.offload import in_thread
from rungway_server.service.port import Definition
from rungway_server.service.reading import Turn
from rungway_server.service.trials import Workers
from rungway_server.service.worker_thread import Priority
from rungway_server.transport.explanations import (
    REASONS,
    entries_of,
    entry_message,
    explanation_message,
    first_shares,
    source_message,
    whole,
)
from rungway_server.transport.requests import NAMESPACE

_DECISIONS = {decision: trial_pb2.Decision.Value(f"DECISION_{decision.name}") for decision in Decision}
_STATES = {state: trial_pb2.TrialState.Value(f"TRIAL_STATE_{state.name}") for state in TrialState}
_OUTCOMES = {outcome: trial_pb2.Outcome.Value(f"OUTCOME_{outcome.name}") for outcome in Outcome}
BEST_BY = {by: experiment_service_pb2.BestBy.Value(f"BEST_BY_{by.name}") for by in BestBy}
_ASK_STATUSES = {status: search.AskStatus.Value(f"ASK_STATUS_{status.name}") for status in AskStatus}
_EXPERIMENT_STATES = {s: experiment_pb2.ExperimentState.Value(f"EXPERIMENT_STATE_{s.name}") for s in ExperimentState}
_RULES = {r: experiment_pb2.PromotionRule.Value(f"PROMOTION_RULE_{r.name}") for r in PromotionRule}
_FORMS = {f: experiment_pb2.DecisionForm.Value(f"DECISION_FORM_{f.name}") for f in DecisionForm}

_LONGEST_ON_LOOP, _MOST_CONVERTED = 10_000, 32
"""Longest configuration (characters) that is converted on the event loop, and how many longer ones are remembered."""
_converted: dict[str, bytes] = {}

_Told = TypeVar("_Told", search.TellResponse, search.ReleaseResponse)


def timestamp(ms: int) -> Timestamp:
    """Milliseconds since the epoch as a Timestamp."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


@lru_cache(maxsize=64)
def duration(ms: int) -> Duration:
    """Milliseconds as a Duration. It is cached: do not change it."""
    return Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def lease_message(lease: Lease) -> trial_pb2.Lease:
    """One lease."""
    return trial_pb2.Lease(trial=lease.trial, fence=lease.fencing_token)


def write_assignment(assignment: Assignment, lease_ms: int, message: trial_pb2.Assignment) -> None:
    """Fill in an empty message: cheaper than making parts and copying them into the whole."""
    message.lease.trial, message.lease.fence = assignment.lease
    fill_map(message.hparams, assignment.hparams)
    message.from_length = assignment.from_length
    message.to_length = assignment.to_length
    message.next_decision_length = assignment.next_decision_length
    message.checkpoint = assignment.checkpoint
    message.bracket = assignment.bracket
    message.rung = assignment.rung
    message.restarts = assignment.restarts
    message.lease_deadline.seconds = assignment.deadline_ms // 1000
    message.lease_deadline.nanos = assignment.deadline_ms % 1000 * 1_000_000
    message.lease_duration.CopyFrom(duration(lease_ms))
    message.explanation.CopyFrom(explanation_message(assignment.explanation))


async def ask_message(answer: AskAnswer, best: TrialView | None, lease_ms: int) -> search.AskResponse:
    """The answer to an ask. Large configurations are written in slices."""
    message = search.AskResponse(
        status=_ASK_STATUSES[answer.status],
        reason=REASONS[answer.reason] if answer.reason else trial_pb2.REASON_UNSPECIFIED,
        retry_after=duration(answer.retry_after_ms) if answer.status is AskStatus.WAIT else None,
        best_trial=trial_message(best) if best else None,
        revision=answer.revision,
        message=answer.message,
    )
    turn = Turn()
    for assignment in answer.assignments:
        write_assignment(assignment, lease_ms, message.assignments.add())
        await turn.breathe()
    return message


def write_reply(reply: TellReply, message: trial_pb2.Verdict) -> None:
    """Fill in an empty message: cheaper than making parts and copying them into the whole."""
    lease = message.lease
    lease.trial, lease.fence = reply.lease
    message.decision = _DECISIONS[reply.decision]
    message.explanation.CopyFrom(explanation_message(reply.explanation))
    if reply.decision is Decision.CONTINUE:
        message.to_length = reply.to_length
        message.next_decision_length = reply.next_decision_length
        deadline = message.lease_deadline
        deadline.seconds, deadline.nanos = reply.deadline_ms // 1000, reply.deadline_ms % 1000 * 1_000_000


def told_message(answer: TellAnswer, message: _Told) -> _Told:
    """The replies of a tell or a release, in an empty message of its kind."""
    message.revision = answer.revision
    for reply in answer.replies:
        write_reply(reply, message.verdicts.add())
    return message


def fail_message(reply: TellReply, revision: int) -> search.FailResponse:
    """The reply on a failed trial."""
    message = search.FailResponse(revision=revision)
    write_reply(reply, message.verdict)
    return message


def lease_status_message(status: LeaseStatus) -> search.LeaseStatus:
    """The status of one lease."""
    renewed = status.decision is Decision.CONTINUE
    return search.LeaseStatus(
        lease=lease_message(status.lease),
        decision=_DECISIONS[status.decision],
        lease_deadline=timestamp(status.deadline_ms) if renewed else None,
    )


def trial_message(trial: TrialView) -> trial_pb2.Trial:
    """One trial without its curve, which may be long."""
    return trial_pb2.Trial(
        trial=trial.trial,
        state=_STATES[trial.state],
        hparams=to_map(trial.hparams),
        bracket=trial.bracket,
        rung=trial.rung,
        length=trial.length,
        metric=trial.metric,
        best_metric=trial.best_metric,
        best_length=trial.best_length,
        restarts=trial.restarts,
        checkpoint=trial.checkpoint,
        checkpoint_length=trial.checkpoint_length,
        worker=trial.worker,
        outcome=_OUTCOMES[trial.outcome] if trial.outcome else trial_pb2.OUTCOME_UNSPECIFIED,
        message=trial.message,
        create_time=timestamp(trial.created_ms),
        parent=trial.parent,
        best_checkpoint=trial.best_checkpoint,
        source=trial.source,
        objectives=objectives_message(trial.objectives) if trial.objectives else None,
    )


def objectives_message(found: Objectives) -> trial_pb2.Objectives:
    """What a result ranks by."""
    return trial_pb2.Objectives(values=found.values, violation=found.violation, front=found.front)


def stale_message(checkpoint: Superseded) -> experiment_service_pb2.StaleCheckpoint:
    """A checkpoint that no trial can need any more."""
    return experiment_service_pb2.StaleCheckpoint(
        checkpoint=checkpoint.checkpoint, trial=checkpoint.trial, since=timestamp(checkpoint.since_ms)
    )


def write_report(report: Report, message: trial_pb2.Report) -> None:
    """Fill in an empty message of a point of a curve."""
    message.length, message.metric = report.length, report.metric
    if report.further:
        message.metrics.update(report.further.metrics)
        if report.further.cost is not None:
            message.cost = report.further.cost


def workers_message(found: Workers) -> experiment_service_pb2.ListWorkersResponse:
    """The workers of a search."""
    workers = [
        experiment_service_pb2.Worker(
            worker=trial.worker,
            trial=trial.trial,
            bracket=trial.bracket,
            rung=trial.rung,
            length=trial.length,
            last_heard=timestamp(heard_ms),
            lease_deadline=timestamp(deadline_ms),
        )
        for trial, heard_ms, deadline_ms in found.workers
    ]
    now = timestamp(time.time_ns() // 1_000_000)
    return experiment_service_pb2.ListWorkersResponse(workers=workers, left_out=found.left_out, time=now)


async def listed_message(found: Found) -> experiment_pb2.Experiment:
    """One experiment of a list, without its plan and its comment; of one that cannot be read only its name, and why."""
    if isinstance(found, Unreadable):
        state = experiment_pb2.EXPERIMENT_STATE_UNREADABLE
        return experiment_pb2.Experiment(experiment=found.ref.experiment, state=state, notes=[found.why])
    message = _message(found, without_lost(found.definition.plan, found.progress.lost))
    message.ClearField("comment")
    if isinstance(found, ExperimentView):
        await _write_config(found.definition, message)
        message.ClearField("summary")
    return message


async def experiment_message(view: ExperimentView, *, with_config: bool = True) -> experiment_pb2.Experiment:
    """One experiment with its plan and, unless that is not wanted, its configuration and summary."""
    plan = without_lost(view.definition.plan, view.progress.lost)
    message = _message(view, plan)
    message.plan.CopyFrom(plan_message(plan, view.progress))
    if with_config:
        await _write_config(view.definition, message)
    return message


def _message(view: ExperimentView | Listed, plan: Plan) -> experiment_pb2.Experiment:
    definition, progress = view.definition, view.progress
    return experiment_pb2.Experiment(
        experiment=view.ref.experiment,
        state=_EXPERIMENT_STATES[progress.state],
        create_time=timestamp(definition.created_ms),
        trials=_counts(progress),
        progress=fraction_done(plan, progress),
        trained_length=whole(progress.trained_length),
        revision=progress.revision,
        notes=definition.notes,
        reason=trial_pb2.REASON_UNSPECIFIED if progress.failing is None else trial_pb2.REASON_FAILING,
        message=progress.failing or "",
        uid=definition.uid,
        warnings=view.warnings if isinstance(view, ExperimentView) else (),
        labels=definition.about.labels,
        owner=definition.about.owner,
        comment=definition.about.comment,
    )


async def _write_config(definition: Definition, message: experiment_pb2.Experiment) -> None:
    """The configuration and its summary; large ones are converted once, in a thread."""
    text = definition.config_text
    if len(text) <= _LONGEST_ON_LOOP:
        message.MergeFrom(_configured(definition.config))
        return
    if text not in _converted:
        converted = await in_thread(
            Priority.READ, NAMESPACE.get(), lambda: _configured(definition.config).SerializeToString()
        )
        if len(_converted) >= _MOST_CONVERTED:
            _converted.pop(next(iter(_converted)))
        _converted[text] = converted
    message.MergeFromString(_converted[text])


def _configured(config: ExperimentConfig) -> experiment_pb2.Experiment:
    return experiment_pb2.Experiment(config=to_map(to_document(config)), summary=describe(config))


def plan_message(plan: Plan, progress: Progress | None = None) -> experiment_pb2.Plan:
    """A plan; with `progress`, the counts of each bracket, too."""
    return experiment_pb2.Plan(
        brackets=[_bracket(bracket, b, progress) for b, bracket in enumerate(plan.brackets)],
        rule=_RULES[plan.rule],
        form=_FORMS[plan.form],
        divisor=plan.divisor,
        max_concurrent_trials=plan.max_concurrent_trials,
        unit=plan.unit,
        entries=map(entry_message, entries_of(plan, progress)),
        go_on=plan.go_on,
        budget=whole(plan.budget),
        time_budget=duration(plan.budget_ms) if plan.budget_ms else None,
        sources=map(source_message, progress.sources if progress else first_shares(plan)),
        cost_aware=plan.cost_aware,
    )


def preview_message(planned: Planned) -> experiment_pb2.Preview:
    """A preview of a search."""
    shown = preview(planned.plan)
    return experiment_pb2.Preview(
        plan=plan_message(planned.plan),
        brackets=[
            experiment_pb2.BracketPreview(max_trials=bracket.max_trials, rows=_rows(bracket.rows))
            for bracket in shown.brackets
        ],
        total=_rows(shown.total),
        total_length=whole(shown.total_length),
        random_search_length=whole(shown.random_search_length),
        config=to_map(to_document(planned.config)),
        notes=planned.notes,
        summary=describe(planned.config),
    )


def event_message(event: EventView) -> experiment_pb2.Event:
    """One line of the event log."""
    return experiment_pb2.Event(
        event_id=event.event_id,
        time=timestamp(event.time_ms),
        kind=event.kind,
        trial=event.trial,
        explanation=explanation_message(event.explanation) if event.explanation else None,
        length=event.length,
        metric=event.metric,
        worker=event.worker,
        dropped=event.dropped,
        message=event.message,
    )


def _bracket(bracket: Bracket, b: int, progress: Progress | None) -> experiment_pb2.Bracket:
    return experiment_pb2.Bracket(
        rungs=[
            experiment_pb2.Rung(
                length=rung.length,
                size=rung.size,
                passes=rung.slots,
                clones=rung.clones,
                results=progress.rung_results[b][k] if progress else 0,
                passed=progress.rung_promoted[b][k] if progress else 0,
            )
            for k, rung in enumerate(bracket.rungs)
        ],
        max_trials=bracket.max_trials,
        max_concurrent_trials=bracket.max_concurrent_trials,
        started=progress.started[b] if progress else 0,
        running=progress.running[b] if progress else 0,
    )


def _counts(progress: Progress) -> experiment_pb2.TrialCounts:
    by_state = {state.value: progress.trial_states.get(state, 0) for state in TrialState}
    return experiment_pb2.TrialCounts(started=sum(progress.started), **by_state)


def _rows(rows: tuple[PreviewRow, ...]) -> list[experiment_pb2.PreviewRow]:
    return [experiment_pb2.PreviewRow(trials=row.trials, length=row.length) for row in rows]
