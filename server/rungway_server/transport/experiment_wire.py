"""Experiments, plans and previews as messages of the wire."""

from rungway.v1 import experiment_pb2, trial_pb2
from rungway.values import to_map
from rungway_server.domain.config import ExperimentConfig, to_document
from rungway_server.domain.decisions import EventView, ExperimentState, Tally, TrialState
from rungway_server.domain.describe import describe
from rungway_server.domain.plan import Bracket, DecisionForm, Plan, PromotionRule
from rungway_server.domain.preview import PreviewRow, preview
from rungway_server.domain.progress import progress
from rungway_server.domain.replan import without_lost
from rungway_server.service.aside import aside
from rungway_server.service.experiments import ExperimentView, Found, Listed, Planned, Unreadable
from rungway_server.service.port import Definition
from rungway_server.service.turns import Turn
from rungway_server.transport.requests import NAMESPACE
from rungway_server.transport.wire import explanation_message, timestamp

_STATES = {s: experiment_pb2.ExperimentState.Value(f"EXPERIMENT_STATE_{s.name}") for s in ExperimentState}
_RULES = {r: experiment_pb2.PromotionRule.Value(f"PROMOTION_RULE_{r.name}") for r in PromotionRule}
_FORMS = {f: experiment_pb2.DecisionForm.Value(f"DECISION_FORM_{f.name}") for f in DecisionForm}
_SHORT, _MOST_CONVERTED = 10_000, 32
"""Characters of a configuration that is converted quickly, and how many longer ones are remembered."""
_converted: dict[str, bytes] = {}


async def listed_message(found: Found) -> experiment_pb2.Experiment:
    """One experiment of a list: without its plan, and of one that cannot be read its name and why."""
    if isinstance(found, Unreadable):
        state = experiment_pb2.EXPERIMENT_STATE_UNREADABLE
        return experiment_pb2.Experiment(experiment=found.ref.experiment, state=state, notes=[found.why])
    message = _message(found, without_lost(found.definition.plan, found.tally.lost))
    if isinstance(found, ExperimentView):
        await _write_config(found.definition, message)
        message.ClearField("summary")
    return message


async def experiment_message(view: ExperimentView) -> experiment_pb2.Experiment:
    """One experiment with its plan, configuration and summary."""
    plan = without_lost(view.definition.plan, view.tally.lost)
    message = _message(view, plan)
    message.plan.CopyFrom(plan_message(plan, view.tally))
    await _write_config(view.definition, message)
    return message


def _message(view: ExperimentView | Listed, plan: Plan) -> experiment_pb2.Experiment:
    definition, tally = view.definition, view.tally
    return experiment_pb2.Experiment(
        experiment=view.ref.experiment,
        state=_STATES[tally.state],
        create_time=timestamp(definition.created_ms),
        trials=_counts(tally),
        progress=progress(plan, tally),
        trained_length=_whole(tally.trained_length),
        revision=tally.revision,
        notes=definition.notes,
        reason=trial_pb2.REASON_UNSPECIFIED if tally.failing is None else trial_pb2.REASON_FAILING,
        message=tally.failing or "",
        uid=definition.uid,
        warnings=view.warnings if isinstance(view, ExperimentView) else (),
    )


async def _write_config(definition: Definition, message: experiment_pb2.Experiment) -> None:
    """The configuration and its summary; those of a large one are made once, beside the event loop."""
    text = definition.config_text
    if len(text) <= _SHORT:
        message.MergeFrom(_configured(definition.config))
        return
    if text not in _converted:
        converted = await aside(Turn.READ, NAMESPACE.get(), lambda: _configured(definition.config).SerializeToString())
        if len(_converted) >= _MOST_CONVERTED:
            _converted.pop(next(iter(_converted)))
        _converted[text] = converted
    message.MergeFromString(_converted[text])


def _configured(config: ExperimentConfig) -> experiment_pb2.Experiment:
    return experiment_pb2.Experiment(config=to_map(to_document(config)), summary=describe(config))


def plan_message(plan: Plan, tally: Tally | None = None) -> experiment_pb2.Plan:
    """A plan, with how far each bracket is where there is a tally."""
    return experiment_pb2.Plan(
        brackets=[_bracket(bracket, b, tally) for b, bracket in enumerate(plan.brackets)],
        rule=_RULES[plan.rule],
        form=_FORMS[plan.form],
        divisor=plan.divisor,
        max_concurrent_trials=plan.max_concurrent_trials,
        unit=plan.unit,
    )


def preview_message(planned: Planned) -> experiment_pb2.Preview:
    """What a search would do."""
    shown = preview(planned.plan)
    return experiment_pb2.Preview(
        plan=plan_message(planned.plan),
        brackets=[
            experiment_pb2.BracketPreview(max_trials=bracket.max_trials, rows=_rows(bracket.rows))
            for bracket in shown.brackets
        ],
        total=_rows(shown.total),
        total_length=_whole(shown.total_length),
        random_search_length=_whole(shown.random_search_length),
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


def _bracket(bracket: Bracket, b: int, tally: Tally | None) -> experiment_pb2.Bracket:
    return experiment_pb2.Bracket(
        rungs=[
            experiment_pb2.Rung(
                length=rung.length,
                size=rung.size,
                passes=rung.passes,
                clones=rung.clones,
                results=tally.rung_results[b][k] if tally else 0,
                passed=tally.rung_passed[b][k] if tally else 0,
            )
            for k, rung in enumerate(bracket.rungs)
        ],
        max_trials=bracket.max_trials,
        max_concurrent_trials=bracket.max_concurrent_trials,
        started=tally.started[b] if tally else 0,
        running=tally.running[b] if tally else 0,
    )


def _counts(tally: Tally) -> experiment_pb2.TrialCounts:
    by_state = {state.value: tally.trial_states.get(state, 0) for state in TrialState}
    return experiment_pb2.TrialCounts(started=sum(tally.started), **by_state)


def _whole(length: int) -> int:
    """A sum of lengths as the wire has it: the largest number there is stands for all above."""
    return min(length, 2**63 - 1)


def _rows(rows: tuple[PreviewRow, ...]) -> list[experiment_pb2.PreviewRow]:
    return [experiment_pb2.PreviewRow(trials=row.trials, length=row.length) for row in rows]
