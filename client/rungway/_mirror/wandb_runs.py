"""Weights & Biases: a run for each trial, in a group for the search.

A point is one line of a run's history, numbered by its place in the curve. Online the service of W&B says at the
resumption of a run how many it has; offline the files say it, which W&B writes in the format of LevelDB's log.
"""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wandb
from wandb.errors import CommError
from wandb.proto import wandb_internal_pb2

from rungway._core.enums import TrialState
from rungway._mirror.changes import Change, Known, Search, TargetAway, flat, refused
from rungway._mirror.lock import lock

_LENGTH, _STATE = "rungway/length", "rungway/state"
_HEADER, _BLOCK, _RECORD = 7, 32768, struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4
_WRITING_SECONDS = 60.0
_FAILURES = (TrialState.FAILED, TrialState.INVALID)


class WandbRuns:
    """The project `into` (default: rungway) of the account that W&B is signed in to, or WANDB_MODE=offline."""

    def __init__(self, search: Search, into: str) -> None:
        self._search, self._project = search, into or "rungway"
        self._folder = Path(os.environ.get("WANDB_DIR") or ".")
        stamp = "".join(char for char in search.created if char.isdigit())[:20]
        self._prefix = f"{search.name}-{stamp}"
        mode = str(wandb.setup().settings.mode)
        if mode == "disabled":
            raise refused("W&B is disabled: nothing would be written (WANDB_MODE)")
        self._offline = mode in ("offline", "dryrun")
        self._open: dict[int, Any] = {}
        self._known: dict[int, Known] = {}
        self._lock = lock(self._folder / "wandb" / f"rungway-{self._prefix}.lock")

    def known(self, trial: int) -> Known:
        """What the run of the trial has."""
        if trial not in self._known:
            if self._offline:
                self._known[trial] = self._in_files(trial)
            else:
                with _errors():
                    self._known[trial] = _of_run(self._run(trial))
        return self._known[trial]

    def _in_files(self, trial: int) -> Known:
        points, state, marks = 0, "", frozenset[str]()
        name = f"{self._prefix}-{trial}"
        found = (self._folder / "wandb").glob(f"offline-run-*/run-{name}.wandb")
        for path in sorted(found, key=lambda path: path.stat().st_mtime_ns):  # folders of one second have no order
            for record in records(path.read_bytes()):
                points += record.HasField("history")
                if record.HasField("run") and record.run.run_id:
                    state, marks = state or "unknown", frozenset(record.run.tags)
                for item in record.summary.update:
                    if item.key == _STATE or list(item.nested_key) == [_STATE]:
                        state = item.value_json.strip('"')
        return Known(points, state, marks)

    def write(self, change: Change) -> None:
        """Log to the run of the trial. One that no worker trains is finished, which writes it out, until it goes on."""
        trial, known = change.trial, change.known
        with _errors():
            run = self._run(trial.trial)
            if known.state in ("", "unknown"):
                about = {} if trial.parent is None else {"rungway/parent": trial.parent}
                run.config.update({**flat(trial.hparams), **about}, allow_val_change=True)
            for place, report in enumerate(change.points, known.points):
                run.log({_LENGTH: report.length, **change.numbers(report, self._search.metric)}, step=place)
            run.tags = tuple(sorted(change.after.marks))
            run.summary[_STATE] = str(trial.state)
            if trial.state is not TrialState.RUNNING:
                self._finish(self._open.pop(trial.trial), int(trial.state in _FAILURES))
        self._known[trial.trial] = change.after

    def _run(self, trial: int) -> Any:
        if trial not in self._open:
            self._open[trial] = run = wandb.init(
                project=self._project,
                group=self._search.name,
                job_type="trial",
                id=f"{self._prefix}-{trial}",
                name=f"{self._search.name} {trial}",
                dir=str(self._folder),
                resume="allow",
                reinit="create_new",
                # Of the run of a trial, nothing about this process, its host or its code.
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    x_disable_stats=True,
                    x_disable_meta=True,
                    disable_git=True,
                    save_code=False,
                ),
            )
            run.define_metric(_LENGTH)
            run.define_metric("*", step_metric=_LENGTH)
        return self._open[trial]

    def _finish(self, run: Any, exit_code: int = 0) -> None:
        """Finish a run; offline also wait for its file, which W&B writes out a moment later."""
        run.finish(exit_code=exit_code)
        deadline = time.monotonic() + _WRITING_SECONDS
        while self._offline and not _is_whole(Path(run.settings.sync_file)):
            if time.monotonic() > deadline:
                raise TargetAway(f"W&B has not written {run.settings.sync_file}")
            time.sleep(0.005)

    def beat(self) -> None:
        """The lock says it."""

    def forget(self) -> None:
        """Ask anew what is there."""
        self._known.clear()
        open_runs, self._open = self._open, {}
        for run in open_runs.values():
            self._finish(run)

    def close(self) -> None:
        """Write out all runs."""
        with _errors():
            self.forget()
        self._lock.close()


def records(data: bytes) -> Iterator[Any]:
    """The whole records of a file of W&B; what was cut off at its end is left out."""
    place, parts = _HEADER, b""
    while place + _RECORD.size <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _RECORD.size:  # the rest of a block that no record fits into
            place += left
            continue
        _, size, kind = _RECORD.unpack_from(data, place)
        place += _RECORD.size
        if not kind or place + size > len(data):
            return
        parts = data[place : place + size] if kind in (_FULL, _FIRST) else parts + data[place : place + size]
        place += size
        if kind in (_FULL, _LAST):
            yield wandb_internal_pb2.Record.FromString(parts)


def _is_whole(path: Path) -> bool:
    return any(record.HasField("exit") for record in records(path.read_bytes()))


def _of_run(run: Any) -> Known:
    """Of a run that was resumed, as W&B says."""
    if not run.resumed:
        return Known()
    return Known(run.step, str(run.summary.get(_STATE) or "unknown"), frozenset(run.tags or ()))


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (CommError, OSError) as error:
        raise TargetAway(str(error)) from error
    except wandb.Error as error:
        raise refused(f"W&B says: {error}") from error
