"""For training scripts that may know Rungway: the trial for which an agent has started them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rungway._agent.lines import CHECKPOINT, COST, LENGTH, METRIC, PREFIX
from rungway._core import requests
from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway.models.work import Checkpoint


@dataclass(frozen=True, slots=True)
class CurrentTrial:
    """The trial of this process; lengths are in the experiment's unit. The agent holds its lease: when the trial is to
    stop, this process gets SIGTERM."""

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

    def report(
        self,
        length: int,
        metric: object,
        checkpoint: Checkpoint = None,
        *,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
    ) -> None:
        """Report a validation result at an absolute length, as a line on standard output. `checkpoint` says where the
        state was saved: one word or path. `metrics` are up to 32 further metrics by name, which may not contain "=";
        `cost` is what the training since the last report took (seconds). Raises InvalidArgument for anything but a
        whole length and real numbers."""
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


def current_trial() -> CurrentTrial:
    """The trial for which `rungway run` or `rungway agent` has started this process.

    Raises FailedPrecondition (NO_CURRENT_TRIAL) in any other process.
    """
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
            "this process was not started for a trial: run it with `rungway run` or `rungway agent`",
            reason="NO_CURRENT_TRIAL",
        ) from None
