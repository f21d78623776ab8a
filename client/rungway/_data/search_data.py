"""A whole search as it was at one moment, read from the text of an export (docs/export.md).

One call gives all trials, curves and events of the same moment, where pages of trials would mix several. Lines are read
one by one, and fields by their names, so that a later format with more of them can be read, too.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from rungway._core.errors import InternalError, Unavailable

_ENDS = frozenset({"pause", "stop", "release", "retry", "failed", "invalid"})
"""Kinds of events with which a lease ends."""
_CLIMBS = frozenset({"promoted", "going_on", "cloned"})
"""Reasons of an assignment to the rung above the one that the event names."""
_EPOCH = datetime.fromtimestamp(0, timezone.utc)
_PLAIN = re.compile(r"[^\W\d]\w*")


@dataclass(slots=True)
class Span:
    """A time in which one worker held a trial."""

    worker: str
    start: datetime
    rung: int
    """The rung that the trial trained towards, counted from 0."""
    end: datetime | None = None
    """None while the worker holds it."""
    how: str = ""
    """The kind of the event with which it ended."""


@dataclass(slots=True)
class TrialData:
    """One trial with all that is shown of it. Lengths are in the experiment's unit."""

    number: int
    state: str
    outcome: str
    hparams: Mapping[str, Any]
    bracket: int
    rung: int
    metric: float | None
    """The last result; None before the first."""
    best: float | None
    best_length: int
    length: int
    created: datetime
    worker: str
    restarts: int
    parent: int | None
    checkpoint: str
    message: str
    curve: Sequence[tuple[int, float]]
    """Pairs of length and metric in the order of telling; only the last of them where curves were not asked for."""
    further: Mapping[int, tuple[Mapping[str, float], float | None]]
    """Further metrics and the cost (seconds) by the place in the curve."""
    last: Mapping[str, float]
    """The last value of each further metric."""
    cost: float | None
    """The sum of all costs (seconds); None where none was told."""
    results: frozenset[int] = frozenset()
    """The rungs in which it has a result, or was ranked last when it failed."""
    spans: list[Span] = field(default_factory=list)
    best_checkpoint: str = ""
    """The one that was told together with the best result."""
    told: Mapping[str, float] = field(default_factory=dict)
    """The further metrics of the last report."""

    @property
    def seconds(self) -> float | None:
        """For how long workers held it, without the time of one that holds it now; None before the first has ended."""
        found = [(span.end - span.start).total_seconds() for span in self.spans if span.end]
        return sum(found) if found else None


@dataclass(slots=True)
class EventData:
    """One line of the event log."""

    time: datetime
    kind: str
    number: int | None
    """Of the trial; None for an event of the experiment."""
    fields: Mapping[str, Any]


@dataclass(slots=True)
class SearchData:
    """One search."""

    experiment: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    unit: str = ""
    rungs: Sequence[Sequence[int]] = ()
    """The lengths of the rungs of each bracket, lowest first."""
    created: datetime = _EPOCH
    state: str = ""
    trials: list[TrialData] = field(default_factory=list)
    """By number."""
    events: list[EventData] = field(default_factory=list)
    """Oldest first."""

    @property
    def metric(self) -> str:
        """The name of the searcher's metric."""
        return str(self.config.get("searcher", {}).get("metric", "metric"))

    @property
    def began(self) -> datetime:
        """When the first trial was handed out; before that, when the search was created."""
        return min((trial.created for trial in self.trials), default=self.created)

    @property
    def smaller_is_better(self) -> bool:
        """Which way the metric ranks."""
        return bool(self.config.get("searcher", {}).get("smaller_is_better", True))


class ExportReader:
    """Takes the pieces of an export in order; `done` returns what they say."""

    def __init__(self, *, curves: bool, events: bool = False) -> None:
        """Without `curves` and `events` these are left out of the result, which then takes less memory."""
        self._curves, self._events = curves, events
        self._rest: list[str] = []
        self._ended = False
        self._by_number: dict[int, TrialData] = {}
        self._towards: dict[int, int] = {}
        self._data = SearchData()

    def feed(self, piece: str) -> None:
        """The next piece of the text. Raises InternalError where it is not an export that this client can read."""
        if "\n" not in piece:
            self._rest.append(piece)
            return
        first, *lines = piece.split("\n")
        self._line("".join([*self._rest, first]))
        *whole, rest = lines
        for line in whole:
            self._line(line)
        self._rest = [rest]

    def done(self) -> SearchData:
        """The search. Raises Unavailable when the end of the text did not come."""
        if not self._ended:
            raise Unavailable("the data of the search did not come whole: its end is missing")
        return self._data

    def _line(self, line: str) -> None:
        try:
            self._add(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise InternalError(
                f"this client cannot read the data of the search ({type(error).__name__}: {error}): "
                "check the versions of client and service",
                reason="UNREADABLE_REPLY",
            ) from None

    def _add(self, record: Any) -> None:
        if not isinstance(record, dict):
            raise TypeError("a line is no object")
        if "event" in record:
            self._add_event(record)
        elif "trial" in record:
            trial = _trial(record, self._curves)
            self._data.trials.append(trial)
            self._by_number[trial.number] = trial
        elif "search" in record:
            self._add_search(record["search"])
        elif "end" in record:
            self._ended = True
        elif "rungway_export" in record:
            self._data.experiment = record["experiment"]

    def _add_search(self, search: Mapping[str, Any]) -> None:
        self._data.config = search["config"]
        self._data.unit = search["plan"]["unit"]
        self._data.rungs = [[rung[0] for rung in bracket["rungs"]] for bracket in search["plan"]["brackets"]]
        self._data.created = _time(search["created_ms"])
        self._data.state = search["tally"]["state"]

    def _add_event(self, record: dict[str, Any]) -> None:
        time, kind, number = _time(int(record["event"].partition("-")[0])), record["kind"], record.get("trial")
        if self._events:
            self._data.events.append(EventData(time, kind, number, record))
        trial = self._by_number.get(number) if number is not None else None
        if trial is None:
            return
        if kind in ("assign", "continue") and record["reason"] != "requeued":
            # Of what goes on the event has the rung it came from, of a new trial that at which it enters.
            self._towards[trial.number] = max(record["rung"] + (record["reason"] in _CLIMBS), 0)
        if kind == "assign":
            trial.spans.append(Span(record["worker"], time, self._towards.get(trial.number, 0)))
        elif kind in _ENDS and trial.spans and trial.spans[-1].end is None:
            trial.spans[-1].end, trial.spans[-1].how = time, kind


def _trial(record: Mapping[str, Any], curves: bool) -> TrialData:
    curve = [(length, number_of(metric)) for length, metric in (record["curve"] if curves else record["curve"][-1:])]
    further: dict[int, tuple[Mapping[str, float], float | None]] = {}
    last: dict[str, float] = {}
    at_last: dict[str, float] = {}
    cost: float | None = None
    for place, metrics, *told in record.get("metrics", ()):
        values = {name: number_of(value) for name, value in metrics.items()}
        last |= values
        if place == len(record["curve"]) - 1:
            at_last = values
        cost = (cost or 0.0) + told[0] if told else cost
        if curves:
            further[place] = values, told[0] if told else None
    parent = record.get("parent")
    has_best = record["best_metric"] != ""
    return TrialData(
        number=record["trial"],
        state=record["state"],
        outcome=record["outcome"],
        hparams=dict(flat(record["hparams"])),
        bracket=record["bracket"],
        rung=record["rung"],
        metric=None if record["metric"] == "" else number_of(record["metric"]),
        best=number_of(record["best_metric"]) if has_best else None,
        best_length=record["best_length"],
        length=record["length"],
        created=_time(record["created"]),
        worker=record["worker"],
        restarts=record["restarts"],
        parent=int(parent[0]) if parent else None,
        checkpoint=record["checkpoint"],
        best_checkpoint=record.get("best_checkpoint", ""),
        message=record["message"],
        curve=curve,
        further=further,
        last=last,
        cost=cost,
        results=frozenset(rung for rung, entry in enumerate(record.get("entries", ())) if entry),
        told=at_last,
    )


def flat(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The values of a nested configuration by their paths ("optimizer.lr"); an empty group has none."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, (*above, name))
        else:
            yield spelled(*above, name), value


def spelled(*names: str) -> str:
    """A path as text, as the command line has it: backquotes stand around a name that is not letters and digits."""
    return ".".join(name if _PLAIN.fullmatch(name) else f"`{name.replace('`', '``')}`" for name in names)


def _time(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def number_of(value: Any) -> float:
    """A metric of the file, which has "nan" and "inf" as texts."""
    return float(value)
