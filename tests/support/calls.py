"""gRPC stubs, and the requests that tests send with them."""

import itertools
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import trial_pb2
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway.v1.search_service_pb2_grpc import SearchServiceStub
from rungway.v1.view_service_pb2_grpc import ViewServiceStub
from rungway.values import to_map

SECONDS = 100.0
"""Deadline of every call in tests (seconds), long enough for a busy machine."""

SPACE: Mapping[str, object] = {
    "rate": {"type": "log", "base": 10.0, "minval": -4.0, "maxval": -1.0},
    "layers": {"type": "int", "minval": 1, "maxval": 4},
}

_names = itertools.count()


def unique_name(prefix: str = "e") -> str:
    """An experiment id that no other test uses."""
    return f"{prefix}-{next(_names)}"


def new_id() -> str:
    """A request id."""
    return uuid.uuid4().hex


def config(
    name: str = "random",
    *,
    space: Mapping[str, object] | None = None,
    lease_seconds: float = 60.0,
    max_restarts: int = 5,
    **searcher: object,
) -> dict[str, object]:
    """A configuration; `searcher` are further keys of that section, None for one that it shall not have."""
    section: dict[str, object] = {"name": name, "metric": "loss", "max_length": {"epochs": 1}, **searcher}
    if name != "single":
        section.setdefault("max_trials", 4)
    return {
        "hyperparameters": SPACE if space is None else space,
        "searcher": {key: value for key, value in section.items() if value is not None},
        "seed": 7,
        "lease_seconds": lease_seconds,
        "max_restarts": max_restarts,
    }


class Calls:
    """The rpcs of all services on one channel, with only the arguments that tests vary."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.search = SearchServiceStub(channel)
        self.experiments = ExperimentServiceStub(channel)
        self.views = ViewServiceStub(channel)

    def create(self, experiment: str, document: Mapping[str, object], request_id: str = "") -> None:
        """CreateExperiment."""
        request = experiment_pb.CreateExperimentRequest(
            experiment=experiment, config=to_map(document), request_id=request_id
        )
        self.experiments.CreateExperiment(request, timeout=SECONDS)

    def ask(self, experiment: str, count: int = 1, request_id: str = "", worker: str = "w") -> search_pb.AskResponse:
        """Ask."""
        request = search_pb.AskRequest(experiment=experiment, count=count, request_id=request_id, worker=worker)
        return self.search.Ask(request, timeout=SECONDS)

    def assignment(self, experiment: str) -> trial_pb2.Assignment:
        """Ask for one trial. Fails if none is assigned."""
        (assignment,) = self.ask(experiment).assignments
        return assignment

    def tell(
        self,
        experiment: str,
        lease: trial_pb2.Lease,
        *reports: tuple[int, float],
        request_id: str = "",
        checkpoint: str = "",
    ) -> trial_pb2.Verdict:
        """Tell with one result."""
        request = tell_request(experiment, lease, *reports, request_id=request_id, checkpoint=checkpoint)
        (reply,) = self.search.Tell(request, timeout=SECONDS).verdicts
        return reply

    def trial(self, experiment: str, number: int) -> trial_pb2.Trial:
        """GetTrial."""
        request = experiment_pb.GetTrialRequest(experiment=experiment, trial=number)
        return self.experiments.GetTrial(request, timeout=SECONDS).trial


@contextmanager
def calls_to(address: str) -> Iterator[Calls]:
    """The calls of the service at this address, over a new channel."""
    with grpc.insecure_channel(address) as channel:
        yield Calls(channel)


def tell_request(
    experiment: str,
    lease: trial_pb2.Lease,
    *reports: tuple[int, float],
    request_id: str = "",
    checkpoint: str = "",
) -> search_pb.TellRequest:
    """A tell of one result; `reports` are pairs of length and metric."""
    result = trial_pb2.Result(
        lease=lease,
        reports=[trial_pb2.Report(length=length, metric=metric) for length, metric in reports],
        checkpoint=checkpoint,
    )
    return search_pb.TellRequest(experiment=experiment, request_id=request_id, results=[result])


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call failed; `fields` are the paths of its field violations."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str]
    fields: tuple[str, ...]
    violations: Mapping[str, str]
    retry_seconds: float | None


def refusal_of(error: grpc.RpcError) -> Refusal:
    """The refusal in the google.rpc.Status of a failed call. Fails if there is none."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no google.rpc.Status with {error!r}"
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        for message in (info, bad, retry):
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
    assert info.domain == "rungway"
    return Refusal(
        code=error.code(),
        reason=info.reason,
        message=status.message,
        metadata=dict(info.metadata),
        fields=tuple(violation.field for violation in bad.field_violations),
        violations={violation.field: violation.description for violation in bad.field_violations},
        retry_seconds=retry.retry_delay.ToNanoseconds() / 1e9 if retry.HasField("retry_delay") else None,
    )
