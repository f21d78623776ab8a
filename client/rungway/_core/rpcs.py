"""Every rpc that this client calls, and what a retry must know about it."""

from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message

from rungway.v1 import experiment_service_pb2 as experiment
from rungway.v1 import search_service_pb2 as search
from rungway.v1 import view_service_pb2 as view

Reply = TypeVar("Reply", bound=Message)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Reply]):
    """One rpc of the service."""

    service: str
    name: str
    reply: type[Reply]
    changes: bool = False
    """Whether the call changes something, so that without an answer its outcome is unknown."""

    path: str = field(init=False)
    """Its name on the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/rungway.v1.{self.service}/{self.name}")

    @property
    def by_worker(self) -> bool:
        """Whether workers call it. They wait until the service is up; people want to hear that it is down."""
        return self.service == _SEARCH


_SEARCH: Final = "SearchService"
_EXPERIMENT: Final = "ExperimentService"

ASK: Final = Rpc(_SEARCH, "Ask", search.AskResponse, changes=True)
TELL: Final = Rpc(_SEARCH, "Tell", search.TellResponse, changes=True)
HEARTBEAT: Final = Rpc(_SEARCH, "Heartbeat", search.HeartbeatResponse)
RELEASE: Final = Rpc(_SEARCH, "Release", search.ReleaseResponse, changes=True)
FAIL: Final = Rpc(_SEARCH, "Fail", search.FailResponse, changes=True)

CREATE_EXPERIMENT: Final = Rpc(_EXPERIMENT, "CreateExperiment", experiment.CreateExperimentResponse, changes=True)
GET_EXPERIMENT: Final = Rpc(_EXPERIMENT, "GetExperiment", experiment.GetExperimentResponse)
LIST_EXPERIMENTS: Final = Rpc(_EXPERIMENT, "ListExperiments", experiment.ListExperimentsResponse)
PAUSE_EXPERIMENT: Final = Rpc(_EXPERIMENT, "PauseExperiment", experiment.PauseExperimentResponse, changes=True)
RESUME_EXPERIMENT: Final = Rpc(_EXPERIMENT, "ResumeExperiment", experiment.ResumeExperimentResponse, changes=True)
STOP_EXPERIMENT: Final = Rpc(_EXPERIMENT, "StopExperiment", experiment.StopExperimentResponse, changes=True)
DELETE_EXPERIMENT: Final = Rpc(_EXPERIMENT, "DeleteExperiment", experiment.DeleteExperimentResponse, changes=True)
UPDATE_EXPERIMENT: Final = Rpc(_EXPERIMENT, "UpdateExperiment", experiment.UpdateExperimentResponse, changes=True)
PREVIEW_SEARCH: Final = Rpc(_EXPERIMENT, "PreviewSearch", experiment.PreviewSearchResponse)
LIST_TRIALS: Final = Rpc(_EXPERIMENT, "ListTrials", experiment.ListTrialsResponse)
LIST_WORKERS: Final = Rpc(_EXPERIMENT, "ListWorkers", experiment.ListWorkersResponse)
GET_TRIAL: Final = Rpc(_EXPERIMENT, "GetTrial", experiment.GetTrialResponse)
BEST_TRIALS: Final = Rpc(_EXPERIMENT, "BestTrials", experiment.BestTrialsResponse)
LIST_STALE_CHECKPOINTS: Final = Rpc(_EXPERIMENT, "ListStaleCheckpoints", experiment.ListStaleCheckpointsResponse)
ENQUEUE_TRIAL: Final = Rpc(_EXPERIMENT, "EnqueueTrial", experiment.EnqueueTrialResponse, changes=True)
ADD_PROPOSALS: Final = Rpc(_EXPERIMENT, "AddProposals", experiment.AddProposalsResponse, changes=True)
EXPLAIN_TRIAL: Final = Rpc(_EXPERIMENT, "ExplainTrial", experiment.ExplainTrialResponse)
EXPORT_EXPERIMENT: Final = Rpc(_EXPERIMENT, "ExportExperiment", experiment.ExportExperimentResponse)
WATCH_EVENTS: Final = Rpc(_EXPERIMENT, "WatchEvents", experiment.WatchEventsResponse)

GET_CALLER: Final = Rpc("ViewService", "GetCaller", view.GetCallerResponse)
GET_VIEW: Final = Rpc("ViewService", "GetView", view.GetViewResponse)
GET_IMPORTANCE: Final = Rpc("ViewService", "GetImportance", view.GetImportanceResponse)
