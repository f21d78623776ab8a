"""The two gRPC services: read the message, call the use case, write the answer."""

import asyncio
from typing import Any

import structlog

from rungway.v1 import experiment_service_pb2 as experiments_pb2
from rungway.v1 import search_service_pb2 as search_pb2
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceServicer
from rungway.v1.search_service_pb2_grpc import SearchServiceServicer
from rungway.values import to_map
from rungway_server.domain.engine import AskStatus, ExperimentState
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.admission import Admission
from rungway_server.service.checkpoints import CheckpointUseCases
from rungway_server.service.configs import read_config
from rungway_server.service.events import EventUseCases
from rungway_server.service.experiments import ExperimentUseCases, ExperimentView, WarmStart
from rungway_server.service.held_asks import NOT_HELD
from rungway_server.service.offload import in_thread
from rungway_server.service.port import ExperimentStore, Store
from rungway_server.service.reading import Reading, in_slices
from rungway_server.service.search import SearchUseCases
from rungway_server.service.trials import TrialUseCases
from rungway_server.service.warnings import LastMessages
from rungway_server.service.worker_thread import Priority
from rungway_server.transport import call_log, requests, wire
from rungway_server.transport.errors import Context, typed_errors

_log = structlog.get_logger()
_TROUBLES = {AskStatus.WAIT: "search_paused_itself", AskStatus.DONE: "search_without_result"}

# The proto describes what each rpc does.


def build_search_servicer(
    store: Store, admission: Admission, stopping: asyncio.Event | None = None
) -> "_SearchServicer":
    """SearchService on this store; `admission` limits how many of its calls run at once. Asks that are held end soon
    after `stopping` is set."""
    return _SearchServicer(store, SearchUseCases(store, admission, stopping))


def build_experiment_servicer(
    store: ExperimentStore, stopping: asyncio.Event, reading: Reading | None = None
) -> ExperimentServiceServicer:
    """ExperimentService on this store; `reading` limits its reads. Streams end soon after `stopping` is set."""
    return _ExperimentServicer(store, stopping, reading or Reading())


class _SearchServicer(SearchServiceServicer):
    def __init__(self, store: Store, search: SearchUseCases) -> None:
        self._store, self._search = store, search
        self.asks_held = search.asks_held
        """How many asks are held."""
        self._last_messages = LastMessages()

    @typed_errors
    async def Ask(self, request: search_pb2.AskRequest, context: Context) -> search_pb2.AskResponse:
        ref = requests.read_ref(request.experiment)
        hold = requests.read_hold(request, context) if request.HasField("wait") else NOT_HELD
        answer, best = await self._search.ask(ref, request.request_id, request.count, request.worker, hold)
        if answer.expired:
            call_log.leases_expired(ref, answer.expired)
        if self._last_messages.is_new(ref, answer.message):
            _log.warning(_TROUBLES[answer.status], **ref._asdict(), why=answer.message)
        lease_ms = round((await self._store.definition(ref)).config.lease_seconds * 1000) if answer.assignments else 0
        return await wire.ask_message(answer, best, lease_ms)

    @typed_errors
    async def Tell(self, request: search_pb2.TellRequest, context: Context) -> search_pb2.TellResponse:
        ref, results = requests.read_ref(request.experiment), requests.read_results(request)
        return wire.told_message(await self._search.tell(ref, request.request_id, results), search_pb2.TellResponse())

    @typed_errors
    async def Heartbeat(self, request: search_pb2.HeartbeatRequest, context: Context) -> search_pb2.HeartbeatResponse:
        ref, leases = requests.read_ref(request.experiment), requests.read_leases(request)
        statuses = await self._search.heartbeat(ref, leases)
        return search_pb2.HeartbeatResponse(leases=[wire.lease_status_message(status) for status in statuses])

    @typed_errors
    async def Release(self, request: search_pb2.ReleaseRequest, context: Context) -> search_pb2.ReleaseResponse:
        ref, releases = requests.read_ref(request.experiment), requests.read_releases(request)
        return wire.told_message(
            await self._search.release(ref, request.request_id, releases), search_pb2.ReleaseResponse()
        )

    @typed_errors
    async def Fail(self, request: search_pb2.FailRequest, context: Context) -> search_pb2.FailResponse:
        ref, lease = requests.read_ref(request.experiment), requests.read_lease(request.lease)
        outcome = requests.read_outcome(request.outcome)
        return wire.fail_message(*await self._search.fail(ref, request.request_id, lease, outcome, request.message))


async def _document(
    priority: Priority,
    namespace: str,
    request: experiments_pb2.CreateExperimentRequest | experiments_pb2.PreviewSearchRequest,
) -> dict[str, object]:
    """The configuration of a request: a message, or a text."""
    if not request.config_text:
        return await in_thread(priority, namespace, requests.read_map, request.config, "config")
    if request.HasField("config"):
        raise InvalidInput.one("config_text", "given together with config, wanted one of them")
    return await read_config(namespace, request.config_text, "config_text")


class _ExperimentServicer(ExperimentServiceServicer):
    def __init__(self, store: ExperimentStore, stopping: asyncio.Event, reading: Reading) -> None:
        self._experiments = ExperimentUseCases(store, reading)
        self._trials = TrialUseCases(store, reading)
        self._checkpoints = CheckpointUseCases(store, reading)
        self._events = EventUseCases(store, stopping, reading)

    @typed_errors
    async def CreateExperiment(
        self, request: experiments_pb2.CreateExperimentRequest, context: Context
    ) -> experiments_pb2.CreateExperimentResponse:
        ref = requests.read_ref(request.experiment)
        document = await _document(Priority.CREATE, ref.namespace, request)
        warm_start = None
        if request.warm_start_from:
            warm_start = WarmStart(
                requests.read_ref(request.warm_start_from, "warm_start_from"), request.warm_start_count
            )
        about = requests.read_about(request)
        view = await self._experiments.create(
            ref, document, request.request_id, warm_start, exist_ok=request.exist_ok, about=about
        )
        return experiments_pb2.CreateExperimentResponse(
            experiment=await wire.experiment_message(view), existed=view.existed
        )

    @typed_errors
    async def GetExperiment(
        self, request: experiments_pb2.GetExperimentRequest, context: Context
    ) -> experiments_pb2.GetExperimentResponse:
        view = await self._experiments.get(requests.read_ref(request.experiment))
        return experiments_pb2.GetExperimentResponse(experiment=await wire.experiment_message(view))

    @typed_errors
    async def ListExperiments(
        self, request: experiments_pb2.ListExperimentsRequest, context: Context
    ) -> experiments_pb2.ListExperimentsResponse:
        messages, token = await self._experiments.page(
            requests.NAMESPACE.get(),
            request.page_size,
            request.page_token,
            wire.listed_message,
            with_config=request.with_config,
            wanted=requests.read_filter(request),
        )
        return experiments_pb2.ListExperimentsResponse(experiments=messages, next_page_token=token)

    @typed_errors
    async def PauseExperiment(
        self, request: experiments_pb2.PauseExperimentRequest, context: Context
    ) -> experiments_pb2.PauseExperimentResponse:
        view = await self._change(request, ExperimentState.PAUSED)
        return experiments_pb2.PauseExperimentResponse(experiment=await wire.experiment_message(view))

    @typed_errors
    async def ResumeExperiment(
        self, request: experiments_pb2.ResumeExperimentRequest, context: Context
    ) -> experiments_pb2.ResumeExperimentResponse:
        view = await self._change(request, ExperimentState.RUNNING)
        return experiments_pb2.ResumeExperimentResponse(experiment=await wire.experiment_message(view))

    @typed_errors
    async def StopExperiment(
        self, request: experiments_pb2.StopExperimentRequest, context: Context
    ) -> experiments_pb2.StopExperimentResponse:
        view = await self._change(request, ExperimentState.STOPPED)
        return experiments_pb2.StopExperimentResponse(experiment=await wire.experiment_message(view))

    async def _change(self, request: Any, state: ExperimentState) -> ExperimentView:
        return await self._experiments.change_state(requests.read_ref(request.experiment), state)

    @typed_errors
    async def UpdateExperiment(
        self, request: experiments_pb2.UpdateExperimentRequest, context: Context
    ) -> experiments_pb2.UpdateExperimentResponse:
        ref = requests.read_ref(request.experiment)
        view = await self._experiments.update(ref, requests.read_change(request))
        return experiments_pb2.UpdateExperimentResponse(experiment=await wire.experiment_message(view))

    @typed_errors
    async def DeleteExperiment(
        self, request: experiments_pb2.DeleteExperimentRequest, context: Context
    ) -> experiments_pb2.DeleteExperimentResponse:
        await self._experiments.delete(requests.read_ref(request.experiment), request.uid)
        return experiments_pb2.DeleteExperimentResponse()

    @typed_errors
    async def PreviewSearch(
        self, request: experiments_pb2.PreviewSearchRequest, context: Context
    ) -> experiments_pb2.PreviewSearchResponse:
        namespace = requests.NAMESPACE.get()
        document = await _document(Priority.PREVIEW, namespace, request)
        planned = await self._experiments.preview(namespace, document)
        return experiments_pb2.PreviewSearchResponse(preview=wire.preview_message(planned))

    @typed_errors
    async def ListTrials(
        self, request: experiments_pb2.ListTrialsRequest, context: Context
    ) -> experiments_pb2.ListTrialsResponse:
        ref = requests.read_ref(request.experiment)
        messages, token = await self._trials.page(ref, request.page_size, request.page_token, wire.trial_message)
        return experiments_pb2.ListTrialsResponse(trials=messages, next_page_token=token)

    @typed_errors
    async def ListWorkers(
        self, request: experiments_pb2.ListWorkersRequest, context: Context
    ) -> experiments_pb2.ListWorkersResponse:
        return wire.workers_message(await self._trials.workers(requests.read_ref(request.experiment)))

    @typed_errors
    async def GetTrial(
        self, request: experiments_pb2.GetTrialRequest, context: Context
    ) -> experiments_pb2.GetTrialResponse:
        trial = await self._trials.get(requests.read_ref(request.experiment), request.trial)
        response = experiments_pb2.GetTrialResponse(trial=wire.trial_message(trial))
        curve = response.trial.curve  # filled in at its place: to copy a long one takes as long as to write it
        async for point in in_slices(trial.curve):
            wire.write_report(point, curve.add())
        return response

    @typed_errors
    async def BestTrials(
        self, request: experiments_pb2.BestTrialsRequest, context: Context
    ) -> experiments_pb2.BestTrialsResponse:
        ref = requests.read_ref(request.experiment)
        by = requests.read_best_by(request.by)
        messages = await self._trials.best(ref, request.count, wire.trial_message, by)
        return experiments_pb2.BestTrialsResponse(trials=messages, by=wire.BEST_BY[by])

    @typed_errors
    async def ListStaleCheckpoints(
        self, request: experiments_pb2.ListStaleCheckpointsRequest, context: Context
    ) -> experiments_pb2.ListStaleCheckpointsResponse:
        ref, wanted = requests.read_ref(request.experiment), requests.read_stale(request)
        messages, token = await self._checkpoints.stale(ref, wanted, request.page_token, wire.stale_message)
        return experiments_pb2.ListStaleCheckpointsResponse(checkpoints=messages, next_page_token=token)

    @typed_errors
    async def EnqueueTrial(
        self, request: experiments_pb2.EnqueueTrialRequest, context: Context
    ) -> experiments_pb2.EnqueueTrialResponse:
        ref = requests.read_ref(request.experiment)
        hparams = await in_thread(Priority.CREATE, ref.namespace, requests.read_map, request.hparams, "hparams")
        if result := requests.read_known(request):
            enqueued = await self._trials.enqueue_known(ref, request.request_id, hparams, result)
        else:
            enqueued = await self._trials.enqueue(ref, request.request_id, hparams)
        shown = to_map(enqueued.hparams)
        return experiments_pb2.EnqueueTrialResponse(position=enqueued.position, hparams=shown, trial=enqueued.trial)

    @typed_errors
    async def AddProposals(
        self, request: experiments_pb2.AddProposalsRequest, context: Context
    ) -> experiments_pb2.AddProposalsResponse:
        ref = requests.read_ref(request.experiment)
        proposals = await in_thread(Priority.CREATE, ref.namespace, requests.read_proposals, request)
        stock = await self._trials.add_proposals(ref, request.first, proposals, request.revision)
        return experiments_pb2.AddProposalsResponse(**stock._asdict())

    @typed_errors
    async def ExplainTrial(
        self, request: experiments_pb2.ExplainTrialRequest, context: Context
    ) -> experiments_pb2.ExplainTrialResponse:
        ref = requests.read_ref(request.experiment)
        events, token = await self._trials.explain(ref, request.trial, request.page_size, request.page_token)
        return experiments_pb2.ExplainTrialResponse(
            events=[wire.event_message(event) for event in events], next_page_token=token
        )

    @typed_errors
    async def WatchEvents(  # type: ignore[override]  # writes to the context instead of yielding
        self, request: experiments_pb2.WatchEventsRequest, context: Context
    ) -> None:
        ref = requests.read_ref(request.experiment)
        async for event in self._events.watch(ref, request.after_event_id):
            await context.write(experiments_pb2.WatchEventsResponse(event=wire.event_message(event)))

    @typed_errors
    async def ExportExperiment(  # type: ignore[override]  # as above
        self, request: experiments_pb2.ExportExperimentRequest, context: Context
    ) -> None:
        async for text in self._experiments.export(requests.read_ref(request.experiment)):
            await context.write(experiments_pb2.ExportExperimentResponse(text=text))
