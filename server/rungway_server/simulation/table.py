"""Recorded learning curves: an .npz table of configurations by lengths (docs/simulation.md names its keys)."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rungway_server.simulation.curves import BadCurves, Checkpoint
from rungway_server.simulation.rows import Column, Configured, Dealt, Rows, read_column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

_NEEDED = ("meta", "tasks", "val", "seconds")
_OPTIONAL = ("n_done", "space", "configs", "further", "further_names")
SECONDS = "seconds"
"""The further metric that each table has: the seconds of training up to a length."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One task of a table: `values` by row and length - 1, `elapsed` the seconds by row and length (0 at length 0),
    `ends` by row the length at which its run had ended.

    `configs` are the hyperparameters by row and column; a table need not tell them, and then has no columns.
    """

    name: str
    task: str
    tasks: tuple[str, ...]
    metric: str
    unit: str
    smaller_is_better: bool
    values: "Numbers"
    elapsed: "Numbers"
    ends: "Numbers"
    columns: tuple[Column, ...]
    configs: "Numbers"
    further: Mapping[str, "Numbers"]
    """Values of further metrics as those of the first: by row and length - 1, NaN where they were not measured."""

    @property
    def title(self) -> str:
        """Its name, with the task where there are several."""
        return f"{self.name}, {self.task}" if len(self.tasks) > 1 else self.name


def read_table(path: Path, task: str | None = None) -> Table:
    """Read one task of a table (the first unless named). Raises BadCurves with what is wrong with the file."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            if missing := [key for key in _NEEDED if key not in file.files]:
                raise BadCurves(f"{path}: not a table of curves: without {', '.join(missing)}")
            stored: dict[str, Any] = {key: file[key] for key in (*_NEEDED, *_OPTIONAL) if key in file.files}
            meta = json.loads(str(stored["meta"]))
    except OSError as error:
        raise BadCurves(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, zipfile.BadZipFile, AttributeError):
        raise BadCurves(
            f"{path}: not an .npz table of curves (one without pickled objects, with JSON in meta)"
        ) from None
    return _one_task(path, stored, meta, task)


def _one_task(path: Path, stored: Mapping[str, Any], meta: Mapping[str, Any], task: str | None) -> Table:
    import numpy as np

    tasks = tuple(str(name) for name in stored["tasks"])
    chosen = tasks[0] if task is None else task
    if chosen not in tasks:
        raise BadCurves(f"{path}: has no task {chosen!r}; its tasks: {', '.join(tasks)}")
    every = np.asarray(stored["val"], dtype=np.float64)
    if every.ndim != 3 or every.shape[0] != len(tasks) or not every.size or not np.isfinite(every).any():
        raise BadCurves(f"{path}: val has the shape {every.shape}, wanted (tasks, configurations, lengths)")
    smaller = bool(meta.get("lower_is_better", True))
    index = tasks.index(chosen)
    try:
        seconds = np.broadcast_to(stored["seconds"], every.shape)[index].astype(np.float64)
        done = np.asarray(stored["n_done"])[index] if "n_done" in stored else np.full(every.shape[1], every.shape[2])
        ends = np.clip(np.asarray(done, dtype=np.float64), 1, every.shape[2])
        values, seconds = _filled(every[index], seconds, ends, worst=(np.nanmax if smaller else np.nanmin)(every))
    except (ValueError, IndexError) as error:
        raise BadCurves(f"{path}: seconds and n_done do not fit the shape of val: {error}") from None
    columns, configs = _hyperparameters(path, stored, len(values))
    elapsed = np.concatenate([np.zeros((len(seconds), 1)), np.cumsum(seconds, axis=1)], axis=1)
    return Table(
        name=str(meta.get("name", path.stem)),
        task=chosen,
        tasks=tasks,
        metric=str(meta.get("metric", "metric")),
        unit=str(meta.get("resource_unit", "unit")),
        smaller_is_better=smaller,
        values=values,
        elapsed=elapsed,
        ends=ends,
        columns=columns,
        configs=configs,
        further={SECONDS: elapsed[:, 1:], **_further(path, stored, every.shape, index, ends)},
    )


def _further(
    path: Path, stored: Mapping[str, Any], shape: tuple[int, ...], task: int, ends: "Numbers"
) -> "dict[str, Numbers]":
    """The further metrics of a task; after the end of a run its last values repeat."""
    import numpy as np

    if "further" not in stored and "further_names" not in stored:
        return {}
    names = [str(name) for name in stored.get("further_names", ())]
    values = np.asarray(stored.get("further", ()), dtype=np.float64)
    if values.shape != (len(names), *shape) or len(set(names)) < len(names):
        raise BadCurves(
            f"{path}: further has the shape {values.shape} and {len(names)} names, wanted a name of its own for each"
            f" metric and {('metrics', *shape)} as in val"
        )
    return {name: _until_end(values[i, task], ends) for i, name in enumerate(names)}


def _hyperparameters(path: Path, stored: Mapping[str, Any], rows: int) -> "tuple[tuple[Column, ...], Numbers]":
    """The configurations of the rows; empty when the table has no `space` or no `configs`."""
    import numpy as np

    if "space" not in stored or "configs" not in stored:
        return (), np.empty((rows, 0))
    configs = stored["configs"].astype(np.float64)
    try:
        columns = tuple(read_column(each) for each in json.loads(str(stored["space"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadCurves(f"{path}: space does not describe the columns of configs: {error}") from None
    if configs.shape != (rows, len(columns)):
        raise BadCurves(
            f"{path}: configs has the shape {configs.shape}, wanted {(rows, len(columns))} as in val and space"
        )
    return columns, configs


def _filled(values: "Numbers", seconds: "Numbers", ends: "Numbers", worst: float) -> "tuple[Numbers, Numbers]":
    """Diverged cells get the worst value of the table; after the end of a run its last value repeats, at no cost."""
    import numpy as np

    over = np.arange(1, values.shape[1] + 1)[None, :] > ends[:, None]
    values = _until_end(np.where(np.isnan(values), worst, values), ends)
    return values, np.where(over | np.isnan(seconds), 0.0, seconds)


def _until_end(values: "Numbers", ends: "Numbers") -> "Numbers":
    """The values of each row up to its end, and then its last one again."""
    import numpy as np

    lengths, last = np.arange(values.shape[1])[None, :], ends.astype(np.int64)[:, None] - 1
    return np.take_along_axis(values, np.minimum(lengths, last), axis=1)


class TableCurves:
    """The curves of a search over a table: each trial is one of its rows."""

    def __init__(
        self,
        table: Table,
        seed: int,
        *,
        seconds_per_unit: float | None = None,
        rows: Rows | None = None,
        further: Sequence[str] = (),
    ) -> None:
        """Deal the rows by the seed, or as `rows` says. `seconds_per_unit` (seconds) replaces the recorded times;
        `further` are the names of further metrics that the search ranks by."""
        self.max_length = table.values.shape[1]
        self.name, self.smaller_is_better = table.title, table.smaller_is_better
        self._values: list[list[float]] = table.values.tolist()
        self._ends = [int(end) for end in table.ends]
        self._elapsed: list[list[float]] | None = None if seconds_per_unit else table.elapsed.tolist()
        self.unit_seconds = seconds_per_unit or float(table.elapsed[:, -1].mean()) / self.max_length
        if not self.unit_seconds > 0:
            raise BadCurves(f"{self.name} has no seconds: give --seconds-per-unit")
        self._row = rows or Dealt(len(table.values), seed)
        self._further: dict[str, list[list[float]]] = {name: table.further[name].tolist() for name in further}

    def metric(self, trial: int, length: int) -> float:
        """See `Curves`."""
        return self._values[self._row[trial]][length - 1]

    def seconds(self, trial: int, start: int, end: int) -> float:
        """See `Curves`."""
        if self._elapsed is None:
            return (end - start) * self.unit_seconds
        elapsed = self._elapsed[self._row[trial]]
        return elapsed[end] - elapsed[start]

    def ends(self, trial: int) -> int:
        """See `Curves`."""
        return self._ends[self._row[trial]]

    def configured(self, trial: int, hparams: Mapping[str, object], checkpoint: Checkpoint | None = None) -> None:
        """See `Curves`."""
        if isinstance(self._row, Configured):
            self._row.configured(trial, hparams)

    def finals(self) -> Sequence[float]:
        """See `Curves`."""
        return [row[-1] for row in self._values]

    def further(self, trial: int, length: int) -> Mapping[str, float]:
        """See `Several`."""
        row = self._row[trial]
        return {name: values[row][length - 1] for name, values in self._further.items()}

    def final_further(self) -> Sequence[Mapping[str, float]]:
        """See `Several`."""
        return [{name: values[row][-1] for name, values in self._further.items()} for row in range(len(self._values))]
