"""Writes views as messages of the wire."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rungway.v1 import trial_pb2
from rungway.v1 import view_service_pb2 as views
from rungway.values import InvalidValue, to_map
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.offload import in_thread
from rungway_server.service.reading import in_slices
from rungway_server.service.view_cache import View
from rungway_server.service.view_columns import OUTCOMES, STATES, Array, Table, Values
from rungway_server.service.view_importance import Importance
from rungway_server.service.view_port import Curve, FurtherNames
from rungway_server.service.worker_thread import Priority
from rungway_server.transport.wire import event_message, experiment_message, timestamp

_STATE_NUMBERS = np.array([trial_pb2.TrialState.Value(f"TRIAL_STATE_{state.name}") for state in STATES])
_OUTCOME_NUMBERS = np.array([trial_pb2.Outcome.Value(f"OUTCOME_{o.name if o else 'UNSPECIFIED'}") for o in OUTCOMES])
_LARGE = 1_000
"""Rows and results from which they are written in a thread instead of on the event loop."""


async def view_message(view: View) -> views.View:
    """A view."""
    message = views.View(
        reset=view.reset,
        cursor=str(view.cursor),
        experiment=await experiment_message(view.experiment, with_config=view.with_config),
        events=[event_message(event) for event in view.events],
        left_out=view.left_out,
        parameters_left_out=view.parameters_left_out,
        time=timestamp(view.time_ms),
        more=view.more,
    )
    if len(view.trials) + len(view.results["trial"]) > _LARGE:
        await in_thread(Priority.READ, view.experiment.ref.namespace, _write_columns, view, message)
    else:
        _write_columns(view, message)
    return message


def _write_columns(view: View, message: views.View) -> None:
    _write_trials(view.trials, message.trials)
    _write(view.results, message.results)


def _write_trials(table: Table, message: views.TrialColumns) -> None:
    numbers = {
        "state": _STATE_NUMBERS[table.columns["state"]],
        "outcome": _OUTCOME_NUMBERS[table.columns["outcome"]],
    }
    _write({**table.columns, **numbers}, message)
    message.workers.extend(table.workers)
    for values in table.parameters:
        _write_values(values, message.parameters.add())
    for name, told in table.objectives:
        message.objectives.add(name=name, values=told.tolist())
    if table.violation is not None:
        message.violation.extend(table.violation.tolist())


def _write(columns: Mapping[str, Array], message: views.TrialColumns | views.RungResults) -> None:
    for name, values in columns.items():
        getattr(message, name).extend(values.tolist())


def _write_values(values: Values, message: views.ParameterColumn) -> None:
    message.name, message.log = values.parameter.name, values.parameter.log
    if values.numbers is not None:
        message.numbers.extend(values.numbers.tolist())
    if values.index is not None:
        message.values.extend(to_map({"": value}).entries[""] for value in values.occurring)
        message.index.extend(values.index.tolist())


async def curves_message(
    trials: Sequence[int], curves: Sequence[Curve], further: FurtherNames
) -> views.GetCurvesResponse:
    """The curves of these trials."""
    message = views.GetCurvesResponse(metrics=further.names, has_cost=further.cost)
    async for trial, curve in in_slices(list(zip(trials, curves, strict=True)), at_once=20):
        message.curves.add(trial=trial, length=curve.lengths.tolist(), metric=curve.metrics.tolist())
    return message


def importance_message(found: Importance) -> views.GetImportanceResponse:
    """How much each hyperparameter matters."""
    shares = [views.Importance(name=name, importance=share, by_rung=by_rung) for name, share, by_rung in found.shares]
    return views.GetImportanceResponse(parameters=shares, trials=found.trials, too_early=found.too_early)


async def config_message(namespace: str, document: dict[str, Any]) -> views.ReadConfigResponse:
    """A configuration as it was read. Raises InvalidInput for what the wire cannot carry."""
    try:
        config = await in_thread(Priority.READ, namespace, to_map, document)
    except InvalidValue as error:
        raise InvalidInput.one(error.path or "text", error.problem) from None
    return views.ReadConfigResponse(config=config)
