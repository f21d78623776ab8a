"""MLflow: an experiment for the search and a run for each trial, on any tracking server or store.

The runs themselves say what is there: the history of the searcher's metric has one entry for each point. Mirrors on
other hosts write to the same server, so who writes is noted in a tag of the experiment, for a minute at a time.
"""

import json
import os
import posixpath
import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rungway._core.enums import TrialState
from rungway._mirror.changes import Change, Known, Search, TargetAway, flat, refused
from rungway.models.work import Trial

_CREATED, _TRIAL, _STATE, _WRITER = "rungway.created", "rungway.trial", "rungway.state", "rungway.mirror"
_CLAIM_SECONDS, _RENEW_SECONDS = 60.0, 15.0
_MOST_METRICS, _MOST_PARAMS, _MOST_BYTES = 1000, 100, 6000
"""Of one call, and of the value of a parameter: limits of MLflow."""
_STATUS = {
    TrialState.RUNNING: "RUNNING",
    TrialState.PAUSED: "SCHEDULED",
    TrialState.QUEUED: "SCHEDULED",
    TrialState.COMPLETED: "FINISHED",
    TrialState.STOPPED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.INVALID: "KILLED",
}
_ENDED = ("FINISHED", "FAILED", "KILLED")


class MlflowRuns:
    """The experiment `into` of the store that MLFLOW_TRACKING_URI names; by default it has the name of the search."""

    def __init__(self, search: Search, into: str) -> None:
        self._search, self._name, self._id = search, into or search.name, uuid.uuid4().hex
        self._stamp, self._renewed = 0, 0.0
        with _errors():
            self._client = MlflowClient()
            self._experiment = self._find()
        self._runs: dict[int, str] | None = None
        self._known: dict[int, Known] = {}
        self.beat()

    def _find(self) -> str:
        """The id of the experiment, made if it is not there. `refused` when it is of others."""
        found = self._client.get_experiment_by_name(self._name)
        if found is None:
            tags = {_CREATED: self._search.created, "rungway.experiment": self._search.name}
            return str(self._client.create_experiment(self._name, tags=tags))
        if found.lifecycle_stage != "active" or found.tags.get(_CREATED) != self._search.created:
            raise refused(f"MLflow has an experiment {self._name} that is not of this search; choose one with --into")
        return str(found.experiment_id)

    def beat(self) -> None:
        """Renew the note of who writes; `refused` when another mirror is at work."""
        if time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        with _errors():
            self._refuse_others()
            mine = {"id": self._id, "host": socket.gethostname(), "pid": os.getpid()}
            note = json.dumps({**mine, "until": time.time() + _CLAIM_SECONDS})
            self._client.set_experiment_tag(self._experiment, _WRITER, note)
            self._refuse_others()  # who wrote last at the same moment has it
        self._renewed = time.monotonic()

    def _note(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._client.get_experiment(self._experiment).tags.get(_WRITER) or "{}")
        return found

    def _refuse_others(self) -> None:
        note = self._note()
        if not note or note["id"] == self._id or note["until"] < time.time() or _is_dead(note):
            return
        raise refused(f"another mirror writes into {self._name}: process {note['pid']} on {note['host']}")

    def known(self, trial: int) -> Known:
        """What the run of the trial has."""
        if trial not in self._known:
            with _errors():
                self._known[trial] = self._read(trial)
        return self._known[trial]

    def _read(self, trial: int) -> Known:
        run_id = self._all_runs().get(trial)
        if run_id is None:
            return Known()
        data = self._client.get_run(run_id).data
        metric = _name(self._search.metric)
        points = len(self._client.get_metric_history(run_id, metric)) if metric in data.metrics else 0
        marks = frozenset(tag for tag in data.tags if not tag.startswith(("rungway.", "mlflow.")))
        return Known(points, data.tags.get(_STATE, "unknown"), marks)

    def _all_runs(self) -> dict[int, str]:
        """Run ids by trial. Of two runs for a trial, which two mirrors may have made, the older counts."""
        if self._runs is None:
            runs: dict[int, str] = {}
            token = None
            while True:
                page = self._client.search_runs(
                    [self._experiment], max_results=1000, page_token=token, order_by=["attributes.start_time DESC"]
                )
                runs |= {int(run.data.tags[_TRIAL]): run.info.run_id for run in page if _TRIAL in run.data.tags}
                token = page.token
                if not token:
                    break
            self._runs = runs
        return self._runs

    def write(self, change: Change) -> None:
        """Add to the run of the trial, the points first: the state of a run that has it is that of all its points."""
        self.beat()
        trial = change.trial
        with _errors():
            run_id = self._all_runs().get(trial.trial) or self._create(trial)
            if not change.known.state or change.known.state == "unknown":
                self._log_params(run_id, trial)
            self._log_points(run_id, change)
            tags = [RunTag(name, why) for name, why in change.new_marks.items()]
            self._client.log_batch(run_id, tags=[*tags, RunTag("rungway.worker", trial.worker)])
            self._set_state(run_id, change)
        self._known[trial.trial] = change.after

    def _create(self, trial: Trial) -> str:
        tags = {_TRIAL: str(trial.trial), "rungway.experiment": self._search.name}
        if trial.parent is not None:
            tags["rungway.parent"] = str(trial.parent)
        run = self._client.create_run(
            self._experiment, int(1000 * trial.create_time.timestamp()), tags, f"trial {trial.trial}"
        )
        self._all_runs()[trial.trial] = run.info.run_id
        return str(run.info.run_id)

    def _log_params(self, run_id: str, trial: Trial) -> None:
        params = iter(Param(_name(name), str(value)[:_MOST_BYTES]) for name, value in flat(trial.hparams).items())
        while some := list(islice(params, _MOST_PARAMS)):
            self._client.log_batch(run_id, params=some)

    def _log_points(self, run_id: str, change: Change) -> None:
        """Whole points in each call, which MLflow writes as one. Each has a time of its own: what is the same in all
        is taken for a repetition."""
        batch: list[Any] = []
        self._stamp = max(self._stamp, int(1000 * time.time()))
        for report in change.points:
            self._stamp += 1
            numbers = change.numbers(report, self._search.metric)
            if len(batch) + len(numbers) > _MOST_METRICS:
                self._client.log_batch(run_id, metrics=batch)
                batch = []
            batch += [Metric(_name(name), value, self._stamp, report.length) for name, value in numbers.items()]
        if batch:
            self._client.log_batch(run_id, metrics=batch)

    def _set_state(self, run_id: str, change: Change) -> None:
        state = change.trial.state
        if state == change.known.state:
            return
        status = _STATUS.get(state, "RUNNING")
        if status in _ENDED:
            self._client.set_terminated(run_id, status)
        else:
            self._client.update_run(run_id, status)
        self._client.set_tag(run_id, _STATE, str(state))

    def forget(self) -> None:
        """Read the runs again."""
        self._runs, self._renewed = None, 0.0
        self._known.clear()

    def close(self) -> None:
        """Take the note back, if it is still of this mirror."""
        with _errors():
            if self._note().get("id") == self._id:
                self._client.set_experiment_tag(self._experiment, _WRITER, "")


@contextmanager
def _errors() -> Iterator[None]:
    """What may pass is TargetAway, what will not is `refused`."""
    try:
        yield
    except MlflowException as error:
        if error.get_http_status_code() >= 500 or error.get_http_status_code() == 429:
            raise TargetAway(str(error)) from error
        raise refused(f"MLflow says: {error}") from error
    except OSError as error:
        raise TargetAway(str(error)) from error


def _is_dead(note: dict[str, Any]) -> bool:
    """Whether the process of a note was one of this host and has ended; a number may also be ours by now."""
    if note["host"] != socket.gethostname():
        return False
    if note["pid"] == os.getpid():
        return True
    try:
        os.kill(note["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _name(name: str) -> str:
    """A name as MLflow allows it."""
    plain = re.sub(r"[^\w.\- /:]", "_", name)
    if posixpath.normpath(plain) != plain or plain.startswith(("/", "..")) or plain == ".":
        plain = re.sub(r"[./]", "_", plain)
    return plain[:250]
