"""How the reference model judges one result, release or failure whose lease holds."""

from rungway_server.domain.engine import (
    Decision,
    Explanation,
    Lease,
    Outcome,
    Reason,
    Release,
    Report,
    Result,
    TellReply,
    TrialState,
)
from rungway_server.domain.engine import ExperimentState as State
from tests.model.ladder import Standing
from tests.model.records import TrialRecord
from tests.model.search import Search, explain

FREE_RETURNS = 2
"""How often in a row a trial may be given back without progress before each time counts as a restart."""

Judgement = tuple[Decision, Explanation]


def take_result(search: Search, trial: TrialRecord, result: Result, now_ms: int) -> TellReply:
    """Record the reports, renew the lease and decide."""
    search.deadlines[trial.number] = now_ms + search.lease_ms
    length = result.reports[-1].length if result.reports else trial.length
    if result.checkpoint:  # before deciding: the round may end, and clones begin with it
        trial.save(result.checkpoint, length)
    reply = _decide(search, trial, result)
    if result.checkpoint:
        trial.save_best(result.checkpoint, length)
    return reply


def _decide(search: Search, trial: TrialRecord, result: Result) -> TellReply:
    if search.over:
        decision, why = _stop_with_experiment(search, trial, result)
    elif search.stops:
        decision, why = _decide_stop(search, trial, result)
    else:
        decision, why = _decide_promote(search, trial, result)
    if result.finished and decision is Decision.CONTINUE:
        decision, why = Decision.STOP, explain(Reason.FINISHED, trial, search.finish(trial))
    if decision is not Decision.CONTINUE:
        return TellReply(result.lease, decision, why)
    next_length = search.ladder(trial).length(trial.rung)
    return TellReply(result.lease, decision, why, trial.to_length, next_length, search.deadlines[trial.number])


def _stop_with_experiment(search: Search, trial: TrialRecord, result: Result) -> Judgement:
    for report in result.reports:
        search.record(trial, report)
    search.end_lease(trial, TrialState.STOPPED)
    trial.outcome = Outcome.STOPPED
    reason = Reason.SEARCH_DONE if search.state is State.DONE else Reason.EXPERIMENT_STOPPED
    return Decision.STOP, explain(reason, trial)


def _reach_target(search: Search, trial: TrialRecord) -> Judgement:
    search.state = State.DONE
    return _end(search, trial, TrialState.COMPLETED, Decision.STOP, Reason.TARGET_REACHED, None)


def _decide_promote(search: Search, trial: TrialRecord, result: Result) -> Judgement:
    ended: Judgement | None = None
    for report in result.reports:
        search.record(trial, report)
        if ended is None and search.reaches(report.metric):
            ended = _reach_target(search, trial)
    if ended:
        return ended
    if not result.reports:
        return _go_on(trial, None)
    last, ladder = result.reports[-1], search.ladder(trial)
    standing: Standing | None = None
    while ladder.length(trial.rung) <= last.length:
        standing = search.add_result(trial, last.metric)
        if trial.rung == ladder.top:
            return _end(search, trial, TrialState.COMPLETED, Decision.STOP, Reason.COMPLETED, standing)
        if not standing.in_top_k and result.finished:
            trial.outcome = Outcome.FINISHED
            return _end(search, trial, TrialState.COMPLETED, Decision.STOP, Reason.FINISHED, standing)
        if not standing.in_top_k:
            return _end(search, trial, TrialState.PAUSED, Decision.PAUSE, Reason.NOT_PROMOTED, standing)
        if (hindrance := _hindrance(search, trial)) and not result.finished:
            return _end(search, trial, TrialState.PAUSED, Decision.PAUSE, hindrance, standing)
        search.enter_next_rung(trial)
    search.spend(trial, ladder.length(trial.rung) - trial.to_length)
    trial.to_length = ladder.length(trial.rung)
    return _go_on(trial, standing)


def _hindrance(search: Search, trial: TrialRecord) -> Reason | None:
    """Why the trial is not promoted at once."""
    if search.state is State.PAUSED:
        return Reason.EXPERIMENT_PAUSED
    if search.out_of_budget:
        return Reason.BUDGET_SPENT
    return Reason.RUNG_FULL if search.must_wait_for_room(trial) else None


def _decide_stop(search: Search, trial: TrialRecord, result: Result) -> Judgement:
    """The reports after the one that ended the trial enter its curve alone."""
    standing: Standing | None = None
    ended: Judgement | None = None
    for report in result.reports:
        search.record(trial, report)
        if ended is None and search.reaches(report.metric):
            ended = _reach_target(search, trial)
        while ended is None and search.ladder(trial).length(trial.rung) <= report.length:
            standing, ended = _judge_stop(search, trial, report)
    return ended or _go_on(trial, standing)


def _judge_stop(search: Search, trial: TrialRecord, report: Report) -> tuple[Standing, Judgement | None]:
    standing = search.add_result(trial, report.metric)
    if trial.rung == search.ladder(trial).top:
        return standing, _end(search, trial, TrialState.COMPLETED, Decision.STOP, Reason.COMPLETED, standing)
    if not standing.in_top_k:
        return standing, _end(search, trial, TrialState.STOPPED, Decision.STOP, Reason.STOPPED_AT_RUNG, standing)
    search.enter_next_rung(trial)
    return standing, None


def _go_on(trial: TrialRecord, standing: Standing | None) -> Judgement:
    return Decision.CONTINUE, explain(Reason.PROMOTED if standing else Reason.BETWEEN_RUNGS, trial, standing)


def _end(
    search: Search, trial: TrialRecord, state: TrialState, decision: Decision, reason: Reason, standing: Standing | None
) -> Judgement:
    search.end_lease(trial, state)
    trial.returns = 0
    return decision, explain(reason, trial, standing)


def release_lease(search: Search, trial: TrialRecord, release: Release) -> TellReply:
    """The worker leaves; the trial is requeued, or ends with a stopped experiment. Too often with nothing told is as
    bad as a failure that may pass."""
    if release.checkpoint:
        trial.save(release.checkpoint, release.checkpoint_length)
        if release.checkpoint_length == trial.length:
            trial.save_best(release.checkpoint, trial.length)
    if search.over:
        search.end_lease(trial, TrialState.STOPPED)
        trial.outcome = Outcome.STOPPED
    elif trial.returns > FREE_RETURNS:
        in_a_row = trial.returns
        reply = _retry(search, trial, release.lease, "given back without progress")
        trial.returns = in_a_row
        return reply
    else:
        search.end_lease(trial, TrialState.QUEUED)
    return TellReply(release.lease, Decision.PAUSE, explain(Reason.PREEMPTED, trial))


def _retry(search: Search, trial: TrialRecord, lease: Lease, message: str) -> TellReply:
    standing = search.restart(trial, message)
    if standing is None:
        return TellReply(lease, Decision.PAUSE, explain(Reason.RETRY, trial))
    return TellReply(lease, Decision.STOP, explain(Reason.FAILED, trial, standing))


def end_trial(search: Search, trial: TrialRecord, lease: Lease, outcome: Outcome, message: str) -> TellReply:
    """What each outcome does to the trial."""
    if outcome is Outcome.PREEMPTED or (outcome is Outcome.TRANSIENT and search.over):
        return release_lease(search, trial, Release(lease))
    if outcome is Outcome.INVALID and not search.in_a_past_round(trial):
        search.end_lease(trial, TrialState.INVALID)
        search.forget(trial)
        trial.outcome, trial.message = outcome, message
        if trial.parent:
            search.clone(trial.bracket, trial.rung - 1, trial.parent)
        return TellReply(lease, Decision.STOP, explain(Reason.INVALID, trial))
    if outcome is Outcome.TRANSIENT:
        return _retry(search, trial, lease, message)
    standing = search.die(trial, outcome, message)
    return TellReply(lease, Decision.STOP, explain(Reason.FAILED, trial, standing))
