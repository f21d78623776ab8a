"""The tables that people take away: trials, curves and events as columns with a name and a kind each."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TextIO, TypeVar

from rungway._data.objectives import standings
from rungway._data.search_data import EventData, SearchData, TrialData, number_of
from rungway.values import text_of

Row = TypeVar("Row")


class Kind(Enum):
    """What the values of a column are; each may be None."""

    INTEGER = "integer"
    REAL = "real"
    FLAG = "flag"
    TEXT = "text"
    TIME = "time"
    """A datetime in UTC."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    kind: Kind
    values: Sequence[Any]


Table = Sequence[Column]
"""Columns of the same length."""


def trials_table(data: SearchData, trials: Sequence[TrialData] | None = None) -> list[Column]:
    """A row for each trial, or for these ones in this order.

    Columns: number, state, outcome, `hparams.NAME` for each hyperparameter, metric (the last), best, best_length,
    length, `metrics.NAME` for each further metric (its last value), cost (the sum, seconds) if any was told, created
    (when it was first handed out), started and ended (of its last assignment; a trial under way has no end), duration
    (for how long workers held it, in seconds, without an assignment that is under way), worker, restarts, bracket,
    rung, parent if there are clones, checkpoint (the last), best_checkpoint (told with the best result; if there is
    any), message. Where results rank by several objectives or with constraints: violation (of the constraints by the
    last result, in parts of their bounds) and on_front, after cost.
    """
    rows = data.trials if trials is None else trials
    further = sorted({name for trial in rows for name in trial.last})
    costs = any(trial.cost is not None for trial in rows)
    clones = any(trial.parent is not None for trial in rows)
    bests = any(trial.best_checkpoint for trial in rows)
    return [
        Column("number", Kind.INTEGER, _of(rows, lambda trial: trial.number)),
        Column("state", Kind.TEXT, _of(rows, lambda trial: trial.state)),
        Column("outcome", Kind.TEXT, _of(rows, lambda trial: trial.outcome or None)),
        *_hparams(rows),
        Column("metric", Kind.REAL, _of(rows, lambda trial: trial.metric)),
        Column("best", Kind.REAL, _of(rows, lambda trial: trial.best)),
        Column("best_length", Kind.INTEGER, _of(rows, lambda trial: None if trial.best is None else trial.best_length)),
        Column("length", Kind.INTEGER, _of(rows, lambda trial: trial.length)),
        *(Column(f"metrics.{name}", Kind.REAL, [trial.last.get(name) for trial in rows]) for name in further),
        *([Column("cost", Kind.REAL, _of(rows, lambda trial: trial.cost))] if costs else ()),
        *_ranks(data, rows),
        Column("created", Kind.TIME, _of(rows, lambda trial: trial.created)),
        Column("started", Kind.TIME, [trial.spans[-1].start if trial.spans else None for trial in rows]),
        Column("ended", Kind.TIME, [trial.spans[-1].end if trial.spans else None for trial in rows]),
        Column("duration", Kind.REAL, _of(rows, lambda trial: trial.seconds)),
        Column("worker", Kind.TEXT, _of(rows, lambda trial: trial.worker or None)),
        Column("restarts", Kind.INTEGER, _of(rows, lambda trial: trial.restarts)),
        Column("bracket", Kind.INTEGER, _of(rows, lambda trial: trial.bracket)),
        Column("rung", Kind.INTEGER, _of(rows, lambda trial: trial.rung)),
        *([Column("parent", Kind.INTEGER, _of(rows, lambda trial: trial.parent))] if clones else ()),
        Column("checkpoint", Kind.TEXT, _of(rows, lambda trial: trial.checkpoint or None)),
        *([Column("best_checkpoint", Kind.TEXT, [trial.best_checkpoint or None for trial in rows])] if bests else ()),
        Column("message", Kind.TEXT, _of(rows, lambda trial: trial.message or None)),
    ]


def curves_table(data: SearchData) -> list[Column]:
    """A row for each report of each trial, in the order of telling; a trial that was restarted may have a length twice.

    Columns: number (of the trial), length, metric, `metrics.NAME` for each further metric, and cost (seconds) if any
    was told.
    """
    points = [
        (trial.number, length, metric, *trial.further.get(place, ({}, None)))
        for trial in data.trials
        for place, (length, metric) in enumerate(trial.curve)
    ]
    further = sorted({name for trial in data.trials for name in trial.last})
    costs = any(trial.cost is not None for trial in data.trials)
    return [
        Column("number", Kind.INTEGER, [point[0] for point in points]),
        Column("length", Kind.INTEGER, [point[1] for point in points]),
        Column("metric", Kind.REAL, [point[2] for point in points]),
        *(Column(f"metrics.{name}", Kind.REAL, [point[3].get(name) for point in points]) for name in further),
        *([Column("cost", Kind.REAL, [point[4] for point in points])] if costs else ()),
    ]


_NUMBERS = {"bracket": "bracket", "rung": "rung", "rank": "rank", "rung_size": "size", "quota": "quota"}
"""Columns of an event, and their fields in an export."""


def events_table(data: SearchData) -> list[Column]:
    """A row for each line of the event log, oldest first. Columns: time, kind, number (of the trial; none for an event
    of the experiment), reason, bracket, rung, rank, rung_size, quota, cutoff, length, metric, worker, parent, message:
    docs/concepts.md says what they are."""
    rows = data.events
    return [
        Column("time", Kind.TIME, _of(rows, lambda event: event.time)),
        Column("kind", Kind.TEXT, _of(rows, lambda event: event.kind)),
        Column("number", Kind.INTEGER, _of(rows, lambda event: event.number)),
        Column("reason", Kind.TEXT, _fields(rows, "reason")),
        *(Column(name, Kind.INTEGER, _fields(rows, known)) for name, known in _NUMBERS.items()),
        Column("cutoff", Kind.REAL, [None if value is None else number_of(value) for value in _fields(rows, "cutoff")]),
        Column("length", Kind.INTEGER, _fields(rows, "length")),
        Column("metric", Kind.REAL, [None if value is None else number_of(value) for value in _fields(rows, "metric")]),
        Column("worker", Kind.TEXT, _fields(rows, "worker")),
        Column("parent", Kind.INTEGER, [None if value is None else int(value) for value in _fields(rows, "parent")]),
        Column("message", Kind.TEXT, _fields(rows, "message")),
    ]


def write_csv(table: Table, stream: TextIO) -> None:
    """The table as CSV with a header: times in ISO 8601, an empty cell for None, "nan" and "inf" for such numbers. A
    text that begins like a formula has an apostrophe in front, so that no spreadsheet runs it."""
    writer = csv.writer(stream)
    writer.writerow([_cell(column.name) for column in table])
    writer.writerows(zip(*(map(_CELLS.get(column.kind, _same), column.values) for column in table), strict=True))


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet would run as a formula."""


def _cell(text: str | None) -> str | None:
    if text is None or not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")


def _same(value: Any) -> Any:
    return value


_CELLS: dict[Kind, Callable[[Any], Any]] = {Kind.TEXT: _cell, Kind.TIME: _iso}


def _of(rows: Sequence[Row], value: Callable[[Row], Any]) -> list[Any]:
    return [value(row) for row in rows]


def _fields(rows: Sequence[EventData], name: str) -> list[Any]:
    """A field of each event; None where it has none, or an empty text."""
    return [None if (value := event.fields.get(name)) == "" else value for event in rows]


def _hparams(trials: Sequence[TrialData]) -> Iterator[Column]:
    names = sorted({name for trial in trials for name in trial.hparams})
    for name in names:
        values = [trial.hparams.get(name) for trial in trials]
        kind = _kind(values)
        if kind is Kind.TEXT:
            values = [None if value is None else text_of(value) for value in values]
        yield Column(f"hparams.{name}", kind, values)


def _ranks(data: SearchData, trials: Sequence[TrialData]) -> Iterator[Column]:
    """How trials rank by several objectives, and whether they meet the constraints."""
    known = standings(data)
    if known is not None:
        found = [known.get(trial.number) for trial in trials]
        yield Column("violation", Kind.REAL, [each and each.violation for each in found])
        yield Column("on_front", Kind.FLAG, [each is not None and each.on_front for each in found])


def _kind(values: Sequence[Any]) -> Kind:
    """The kind of a hyperparameter: of mixed values a text."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return Kind.FLAG
    if types == {int}:
        return Kind.INTEGER
    return Kind.REAL if types and types <= {int, float} else Kind.TEXT
