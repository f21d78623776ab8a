"""The simulated workers: how many, how uneven, how unreliable. What happens to a job depends only on the seed and the
job, so searches with different rules or fleets have the same luck where they train the same jobs."""

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import NamedTuple

from rungway_server.domain.sampling.philox import philox, round_keys

_STREAM = 0x466C656574
_NORMAL = NormalDist()


class DropForm(StrEnum):
    """How the service learns of a dropped job."""

    SILENT = "silent"
    """Not at all: the lease expires on the simulated clock, `lease_seconds` after the worker's last report or
    heartbeat."""
    TOLD = "told"
    """At once: the worker tells TRANSIENT."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers of one simulation.

    Training takes 1 + |N(0, straggler_sd)| times as long as the curves say, drawn per job; a job is dropped with
    `drop_probability` in each unit of time (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning",
    appendix A.1). A dropped job loses what it trained since its last checkpoint, which is its last result; its worker
    asks for other work at once. The simulation ends at `horizon` (simulated seconds) if the search has not.

    Workers report at every multiple of `report_every` (in the plan's unit) and where something is decided; 0 = only
    there.
    """

    workers: int
    straggler_sd: float = 0.0
    drop_probability: float = 0.0
    drop_form: DropForm = DropForm.SILENT
    horizon: float = math.inf
    seed: int = 0
    report_every: int = 0

    def next_report(self, start: int, goal: int) -> int:
        """The next length that a worker reports on its way from one length to another."""
        return min(goal, (start // self.report_every + 1) * self.report_every) if self.report_every else goal


class Fate(NamedTuple):
    """The factor of a job's training time, and the seconds until the job would be dropped."""

    factor: float
    dropped_after: float


class Luck:
    """The draws of a fleet: a pure function of its seed and the job."""

    def __init__(self, fleet: Fleet, unit_seconds: float) -> None:
        """`unit_seconds`: the unit of time of the drop probability."""
        self._sd = fleet.straggler_sd
        self._keys = round_keys(fleet.seed, _STREAM)
        # A job survives t units with probability (1 - p) ** t: the time of its drop is exponential.
        survival = 1.0 - fleet.drop_probability
        self._mean = -unit_seconds / math.log(survival) if 0.0 < survival < 1.0 else math.inf

    def draw(self, trial: int, start: int, goal: int, attempt: int) -> Fate:
        """What happens to a job from its start to the next decision."""
        if not self._sd and self._mean == math.inf:
            return Fate(1.0, math.inf)
        slow, drop, _, _ = philox((trial, start, goal, attempt), self._keys)
        factor = 1.0 + self._sd * abs(_NORMAL.inv_cdf(_open(slow))) if self._sd else 1.0
        return Fate(factor, -self._mean * math.log(_open(drop)) if self._mean < math.inf else math.inf)


def _open(word: int) -> float:
    """64 random bits as a number above 0 and below 1."""
    return ((word >> 12) + 0.5) * 2.0**-52
