"""Searches with entries, a budget, or trials that go on after the last new one: what is counted and listed there."""

from collections import Counter
from collections.abc import Iterator

from rungway_server.domain.search.methods.auto import PARTS
from rungway_server.store.redis.layout.records import SOURCES, result_of
from rungway_server.store.redis.snapshot.audit.event_log import is_whole
from rungway_server.store.redis.snapshot.snapshot import WAITING, Snapshot


def waiting_trials_are_listed(snapshot: Snapshot) -> Iterator[str]:
    """Where trials go on after the last new one, exactly those that wait at a rung are listed for it."""
    assert snapshot.plan is not None
    expected = {
        f"{WAITING + trial.bracket:02x}{255 - trial.rung:02x}{result_of(trial.entries[trial.rung], number)}"
        for number, trial in snapshot.trials.items()
        if trial.state == "paused" and snapshot.plan.go_on
    }
    found = Counter(snapshot.waiting)
    yield from (f"{member} is listed as waiting and should not be" for member in sorted(found.keys() - expected))
    yield from (f"{member} should be listed as waiting" for member in sorted(expected - found.keys()))


def the_training_handed_out_is_counted(snapshot: Snapshot) -> Iterator[str]:
    """Where it is counted, the training handed out is what was trained and what running trials still may train."""
    assert snapshot.plan is not None
    if not snapshot.plan.counts_training:
        return
    left = sum(trial.to_length - trial.length for trial in snapshot.trials.values() if trial.state == "running")
    spent, trained = sum(snapshot.progress["spent"]), snapshot.progress["trained"]
    if spent != trained + left:
        yield f"{spent} units are counted as handed out, {trained} were trained and {left} are being trained"
    if min(snapshot.progress["spent"]) < 0:
        yield f"fewer than none are counted at an entry: {snapshot.progress['spent']}"


def trials_have_entered_where_it_says(snapshot: Snapshot) -> Iterator[str]:
    """A trial has no result below its entry, unless it went there blindly, and its results say at which it entered."""
    assert snapshot.plan is not None
    for number, trial in snapshot.trials.items():
        if not snapshot.plan.entries:
            if trial.entry:
                yield f"trial {number} has the entry {trial.entry}, the ladder has none"
            continue
        below = [k for k, stamp in enumerate(trial.entries[: trial.entry]) if stamp]
        if below and not snapshot.plan.blind:
            yield f"trial {number} entered at rung {trial.entry} and has results at {below}"
        said = {int(stamp[24:26], 16) % SOURCES for stamp in trial.entries[trial.entry :] if stamp}
        if said - {trial.entry}:
            yield f"trial {number} entered at rung {trial.entry}, its results say {sorted(said)}"


def the_shares_are_a_whole(snapshot: Snapshot) -> Iterator[str]:
    """The shares of the entries are one for each rung, none below 0, and come to the whole."""
    assert snapshot.plan is not None
    if not snapshot.plan.entries:
        return
    for name in ("share", "spent", "credit", *(("opened",) if "opened" in snapshot.progress else ())):
        if len(snapshot.progress[name]) != len(snapshot.plan.entries):
            yield f"{name} has {len(snapshot.progress[name])} entries, the ladder has {len(snapshot.plan.entries)}"
    if min(shares := snapshot.progress["share"]) < 0 or sum(shares) != PARTS:
        yield f"the shares are {shares}, wanted {PARTS} in all"


def a_spent_budget_was_spent(snapshot: Snapshot) -> Iterator[str]:
    """A search that its budget has ended had handed out all of it, or was over its time."""
    assert snapshot.plan is not None
    if not snapshot.progress.get("budget_spent"):
        return
    spent = snapshot.plan.budget and sum(snapshot.progress["spent"]) >= snapshot.plan.budget
    ends = [int(line.id.partition("-")[0]) for line in snapshot.log if line.kind == "done"]
    late = snapshot.plan.budget_ms and any(end >= snapshot.created_ms + snapshot.plan.budget_ms for end in ends)
    if is_whole(snapshot) and not spent and not late:
        yield f"the budget is said to be spent, and {snapshot.progress.get('spent')} were handed out"


INVARIANTS = (
    waiting_trials_are_listed,
    the_training_handed_out_is_counted,
    trials_have_entered_where_it_says,
    the_shares_are_a_whole,
    a_spent_budget_was_spent,
)
