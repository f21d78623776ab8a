"""The event log: its lines are about trials that exist, and agree with the state of each."""

from collections import Counter
from collections.abc import Iterator

from rungway_server.store.redis.layout.records import LogLine, life_of, order_of
from rungway_server.store.redis.snapshot.snapshot import Snapshot

_AFTER = {
    "assign": {"running"},
    "continue": {"running"},
    "pause": {"paused", "completed"},  # where rungs are equally long, a trial may be promoted without training
    "stop": {"completed", "stopped"},
    "finished": {"completed"},  # one whose training has ended may be promoted
    "release": {"queued", "stopped"},
    "retry": {"queued"},
    "failed": {"failed", "stopped"},
    "invalid": {"invalid"},
}
"""States that a trial may have after its last line of each kind."""
_ENDS = frozenset(_AFTER) - {"assign", "continue", "finished"}
_OF_THE_SEARCH = frozenset({"running", "paused", "stopped", "done", "changed", "too_many_invalid", "failing"})


def is_assignment(line: LogLine) -> bool:
    """Whether the line tells of a lease that was given."""
    return line.kind == "assign"


def changed_at(snapshot: Snapshot) -> int:
    """Where in the log the search was last changed (`rungway update`); -1 when it never was."""
    return max((at for at, line in enumerate(snapshot.log) if line.kind == "changed"), default=-1)


def is_whole(snapshot: Snapshot) -> bool:
    """Whether the log still has its beginning: its oldest lines may have been trimmed away."""
    if not snapshot.log:
        return not snapshot.trials
    oldest = order_of(snapshot.log[0].id)
    return all(order_of(trial.log[0]) >= oldest for trial in snapshot.trials.values() if trial.log)


def _is_kept(snapshot: Snapshot, line_id: str) -> bool:
    """Whether the log still has the time of this line."""
    return bool(snapshot.log) and order_of(line_id) >= order_of(snapshot.log[0].id)


def events_are_of_trials(snapshot: Snapshot) -> Iterator[str]:
    """Each line of the log is about a trial that exists, in its bracket, or about the search."""
    for line in snapshot.log:
        trial = snapshot.trials.get(line.trial)
        if line.kind in _OF_THE_SEARCH and line.trial == -1:
            continue
        if line.kind not in _AFTER or trial is None:
            yield f"event {line.id}: {line.kind} of trial {line.trial}, which does not exist"
        elif trial.bracket != line.bracket:
            yield f"event {line.id}: trial {line.trial} in bracket {line.bracket}, its record says {trial.bracket}"


def trials_remember_their_events(snapshot: Snapshot) -> Iterator[str]:
    """The lines that a trial's record names or counts are exactly those of the log that are about it."""
    told: dict[int, list[str]] = {}
    for line in snapshot.log:
        told.setdefault(line.trial, []).append(line.id)
    for number, trial in snapshot.trials.items():
        found, (named, lines) = told.get(number, []), life_of(trial.log)
        trimmed = lines - len(found)  # the oldest lines of the log go when there are too many
        kept = {at: found[at - trimmed] for at in named if at >= max(trimmed, 0)}
        gone = [line_id for at, line_id in named.items() if at < trimmed]
        if (
            trimmed < 0
            or kept != {at: named[at] for at in kept}
            or any(_is_kept(snapshot, line_id) for line_id in gone)
        ):
            yield f"trial {number} names the events {trial.log}, the log has {found}"


def trials_stand_where_the_log_says(snapshot: Snapshot) -> Iterator[str]:
    """The state of each trial is one that its last line in the log leads to."""
    last = {line.trial: line for line in snapshot.log}
    for number, trial in snapshot.trials.items():
        line = last.get(number)
        if line and trial.state not in _AFTER.get(line.kind, ()):
            yield f"trial {number} is {trial.state}, its last event is {line.kind}"


def the_log_has_one_assignment_per_lease(snapshot: Snapshot) -> Iterator[str]:
    """While the log is whole: every assignment took a fencing token, and those that have not ended are held."""
    if not is_whole(snapshot):
        return
    kinds = Counter(line.kind for line in snapshot.log)
    given, ended = kinds["assign"], sum(kinds[kind] for kind in _ENDS)
    if given > snapshot.progress["next_fence"] - 1000 * snapshot.created_ms:
        yield f"the log has {given} assignments, the next fencing number is {snapshot.progress['next_fence']}"
    if given - ended != len(snapshot.leases):
        yield f"{given} leases were given and {ended} ended, {len(snapshot.leases)} are held"


def the_trained_length_is_what_leases_trained(snapshot: Snapshot) -> Iterator[str]:
    """While the log is whole: the trained length is what was trained under each lease, from its begin to its end."""
    if not is_whole(snapshot):
        return
    begun: dict[int, int] = {}
    trained = 0
    for line in snapshot.log:
        if is_assignment(line):
            begun[line.trial] = line.length
        elif line.kind in _ENDS:
            trial = snapshot.trials[line.trial]
            # Reports told with the one that ended it count; the last result of one that finished may be older.
            more = line.kind == "stop" and line.reason != "finished"
            trained += (trial.length if more else line.length) - begun.pop(line.trial)
    trained += sum(snapshot.trials[number].length - start for number, start in begun.items())
    if trained != snapshot.progress["trained"]:
        yield f"{snapshot.progress['trained']} units are counted as trained, the log says {trained}"


def the_revision_grew(snapshot: Snapshot) -> Iterator[str]:
    """The revision is more than 1 once anything was decided."""
    least = 2 if snapshot.log else 1
    if snapshot.progress["revision"] < least:
        yield f"the revision is {snapshot.progress['revision']} after {len(snapshot.log)} events"


INVARIANTS = (
    events_are_of_trials,
    trials_remember_their_events,
    trials_stand_where_the_log_says,
    the_log_has_one_assignment_per_lease,
    the_trained_length_is_what_leases_trained,
    the_revision_grew,
)
