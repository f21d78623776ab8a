"""The event log: it tells of trials that exist, and tells where each of them stands."""

from collections import Counter
from collections.abc import Iterator

from rungway_server.store.redis.layout.records import LogLine, history_of, order_of
from rungway_server.store.redis.snapshot.stored import Stored

_AFTER = {
    "assign": {"running"},
    "continue": {"running"},
    "pause": {"paused", "completed"},  # it may go up on paper where rungs are equally long
    "stop": {"completed", "stopped"},
    "finished": {"completed"},  # one whose training has ended goes up
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


def changed_at(stored: Stored) -> int:
    """Where in the log the search was last changed (`rungway update`); -1 when it never was."""
    return max((at for at, line in enumerate(stored.log) if line.kind == "changed"), default=-1)


def is_whole(stored: Stored) -> bool:
    """Whether the log still has its beginning: its oldest lines may have been trimmed away."""
    if not stored.log:
        return not stored.trials
    oldest = order_of(stored.log[0].id)
    return all(order_of(trial.log[0]) >= oldest for trial in stored.trials.values() if trial.log)


def _is_kept(stored: Stored, line_id: str) -> bool:
    """Whether the log still has the time of this line."""
    return bool(stored.log) and order_of(line_id) >= order_of(stored.log[0].id)


def events_are_of_trials(stored: Stored) -> Iterator[str]:
    """Each line of the log tells of a trial that exists, in its bracket, or of the search."""
    for line in stored.log:
        trial = stored.trials.get(line.trial)
        if line.kind in _OF_THE_SEARCH and line.trial == -1:
            continue
        if line.kind not in _AFTER or trial is None:
            yield f"event {line.id}: {line.kind} of trial {line.trial}, which does not exist"
        elif trial.bracket != line.bracket:
            yield f"event {line.id}: trial {line.trial} in bracket {line.bracket}, its record says {trial.bracket}"


def trials_remember_their_events(stored: Stored) -> Iterator[str]:
    """The lines that a trial's record names or counts are exactly those of the log that tell of it."""
    told: dict[int, list[str]] = {}
    for line in stored.log:
        told.setdefault(line.trial, []).append(line.id)
    for number, trial in stored.trials.items():
        found, (named, lines) = told.get(number, []), history_of(trial.log)
        trimmed = lines - len(found)  # the oldest lines of the log go when there are too many
        kept = {at: found[at - trimmed] for at in named if at >= max(trimmed, 0)}
        gone = [line_id for at, line_id in named.items() if at < trimmed]
        if trimmed < 0 or kept != {at: named[at] for at in kept} or any(_is_kept(stored, line_id) for line_id in gone):
            yield f"trial {number} names the events {trial.log}, the log has {found}"


def trials_stand_where_the_log_says(stored: Stored) -> Iterator[str]:
    """The state of each trial is one that its last line in the log leads to."""
    last = {line.trial: line for line in stored.log}
    for number, trial in stored.trials.items():
        line = last.get(number)
        if line and trial.state not in _AFTER.get(line.kind, ()):
            yield f"trial {number} is {trial.state}, its last event is {line.kind}"


def the_log_has_one_assignment_per_lease(stored: Stored) -> Iterator[str]:
    """While the log is whole: every assignment took a fencing token, and those that have not ended are held."""
    if not is_whole(stored):
        return
    kinds = Counter(line.kind for line in stored.log)
    given, ended = kinds["assign"], sum(kinds[kind] for kind in _ENDS)
    if given > stored.progress["next_fence"] - 1000 * stored.created_ms:
        yield f"the log has {given} assignments, the next fencing number is {stored.progress['next_fence']}"
    if given - ended != len(stored.leases):
        yield f"{given} leases were given and {ended} ended, {len(stored.leases)} are held"


def the_trained_length_is_what_leases_trained(stored: Stored) -> Iterator[str]:
    """While the log is whole: the trained length is what was trained under each lease, from its begin to its end."""
    if not is_whole(stored):
        return
    begun: dict[int, int] = {}
    trained = 0
    for line in stored.log:
        if is_assignment(line):
            begun[line.trial] = line.length
        elif line.kind in _ENDS:
            trial = stored.trials[line.trial]
            # Reports told with the one that ended it count; the last result of one that finished may be older.
            more = line.kind == "stop" and line.reason != "finished"
            trained += (trial.length if more else line.length) - begun.pop(line.trial)
    trained += sum(stored.trials[number].length - start for number, start in begun.items())
    if trained != stored.progress["trained"]:
        yield f"{stored.progress['trained']} units are counted as trained, the log says {trained}"


def the_revision_grew(stored: Stored) -> Iterator[str]:
    """The revision is more than 1 once anything was decided."""
    least = 2 if stored.log else 1
    if stored.progress["revision"] < least:
        yield f"the revision is {stored.progress['revision']} after {len(stored.log)} events"


INVARIANTS = (
    events_are_of_trials,
    trials_remember_their_events,
    trials_stand_where_the_log_says,
    the_log_has_one_assignment_per_lease,
    the_trained_length_is_what_leases_trained,
    the_revision_grew,
)
