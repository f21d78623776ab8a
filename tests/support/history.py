"""What many clients were told, and what must be true of it in any order of their calls."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rungway.v1 import trial_pb2

Event = Sequence[str]
"""An event of the log: kind, trial, and the rest."""

ENDS = frozenset({"pause", "stop", "release", "retry", "failed", "invalid"})
"""Kinds of events that end a lease."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it was sent and when the reply came (seconds, any clock), and the revision in the reply."""

    begun: float
    ended: float
    revision: int
    changed: bool
    """Whether the reply says that the call changed something."""


@dataclass(slots=True)
class Held:
    """One lease as its client saw it: held at least from the reply to its ask until the client ended it."""

    assignment: trial_pb2.Assignment
    since: float
    until: float | None = None
    """When the call that ended it was sent; None = the lease expired."""


@dataclass(slots=True)
class History:
    """Everything that clients recorded."""

    calls: list[Call] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    invalid: set[int] = field(default_factory=set)
    """Trials that were reported as invalid and replaced."""

    def check(self, max_trials: int, cap: int) -> None:
        """Check every promise that the replies alone can show to be broken; `cap` 0 = no cap."""
        self.check_started(max_trials)
        self.check_fencing_tokens()
        self.check_held(cap)
        self.check_order()

    def check_started(self, max_trials: int) -> None:
        """Each trial starts once, numbers have no gaps, and there are as many valid trials as planned."""
        started = [
            held.assignment.lease.trial
            for held in self.held
            if held.assignment.explanation.reason == trial_pb2.REASON_NEW_TRIAL
        ]
        assert sorted(started) == list(range(max_trials + len(self.invalid)))

    def check_fencing_tokens(self) -> None:
        """No fencing token is used twice, and those of a trial increase."""
        fencing_tokens = [held.assignment.lease.fence for held in self.held]
        assert len(set(fencing_tokens)) == len(fencing_tokens)
        for leases in self.by_trial().values():
            in_time = sorted(leases, key=lambda held: held.since)
            assert [held.assignment.lease.fence for held in in_time] == sorted(
                held.assignment.lease.fence for held in leases
            )

    def check_held(self, cap: int) -> None:
        """No trial has two leases at a time, and there are never more leases than the cap."""
        for trial, leases in self.by_trial().items():
            assert most_at_once(map(certainly, leases)) <= 1, f"trial {trial} was held twice"
        if cap:
            assert most_at_once(map(certainly, self.held)) <= cap

    def check_order(self) -> None:
        """Decisions have one order: a call that begins after another has ended has a later revision, and two calls that
        changed something never share one."""
        changed = [call.revision for call in self.calls if call.changed]
        assert len(set(changed)) == len(changed)
        by_end = sorted(self.calls, key=lambda call: call.ended)
        latest, position = 0, 0
        for call in sorted(self.calls, key=lambda call: call.begun):
            while by_end[position].ended < call.begun:
                latest = max(latest, by_end[position].revision)
                position += 1
            assert call.revision >= latest + call.changed

    def by_trial(self) -> dict[int, list[Held]]:
        """The leases of each trial."""
        found: dict[int, list[Held]] = defaultdict(list)
        for held in self.held:
            found[held.assignment.lease.trial].append(held)
        return found


def certainly(held: Held) -> tuple[float, float]:
    """When the lease was certainly live; one that was left to expire lived until its deadline."""
    return held.since, held.assignment.lease_deadline.ToMicroseconds() / 1e6 if held.until is None else held.until


def most_at_once(intervals: Iterable[tuple[float, float]]) -> int:
    """The largest number of (open) intervals that overlap at one moment."""
    edges = [edge for begin, end in intervals if begin < end for edge in ((begin, 1), (end, -1))]
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def check_events(events: Iterable[Event], max_trials: int, cap: int) -> None:
    """Check the same promises in the event log, which lists every decision in order."""
    live: set[str] = set()
    started = invalid = 0
    for kind, trial, *rest in events:
        if kind == "assign":
            assert trial not in live, f"trial {trial} was held twice"
            live.add(trial)
            started += rest[0] == "new_trial"
            assert not cap or len(live) <= cap
        elif kind in ENDS:
            live.remove(trial)
            invalid += kind == "invalid"
            assert kind != "invalid" or rest[0] == "invalid"
        assert started - invalid <= max_trials
    assert live == set()
    assert started - invalid == max_trials
