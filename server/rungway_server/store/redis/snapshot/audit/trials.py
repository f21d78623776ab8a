"""Trials: each has the lease, the place in a list, the configuration and the results that its state needs."""

from collections import Counter
from collections.abc import Iterator

from rungway_server.store.redis.layout.records import first_suggestion, trial_of_result
from rungway_server.store.redis.snapshot.audit.rungs import rungs_of
from rungway_server.store.redis.snapshot.snapshot import Snapshot

_RESULTS = {"running": {0}, "queued": {0}, "paused": {1}, "failed": {1}, "completed": {0, 1}, "stopped": {0, 1}}
"""By state: how many results a trial has in its own rung. Both are possible for trials that a target, or the end of the
search, has ended between rungs."""


def trials_are_numbered_without_gaps(snapshot: Snapshot) -> Iterator[str]:
    """There is a record for each trial from 0 to the last one started, and no other."""
    yield from (
        f"trial {number} has no record"
        for number in range(snapshot.progress["next_trial"])
        if number not in snapshot.trials
    )
    yield from (
        f"trial {number} was never started" for number in snapshot.trials if number >= snapshot.progress["next_trial"]
    )


def running_trials_hold_leases(snapshot: Snapshot) -> Iterator[str]:
    """Each running trial has a lease with a deadline and a fencing token, and no other trial has a lease."""
    for number, trial in snapshot.trials.items():
        if trial.state == "running" and number not in snapshot.leases:
            yield f"trial {number} is running without a lease"
        if trial.state == "running" and trial.fencing_token <= 0:
            yield f"trial {number} is running under fencing number {trial.fencing_token}"
    for number, deadline in snapshot.leases.items():
        state = snapshot.trials[number].state if number in snapshot.trials else "unknown"
        if state != "running":
            yield f"trial {number} is {state} and has a lease"
        if deadline <= 0:
            yield f"the lease of trial {number} ends at {deadline}"


def requeued_trials_wait_once(snapshot: Snapshot) -> Iterator[str]:
    """Each trial that was requeued, and each clone, waits once to be continued, and no other trial does."""
    waiting = Counter([*snapshot.requeued, *map(int, snapshot.progress.get("clones", ()))])
    for number, trial in snapshot.trials.items():
        if (trial.state == "queued") != (waiting[number] == 1):
            yield f"trial {number} is {trial.state} and is requeued {waiting[number]} times"
    yield from (f"trial {number} is requeued and does not exist" for number in waiting if number not in snapshot.trials)


def no_trial_is_in_two_places(snapshot: Snapshot) -> Iterator[str]:
    """No trial is in more than one of: leased, requeued, promotable."""
    places = {
        "leased": snapshot.leases,
        "requeued": snapshot.requeued,
        "promotable": [trial_of_result(member[4:]) for member in snapshot.promotable],
    }
    found = Counter(number for place in places.values() for number in set(place))
    for number in (number for number, count in found.items() if count > 1):
        yield f"trial {number} is {' and '.join(name for name, place in places.items() if number in place)}"


def fencing_tokens_are_unique(snapshot: Snapshot) -> Iterator[str]:
    """No two trials have the same fencing token, and each is below the next one to be given."""
    first, following = snapshot.created_ms * 1000, snapshot.progress["next_fence"]
    seen: dict[int, int] = {}
    for number, trial in snapshot.trials.items():
        if trial.parent and trial.fencing_token == 0 and trial.state == "queued":
            continue  # a clone that nobody has asked for yet
        if not first <= trial.fencing_token < following:
            yield f"trial {number} has fencing number {trial.fencing_token}, wanted {first} to {following - 1}"
        if trial.fencing_token in seen:
            yield f"trials {seen[trial.fencing_token]} and {number} both have fencing number {trial.fencing_token}"
        seen[trial.fencing_token] = number


def states_fit_the_results(snapshot: Snapshot) -> Iterator[str]:
    """A trial has a result in every rung below its own, and in its own as its state says; an invalid one has none."""
    for number, trial in snapshot.trials.items():
        if trial.state == "invalid":
            if trial.entries:
                yield f"trial {number} is invalid and has {len(trial.entries)} results in rungs"
            continue
        if trial.state not in _RESULTS:
            yield f"trial {number} has the state {trial.state!r}"
        elif len(trial.entries) - trial.rung not in _RESULTS[trial.state]:
            yield f"trial {number} is {trial.state} at rung {trial.rung} and has {len(trial.entries)} results in rungs"
        if trial.rung >= len(rungs_of(snapshot, trial.bracket)):
            yield f"trial {number} is at rung {trial.rung}, which bracket {trial.bracket} does not have"


def lengths_are_within_the_assignment(snapshot: Snapshot) -> Iterator[str]:
    """A running trial is between where its assignment began and where it ends, and none is beyond the top rung."""
    for number, trial in snapshot.trials.items():
        top = rungs_of(snapshot, trial.bracket)[-1].length
        if not (0 <= trial.length <= top and 0 <= trial.checkpoint_length <= top):
            yield f"trial {number} is at length {trial.length}, checkpoint {trial.checkpoint_length}, wanted 0 to {top}"
        if trial.state == "running" and not trial.from_length <= trial.length <= trial.to_length <= top:
            yield f"trial {number} is at length {trial.length} of {trial.from_length} to {trial.to_length}"


def configurations_belong_to_trials(snapshot: Snapshot) -> Iterator[str]:
    """Suggestions are for the next trials, without gaps."""
    wanted = range(first_suggestion(snapshot.progress), snapshot.progress["proposed"])
    yield from (f"trial {number} will have no configuration" for number in wanted if number not in snapshot.suggestions)
    yield from (
        f"configuration {number} is for no new trial" for number in snapshot.suggestions if number not in wanted
    )


INVARIANTS = (
    trials_are_numbered_without_gaps,
    running_trials_hold_leases,
    requeued_trials_wait_once,
    no_trial_is_in_two_places,
    fencing_tokens_are_unique,
    states_fit_the_results,
    lengths_are_within_the_assignment,
    configurations_belong_to_trials,
)
