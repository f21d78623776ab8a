"""Reads messages of the wire into values of the domain. Raises InvalidInput with the field that is wrong."""

import math
from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Protocol

from google.protobuf.duration_pb2 import Duration

from rungway.v1 import experiment_service_pb2 as experiments
from rungway.v1 import search_service_pb2 as search
from rungway.v1 import trial_pb2, value_pb2
from rungway.v1 import view_service_pb2 as views
from rungway.values import InvalidValue, from_map
from rungway_server.domain.about import About, AboutChange, Wanted, read_wanted
from rungway_server.domain.engine import BestBy, Further, Lease, Outcome, Release, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.names import check_experiment_id
from rungway_server.service.checkpoints import StaleWanted
from rungway_server.service.checks import MOST_FURTHER, check_count
from rungway_server.service.experiments import Change
from rungway_server.service.held_asks import Hold
from rungway_server.service.port import ExperimentRef
from rungway_server.service.search import MOST_PER_CALL, MOST_REPORTS
from rungway_server.service.trials import MOST_PROPOSALS
from rungway_server.service.view_port import FurtherOf

NAMESPACE: ContextVar[str] = ContextVar("namespace")
"""The namespace of the call being served: set by the access check, not by the request."""

_ANSWER_SECONDS = 0.5
"""How long before its deadline a call that is held is answered."""

_BEST_BY = {experiments.BestBy.Value(f"BEST_BY_{by.name}"): by for by in BestBy} | {0: BestBy.BEST}
_OUTCOMES: dict[int, Outcome] = {
    trial_pb2.Outcome.Value(f"OUTCOME_{outcome.name}"): outcome
    for outcome in Outcome
    if outcome is not Outcome.FINISHED
}


class Call(Protocol):
    """What is asked of the context of a call."""

    def time_remaining(self) -> float | None:
        """Seconds until its deadline; None = it has none."""
        ...

    def peer(self) -> str:
        """The connection that it came by; "" = one that carries one call at a time."""
        ...


def read_ref(experiment: str, field: str = "experiment") -> ExperimentRef:
    """The experiment that a request names in this field. Raises InvalidInput."""
    return _ref(NAMESPACE.get(), experiment, field)


@lru_cache(maxsize=1024)
def _ref(namespace: str, experiment: str, field: str) -> ExperimentRef:
    check_experiment_id(experiment, field)
    return ExperimentRef(namespace, experiment)


def read_hold(request: search.AskRequest, context: "Call") -> Hold:
    """How long an ask may be held: it ends before the deadline of the call."""
    seconds, waited = _seconds("wait", request.wait), _seconds("waited", request.waited)
    left = context.time_remaining()
    if left is not None:
        seconds = min(seconds, left - _ANSWER_SECONDS)
    return Hold(seconds, waited, context.peer())


def _seconds(field: str, duration: Duration) -> float:
    seconds: float = duration.seconds + duration.nanos / 1e9
    if seconds < 0:
        raise InvalidInput.one(field, f"got {seconds:g} seconds, wanted at least 0")
    return seconds


def read_lease(lease: trial_pb2.Lease) -> Lease:
    """One lease."""
    return Lease(lease.trial, lease.fence)


def read_leases(request: search.HeartbeatRequest) -> list[Lease]:
    """The leases to renew."""
    _refuse_too_many("leases", len(request.leases), MOST_PER_CALL)
    return [read_lease(lease) for lease in request.leases]


def read_results(request: search.TellRequest) -> list[Result]:
    """The results of a tell. A report without a metric is refused: NaN must be said."""
    _refuse_too_many("results", len(request.results), MOST_PER_CALL)
    if len(request.results) > 1:  # a single one is looked at below
        reports = sum(len(result.reports) for result in request.results)
        _refuse_too_many("results", reports, MOST_REPORTS, "reports together")
    further = sum(len(report.metrics) for result in request.results for report in result.reports)
    _refuse_too_many("results", further, MOST_FURTHER, "further values together")
    return [
        Result(read_lease(result.lease), _read_reports(i, result.reports), result.checkpoint, result.finished)
        for i, result in enumerate(request.results)
    ]


def _refuse_too_many(field: str, count: int, most: int, what: str = "") -> None:
    """Before anything is done with them: there may be half a million."""
    if count > most:
        raise InvalidInput(check_count(field, count, most, what))


def _read_reports(i: int, reports: Sequence[trial_pb2.Report]) -> list[Report]:
    if len(reports) > MOST_REPORTS:
        _refuse_too_many(f"results[{i}].reports", len(reports), MOST_REPORTS, "reports")
    read = []
    for j, report in enumerate(reports):
        if not report.HasField("metric"):
            raise InvalidInput.one(f"results[{i}].reports[{j}].metric", "is missing; wanted a number (NaN for none)")
        metric = report.metric  # all NaNs are treated alike, regardless of sign and payload
        further = _read_further(report) if report.metrics or report.HasField("cost") else None
        read.append(Report(report.length, math.nan if math.isnan(metric) else metric, further))
    return read


def _read_further(report: trial_pb2.Report) -> Further:
    metrics = {name: math.nan if math.isnan(value) else value for name, value in report.metrics.items()}
    return Further(metrics, report.cost if report.HasField("cost") else None)


def read_further_of(request: views.GetCurvesRequest) -> FurtherOf | None:
    """Which further values the curves are of; None for the searcher's metric."""
    if request.metric and request.cost:
        raise InvalidInput.one("cost", "is given together with metric, wanted one of them")
    return FurtherOf(None if request.cost else request.metric) if request.metric or request.cost else None


def read_releases(request: search.ReleaseRequest) -> list[Release]:
    """The leases to release."""
    _refuse_too_many("releases", len(request.releases), MOST_PER_CALL)
    return [Release(read_lease(item.lease), item.checkpoint, item.checkpoint_length) for item in request.releases]


def read_outcome(number: int) -> Outcome:
    """How a trial failed."""
    outcome = _OUTCOMES.get(number)
    if outcome is None:
        raise InvalidInput.one(
            "outcome", f"got {number}, wanted one of {', '.join(o.name for o in _OUTCOMES.values())}"
        )
    return outcome


def read_change(request: experiments.UpdateExperimentRequest) -> Change:
    """What an update changes."""
    return Change(
        max_trials=request.max_trials if request.HasField("max_trials") else None,
        max_concurrent=request.max_concurrent_trials if request.HasField("max_concurrent_trials") else None,
        retention_days=request.retention_days if request.HasField("retention_days") else None,
        about=AboutChange(
            dict(request.labels),
            tuple(request.remove_labels),
            request.owner if request.HasField("owner") else None,
            request.comment if request.HasField("comment") else None,
        ),
    )


def read_about(request: experiments.CreateExperimentRequest) -> About:
    """Labels, owner and comment of a new search."""
    return About(dict(request.labels), request.owner, request.comment)


def read_filter(request: experiments.ListExperimentsRequest) -> Wanted:
    """Which searches are listed."""
    return read_wanted(request.labels, request.owner)


def read_best_by(number: int) -> BestBy:
    """Which result of a trial counts."""
    by = _BEST_BY.get(number)
    if by is None:
        known = ", ".join(each.name for each in BestBy)
        raise InvalidInput.one("by", f"got {number}, wanted one of {known}")
    return by


def read_stale(request: experiments.ListStaleCheckpointsRequest) -> StaleWanted:
    """Which checkpoints are to be listed."""
    if not request.HasField("older_than"):
        return StaleWanted(final=request.final)
    return StaleWanted(request.older_than.seconds * 1000 + request.older_than.nanos // 1_000_000, request.final)


def read_known(request: experiments.EnqueueTrialRequest) -> Report | None:
    """The known result of an enqueued configuration, if there is one. Raises InvalidInput when it has no metric."""
    if not request.HasField("result"):
        return None
    if not request.result.HasField("metric"):
        raise InvalidInput.one("result.metric", "got none, wanted a number")
    return Report(request.result.length, request.result.metric)


def read_proposals(request: experiments.AddProposalsRequest) -> list[dict[str, object]]:
    """The configurations that a program proposes."""
    if request.proposals:
        _refuse_too_many("proposals", len(request.proposals), MOST_PROPOSALS)
    return [read_map(each, f"proposals[{i}]") for i, each in enumerate(request.proposals)]


def read_map(message: value_pb2.MapValue, field: str) -> dict[str, object]:
    """The mapping in this field of a request."""
    try:
        return from_map(message)
    except InvalidValue as error:
        raise InvalidInput.one(error.path or field, error.problem) from error
