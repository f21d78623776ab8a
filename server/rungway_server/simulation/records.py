"""The records of a simulation: events, jobs, and its cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rungway_server.domain.search.plan import Plan
from rungway_server.simulation.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to one worker, at a time in simulated seconds.

    `decision` is `assigned`, the answer to a tell (`continue`, `pause`, `stop`, `superseded`), or `dropped`; `start`
    and `end` are the lengths of the job, `metric` is None where nothing was told. `rung` is the one trained towards,
    -1 where there is none at that length.
    """

    time: float
    worker: int
    trial: int
    start: int
    end: int
    metric: float | None
    decision: str
    reason: str
    bracket: int
    rung: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Further metrics that were told, in a search that ranks by them."""


@dataclass(frozen=True, slots=True)
class Job:
    """A worker trained a trial from one length to another, between two times (simulated seconds).

    `goal` is the next length at which something is decided, `end` that or a report on the way there. `told` is false
    for what was dropped, or not finished when the run ended; `end` is then what it trained towards. `over`: the
    training ended by itself there; a job that begins there has nothing left to train.
    """

    worker: int
    trial: int
    bracket: int
    start: int
    end: int
    goal: int
    began: float
    ended: float
    told: bool
    over: bool = False


@dataclass(slots=True)
class Cost:
    """The real cost of a simulation: calls, asks and results answered, seconds in all and in the store."""

    asks: int = 0
    tells: int = 0
    calls: int = 0
    seconds: float = 0.0
    store_seconds: float = 0.0

    @property
    def decisions(self) -> int:
        """Asks and tells answered: each assignment, each WAIT or DONE, each reply on a result."""
        return self.asks + self.tells


@dataclass(slots=True)
class Run:
    """One simulated search: `end` (simulated seconds) is its last event, `done` whether the search was over then,
    `drops` how many jobs were dropped, `finished` how many trials ended by themselves. `failing`: the error after which
    the search paused itself, because its first tries all failed; None when it did not."""

    plan: Plan
    fleet: Fleet
    steps: list[Step] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    end: float = 0.0
    done: bool = False
    drops: int = 0
    finished: int = 0
    failing: str | None = None
    cost: Cost = field(default_factory=Cost)
