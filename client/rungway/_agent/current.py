"""For training scripts that may know Rungway: the trial for which an agent, or a sweep of Hydra, has started them."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rungway._agent.lines import CHECKPOINT, COST, LENGTH, METRIC, PREFIX
from rungway._core import requests
from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway.models.work import Checkpoint

if TYPE_CHECKING:
    from rungway._sync.run import TrialRun

_held: list["TrialRun"] = []
"""The trial that this process itself holds, for `current_trial`."""


@dataclass(frozen=True, slots=True)
class CurrentTrial:
    """The trial of this process; lengths are in the experiment's unit. Of an agent, which holds its lease, this process
    gets SIGTERM when the trial is to stop."""

    number: int
    """Trial number, counted from 0 in its experiment."""
    hparams: dict[str, Any]
    """The configuration: values by hyperparameter name, groups as nested dictionaries."""
    from_length: int
    """Length of the checkpoint; 0 = start afresh."""
    to_length: int
    """Train up to here, report there, and exit with 0."""
    checkpoint: str
    """The checkpoint to resume from; empty when there is none."""
    _run: "TrialRun | None" = field(default=None, repr=False, compare=False)

    @property
    def should_stop(self) -> bool:
        """Whether further training is useless. Of an agent always false: its processes get SIGTERM."""
        return self._run is not None and self._run.should_stop

    def lengths(self) -> Iterator[int]:
        """The lengths to train up to, one by one: `from_length + 1` to `to_length`, and further when a trial of a sweep
        of Hydra is promoted."""
        return iter(range(self.from_length + 1, self.to_length + 1)) if self._run is None else self._run.lengths()

    def report(
        self,
        length: int,
        metric: object,
        checkpoint: Checkpoint = None,
        *,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
    ) -> bool:
        """Report a validation result at an absolute length; returns whether to train on. To an agent it is told as a
        line on standard output, and the answer is always true. `checkpoint` says where the state was saved: one word
        or path. `metrics` are up to 32 further metrics by name, which may not contain "="; `cost` is what the training
        since the last report took (seconds). Raises InvalidArgument for anything but a whole length and real
        numbers."""
        if self._run is not None:
            return self._run.report(length, metric, checkpoint, metrics=metrics, cost=cost)
        import shlex

        words = [f"{LENGTH}={requests.whole('length', length, least=1)}"]
        words.append(f"{METRIC}={requests.metric_value(metric)!r}")
        for name, value in requests.further_metrics(metrics).items():
            if "=" in name or not name.isprintable():
                raise InvalidArgument.one(
                    "metrics", f"got the name {name!r}, wanted one that fits on a line, without ="
                )
            words.append(shlex.quote(f"{name}={value!r}"))
        if cost is not None:
            words.append(f"{COST}={requests.not_negative('cost', cost)!r}")
        if text := requests.checkpoint_text(checkpoint):
            words.append(f"{CHECKPOINT}={shlex.quote(text)}")
        print(PREFIX, *words, flush=True)
        return True


@contextmanager
def as_current(run: "TrialRun") -> Iterator[None]:
    """Within the block `current_trial` is this trial, in all threads."""
    _held.append(run)
    try:
        yield
    finally:
        _held.remove(run)


def current_trial() -> CurrentTrial:
    """The trial for which `rungway run`, `rungway agent` or a sweep of Hydra has started this process.

    Raises FailedPrecondition (NO_CURRENT_TRIAL) in any other process.
    """
    if _held:
        run = _held[-1]
        return CurrentTrial(run.number, run.hparams, run.from_length, run.to_length, run.checkpoint, run)
    try:
        return CurrentTrial(
            int(os.environ["RUNGWAY_TRIAL"]),
            json.loads(Path(os.environ["RUNGWAY_PARAMS_FILE"]).read_text(encoding="utf-8")),
            int(os.environ["RUNGWAY_FROM_LENGTH"]),
            int(os.environ["RUNGWAY_TO_LENGTH"]),
            os.environ["RUNGWAY_CHECKPOINT"],
        )
    except (KeyError, ValueError, OSError):
        raise FailedPrecondition(
            "this process was not started for a trial: run it with `rungway run`, `rungway agent` or "
            "hydra/sweeper=rungway",
            reason="NO_CURRENT_TRIAL",
        ) from None
