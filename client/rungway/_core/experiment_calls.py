"""The calls about experiments and trials as flows, the same for both clients."""

import dataclasses
import random
from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from rungway._core import requests, rpcs
from rungway._core.about import About
from rungway._core.calls import call
from rungway._core.config import ClientConfig
from rungway._core.enums import ExperimentState
from rungway._core.errors import FailedPrecondition, NotFound, RungwayError, StreamSilent, Unimplemented
from rungway._core.flow import Flow, Sleep
from rungway._core.requests import Config, new_request_id
from rungway._core.retry import is_transient
from rungway._core.rpcs import Reply, Rpc
from rungway.models.checkpoints import StaleCheckpoint
from rungway.models.experiments import Caller, Event, Experiment, Preview
from rungway.models.people import Enqueued, Worker
from rungway.models.proposals import Results, Stock
from rungway.models.shown import TrialList
from rungway.models.work import Trial
from rungway.v1 import experiment_service_pb2 as messages
from rungway.v1 import view_service_pb2

_PAGE = 200  # at 20 KiB per item a page fits into a message of 4 MiB


class ExperimentCalls:
    """The calls about experiments and trials, each of them within `config.total_timeout` seconds."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config

    def call(self, rpc: Rpc[Reply], request: Message) -> Flow[Reply]:
        """One logical call."""
        return call(self.config, rpc, request, limit=self.config.total_timeout)

    def name(self, experiment: str | None) -> str:
        """This experiment, or that of the client. Raises InvalidArgument without either."""
        return requests.experiment_of(self.config, experiment)

    def create(
        self,
        experiment: str,
        config: Config,
        request_id: str | None,
        warm_start_from: str | None,
        warm_start_count: int,
        exist_ok: bool,
        about: About,
    ) -> Flow[Experiment]:
        """See Client.create_experiment."""
        request = messages.CreateExperimentRequest(
            experiment=self.name(experiment),
            request_id=request_id or new_request_id(),
            exist_ok=exist_ok,
        )
        requests.add_config(request, config)
        if warm_start_from is not None:
            request.warm_start_from = warm_start_from
            request.warm_start_count = requests.small("warm_start_count", warm_start_count)
        about.write(request)
        reply = yield from self.call(rpcs.CREATE_EXPERIMENT, request)
        made = dataclasses.replace(Experiment.from_proto(reply.experiment), existed=reply.existed)
        if not made.existed:
            about.check_known(made)
        return made

    def get(self, experiment: str | None) -> Flow[Experiment]:
        """See Client.get_experiment."""
        request = messages.GetExperimentRequest(experiment=self.name(experiment))
        return Experiment.from_proto((yield from self.call(rpcs.GET_EXPERIMENT, request)).experiment)

    def list_experiments(
        self, limit: int | None, with_config: bool, labels: Mapping[str, str | None] | None, owner: str
    ) -> Flow[list[Experiment]]:
        """See Client.list_experiments."""
        found: list[Experiment] = []
        token = ""
        wanted = About(labels, owner)
        while (size := _page_size(limit, len(found))) > 0:
            request = messages.ListExperimentsRequest(page_size=size, page_token=token, with_config=with_config)
            wanted.write_filter(request)
            reply = yield from self.call(rpcs.LIST_EXPERIMENTS, request)
            for message in reply.experiments:
                found.append(Experiment.from_proto(message))
                wanted.check_filtered(found[-1])
            if not (token := reply.next_page_token):
                break
        return found

    def pause(self, experiment: str | None) -> Flow[Experiment]:
        """See Client.pause_experiment."""
        request = messages.PauseExperimentRequest(experiment=self.name(experiment))
        return Experiment.from_proto((yield from self.call(rpcs.PAUSE_EXPERIMENT, request)).experiment)

    def resume(self, experiment: str | None) -> Flow[Experiment]:
        """See Client.resume_experiment."""
        request = messages.ResumeExperimentRequest(experiment=self.name(experiment))
        return Experiment.from_proto((yield from self.call(rpcs.RESUME_EXPERIMENT, request)).experiment)

    def stop(self, experiment: str | None) -> Flow[Experiment]:
        """See Client.stop_experiment."""
        request = messages.StopExperimentRequest(experiment=self.name(experiment))
        try:
            return Experiment.from_proto((yield from self.call(rpcs.STOP_EXPERIMENT, request)).experiment)
        except FailedPrecondition as error:
            if error.attempts == 1 or error.details.get("state") != ExperimentState.STOPPED:
                raise
        # An earlier attempt stopped it, and its reply was lost.
        return (yield from self.get(experiment))

    def delete(self, experiment: str | None) -> Flow[None]:
        """See Client.delete_experiment."""
        name = self.name(experiment)
        request = messages.DeleteExperimentRequest(experiment=name, uid=(yield from self._uid(name)))
        try:
            yield from self.call(rpcs.DELETE_EXPERIMENT, request)
        except NotFound as error:
            if error.attempts == 1:
                raise
            # An earlier attempt removed it, and its reply was lost.

    def _uid(self, name: str) -> Flow[str]:
        """The uid of an experiment, "" if unknown: a repeat must not delete one created later under the same id."""
        request = messages.GetExperimentRequest(experiment=name)
        try:
            return (yield from self.call(rpcs.GET_EXPERIMENT, request)).experiment.uid
        except RungwayError as error:
            if isinstance(error, NotFound) or is_transient(error):
                raise
            return ""  # one of another version, or a damaged one, can still be deleted

    def update(
        self,
        max_trials: int | None,
        max_concurrent_trials: int | None,
        retention_days: float | None,
        about: About,
        experiment: str | None,
    ) -> Flow[Experiment]:
        """See Client.update_experiment."""
        request = messages.UpdateExperimentRequest(experiment=self.name(experiment))
        if max_trials is not None:
            request.max_trials = requests.whole("max_trials", max_trials, 1)
        if max_concurrent_trials is not None:
            request.max_concurrent_trials = requests.whole("max_concurrent_trials", max_concurrent_trials)
        if retention_days is not None:
            request.retention_days = requests.not_negative("retention_days", retention_days)
        about.write(request)
        updated = Experiment.from_proto((yield from self.call(rpcs.UPDATE_EXPERIMENT, request)).experiment)
        about.check_known(updated)
        return updated

    def preview(self, config: Config) -> Flow[Preview]:
        """See Client.preview."""
        request = messages.PreviewSearchRequest()
        requests.add_config(request, config)
        return Preview.from_proto((yield from self.call(rpcs.PREVIEW_SEARCH, request)).preview)

    def list_trials(self, limit: int | None, after: int, experiment: str | None) -> Flow[list[Trial]]:
        """See Client.list_trials."""
        found = TrialList()
        token = str(requests.whole("after", after) or "")  # the token of a page is the number of its first trial
        while (size := _page_size(limit, len(found))) > 0:
            request = messages.ListTrialsRequest(experiment=self.name(experiment), page_size=size, page_token=token)
            reply = yield from self.call(rpcs.LIST_TRIALS, request)
            found += [Trial.from_proto(each) for each in reply.trials]
            if not (token := reply.next_page_token):
                break
        return found

    def get_caller(self) -> Flow[Caller]:
        """See Client.get_caller."""
        return Caller.from_proto((yield from self.call(rpcs.GET_CALLER, view_service_pb2.GetCallerRequest())))

    def list_workers(self, experiment: str | None) -> Flow[list[Worker]]:
        """See Client.list_workers."""
        request = messages.ListWorkersRequest(experiment=self.name(experiment))
        reply = yield from self.call(rpcs.LIST_WORKERS, request)
        return [Worker.from_proto(each, reply.time) for each in reply.workers]

    def get_trial(self, trial: int, experiment: str | None) -> Flow[Trial]:
        """See Client.get_trial."""
        request = messages.GetTrialRequest(experiment=self.name(experiment), trial=requests.whole("trial", trial))
        return Trial.from_proto((yield from self.call(rpcs.GET_TRIAL, request)).trial, curve=True)

    def best(self, count: int, by: str, experiment: str | None) -> Flow[list[Trial]]:
        """See Client.best."""
        number = requests.best_by(by)
        request = messages.BestTrialsRequest(
            experiment=self.name(experiment), count=requests.small("count", count), by=number
        )
        reply = yield from self.call(rpcs.BEST_TRIALS, request)
        if reply.by != number and number:
            raise Unimplemented(f"the service does not know by={str(by)!r}, only the best at any length")
        return TrialList(Trial.from_proto(trial) for trial in reply.trials)

    def stale_checkpoints(self, older_than: float, final: bool, experiment: str | None) -> Flow[list[StaleCheckpoint]]:
        """See Client.stale_checkpoints."""
        request = messages.ListStaleCheckpointsRequest(experiment=self.name(experiment), final=final)
        request.older_than.FromMicroseconds(requests.duration("older_than", older_than))
        found: list[StaleCheckpoint] = []
        while True:
            reply = yield from self.call(rpcs.LIST_STALE_CHECKPOINTS, request)
            found += [StaleCheckpoint.from_proto(each) for each in reply.checkpoints]
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    def enqueue(
        self,
        hparams: Mapping[str, object],
        request_id: str | None,
        experiment: str | None,
        metric: object = None,
        length: object = None,
    ) -> Flow[Enqueued]:
        """See Client.enqueue_trial."""
        request = messages.EnqueueTrialRequest(
            experiment=self.name(experiment),
            request_id=request_id or new_request_id(),
            hparams=requests.configuration(hparams, "hparams"),
            result=requests.known_result(metric, length),
        )
        enqueued = Enqueued.from_proto((yield from self.call(rpcs.ENQUEUE_TRIAL, request)))
        if request.HasField("result") and enqueued.trial is None:
            raise Unimplemented(
                "the service does not know results of enqueued trials, and will train this configuration"
            )
        return enqueued

    def results(self, cursor: str, experiment: str | None) -> Flow[Results]:
        """See Client.results."""
        request = view_service_pb2.GetViewRequest(experiment=self.name(experiment), cursor=cursor)
        return Results.from_proto((yield from self.call(rpcs.GET_VIEW, request)).view)

    def add_proposals(
        self, proposals: Sequence[Mapping[str, object]], first: int, revision: int, experiment: str | None
    ) -> Flow[Stock]:
        """See Client.add_proposals."""
        request = messages.AddProposalsRequest(
            experiment=self.name(experiment),
            first=requests.whole("first", first),
            proposals=[requests.configuration(each, f"proposals[{i}]") for i, each in enumerate(proposals)],
            revision=requests.whole("revision", revision),
        )
        return Stock.from_proto((yield from self.call(rpcs.ADD_PROPOSALS, request)))

    def explain(self, trial: int, experiment: str | None) -> Flow[list[Event]]:
        """See Client.explain_trial."""
        name, number = self.name(experiment), requests.whole("trial", trial)
        found: list[Event] = []
        token = ""
        while True:
            request = messages.ExplainTrialRequest(experiment=name, trial=number, page_size=_PAGE, page_token=token)
            reply = yield from self.call(rpcs.EXPLAIN_TRIAL, request)
            found += [Event.from_proto(event) for event in reply.events]
            if not (token := reply.next_page_token):
                return found

    def export(self, experiment: str | None) -> messages.ExportExperimentRequest:
        """See Client.export_experiment."""
        return messages.ExportExperimentRequest(experiment=self.name(experiment))

    def follow(self, after: str, experiment: str | None) -> "LogReader":
        """See Client.watch_events."""
        return LogReader(self, self.name(experiment), after)


class LogReader:
    """A position in an event log: what to request now, and what to do when the stream breaks."""

    def __init__(self, calls: ExperimentCalls, experiment: str, after: str) -> None:
        """`after` is the id of the last event that was read; empty = none."""
        self._calls = calls
        self._experiment = experiment
        self._after = after

    def request(self) -> messages.WatchEventsRequest:
        """The request for the events after this position."""
        return messages.WatchEventsRequest(experiment=self._experiment, after_event_id=self._after)

    def read(self, reply: messages.WatchEventsResponse) -> Event:
        """The event of a reply; moves the position behind it."""
        self._after = reply.event.event_id
        return Event.from_proto(reply.event)

    def reconnect(self, error: RungwayError) -> Flow[None]:
        """Wait until the service answers again. Raises an error that is not transient, and Unavailable when the service
        does not answer within `total_timeout`.

        A stream is silent while nothing happens, so another call finds out whether the service answers.
        """
        if not is_transient(error):
            raise error
        yield from self._calls.get(self._experiment)
        if isinstance(error, StreamSilent):
            return
        # A random pause, so that not all followers come back at the same moment.
        yield Sleep((error.retry_after or 0.0) + self._calls.config.backoff_max * random.random())  # noqa: S311


def _page_size(limit: int | None, found: int) -> int:
    return _PAGE if limit is None else min(limit - found, _PAGE)
