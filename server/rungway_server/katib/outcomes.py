"""What became of runs, from the trials that Katib lists.

Katib lists trials by the name of the experiment alone, so those of another namespace may be among them: only names that
were handed out count. It leaves out trials whose metric it never got, and those it deleted because fewer may run at a
time now. How many of the latter there are follows from the numbers in the request.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rungway_server.domain.engine import Lease
from rungway_server.katib.log import Event, Fate, Issue, Outcome
from rungway_server.katib.parameters import parsed
from rungway_server.katib.wire import api_pb2 as pb

_Status = pb.TrialStatus
_ENDED = (_Status.KILLED, _Status.FAILED, _Status.METRICSUNAVAILABLE)
_LATER_ISSUES = 2
"""A run that is not listed, though later ones are, may not have been made yet; after so many replies it is missing."""


class LogLost(Exception):
    """The experiment has more runs than its log."""


@dataclass(slots=True)
class Run:
    """One run: a trial of Katib, a step of a configuration.

    `ladder` and `trial` say which configuration it is, `rung` and `length` which step; `attempt` counts from 1. It goes
    on from the files of the run named `after` ("" = from nothing). `issue` counts the replies, from 0.
    """

    index: int
    name: str
    ladder: int
    trial: int
    bracket: int
    rung: int
    length: int
    attempt: int
    after: str
    lease: Lease
    hparams: Mapping[str, object]
    issue: int
    pending: bool = True


def outcomes_of(
    runs: Sequence[Run], events: Iterable[Event], trials: Iterable[pb.Trial], metric: str, suggested: int
) -> tuple[list[Outcome], tuple[int, ...]]:
    """The outcomes that the log does not have yet, in the order in which the runs ended; and the runs that are not
    listed and may still be made.

    `events` are those of the log; `suggested` is how many runs Katib still has. Raises LogLost.
    """
    events, listed = tuple(events), _listed(runs, trials)
    fates = {event.run: event.fate for event in events if isinstance(event, Outcome)}
    issues = sum(isinstance(event, Issue) for event in events)
    gone = sum(fates.get(run.index) is not Fate.DELETED for run in runs) - suggested
    if gone < 0:
        raise LogLost(f"Katib has {suggested} runs of this experiment, its log {suggested + gone}")
    pending = [run for run in runs if run.index not in fates]
    ended = [(trial.status.completion_time, run.index) for run in pending if (trial := listed.get(run.index))]
    found = [Outcome(i, *fate) for _, i in sorted(ended) if (fate := _fate(listed[i].status, metric))]
    absent = [run for run in pending if run.index not in listed]
    deleted = absent[len(absent) - min(gone, len(absent)) :]
    found += [Outcome(run.index, Fate.DELETED) for run in deleted]
    last = max((run.index for run in runs if run.index in listed or run.index in fates), default=-1)
    unmade = []
    for run in absent[: len(absent) - len(deleted)]:
        if run.index < last and issues - run.issue > _LATER_ISSUES:
            found.append(Outcome(run.index, Fate.MISSING))
        else:
            unmade.append(run.index)
    return found, tuple(unmade)


def _listed(runs: Sequence[Run], trials: Iterable[pb.Trial]) -> dict[int, pb.Trial]:
    """The trials that are ours by the index of their run; of several with one name the first."""
    numbers = {run.name: run.index for run in runs}
    listed: dict[int, pb.Trial] = {}
    for trial in trials:
        if trial.name in numbers:
            listed.setdefault(numbers[trial.name], trial)
    return listed


def _fate(status: pb.TrialStatus, metric: str) -> tuple[Fate, float] | None:
    """What became of a listed trial; None while it runs."""
    if status.condition in _ENDED:
        return Fate.FAILED, 0.0
    if status.condition not in (_Status.SUCCEEDED, _Status.EARLYSTOPPED):
        return None
    value = next((parsed(each.value) for each in status.observation.metrics if each.name == metric), None)
    return (Fate.FAILED, 0.0) if value is None else (Fate.TOLD, value)
