"""A valid request for every rpc, and how to send any of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message

from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import view_service_pb2 as view_pb
from rungway.v1.trial_pb2 import OUTCOME_ERROR, Lease, Report, Result
from rungway.values import to_map
from tests.support.calls import Refusal, config, refusal_of
from tests.support.waiting import SECONDS

LEASE = Lease(trial=0, fence=1)

SEARCH: Mapping[str, Message] = {
    "Ask": search_pb.AskRequest(experiment="e"),
    "Tell": search_pb.TellRequest(experiment="e", results=[Result(lease=LEASE, reports=[Report(length=1, metric=1)])]),
    "Heartbeat": search_pb.HeartbeatRequest(experiment="e", leases=[LEASE]),
    "Release": search_pb.ReleaseRequest(experiment="e", releases=[search_pb.Release(lease=LEASE)]),
    "Fail": search_pb.FailRequest(experiment="e", lease=LEASE, outcome=OUTCOME_ERROR),
}
EXPERIMENTS: Mapping[str, Message] = {
    "CreateExperiment": experiment_pb.CreateExperimentRequest(experiment="e", config=to_map(config())),
    "GetExperiment": experiment_pb.GetExperimentRequest(experiment="e"),
    "ListExperiments": experiment_pb.ListExperimentsRequest(),
    "PauseExperiment": experiment_pb.PauseExperimentRequest(experiment="e"),
    "ResumeExperiment": experiment_pb.ResumeExperimentRequest(experiment="e"),
    "StopExperiment": experiment_pb.StopExperimentRequest(experiment="e"),
    "DeleteExperiment": experiment_pb.DeleteExperimentRequest(experiment="e"),
    "PreviewSearch": experiment_pb.PreviewSearchRequest(config=to_map(config())),
    "ListTrials": experiment_pb.ListTrialsRequest(experiment="e"),
    "ListWorkers": experiment_pb.ListWorkersRequest(experiment="e"),
    "GetTrial": experiment_pb.GetTrialRequest(experiment="e"),
    "BestTrials": experiment_pb.BestTrialsRequest(experiment="e"),
    "ListStaleCheckpoints": experiment_pb.ListStaleCheckpointsRequest(experiment="e"),
    "UpdateExperiment": experiment_pb.UpdateExperimentRequest(experiment="e", max_trials=9),
    "EnqueueTrial": experiment_pb.EnqueueTrialRequest(experiment="e", hparams=to_map({"rate": 0.01, "layers": 2})),
    "AddProposals": experiment_pb.AddProposalsRequest(experiment="e", proposals=[to_map({"rate": 0.01, "layers": 2})]),
    "ExplainTrial": experiment_pb.ExplainTrialRequest(experiment="e"),
    "WatchEvents": experiment_pb.WatchEventsRequest(experiment="e"),
    "ExportExperiment": experiment_pb.ExportExperimentRequest(experiment="e"),
}
VIEWS: Mapping[str, Message] = {
    "GetView": view_pb.GetViewRequest(experiment="e"),
    "WatchView": view_pb.WatchViewRequest(experiment="e"),
    "GetCurves": view_pb.GetCurvesRequest(experiment="e", trials=[0]),
    "GetImportance": view_pb.GetImportanceRequest(experiment="e"),
    "GetCaller": view_pb.GetCallerRequest(),
    "ReadConfig": view_pb.ReadConfigRequest(text="{}"),
}
STREAMS = ("WatchEvents", "ExportExperiment", "WatchView")
RPCS: Mapping[str, Message] = {
    f"rungway.v1.{service}/{name}": request
    for service, requests in (("SearchService", SEARCH), ("ExperimentService", EXPERIMENTS), ("ViewService", VIEWS))
    for name, request in requests.items()
}
"""By "package.Service/Method"."""


def descriptors() -> set[str]:
    """The descriptor of every rpc of the contract."""
    return {
        f"{service.full_name}/{method.name}"
        for file in (search_pb, experiment_pb, view_pb)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def request_for(rpc: str, experiment: str) -> Message:
    """A valid request of this rpc; it names the experiment if the rpc has one."""
    request = type(RPCS[rpc])()
    request.CopyFrom(RPCS[rpc])
    if "experiment" in request.DESCRIPTOR.fields_by_name:
        request.experiment = experiment  # type: ignore[attr-defined]  # just looked
    return request


@dataclass(frozen=True)
class Transport:
    """How a request reaches the service."""

    channel: grpc.Channel

    def call(self, rpc: str, request: Message, headers: Mapping[str, str]) -> Refusal | None:
        """Send a request with these headers; returns the refusal, None if accepted. Reads one message of a stream."""
        data, metadata = request.SerializeToString(), tuple(headers.items())
        try:
            if rpc.endswith(STREAMS):
                stream: grpc.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream(f"/{rpc}")
                events = stream(data, timeout=SECONDS, metadata=metadata)
                next(iter(events), None)
                events.cancel()
            else:
                method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/{rpc}")
                method(data, timeout=SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return refusal_of(error)
        return None
