"""The calls of workers as flows, the same for both clients."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from google.protobuf.message import Message

from rungway._core import requests, rpcs
from rungway._core.config import ClientConfig
from rungway._core.enums import AskStatus, Decision, Outcome, Reason
from rungway._core.errors import DeadlineExceeded, InvalidArgument, NotFound, RungwayError
from rungway._core.flow import Attempt, Flow, Sleep
from rungway._core.leases import Continuations, LiveLeases
from rungway._core.outbox import Parcel
from rungway._core.requests import milliseconds, new_request_id
from rungway._core.retry import Outage, Retry, is_transient
from rungway._core.rpcs import Reply, Rpc
from rungway._core.waiting import HOLD_SECONDS, MOST_HELD, Waiting, failing, in_words, pause_after
from rungway.models.experiments import Experiment
from rungway.models.explanation import Explanation
from rungway.models.work import (
    AskReply,
    Assignment,
    Checkpoint,
    Lease,
    LeaseStatus,
    Report,
    Result,
    TellReply,
    continued,
)
from rungway.v1 import experiment_service_pb2, search_service_pb2

_log = logging.getLogger("rungway")

MAX_REQUEST_BYTES = 1 << 20
"""Largest request that a service accepts."""
MAX_REPLY_BYTES = 4 << 20
"""Largest reply that a client accepts."""
REFUSALS = (InvalidArgument, NotFound)
"""How the service refuses a result."""

_LEASES_PER_HEARTBEAT = 256
_ROLLED_BACK = Explanation(Reason.LEASE_LOST, text="the store has lost the latest results of this trial")


def call(
    config: ClientConfig, rpc: Rpc[Reply], request: Message, *, limit: float | None, outage: Outage | None = None
) -> Flow[Reply]:
    """One logical call: attempts of the same request until it is answered or `limit` seconds are over. Only the first
    one of an ask is held: a proxy may not bear that.

    Raises InvalidArgument for a request that is too large, what the service refuses, and Unavailable or OutcomeUnknown
    when the time is over.
    """
    if request.ByteSize() > MAX_REQUEST_BYTES:
        raise InvalidArgument.one("request", f"got {request.ByteSize()} bytes, wanted at most {MAX_REQUEST_BYTES}")
    request_id = getattr(request, "request_id", "") if rpc.changes else None
    retry = Retry(config, rpc.name, limit=limit, request_id=request_id, outage=outage)
    held = request if isinstance(request, search_service_pb2.AskRequest) and request.HasField("wait") else None
    while True:
        hold = held.wait.ToMilliseconds() / 1000 if held else 0.0
        try:
            reply: Reply = yield Attempt(rpc, request, retry.timeout() + hold)
        except RungwayError as error:
            delay = retry.delay_after(error)
            if held:
                held.ClearField("wait")
        else:
            retry.answered()
            return reply
        yield Sleep(delay)


class WorkerCalls:
    """The calls of workers, and what must be remembered between them: live leases and continuations."""

    def __init__(self, config: ClientConfig, caller: Callable[[], object]) -> None:
        """`caller` returns the running thread or task: continuations belong to it."""
        self.config = config
        self.leases = LiveLeases()
        self.closed = False
        self._outage = Outage(config.target)
        self._complaint = ""
        self._continuations = Continuations(caller)
        self._metric = ""
        self._holds = threading.Semaphore(MOST_HELD)
        self._said_lost = False

    @property
    def experiment(self) -> str:
        """The experiment of all these calls. Raises InvalidArgument when the client names none."""
        return requests.experiment_of(self.config, None)

    def call(self, rpc: Rpc[Reply], request: Message, limit: float | None = None) -> Flow[Reply]:
        """One logical call within `limit` seconds, or within `worker_timeout`."""
        limit = self.config.worker_timeout if limit is None else limit
        return call(self.config, rpc, request, limit=limit, outage=self._outage)

    def ask_once(
        self, count: int, request_id: str | None, limit: float | None = None, wait: float = 0.0, waited: float = 0.0
    ) -> Flow[AskReply]:
        """See Client.ask_once; `waited` is how long it has waited before (seconds)."""
        request = search_service_pb2.AskRequest(
            experiment=self.experiment,
            request_id=request_id or new_request_id(),
            count=requests.small("count", count),
            worker=self.config.worker,
        )
        holds = requests.not_negative("wait", wait) > 0 and self._holds.acquire(blocking=False)
        if holds:
            request.wait.FromMilliseconds(milliseconds(min(wait, HOLD_SECONDS)))
            request.waited.FromMilliseconds(milliseconds(waited))
        try:
            reply = AskReply.from_proto((yield from self.call(rpcs.ASK, request, limit)))
        finally:
            if holds:
                self._holds.release()
        self._log_lost_training(reply.assignments)
        return reply

    def _log_lost_training(self, assignments: Iterable[Assignment]) -> None:
        """Log once that promoted trials are trained from the beginning again, for want of a checkpoint."""
        for each in () if self._said_lost else assignments:
            if each.explanation.reason is Reason.PROMOTED and not each.checkpoint:
                self._said_lost = True
                _log.warning(
                    "trial %d was promoted and has no checkpoint: it starts from 0 again; give a checkpoint with the "
                    "reports at decisions (said once)",
                    each.trial,
                )
                return

    def ask(self, timeout: float | None) -> Flow[Assignment | None]:
        """See Client.ask."""
        if (assignment := self._continuations.pop()) is None:
            assignment = yield from self._ask_until(timeout)
        if assignment is not None:
            self.leases.watch(assignment)
        return assignment

    def _ask_until(self, timeout: float | None) -> Flow[Assignment | None]:
        begin, waiting = time.monotonic(), Waiting(self.experiment)
        while True:
            left = None if timeout is None else timeout - (time.monotonic() - begin)
            limit = None if left is None else max(left, self.config.attempt_timeout)
            reply = yield from self.ask_waiting(waiting, limit, left)
            if reply.assignments:
                return reply.assignments[0]
            if reply.status is AskStatus.DONE:
                if reply.message:
                    _log.warning("the search is over: %s", reply.message)
                return None
            if reply.reason is Reason.FAILING:
                raise failing(self.experiment, reply)
            wait = pause_after(reply)
            if left is not None and wait > left:
                raise DeadlineExceeded(f"nothing was handed out in {timeout:g} s: {reply.reason}", reason="ASK_TIMEOUT")
            yield from self.log_wait(waiting, reply.reason)
            yield Sleep(wait)

    def ask_waiting(self, waiting: Waiting, limit: float | None = None, most: float | None = None) -> Flow[AskReply]:
        """Ask once for a worker that waits until there is work, or `most` seconds; logs the end of a logged wait."""
        reply = yield from self.ask_once(1, None, limit, waiting.hold(most), waiting.seconds)
        if reply.assignments:
            waiting.over(f"trial {reply.assignments[0].trial} is handed out")
        elif reply.status is AskStatus.DONE:
            waiting.over("the search is over")
        return reply

    def log_wait(self, waiting: Waiting, reason: Reason) -> Flow[None]:
        """Log why a worker waits, when that is due."""
        if waiting.is_due(reason):
            waiting.log((yield from self._why(reason)))

    def by_name(self, values: Mapping[str, object], metrics: object) -> Flow[tuple[object, dict[str, object]]]:
        """The searcher's metric among these values, and the others together with `metrics`.

        The service says the name once. Raises InvalidArgument if it is none of these, and for a name that is given
        twice; FailedPrecondition (METRIC_UNKNOWN) if the service does not say it.
        """
        others = {} if metrics is None else metrics
        if not isinstance(others, Mapping):
            raise InvalidArgument.one("metrics", f"got {metrics!r:.100}, wanted a mapping of names to real numbers")
        if twice := values.keys() & others.keys():
            raise InvalidArgument.one("metrics", f"got {min(map(repr, twice))}, which `metric` has as well")
        if self._metric not in values:
            request = experiment_service_pb2.GetExperimentRequest(experiment=self.experiment)
            self._metric = requests.searcher_metric((yield from self.call(rpcs.GET_EXPERIMENT, request)).experiment)
        if self._metric not in values:
            found = ", ".join(map(repr, values)) or "no names"
            raise InvalidArgument.one("metric", f"got {found:.200}, wanted the searcher's metric {self._metric!r} too")
        return values[self._metric], {name: v for name, v in values.items() if name != self._metric} | dict(others)

    def _why(self, reason: Reason) -> Flow[str]:
        """Why nothing is handed out, with the numbers of the search if it can be read at once."""
        request = experiment_service_pb2.GetExperimentRequest(experiment=self.experiment)
        try:
            reply = yield from self.call(rpcs.GET_EXPERIMENT, request, self.config.attempt_timeout)
        except RungwayError:
            return in_words(reason, None)
        return in_words(reason, Experiment.from_proto(reply.experiment))

    def tell(self, results: Iterable[Result], request_id: str | None = None) -> Flow[list[TellReply]]:
        """See Client.tell_many."""
        fresh = [(result, _untold_part(result)) for result in results]
        request = requests.tell(
            self.experiment, request_id or new_request_id(), [untold for _, untold in fresh if untold]
        )
        answers: list[TellReply] = []
        if request.results:
            try:
                reply = yield from self.call(rpcs.TELL, request)
            except REFUSALS as error:
                [result, *others] = [result for result, untold in fresh if untold]
                if others or not is_rollback(error, result.assignment.to_length, result.reports):
                    raise
                answers = [(yield from self.release_after_rollback(result.assignment.lease))]
            else:
                answers = [TellReply.from_proto(each) for each in reply.verdicts]
        told = iter(answers)
        return [self._continue(result, next(told)) if untold else _repeated(result) for result, untold in fresh]

    def _continue(self, result: Result, reply: TellReply) -> TellReply:
        """The reply with the assignment that goes on, which is kept for the caller's next ask."""
        if not reply:
            self._forget(reply.lease)
            return reply
        text = requests.checkpoint_text(result.checkpoint)
        following = continued(result.assignment, reply, result.reports[-1].length, text)
        self._continuations.keep(following)
        self.leases.follow(result.assignment, following)
        return dataclasses.replace(reply, next=following)

    def heartbeat(self, leases: Iterable[Assignment | Lease], limit: float | None = None) -> Flow[list[LeaseStatus]]:
        """See Client.heartbeat."""
        every = [each if isinstance(each, Lease) else each.lease for each in leases]
        statuses: list[LeaseStatus] = []
        for start in range(0, len(every), _LEASES_PER_HEARTBEAT):
            request = search_service_pb2.HeartbeatRequest(
                experiment=self.experiment,
                leases=[requests.lease_message(lease) for lease in every[start : start + _LEASES_PER_HEARTBEAT]],
            )
            reply = yield from self.call(rpcs.HEARTBEAT, request, limit)
            statuses += [LeaseStatus.from_proto(status) for status in reply.leases]
        self.leases.apply(statuses)
        return statuses

    def send(self, parcels: Sequence[Parcel], limit: float | None = None) -> Flow[list[TellReply]]:
        """Tell parcels that were first sent together, or not sent before; one reply for each, in the same order."""
        request_id = parcels[0].request_id or new_request_id()
        for parcel in parcels:
            parcel.request_id = request_id
        request = requests.tell(self.experiment, request_id, [parcel.result for parcel in parcels])
        reply = yield from self.call(rpcs.TELL, request, limit)
        return [TellReply.from_proto(each) for each in reply.verdicts]

    def last_report(self, lease: Lease) -> Flow[Report | None]:
        """The last result of a trial, under this lease or an earlier one; None when it has none."""
        request = experiment_service_pb2.GetTrialRequest(experiment=self.experiment, trial=lease.trial)
        try:
            trial = (yield from self.call(rpcs.GET_TRIAL, request)).trial
        except NotFound as error:
            if error.reason != "TRIAL_NOT_FOUND":
                raise
            return None
        if not trial.HasField("metric"):
            return None
        metrics = dict(trial.curve[-1].metrics) if trial.curve else {}
        return Report(trial.length, trial.metric, metrics)

    def renew(self) -> Flow[None]:
        """Renew all live leases; tries until the next renewal is due. Raises nothing."""
        interval = self.leases.interval()
        if interval is None:
            return
        begin = time.monotonic()
        self.leases.end_replaced()
        try:
            yield from self.heartbeat(self.leases.live(), interval)
            self._complaint = ""
        except RungwayError as error:
            self._log_failed_renewal(error)
        self.leases.renewed(begin + interval)

    def _log_failed_renewal(self, error: RungwayError) -> None:
        """Log each reason once. Outages are left out: `Outage` logs them."""
        if not is_transient(error) and error.reason not in (self._complaint, "CLIENT_CLOSED"):
            self._complaint = error.reason
            _log.warning("leases could not be renewed: %s", error)

    def release(
        self,
        lease: Lease,
        checkpoint: Checkpoint = None,
        length: int | None = None,
        request_id: str | None = None,
        limit: float | None = None,
    ) -> Flow[TellReply]:
        """See Client.release."""
        request = requests.release(self.experiment, request_id or new_request_id(), lease, checkpoint, length)
        try:
            reply = yield from self._ending(lease, self.call(rpcs.RELEASE, request, limit))
        except NotFound as error:
            return _lost_with_its_trial(lease, error)
        return TellReply.from_proto(reply.verdicts[0])

    def fail(
        self,
        lease: Lease,
        outcome: Outcome,
        message: str = "",
        request_id: str | None = None,
        limit: float | None = None,
    ) -> Flow[TellReply]:
        """See Client.fail."""
        request = requests.fail(self.experiment, request_id or new_request_id(), lease, outcome, message)
        try:
            reply = yield from self._ending(lease, self.call(rpcs.FAIL, request, limit))
        except NotFound as error:
            return _lost_with_its_trial(lease, error)
        return TellReply.from_proto(reply.verdict)

    def _ending(self, lease: Lease, call: Flow[Reply]) -> Flow[Reply]:
        """A call that ends a lease. One that is refused with InvalidArgument does not: the lease is held as before."""
        is_held = False
        try:
            return (yield from call)
        except InvalidArgument:
            is_held = True
            raise
        finally:
            if not is_held:
                self._forget(lease)

    def release_after_rollback(self, lease: Lease) -> Flow[TellReply]:
        """The reply to a report that the service cannot take because its store lost the latest results: SUPERSEDED.

        If the service still knows the lease, the trial is released, so that the loss does not cost it a restart.
        """
        _log.warning("the store of the service has lost the latest results of trial %d", lease.trial)
        try:
            yield from self.release(lease, limit=self.config.shutdown_timeout)
        except RungwayError as error:
            _log.info("trial %d could not be released: %s", lease.trial, error)
        return TellReply(lease, Decision.SUPERSEDED, _ROLLED_BACK)

    def _forget(self, lease: Lease) -> None:
        self.leases.end(lease)
        self._continuations.drop(lease)


def is_rollback(error: RungwayError, to_length: int, reports: Sequence[Report]) -> bool:
    """Whether a tell was refused because the store of the service lost its latest changes in a crash.

    Then either it does not know a trial that it handed out, or the assignment ends at an earlier length again than
    `to_length`, to which it had let the trial go on.
    """
    if error.reason == "LENGTH_BEYOND_ASSIGNMENT":
        return bool(reports) and reports[-1].length <= to_length
    return error.reason == "TRIAL_NOT_FOUND"


def _lost_with_its_trial(lease: Lease, error: NotFound) -> TellReply:
    """The reply when the service does not know the trial of a lease. Raises any other NotFound."""
    if error.reason != "TRIAL_NOT_FOUND":
        raise error
    return TellReply(lease, Decision.SUPERSEDED, _ROLLED_BACK)


def _untold_part(result: Result) -> Result | None:
    """The result without the reports that were told before under the same lease; None when nothing is left.

    A continuation without a new checkpoint trains again from the old one, and so reports some lengths a second time.
    Raises InvalidArgument for a result without reports that does not finish the trial.
    """
    if not result.reports and not result.finished:
        raise InvalidArgument.one("reports", "got none, wanted at least one report")
    begin, told = result.assignment.from_length, result.assignment.told_length
    reports = [each for each in result.reports if not begin < each.length <= told]
    if len(reports) == len(result.reports):
        return result
    return dataclasses.replace(result, reports=reports) if reports or result.finished else None


def _repeated(result: Result) -> TellReply:
    """The reply to a result that was told before."""
    assignment = result.assignment
    return TellReply(
        assignment.lease,
        Decision.CONTINUE,
        Explanation(Reason.BETWEEN_RUNGS, text="this length was told before under the same lease"),
        assignment.next_decision,
        assignment.to_length,
        assignment.deadline,
        assignment,
    )
