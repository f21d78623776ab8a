"""Trials as columns: arrays that grow, with what changed when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rungway_server.domain.engine import Outcome, TrialState
from rungway_server.domain.ranking import WORST_KEY, metrics_of
from rungway_server.service.view_port import Row

Array: TypeAlias = NDArray[Any]

STATES, OUTCOMES = tuple(TrialState), (None, *Outcome)
"""What the numbers of `state` and `outcome` stand for: places in these."""
_RUNNING = STATES.index(TrialState.RUNNING)
_FIELDS: Mapping[str, type] = {
    "trial": np.int64,
    "state": np.int8,
    "outcome": np.int8,
    "bracket": np.int16,
    "rung": np.int16,
    "length": np.int64,
    "metric": np.uint64,
    "best_metric": np.uint64,
    "best_length": np.int64,
    "restarts": np.int32,
    "create_ms": np.int64,
    "worker": np.int32,
    "parent": np.int64,
    "lease_deadline_ms": np.int64,
}
_RESULT_FIELDS: Mapping[str, type] = {"bracket": np.int16, "rung": np.int16, "trial": np.int64, "metric": np.uint64}
_INVALID = STATES.index(TrialState.INVALID)
_METRICS = ("metric", "best_metric")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A hyperparameter: its path as text, the values of one with choices (None of numbers), and whether its range is
    logarithmic."""

    name: str
    choices: tuple[object, ...] | None
    log: bool


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a parameter in some rows: numbers (NaN where there is none), or the values that occur and the place
    of each row's (-1 where there is none)."""

    parameter: Parameter
    numbers: Array | None
    occurring: Sequence[object] = ()
    index: Array | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows: arrays by name, the workers that occur (`worker` is a place among them), and the parameters."""

    columns: Mapping[str, Array]
    workers: Sequence[str]
    parameters: Sequence[Values]
    objectives: Sequence[tuple[str, Array]] = ()
    """The values of each objective by its name, in a search with several or with constraints."""
    violation: Array | None = None

    def __len__(self) -> int:
        return len(self.columns["trial"])


@dataclass(frozen=True, slots=True)
class Standing:
    """How far each valid trial came: its bracket, its highest rung with a result (-1: none), its score there (less is
    better; NaN where there is none), and the values of its parameters."""

    brackets: Array
    rungs: Array
    scores: Array
    parameters: Sequence[Values]


class Growing:
    """Arrays of one length that grows."""

    def __init__(self, fields: Mapping[str, type]) -> None:
        self._arrays: dict[str, Array] = {name: np.zeros(256, kind) for name, kind in fields.items()}
        self.count = 0

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name][: self.count]

    def grow(self, more: int) -> None:
        """Add so many rows of zeros."""
        self.count += more
        for name, array in self._arrays.items():
            if self.count > len(array):
                self._arrays[name] = np.concatenate((array, np.zeros(max(len(array), more), array.dtype)))


class Columns:
    """The trials of a search and their results at rungs.

    A row is stamped with the version in which it changed last. Results are only added.
    """

    def __init__(
        self, parameters: Sequence[Parameter], *, smaller_is_better: bool, objectives: Sequence[str] = ()
    ) -> None:
        """`objectives`: the names of what results rank by, where that is not their metric alone."""
        self._parameters, self._smaller, self._objectives = parameters, smaller_is_better, objectives
        kinds = {_at(i): np.float64 if each.choices is None else np.int32 for i, each in enumerate(parameters)}
        kinds |= dict.fromkeys(map(_ranking, objectives), np.float64) | ({_VIOLATION: np.float64} if objectives else {})
        self._rows = Growing({**_FIELDS, **kinds, "stamp": np.int64, "results": np.int16})
        self._results = Growing({**_RESULT_FIELDS, "row": np.int64})
        self._row_of: dict[int, int] = {}
        self._workers: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many trials there are."""
        return self._rows.count

    @property
    def result_count(self) -> int:
        """How many results at rungs there were, those of trials that have become invalid among them."""
        return self._results.count

    def __contains__(self, trial: int) -> bool:
        return trial in self._row_of

    def trials(self) -> list[int]:
        """The trials there are."""
        return list(self._row_of)

    def put(self, rows: Sequence[Row], version: int) -> None:
        """Add trials, or replace them."""
        if not rows:
            return
        before = self.count
        at = np.array([self._row_of.setdefault(row.trial, len(self._row_of)) for row in rows])
        self._rows.grow(len(self._row_of) - before)
        changed = at >= before
        for name, values in (*self._fields(rows), *self._values(rows), *self._ranks(rows)):
            column = self._rows[name]
            found = values.astype(column.dtype)
            bits = f"i{found.itemsize}"  # so that NaN equals NaN
            changed |= column[at].view(bits) != found.view(bits)
            column[at] = found
        ended = at[self._rows["state"][at] != _RUNNING]
        self._rows["lease_deadline_ms"][ended] = 0
        self._rows["stamp"][at[changed]] = version
        self._add_results(rows, at)

    def _fields(self, rows: Sequence[Row]) -> Iterable[tuple[str, Array]]:
        workers = self._workers
        yield "trial", np.array([row.trial for row in rows])
        yield "state", np.array([STATES.index(row.state) for row in rows])
        yield "outcome", np.array([OUTCOMES.index(row.outcome) for row in rows])
        yield "metric", _keys(row.metric for row in rows)
        yield "best_metric", _keys(row.best_metric for row in rows)
        yield "create_ms", np.array([row.created_ms for row in rows])
        places = [workers.setdefault(row.worker, len(workers)) if row.worker else -1 for row in rows]
        yield "worker", np.array(places)
        for name in ("bracket", "rung", "length", "best_length", "restarts", "parent"):
            yield name, np.array([getattr(row, name) for row in rows])

    def _values(self, rows: Sequence[Row]) -> Iterable[tuple[str, Array]]:
        by_parameter = zip(*(row.values for row in rows), strict=True)
        for i, (parameter, values) in enumerate(zip(self._parameters, by_parameter, strict=False)):
            missing = np.nan if parameter.choices is None else -1
            yield _at(i), np.array([missing if value is None else value for value in values], np.float64)

    def _ranks(self, rows: Sequence[Row]) -> Iterable[tuple[str, Array]]:
        if not self._objectives:
            return
        found = [row.objectives for row in rows]
        for name in self._objectives:
            yield _ranking(name), np.array([each.values.get(name, np.nan) if each else np.nan for each in found])
        yield _VIOLATION, np.array([each.violation if each else np.nan for each in found])

    def _add_results(self, rows: Sequence[Row], at: Array) -> None:
        known = self._rows["results"]
        new = [(i, row, result) for i, row in zip(at, rows, strict=True) for result in row.results[known[i] :]]
        known[at] = [len(row.results) for row in rows]
        if not new:
            return
        first = self._results.count
        self._results.grow(len(new))
        for name, values in (
            ("row", [i for i, _, _ in new]),
            ("bracket", [row.bracket for _, row, _ in new]),
            ("rung", [result.rung for _, _, result in new]),
            ("trial", [row.trial for _, row, _ in new]),
            ("metric", _keys(result.metric for _, _, result in new)),
        ):
            self._results[name][first:] = values

    def renew(self, leases: Sequence[tuple[int, int]], version: int) -> None:
        """Note when leases end, of trials that have one."""
        known = [(self._row_of[trial], end) for trial, end in leases if trial in self._row_of]
        if not known:
            return
        at, ends = np.array(known).T
        held = (self._rows["state"][at] == _RUNNING) & (self._rows["lease_deadline_ms"][at] != ends)
        self._rows["lease_deadline_ms"][at[held]] = ends[held]
        self._rows["stamp"][at[held]] = version

    def last_stamp(self) -> int:
        """The version of the last change of a row."""
        return int(self._rows["stamp"].max(initial=0))

    def changed(self, version: int, first: int, most: int) -> Array:
        """Of the `first` rows those that changed after this version, and up to `most` of the rows after these."""
        old = np.flatnonzero(self._rows["stamp"][:first] > version)
        return np.concatenate((old, np.arange(first, min(first + most, self.count))))

    def table(self, at: Array) -> Table:
        """A copy of these rows."""
        columns = {name: self._rows[name][at] for name in _FIELDS}
        for name in _METRICS:
            columns[name] = metrics_of(columns[name], self._smaller)
        names = [*self._workers]
        places, columns["worker"] = _occurring(columns["worker"])
        values = [self._occurring_values(i, at) for i in range(len(self._parameters))]
        ranking = [(name, self._rows[_ranking(name)][at]) for name in self._objectives]
        violation = self._rows[_VIOLATION][at] if ranking else None
        return Table(columns, [names[place] for place in places], values, ranking, violation)

    def _occurring_values(self, i: int, at: Array) -> Values:
        parameter, found = self._parameters[i], self._rows[_at(i)][at]
        if parameter.choices is None:
            return Values(parameter, found)
        places, index = _occurring(found)
        return Values(parameter, None, [parameter.choices[place] for place in places], index)

    def results(self, first: int, most: int) -> dict[str, Array]:
        """A copy of up to `most` results from the `first` on, without those that are void."""
        part = slice(first, first + most)
        columns = {name: self._results[name][part].copy() for name in _RESULT_FIELDS}
        columns["metric"] = metrics_of(columns["metric"], self._smaller)
        valid = self._rows["state"][self._results["row"][part]] != _INVALID
        return {name: values[valid] for name, values in columns.items()}

    def standing(self) -> Standing:
        """How far each trial came."""
        rungs, keys = np.full(self.count, -1), np.full(self.count, int.from_bytes(WORST_KEY), np.uint64)
        rows = self._results["row"]
        rungs[rows], keys[rows] = self._results["rung"], self._results["metric"]  # of several of a row the last counts
        at = np.flatnonzero(self._rows["state"] != _INVALID)
        scores = metrics_of(keys[at], smaller_is_better=True)  # less of a sort key is better
        return Standing(self._rows["bracket"][at], rungs[at], scores, self.table(at).parameters)


def _at(parameter: int) -> str:
    """The name of the column of a parameter."""
    return f"parameter {parameter}"


_VIOLATION = "violation"


def _ranking(objective: str) -> str:
    """The name of the column of an objective."""
    return f"objective {objective}"


def _keys(keys: Iterable[bytes]) -> Array:
    """Sort keys as numbers; where there is none, that of NaN."""
    return np.frombuffer(b"".join(key or WORST_KEY for key in keys), ">u8")


def _occurring(places: Array) -> tuple[list[int], Array]:
    """The places that occur but for -1, and which of them is where."""
    found, index = np.unique(places, return_inverse=True)
    missing = int(len(found) > 0 and found[0] < 0)
    return found[missing:].tolist(), index - missing
