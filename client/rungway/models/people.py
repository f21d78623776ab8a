"""What people ask for of a search beside its trials: who works on it, and what waits in its queue."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from rungway import values
from rungway._core.enums import moment
from rungway.v1 import experiment_service_pb2


@dataclass(frozen=True, slots=True)
class Worker:
    """Who holds a lease now."""

    worker: str
    """What it calls itself (`ClientConfig.worker`)."""
    trial: int
    """The trial that it trains."""
    bracket: int
    """Index of that trial's bracket, counted from 0."""
    rung: int
    """Index of the rung the trial trains towards, counted from 0."""
    length: int
    """Furthest length that was reported (absolute, in the experiment's unit)."""
    silent_seconds: float
    """For how long it was not heard of: since its last report or renewal."""
    lease_seconds: float
    """How long a lease lasts from each of these."""

    @property
    def overdue(self) -> bool:
        """Whether it was not heard of for more than half of a lease; a client renews after a third."""
        return self.silent_seconds > self.lease_seconds / 2

    @classmethod
    def from_proto(cls, message: experiment_service_pb2.Worker, now: Timestamp) -> "Worker":
        """From its message on the wire; `now` is the time on the service's clock."""
        heard, end = moment(message.last_heard), moment(message.lease_deadline)
        silent = max((moment(now) - heard).total_seconds(), 0.0)
        duration = (end - heard).total_seconds()
        return cls(message.worker, message.trial, message.bracket, message.rung, message.length, silent, duration)


class Enqueued(int):
    """How many configurations wait before an enqueued one. `hparams` is that configuration as a whole, `trial` the
    number of its trial if its result is known."""

    hparams: dict[str, Any]
    trial: int | None

    @classmethod
    def from_proto(cls, message: experiment_service_pb2.EnqueueTrialResponse) -> "Enqueued":
        """From its message on the wire."""
        enqueued = cls(message.position)
        enqueued.hparams = values.from_map(message.hparams)
        enqueued.trial = message.trial if message.HasField("trial") else None
        return enqueued
