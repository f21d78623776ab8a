"""Rungs: which results are in them, which were promoted, and which may be.

The slots of a rung are computed here from the plan, apart from the scripts.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

from rungway_server.domain.ranking import WORST_KEY
from rungway_server.domain.search.fronts import Ranked, in_fronts
from rungway_server.domain.search.objectives import COMPARED
from rungway_server.domain.search.plan import DecisionForm, PromotionRule, Rung
from rungway_server.domain.search.vectors import Vector
from rungway_server.store.redis.layout.records import TrialRecord, result_of, trial_of_result
from rungway_server.store.redis.layout.vectors import vector_in
from rungway_server.store.redis.snapshot.audit.curves import ranked
from rungway_server.store.redis.snapshot.audit.vectors import vectors_were_reported
from rungway_server.store.redis.snapshot.snapshot import Snapshot, points_of


def rungs_of(snapshot: Snapshot, bracket: int) -> tuple[Rung, ...]:
    """The rungs of a bracket, lowest first."""
    assert snapshot.plan is not None  # it is read before anything is checked
    return snapshot.plan.brackets[bracket].rungs


def slots(snapshot: Snapshot, bracket: int, rung: int, size: int) -> int:
    """How many of a rung's `size` results may be promoted; in the stopping form: how many continue."""
    plan, rungs = snapshot.plan, rungs_of(snapshot, bracket)
    assert plan is not None
    if plan.form is DecisionForm.STOP:
        return max(math.floor(size / plan.divisor), 1)
    if rung + 1 == len(rungs):
        return 0
    if plan.rule is PromotionRule.ASYNC:
        return math.floor(size / plan.divisor)
    if plan.rule is PromotionRule.SYNC:
        return max(0, size + rungs[rung].slots - rungs[rung].size)
    if plan.rule is PromotionRule.POPULATION:
        return rungs[rung].slots if size == rungs[rung].size else 0
    raise ValueError(f"no slots are known for the rule {plan.rule}")


def ranking(snapshot: Snapshot, entries: list[str]) -> list[tuple[str, Ranked, Vector]]:
    """The newest results of a rung that ranks by fronts, best first."""
    assert snapshot.plan is not None
    newest = entries[-COMPARED:]
    vectors = [vector_in(entry.partition(":")[0], snapshot.plan.objectives) for entry in newest]
    quota = math.floor(len(newest) / snapshot.plan.divisor)
    return [(newest[each.place], each, vectors[each.place]) for each in in_fronts(vectors, quota)]


_ENTRY = re.compile(r"[0-9a-f]{24}(([0-9a-f]{2})?([0-9a-f]{16})*:)?(0|[1-9][0-9]*)")


def rung_members_are_well_formed(snapshot: Snapshot) -> Iterator[str]:
    """Each member of a rung is a sort key, a running number that was given once, and the number of a trial."""
    seen: dict[int, str] = {}
    for (b, k), entries in snapshot.rungs.items():
        for entry in entries:
            if not _ENTRY.fullmatch(entry) or trial_of_result(entry) not in snapshot.trials:
                yield f"rung {b}:{k} holds {entry!r}, which is not an entry of a trial"
                continue
            running = int(entry[16:24], 16)
            if running >= snapshot.progress["next_entry"]:
                yield f"rung {b}:{k}: {entry} has a running number that was not given yet"
            if running in seen:
                yield f"rung {b}:{k}: {entry} has the running number of {seen[running]}"
            seen[running] = entry


def _results(trial: TrialRecord) -> list[tuple[int, str]]:
    """Its results by rung; it has none below the rung it began in, nor in those it was not judged at."""
    return [(k, stamp) for k, stamp in enumerate(trial.entries) if stamp]


def sizes_are_counted(snapshot: Snapshot) -> Iterator[str]:
    """The count of results in each rung is that of its members, in a rung of the plan."""
    for (b, k), counted in zip(snapshot.rungs, snapshot.progress["sizes"], strict=True):
        if counted != len(snapshot.rungs[b, k]):
            yield f"rung {b}:{k}: {counted} results are counted, it holds {len(snapshot.rungs[b, k])}"


def rungs_hold_the_results_of_trials(snapshot: Snapshot) -> Iterator[str]:
    """A rung holds exactly the results that the records of its bracket's trials name."""
    recorded: dict[tuple[int, int], set[str]] = {at: set() for at in snapshot.rungs}
    for number, trial in snapshot.trials.items():
        for k, stamp in _results(trial):
            recorded.setdefault((trial.bracket, k), set()).add(result_of(stamp, number))
    for (b, k), entries in recorded.items():
        held = set(snapshot.rungs.get((b, k), ()))
        yield from (f"rung {b}:{k} holds {entry}, which no trial has" for entry in sorted(held - entries))
        yield from (f"rung {b}:{k} lacks {entry}" for entry in sorted(entries - held))


def results_were_reported(snapshot: Snapshot) -> Iterator[str]:
    """Each result in a rung is a metric that its trial reported at that length or later, or that of a dead trial."""
    if snapshot.plan and snapshot.plan.objectives:
        yield from vectors_were_reported(snapshot)
        return
    for number, trial in snapshot.trials.items():
        points = points_of(snapshot, number) if trial.entries else []
        for k, stamp in _results(trial):
            least = rungs_of(snapshot, trial.bracket)[k].length
            if trial.outcome == "finished":  # its last result counts in the rungs it did not reach
                least = min(least, trial.length)
            told = {ranked(key) for length, key in points if length >= least}
            dead = stamp[:16] == WORST_KEY.hex() and trial.state in ("failed", "stopped")
            if stamp[:16] not in told and not dead:
                yield f"trial {number} never reported its result in rung {trial.bracket}:{k} at length {least} or later"


def promotable_results_are_listed(snapshot: Snapshot) -> Iterator[str]:
    """Listed as promotable are exactly the results in the top-k of their rung whose trial waits there."""
    assert snapshot.plan is not None
    expected: set[str] = set()
    if snapshot.plan.form is DecisionForm.PROMOTE:
        for (b, k), entries in snapshot.rungs.items():
            if snapshot.plan.objectives:
                expected |= _listed(snapshot, b, k, entries)
                continue
            top_k = entries[: slots(snapshot, b, k, len(entries))]
            own = snapshot.own.get((b, k), ())
            top_k = [*top_k, *own[: slots(snapshot, b, k, len(own))]]
            waiting = (entry for entry in top_k if snapshot.trials[trial_of_result(entry)].rung == k)
            expected |= {f"{b:02x}{255 - k:02x}{entry}" for entry in waiting}
    found = Counter(snapshot.promotable)
    yield from (f"{member} is listed as promotable and should not be" for member in sorted(found.keys() - expected))
    yield from (f"{member} should be listed as promotable" for member in sorted(expected - found.keys()))


def _listed(snapshot: Snapshot, b: int, k: int, entries: list[str]) -> set[str]:
    """What is promotable in a rung that ranks by fronts, with rank and front in the place of the sort key."""
    quota = slots(snapshot, b, k, min(len(entries), COMPARED))
    return {
        f"{b:02x}{255 - k:02x}{rank:08x}{each.front:08x}{entry[16:]}"
        for rank, (entry, each, vector) in enumerate(ranking(snapshot, entries)[:quota])
        if vector.violation < math.inf and snapshot.trials[trial_of_result(entry)].rung == k
    }


def promotions_are_counted(snapshot: Snapshot) -> Iterator[str]:
    """The count of promotions from a rung is the number of trials above it that were compared there; where rungs
    may be full, without invalid ones."""
    assert snapshot.plan is not None
    bounded = snapshot.plan.sources is not None and snapshot.plan.sources.bounded
    if snapshot.plan.blind and any(trial.state == "invalid" for trial in snapshot.trials.values()):
        return  # where an invalid one was compared is not known any more
    counting = (trial for trial in snapshot.trials.values() if not (bounded and trial.state == "invalid"))
    above = Counter((trial.bracket, k) for trial in counting for k in _passed(trial))
    for (b, k), counted in zip(snapshot.rungs, snapshot.progress["passed"], strict=True):
        if counted != above[b, k]:
            yield f"rung {b}:{k}: {counted} are counted as promoted, {above[b, k]} trials are above"


def _passed(trial: TrialRecord) -> Iterator[int]:
    """The rungs below its own in which it was compared. An invalid one has no results any more."""
    first = trial.parent[1] + 1 if trial.parent else trial.entry
    gone = trial.state == "invalid"
    yield from (k for k in range(trial.rung) if (k >= first if gone else trial.entries[k]))


_PROMOTED = ("promoted", "promoted_among_own", "experiment_paused", "budget_spent", "rung_full")


def no_rung_promotes_beyond_its_quota(snapshot: Snapshot) -> Iterator[str]:
    """Each promotion in the log was within the quota of that moment; a synchronous rung never promoted more than it.

    An asynchronous rung may have promoted more in all: better results may come after a promotion.
    """
    assert snapshot.plan is not None
    for line in snapshot.log:
        if line.rung < 0:
            continue
        cloned, rung = line.reason == "cloned", rungs_of(snapshot, line.bracket)[line.rung]
        allowed = rung.clones if cloned else slots(snapshot, line.bracket, line.rung, line.size)
        where = f"event {line.id}: trial {line.trial} at rung {line.bracket}:{line.rung}"
        if line.quota != allowed:
            yield f"{where}: the quota of {line.size} results is {allowed}, not {line.quota}"
        elif line.reason in _PROMOTED and line.rank >= allowed:
            yield f"{where}: was promoted at rank {line.rank} with a quota of {allowed}"
        elif line.reason in ("not_promoted", "stopped_at_rung") and line.rank < allowed:
            yield f"{where}: was not promoted at rank {line.rank} with a quota of {allowed}"
    if snapshot.plan.rule is PromotionRule.SYNC and snapshot.plan.form is DecisionForm.PROMOTE:
        yield from _sync_beyond_quota(snapshot)


def _sync_beyond_quota(snapshot: Snapshot) -> Iterator[str]:
    invalid = Counter(trial.bracket for trial in snapshot.trials.values() if trial.state == "invalid")
    for (b, k), entries in snapshot.rungs.items():
        allowed = slots(snapshot, b, k, len(entries)) + invalid[b]  # an invalid trial lowers the quota of the others
        up = sum(snapshot.trials[trial_of_result(entry)].rung > k for entry in entries)
        if up > allowed:
            yield f"rung {b}:{k} promoted {up} of {len(entries)} results, its quota is {allowed}"


def clones_come_from_the_best(snapshot: Snapshot) -> Iterator[str]:
    """Each clone comes from an older trial of that rank in its rung, and no rung has more valid clones than planned."""
    made: Counter[tuple[int, int]] = Counter()
    for number, trial in snapshot.trials.items():
        if not trial.parent:
            continue
        parent, k, rank = int(trial.parent[0]), trial.parent[1], trial.parent[2]
        made[trial.bracket, k] += trial.state != "invalid"
        ranked = [trial_of_result(entry) for entry in snapshot.rungs[trial.bracket, k]]
        if parent >= number or ranked[rank : rank + 1] != [parent]:
            yield f"trial {number} was cloned from trial {parent} at rank {rank} of rung {trial.bracket}:{k}: it is not"
    for (b, k), count in made.items():
        if count > (most := rungs_of(snapshot, b)[k].clones):
            yield f"rung {b}:{k} was cloned {count} times, wanted {most} at most"


INVARIANTS = (
    rung_members_are_well_formed,
    sizes_are_counted,
    rungs_hold_the_results_of_trials,
    results_were_reported,
    promotable_results_are_listed,
    promotions_are_counted,
    no_rung_promotes_beyond_its_quota,
    clones_come_from_the_best,
)
