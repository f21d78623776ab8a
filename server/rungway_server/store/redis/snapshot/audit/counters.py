"""Counters and bounds: the progress, budgets, the plan in its two forms, request ids, enqueued configurations."""

import json
from collections import Counter
from collections.abc import Iterator

from rungway_server.store.redis.layout.plan_codec import plan_for_lua
from rungway_server.store.redis.layout.records import first_suggestion, hexadecimal
from rungway_server.store.redis.snapshot.audit.event_log import changed_at, is_assignment
from rungway_server.store.redis.snapshot.snapshot import Snapshot


def started_are_the_valid_trials(snapshot: Snapshot) -> Iterator[str]:
    """The trials counted as started are, by bracket, those that are not invalid."""
    valid = Counter(trial.bracket for trial in snapshot.trials.values() if trial.state != "invalid")
    for b, counted in enumerate(snapshot.progress["started"]):
        if counted != valid[b]:
            yield f"bracket {b}: {counted} are counted as started, {valid[b]} trials are valid"


def live_are_the_running_trials(snapshot: Snapshot) -> Iterator[str]:
    """The leases counted are, by bracket, those of running trials."""
    running = Counter(trial.bracket for trial in snapshot.trials.values() if trial.state == "running")
    for b, counted in enumerate(snapshot.progress["live"]):
        if counted != running[b]:
            yield f"bracket {b}: {counted} are counted as live, {running[b]} trials are running"


def states_are_counted(snapshot: Snapshot) -> Iterator[str]:
    """The count of trials in each state is that of the records."""
    found = Counter(trial.state for trial in snapshot.trials.values())
    counted = Counter(dict(snapshot.progress["states"] or {}))
    for state in sorted(found.keys() | counted.keys()):
        if found[state] != counted[state]:
            yield f"{counted[state]} trials are counted as {state}, {found[state]} are"


def there_are_enough_suggestions(snapshot: Snapshot) -> Iterator[str]:
    """Configurations are proposed in advance: as many at least as trials used, or passed over."""
    if snapshot.progress["proposed"] < first_suggestion(snapshot.progress):
        yield f"{snapshot.progress['proposed']} are proposed, {first_suggestion(snapshot.progress)} were used"


def no_bracket_starts_too_many(snapshot: Snapshot) -> Iterator[str]:
    """No bracket has started more valid trials than its share, and so all together no more than max_trials."""
    assert snapshot.plan is not None
    for b, bracket in enumerate(snapshot.plan.brackets):
        if snapshot.progress["started"][b] > bracket.max_trials:
            yield f"bracket {b} has started {snapshot.progress['started'][b]} of {bracket.max_trials} trials"


def no_more_leases_than_allowed(snapshot: Snapshot) -> Iterator[str]:
    """No more leases are held than max_concurrent_trials; if it was lowered, none was given since."""
    assert snapshot.plan is not None
    cap = snapshot.plan.max_concurrent_trials
    if not cap or len(snapshot.leases) <= cap:
        return
    since = changed_at(snapshot)
    given = [line for line in snapshot.log[since + 1 :] if is_assignment(line)]
    if since < 0 or given:
        yield f"{len(snapshot.leases)} leases are held, wanted at most {cap}"


def _to_start(snapshot: Snapshot) -> int:
    """New trials that are left; clones come after all of them."""
    assert snapshot.plan is not None
    started: list[int] = snapshot.progress["started"]
    points = snapshot.progress.get("points")
    if points and not points["left"]:  # all are invalid
        return 0
    return max(snapshot.plan.new_trials - sum(started) - (points["lost"] if points else 0), 0)


def enqueued_configurations_fit(snapshot: Snapshot) -> Iterator[str]:
    """No more configurations of users are enqueued than new trials are left, unless max_trials was lowered."""
    assert snapshot.plan is not None
    left = _to_start(snapshot)
    if len(snapshot.enqueued) > left and changed_at(snapshot) < 0:
        yield f"{len(snapshot.enqueued)} configurations are enqueued, {left} new trials are left"


def a_search_is_done_when_nothing_is_left(snapshot: Snapshot) -> Iterator[str]:
    """A search is done when nothing is left to do, or its target was reached or its budget spent; else not."""
    assert snapshot.plan is not None
    left = {
        "leases": len(snapshot.leases),
        "requeued": len(snapshot.requeued),
        "promotable": len(snapshot.promotable),
        "waiting to go on": len(snapshot.waiting),
    }
    left |= {"to start": _to_start(snapshot), "clones to come": len(snapshot.progress.get("clones", ()))}
    state, some = snapshot.progress["state"], {what: count for what, count in left.items() if count}
    if state not in ("running", "paused", "stopped", "done"):
        yield f"the search is {state!r}"
    ended = snapshot.progress.get("target_reached") or snapshot.progress.get("budget_spent")
    if state == "done" and some and not ended:
        yield f"the search is done, and there are {some}"
    if state == "running" and not some:
        yield "the search is running, and nothing is left to do"


def both_forms_of_the_plan_agree(snapshot: Snapshot) -> Iterator[str]:
    """The plan that the scripts use is the one that is shown, with the lease and restarts of the configuration."""
    assert snapshot.plan is not None
    assert snapshot.config is not None
    settings = {name: snapshot.lua_plan[name] for name in ("window_ms", "window_count", "most_events")}
    expected = json.loads(
        plan_for_lua(snapshot.plan, snapshot.config, pause_after=snapshot.lua_plan.get("pause_after", 0), **settings)
    )
    used = snapshot.lua_plan | snapshot.lua_ladder
    used["target"] = hexadecimal(used["target"])
    later = {"pause_after"}  # plans that were made in layout 5 have none
    for name, value in sorted((expected["plan"] | expected["ladder"]).items()):
        if used.pop(name, None) != value and name not in later:
            yield f"{name}: the scripts use another than {value!r}"
    if used:
        yield f"the scripts use {sorted(used)}, which no plan has"


def remembered_answers_are_bounded(snapshot: Snapshot) -> Iterator[str]:
    """Both generations of answers to request ids are within their bound, and each answer has its print."""
    most = snapshot.lua_plan["window_count"]
    if snapshot.progress["generation"] not in (0, 1):
        yield f"the generation is {snapshot.progress['generation']}"
    for generation, answers in enumerate(snapshot.requests):
        if len(answers) > most:
            yield f"generation {generation} holds {len(answers)} answers, wanted at most {most}"
        for name, kept in answers.items():
            if not (isinstance(kept, list) and len(kept) == 2 and isinstance(kept[1], list)):
                yield f"request {name}: no answer with its print"


INVARIANTS = (
    started_are_the_valid_trials,
    live_are_the_running_trials,
    states_are_counted,
    there_are_enough_suggestions,
    no_bracket_starts_too_many,
    no_more_leases_than_allowed,
    enqueued_configurations_fit,
    a_search_is_done_when_nothing_is_left,
    both_forms_of_the_plan_agree,
    remembered_answers_are_bounded,
)
