"""What somebody knows who looks at a search: views, added up as the page adds them up."""

import math
from typing import Any

from rungway.v1.experiment_pb2 import Experiment
from rungway.v1.trial_pb2 import TRIAL_STATE_INVALID
from rungway.v1.view_service_pb2 import ParameterColumn, TrialColumns, View
from rungway.values import from_map

_APART = ("workers", "worker", "parameters", "objectives", "violation")


class Viewer:
    """Adds up views."""

    def __init__(self) -> None:
        self.cursor = ""
        self.experiment = Experiment()
        self.trials: dict[int, dict[str, Any]] = {}
        self.results: dict[tuple[int, int, int], float | str] = {}
        self.events: list[str] = []
        self.left_out = self.resets = 0

    def apply(self, view: View) -> None:
        """Take in a view."""
        before = self.experiment
        if view.reset:
            self.trials, self.results, self.events = {}, {}, []
            self.resets += 1
        self.cursor, self.left_out = view.cursor, view.left_out
        experiment = Experiment()
        experiment.CopyFrom(view.experiment)
        if not experiment.HasField("config"):
            experiment.config.CopyFrom(before.config)
            experiment.summary.extend(before.summary)
        self.experiment = experiment
        self.trials |= rows(view.trials)
        columns = view.results
        for bracket, rung, trial, metric in zip(
            columns.bracket, columns.rung, columns.trial, columns.metric, strict=True
        ):
            assert (bracket, rung, trial) not in self.results or view.reset is False
            self.results[bracket, rung, trial] = plain(metric)
        self.events += [event.event_id for event in view.events]

    def known(self) -> dict[str, Any]:
        """All of it, in a form that compares: NaN equals NaN, and without what is void."""
        invalid = {trial for trial, row in self.trials.items() if row["state"] == TRIAL_STATE_INVALID}
        return {
            "experiment": self.experiment,
            "trials": self.trials,
            "results": {key: metric for key, metric in self.results.items() if key[2] not in invalid},
            "left_out": self.left_out,
        }


def rows(columns: TrialColumns) -> dict[int, dict[str, Any]]:
    """Rows by trial."""
    names = [field.name for field in columns.DESCRIPTOR.fields if field.name not in _APART]
    found = {}
    for i, trial in enumerate(columns.trial):
        row = {name: plain(getattr(columns, name)[i]) for name in names}
        row["worker"] = columns.workers[columns.worker[i]] if columns.worker[i] >= 0 else None
        row["parameters"] = {each.name: value_at(each, i) for each in columns.parameters}
        row["objectives"] = {each.name: plain(each.values[i]) for each in columns.objectives}
        row["violation"] = plain(columns.violation[i]) if columns.violation else None
        found[trial] = row
    return found


def value_at(column: ParameterColumn, i: int) -> Any:
    """The value of a parameter in a row; None if the trial does not have it."""
    if column.numbers:
        return plain(column.numbers[i])
    if column.index[i] < 0:
        return None
    entries = View().experiment.config  # any empty map
    entries.entries["value"].CopyFrom(column.values[column.index[i]])
    return from_map(entries)["value"]


def plain(value: Any) -> Any:
    """A number that compares: NaN as text, and no -0.0."""
    return ("NaN" if math.isnan(value) else value + 0.0) if isinstance(value, float) else value
