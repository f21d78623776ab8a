"""The task of an app around which a job holds its trial, and how a job learns which trial that is."""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from rungway import Client, InvalidArgument, Outcome, TrialRun
from rungway._agent.current import as_current
from rungway._core.enums import Reason
from rungway._core.exit import exit_of, is_swallowed
from rungway.models.explanation import Explanation
from rungway.models.work import Assignment, Lease

VARIABLE = "RUNGWAY_ASSIGNMENT"


def packed(target: str, experiment: str, assignment: Assignment) -> str:
    """An assignment as a text of letters, digits, "-", "_" and "=", for the environment of a job."""
    document = {
        "target": target,
        "experiment": experiment,
        "lease": [assignment.lease.trial, assignment.lease.fencing_token],
        "hparams": assignment.hparams,
        "lengths": [assignment.from_length, assignment.next_decision, assignment.to_length],
        "checkpoint": assignment.checkpoint,
        "lease_duration": assignment.lease_duration,
        "reason": str(assignment.explanation.reason),
    }
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


def unpacked(text: str) -> tuple[str, str, Assignment]:
    """Target, experiment and assignment."""
    document = json.loads(base64.urlsafe_b64decode(text))
    from_length, next_decision, to_length = document["lengths"]
    assignment = Assignment(
        Lease(*document["lease"]),
        document["hparams"],
        from_length,
        next_decision,
        to_length,
        document["checkpoint"],
        bracket=0,
        rung=0,
        restarts=0,
        deadline=datetime.now(timezone.utc),
        lease_duration=document["lease_duration"],
        explanation=Explanation(Reason(document["reason"])),
        told_length=from_length,
    )
    return document["target"], document["experiment"], assignment


@dataclass(frozen=True)
class Task:
    """The task function of an app; in a job of a sweep it runs under the lease of its trial."""

    function: Callable[[Any], Any]

    def __call__(self, config: Any) -> Any:
        """Run it, and tell what it returned unless it has reported. Raises what it raises, once that is told."""
        if not (text := os.environ.get(VARIABLE)):
            return self.function(config)
        target, experiment, assignment = unpacked(text)
        with Client(target, experiment=experiment) as client, client._hold(assignment) as run, as_current(run):
            return self._run(run, config)

    def _run(self, run: TrialRun, config: Any) -> Any:
        """An error of the task fails its trial for good: it would fail again."""
        try:
            value = self.function(config)
            if run._last_report is None and not run.should_stop:
                run.report(run.to_length, _result(value))
        except Exception as error:
            how = exit_of(error, worker_goes_on=True)
            if is_swallowed(error) and how.outcome is Outcome.TRANSIENT:
                run.leave(replace(how, outcome=Outcome.ERROR))
            raise
        return value


def _result(value: object) -> object:
    if value is None:
        problem = "returned None and reported nothing: return a number, or report with rungway.current_trial()"
        raise InvalidArgument.one("task", problem)
    return value
