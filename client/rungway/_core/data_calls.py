"""Reading a whole search: one streaming call that begins again when it breaks, the same for both clients."""

from rungway._core import rpcs
from rungway._core.errors import RungwayError
from rungway._core.experiment_calls import ExperimentCalls
from rungway._core.flow import Flow, Sleep
from rungway._core.retry import Retry
from rungway._data.search_data import ExportReader, SearchData
from rungway.v1 import experiment_service_pb2 as messages
from rungway.v1 import view_service_pb2


class SearchReading:
    """A search that is being read: what to request, and what to do when the stream breaks."""

    def __init__(
        self, calls: ExperimentCalls, experiment: str | None, *, curves: bool = False, events: bool = False
    ) -> None:
        """Raises InvalidArgument when no experiment is named."""
        self._request = calls.export(experiment)
        self._wanted = {"curves": curves, "events": events}
        self._retry = Retry(calls.config, "ExportExperiment", limit=calls.config.total_timeout)
        self._reader = ExportReader(**self._wanted)

    def request(self) -> messages.ExportExperimentRequest:
        """The request; the answer begins at the start."""
        self._reader = ExportReader(**self._wanted)
        return self._request

    def feed(self, reply: messages.ExportExperimentResponse) -> None:
        """The next reply."""
        self._reader.feed(reply.text)

    def done(self) -> SearchData:
        """What was read. Raises Unavailable when the end did not come."""
        return self._reader.done()

    def again(self, error: RungwayError) -> Flow[None]:
        """Wait before the next attempt. Raises an error that is not transient, and any after `total_timeout`."""
        yield Sleep(self._retry.delay_after(error))


def importance_of(calls: ExperimentCalls, experiment: str | None) -> Flow[view_service_pb2.GetImportanceResponse]:
    """How much each hyperparameter matters, as the service works it out."""
    return calls.call(rpcs.GET_IMPORTANCE, view_service_pb2.GetImportanceRequest(experiment=calls.name(experiment)))
