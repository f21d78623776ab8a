"""TensorBoard: a folder of event files for each trial, written with the writer of TensorBoard itself.

A point is one record, and a record that was cut off is not read, so the files say exactly which points are there. A
restart begins another file in the same folder, as TensorBoard wants it.
"""

import json
import time
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from rungway._core.enums import TrialState
from rungway._mirror.changes import Change, Known, Search, TargetAway, flat, refused
from rungway._mirror.lock import lock
from rungway.models.work import Report, Trial

_STATE, _MARKS, _SEARCH = "rungway/state", "rungway/promotions", "rungway.json"
_STATUS = {
    TrialState.COMPLETED: api_pb2.STATUS_SUCCESS,
    TrialState.STOPPED: api_pb2.STATUS_SUCCESS,
    TrialState.FAILED: api_pb2.STATUS_FAILURE,
    TrialState.INVALID: api_pb2.STATUS_FAILURE,
}


class EventFiles:
    """The folder `into`/NAME OF THE SEARCH, with a folder for each trial."""

    def __init__(self, search: Search, into: str) -> None:
        self._search, self._folder = search, Path(into or "runs") / search.name
        self._known: dict[int, Known] = {}
        self._writers: dict[int, Any] = {}
        try:
            self._lock = lock(self._folder / "rungway.lock")
            self._claim()
        except OSError as error:
            raise refused(f"{self._folder}: cannot be written: {error.strerror or error}") from None

    def _claim(self) -> None:
        """Refuse the folder of another search."""
        path, mine = self._folder / _SEARCH, {"experiment": self._search.name, "created": self._search.created}
        if path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != mine:
                raise refused(f"{self._folder} has another search of this name; choose another folder with --into")
            return
        if any(path.parent.glob("trial-*")):
            raise refused(f"{self._folder} has runs of others; choose another folder with --into")
        written = path.with_suffix(".tmp")
        written.write_text(json.dumps(mine), encoding="utf-8")
        written.replace(path)

    def known(self, trial: int) -> Known:
        """What the event files have."""
        if trial not in self._known:
            try:
                self._known[trial] = _read(self._place(trial), self._search.metric)
            except OSError as error:
                raise TargetAway(str(error)) from error
        return self._known[trial]

    def write(self, change: Change) -> None:
        """Append to the file of the trial."""
        trial, known = change.trial, change.known
        try:
            writer = self._writer(trial.trial)
            if not known.state:
                writer.add_event(_event(0, _hparams(trial), trial.create_time.timestamp()))
            for report in change.points:
                writer.add_event(_event(report.length, self._scalars(change, report)))
            for name, why in change.new_marks.items():
                writer.add_event(_event(trial.length, text_pb(_MARKS, f"{name}: {why}")))
            if trial.state in _STATUS and trial.state != known.state:
                writer.add_event(_event(trial.length, _session_end(trial.state)))
            if trial.state != known.state:
                writer.add_event(_event(trial.length, text_pb(_STATE, str(trial.state))))
            writer.flush()
            if trial.state is not TrialState.RUNNING:
                self._writers.pop(trial.trial).close()
        except OSError as error:
            raise TargetAway(str(error)) from error
        self._known[trial.trial] = change.after

    def beat(self) -> None:
        """The lock says it."""

    def forget(self) -> None:
        """Read the files again, and write into new ones."""
        self._known.clear()
        for writer in self._writers.values():
            try:
                writer.close()
            except OSError:  # the disk is still full: what it holds back is written anew
                continue
        self._writers.clear()

    def close(self) -> None:
        """Close the files."""
        self.forget()
        self._lock.close()

    def _writer(self, trial: int) -> Any:
        if trial not in self._writers:
            self._writers[trial] = EventFileWriter(str(self._place(trial)))
        return self._writers[trial]

    def _place(self, trial: int) -> Path:
        return self._folder / f"trial-{trial:06d}"

    def _scalars(self, change: Change, report: Report) -> Any:
        numbers = change.numbers(report, self._search.metric)
        return summary_pb2.Summary(
            value=[summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
        )


def _event(step: int, summary: Any, wall_time: float | None = None) -> Any:
    return event_pb2.Event(wall_time=time.time() if wall_time is None else wall_time, step=step, summary=summary)


def _hparams(trial: Trial) -> Any:
    began = trial.create_time.timestamp()
    return summary_v2.hparams_pb(flat(trial.hparams), trial_id=f"trial {trial.trial}", start_time_secs=began)


def _session_end(state: TrialState) -> Any:
    """That a trial is over, for the table of hyperparameters."""
    end = plugin_data_pb2.SessionEndInfo(status=_STATUS[state], end_time_secs=time.time())
    data = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=end))
    value = summary_pb2.Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=data, tensor=metadata.NULL_TENSOR)
    return summary_pb2.Summary(value=[value])


def _read(folder: Path, metric: str) -> Known:
    points, state, marks = 0, "", set()
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.tag == metric:
                    points += 1
                elif value.tag == metadata.SESSION_START_INFO_TAG:
                    state = state or "unknown"
                elif value.tag == _STATE:
                    state = value.tensor.string_val[0].decode()
                elif value.tag == _MARKS:
                    marks.add(value.tensor.string_val[0].decode().partition(":")[0])
    return Known(points, state, frozenset(marks))
