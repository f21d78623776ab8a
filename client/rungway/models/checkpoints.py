"""Checkpoints as the service lists them for those who delete them."""

from dataclasses import dataclass
from datetime import datetime

from rungway._core.enums import moment
from rungway.v1 import experiment_service_pb2


@dataclass(frozen=True, slots=True)
class StaleCheckpoint:
    """A checkpoint that no trial can need any more."""

    checkpoint: str
    """As it was told."""
    trial: int
    """The trial that had it last, as its last or its best one."""
    since: datetime
    """Since when the trial has it no more, or is over (UTC, the service's clock)."""

    @classmethod
    def from_proto(cls, message: experiment_service_pb2.StaleCheckpoint) -> "StaleCheckpoint":
        """From its message on the wire."""
        return cls(message.checkpoint, message.trial, moment(message.since))
