"""Rungs: who is in them, who went up, and who may."""

import re
from collections import Counter
from collections.abc import Iterator

from rungway_server.domain.ranking import WORST_KEY
from rungway_server.domain.search.plan import DecisionForm, PromotionRule
from rungway_server.store.redis.layout.records import TrialRecord
from rungway_server.store.redis.snapshot.audit.curves import ranked
from rungway_server.store.redis.snapshot.audit.ladder import quota, rungs_of
from rungway_server.store.redis.snapshot.stored import Stored, points_of

_ENTRY = re.compile(r"[0-9a-f]{24}(0|[1-9][0-9]*)")


def rung_members_are_well_formed(stored: Stored) -> Iterator[str]:
    """Each member of a rung is a sort key, a running number that was given once, and the number of a trial."""
    seen: dict[int, str] = {}
    for (b, k), entries in stored.rungs.items():
        for entry in entries:
            if not _ENTRY.fullmatch(entry) or int(entry[24:]) not in stored.trials:
                yield f"rung {b}:{k} holds {entry!r}, which is no entry of a trial"
                continue
            running = int(entry[16:24], 16)
            if running >= stored.progress["next_entry"]:
                yield f"rung {b}:{k}: {entry} has a running number that was not given yet"
            if running in seen:
                yield f"rung {b}:{k}: {entry} has the running number of {seen[running]}"
            seen[running] = entry


def _results(trial: TrialRecord) -> list[tuple[int, str]]:
    """Its results by rung; a clone has none below the rung it began in."""
    return [(k, stamp) for k, stamp in enumerate(trial.entries) if stamp]


def sizes_are_counted(stored: Stored) -> Iterator[str]:
    """The count of results in each rung is that of its members, in a rung of the plan."""
    for (b, k), counted in zip(stored.rungs, stored.progress["sizes"], strict=True):
        if counted != len(stored.rungs[b, k]):
            yield f"rung {b}:{k}: {counted} results are counted, it holds {len(stored.rungs[b, k])}"


def rungs_hold_the_results_of_trials(stored: Stored) -> Iterator[str]:
    """A rung holds exactly the results that the records of its bracket's trials name."""
    recorded: dict[tuple[int, int], set[str]] = {at: set() for at in stored.rungs}
    for number, trial in stored.trials.items():
        for k, stamp in _results(trial):
            recorded.setdefault((trial.bracket, k), set()).add(f"{stamp}{number}")
    for (b, k), entries in recorded.items():
        held = set(stored.rungs.get((b, k), ()))
        yield from (f"rung {b}:{k} holds {entry}, which no trial has" for entry in sorted(held - entries))
        yield from (f"rung {b}:{k} lacks {entry}" for entry in sorted(entries - held))


def results_were_reported(stored: Stored) -> Iterator[str]:
    """Each result in a rung is a metric that its trial reported at that length or later, or that of a dead trial."""
    for number, trial in stored.trials.items():
        points = points_of(stored, number) if trial.entries else []
        for k, stamp in _results(trial):
            least = rungs_of(stored, trial.bracket)[k].length
            if trial.outcome == "finished":  # its last result counts in the rungs it did not reach
                least = min(least, trial.length)
            told = {ranked(key) for length, key in points if length >= least}
            dead = stamp[:16] == WORST_KEY.hex() and trial.state in ("failed", "stopped")
            if stamp[:16] not in told and not dead:
                yield f"trial {number} never reported its result in rung {trial.bracket}:{k} at length {least} or later"


def ready_is_what_may_go_up(stored: Stored) -> Iterator[str]:
    """Ready are exactly the results within the quota of their rung whose trial waits there."""
    assert stored.plan is not None
    expected: set[str] = set()
    if stored.plan.form is DecisionForm.PROMOTE:
        for (b, k), entries in stored.rungs.items():
            zone = entries[: quota(stored, b, k, len(entries))]
            waiting = (entry for entry in zone if stored.trials[int(entry[24:])].rung == k)
            expected |= {f"{b:02x}{255 - k:02x}{entry}" for entry in waiting}
    found = Counter(stored.ready)
    yield from (f"{member} is ready and should not be" for member in sorted(found.keys() - expected))
    yield from (f"{member} should be ready" for member in sorted(expected - found.keys()))


def passed_are_those_who_went_up(stored: Stored) -> Iterator[str]:
    """The count of those who went up from a rung is the number of trials above it, but for clones begun there."""
    trials = [(trial, trial.parent[1] + 1 if trial.parent else 0) for trial in stored.trials.values()]
    above = Counter((trial.bracket, k) for trial, first in trials for k in range(first, trial.rung))
    for (b, k), counted in zip(stored.rungs, stored.progress["passed"], strict=True):
        if counted != above[b, k]:
            yield f"rung {b}:{k}: {counted} are counted as passed, {above[b, k]} trials are above"


def no_rung_promotes_beyond_its_quota(stored: Stored) -> Iterator[str]:
    """Each promotion in the log was within the quota of that moment; a synchronous rung never passed on more than it.

    An asynchronous rung may have passed on more in all: better results may come after a promotion.
    """
    assert stored.plan is not None
    for line in stored.log:
        if line.rung < 0:
            continue
        cloned, rung = line.reason == "cloned", rungs_of(stored, line.bracket)[line.rung]
        allowed = rung.clones if cloned else quota(stored, line.bracket, line.rung, line.size)
        where = f"event {line.id}: trial {line.trial} at rung {line.bracket}:{line.rung}"
        if line.quota != allowed:
            yield f"{where}: the quota of {line.size} results is {allowed}, not {line.quota}"
        elif line.reason in ("promoted", "experiment_paused") and line.rank >= allowed:
            yield f"{where}: went up at rank {line.rank} with a quota of {allowed}"
        elif line.reason in ("not_promoted", "stopped_at_rung") and line.rank < allowed:
            yield f"{where}: did not go up at rank {line.rank} with a quota of {allowed}"
    if stored.plan.rule is PromotionRule.SYNC and stored.plan.form is DecisionForm.PROMOTE:
        yield from _sync_beyond_quota(stored)


def _sync_beyond_quota(stored: Stored) -> Iterator[str]:
    invalid = Counter(trial.bracket for trial in stored.trials.values() if trial.state == "invalid")
    for (b, k), entries in stored.rungs.items():
        allowed = quota(stored, b, k, len(entries)) + invalid[b]  # one taken out shrinks the quota of the others
        up = sum(stored.trials[int(entry[24:])].rung > k for entry in entries)
        if up > allowed:
            yield f"rung {b}:{k} passed on {up} of {len(entries)} results, its quota is {allowed}"


def clones_come_from_the_best(stored: Stored) -> Iterator[str]:
    """Each clone comes from an older trial of that rank in its rung, and no rung has more valid clones than planned."""
    made: Counter[tuple[int, int]] = Counter()
    for number, trial in stored.trials.items():
        if not trial.parent:
            continue
        parent, k, rank = int(trial.parent[0]), trial.parent[1], trial.parent[2]
        made[trial.bracket, k] += trial.state != "invalid"
        ranked = [int(entry[24:]) for entry in stored.rungs[trial.bracket, k]]
        if parent >= number or ranked[rank : rank + 1] != [parent]:
            yield f"trial {number} was cloned from trial {parent} at rank {rank} of rung {trial.bracket}:{k}: it is not"
    for (b, k), count in made.items():
        if count > (most := rungs_of(stored, b)[k].clones):
            yield f"rung {b}:{k} was cloned {count} times, wanted {most} at most"


INVARIANTS = (
    rung_members_are_well_formed,
    sizes_are_counted,
    rungs_hold_the_results_of_trials,
    results_were_reported,
    ready_is_what_may_go_up,
    passed_are_those_who_went_up,
    no_rung_promotes_beyond_its_quota,
    clones_come_from_the_best,
)
