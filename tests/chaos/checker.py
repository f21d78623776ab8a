"""Checks the recorded history of one search against the promises.

- Every acknowledged result is in its curve, once; nothing else is.
- Replayed in the reference model in the order of the event log, every call has the same answer, and in the end
  everything that can be read of the search is the same.
- A call that begins after another has ended has the later revision; no two changes share one, and there are no more
  revisions than changes.
- No more trials and leases than planned; no lease is handed out twice; no lease expires before the deadline that its
  worker was told.

When Redis has lost acknowledged writes, the search goes on from an earlier state: what was lost is counted, and
everything else must hold for what is left.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from rungway.v1 import trial_pb2
from tests.chaos.calls import Call
from tests.chaos.remains import Remains
from tests.chaos.replay import Replay
from tests.chaos.tellings import Lease, compare
from tests.support.history import Call as Timed
from tests.support.history import History


@dataclass
class Findings:
    """What was found in one search, or in several together."""

    calls: int = 0
    acknowledged: int = 0
    """Results that the service said count."""
    lost: int = 0
    """Of these, not in any curve."""
    leases_lost: int = 0
    """Assignments that were acknowledged, and that the service does not know in the end."""
    duplicated: int = 0
    over_budget: int = 0
    """Trials and leases beyond those allowed."""
    expired: list[float] = field(default_factory=list)
    """For every expired lease, how long after its deadline its trial was requeued (seconds)."""
    problems: list[str] = field(default_factory=list)
    """Promises broken, in words."""

    def add(self, other: "Findings") -> None:
        """Count what was found in another search as well."""
        for each in fields(Findings):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def check(calls: list[Call], remains: Remains, *, loses: bool = False) -> Findings:
    """Check one search; `loses` = its Redis may have lost acknowledged writes."""
    tellings = compare(calls, remains.trials)
    replay = Replay(calls, remains, tellings)
    replay.run()
    deadlines = acknowledged_deadlines(calls)
    found = Findings(
        calls=len(calls),
        acknowledged=tellings.acknowledged,
        lost=sum(len(telling.points) for telling in tellings.lost),
        leases_lost=replay.leases_lost + replay.endings_lost,
        duplicated=len(tellings.duplicated),
        over_budget=over_budget(remains),
        expired=[event.time.timestamp() - deadlines[lease] for lease, event in replay.expired if lease is not None],
        problems=[*tellings.problems, *([replay.problem] if replay.problem else [])],
    )
    found.problems += [
        f"lease (trial, fencing token) {lease} was handed out twice" for lease in leases_handed_out_twice(calls)
    ]
    if found.duplicated:
        found.problems.append(f"stored twice: {tellings.duplicated[:3]}")
    if found.over_budget:
        found.problems.append(f"{found.over_budget} trials or leases too many")
    if not replay.problem:
        found.problems += revisions_wrong(replay, remains, [] if loses else calls)
    if not loses:
        found.problems += [f"lost though acknowledged: {telling.result}" for telling in tellings.lost[:3]]
        if found.leases_lost:
            found.problems.append(f"{found.leases_lost} leases or their ends were lost though acknowledged")
        found.problems += [f"a lease expired {-late:.3f} s before its deadline" for late in found.expired if late < 0]
    return found


def acknowledged_deadlines(calls: list[Call]) -> dict[Lease, float]:
    """The last deadline that each lease's worker was told (seconds, the service's clock)."""
    latest: dict[Lease, float] = {}
    for lease, deadline in _told_deadlines(calls):
        latest[lease] = max(latest.get(lease, 0.0), deadline)
    return latest


def _told_deadlines(calls: list[Call]) -> Iterator[tuple[Lease, float]]:
    told: dict[str, Any] = {
        "Ask": lambda reply: reply.assignments,
        "Tell": lambda reply: reply.verdicts,
        "Heartbeat": lambda reply: reply.leases,
    }
    for call in calls:
        for item in told[call.rpc](call.reply) if call.reply and call.rpc in told else ():
            if item.HasField("lease_deadline"):
                # As exact as the time of an event: with nanoseconds, equal times would differ.
                yield (item.lease.trial, item.lease.fence), item.lease_deadline.ToMicroseconds() / 1e6


def leases_handed_out_twice(calls: list[Call]) -> list[Lease]:
    """Leases that more than one ask got: both workers could report under them."""
    asks = [call for call in calls if call.rpc == "Ask" and call.reply]
    leases = [assignment.lease for call in asks for assignment in call.reply.assignments]
    return [lease for lease, count in Counter((lease.trial, lease.fence) for lease in leases).items() if count > 1]


def over_budget(remains: Remains) -> int:
    """By how much the trials started, or the leases held at once, ever went beyond the plan."""
    plan = remains.experiment.plan
    assert plan
    most_trials, cap = sum(bracket.max_trials for bracket in plan.brackets), plan.max_concurrent_trials
    live: set[int] = set()
    started = beyond = 0
    for event in remains.events:
        if event.trial is None:
            continue
        if event.kind == "assign":
            live.add(event.trial)
            started += bool(event.explanation and event.explanation.reason == "new_trial")
        elif event.kind != "continue":
            live.discard(event.trial)
            started -= event.kind == "invalid"
        beyond = max(beyond, started - most_trials, len(live) - cap if cap else 0)
    return beyond


def revisions_wrong(replay: Replay, remains: Remains, others: list[Call]) -> list[str]:
    """Problems with revisions: they must grow with time and with the log, without gaps.

    `others` are calls that changed nothing; their answers must not be outdated.
    """
    changed = [call for call in replay.changes if call is not None]
    problems = []
    names = {id(call) for call in changed}
    timed = [_timed(call, changed=True) for call in changed if call.exact]
    timed += [_timed(call, changed=False) for call in others if call.exact and _unchanged(call, names)]
    try:
        History(calls=timed).check_order()
    except AssertionError:
        problems.append("revisions do not follow time, or two changes share one")
    logged = [call.reply.revision for call in replay.logged if call.exact]
    if logged != sorted(set(logged)):
        problems.append("revisions do not follow the event log")
    revisions = remains.experiment.revision - 1
    if not len(changed) <= revisions <= len(replay.changes):
        problems.append(f"{revisions} revisions for {len(changed)} calls and {len(replay.expired)} expired leases")
    return problems


def _timed(call: Call, *, changed: bool) -> Timed:
    assert call.ended is not None
    return Timed(call.begun, call.ended, call.reply.revision, changed)


def _unchanged(call: Call, names: set[int]) -> bool:
    if call.rpc == "Heartbeat" or id(call) in names:
        return False
    if call.rpc == "Tell":
        return all(reply.decision == trial_pb2.DECISION_SUPERSEDED for reply in call.reply.verdicts)
    return True
