"""What programs that propose configurations read and write: results as columns, and the proposals that wait."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rungway import values
from rungway._core.enums import TrialState, word
from rungway.v1 import experiment_service_pb2, trial_pb2, value_pb2, view_service_pb2


class Stock(NamedTuple):
    """Proposals that wait for their trials."""

    waiting: int
    """How many."""
    next_number: int
    """The number of the next proposal to come."""
    revision: int
    """Of the search: it grows with each change."""

    @classmethod
    def from_proto(cls, message: experiment_service_pb2.AddProposalsResponse) -> "Stock":
        """From its message on the wire."""
        return cls(message.waiting, message.next_number, message.revision)


class RungResult(NamedTuple):
    """The result of a trial at a rung."""

    trial: int
    bracket: int
    """From 0."""
    rung: int
    """From 0."""
    metric: float
    """NaN for a result without one, and for a trial that died."""


@dataclass(frozen=True, slots=True)
class Results:
    """What is new in a search since a cursor. Columns of trials have the same number of rows, in no order."""

    cursor: str
    """Where it ends."""
    reset: bool
    """Whether everything known before is void: this begins anew."""
    more: bool
    """Whether more follows at once."""
    trials: Sequence[int]
    """Numbers of the trials that are new or changed."""
    states: Sequence[TrialState]
    """Of these trials. Those that are INVALID have no results."""
    hparams: Sequence[Mapping[str, Any]]
    """Of these trials, by path, as `optimizer.lr`. Integers may come as floats."""
    results: Sequence[RungResult]
    """The results at rungs that are new, those of a trial in the order of its rungs."""

    @classmethod
    def from_proto(cls, view: view_service_pb2.View) -> "Results":
        """From its message on the wire."""
        found = view.results
        return cls(
            cursor=view.cursor,
            reset=view.reset,
            more=view.more,
            trials=tuple(view.trials.trial),
            states=tuple(
                word(trial_pb2.TrialState, state, "TRIAL_STATE_", TrialState.UNKNOWN) for state in view.trials.state
            ),
            hparams=_rows(len(view.trials.trial), view.trials.parameters),
            results=tuple(map(RungResult, found.trial, found.bracket, found.rung, found.metric)),
        )


def _rows(count: int, columns: Sequence[view_service_pb2.ParameterColumn]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for column in columns:
        if column.index:
            listed = values.from_map(value_pb2.MapValue(entries={str(i): v for i, v in enumerate(column.values)}))
            for row, place in zip(rows, column.index, strict=True):
                if place >= 0:
                    row[column.name] = listed[str(place)]
        else:
            for row, number in zip(rows, column.numbers, strict=True):
                if not math.isnan(number):
                    row[column.name] = number
    return rows
