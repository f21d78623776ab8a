"""Finite spaces: the counts of their points agree with the trials and the enqueued configurations."""

import json
from collections import Counter
from collections.abc import Iterator

from rungway_server.store.redis.snapshot.snapshot import Snapshot


def _uses(snapshot: Snapshot) -> tuple[Counter[str], set[str]]:
    """How many trials and enqueued configurations each point has, and the points that a trial found invalid."""
    of_trials = {n: json.dumps(snapshot.configs[n]) for n, trial in snapshot.trials.items() if not trial.parent}
    uses = Counter([*of_trials.values(), *map(json.dumps, snapshot.enqueued)])
    return uses, {point for number, point in of_trials.items() if snapshot.trials[number].state == "invalid"}


def points_are_counted(snapshot: Snapshot) -> Iterator[str]:
    """Each point of a finite space is counted as often as trials and enqueued configurations have it, or as invalid."""
    if not snapshot.progress.get("points"):
        yield from (f"{point} is counted" for point in snapshot.points)
        return
    uses, invalid = _uses(snapshot)
    expected = {point: "invalid" if point in invalid else str(count) for point, count in uses.items()}
    for point in expected.keys() | snapshot.points.keys():
        found = snapshot.points.get(point, "not at all")
        if found != expected.get(point):
            yield f"{point} is counted {found}, wanted {expected.get(point, 'not at all')}"


def no_point_is_repeated_before_all_were_used(snapshot: Snapshot) -> Iterator[str]:
    """Each point of a finite space that is not invalid was used once for each pass that is over, or once more."""
    if not snapshot.progress.get("points"):
        return
    points, (uses, invalid) = snapshot.progress["points"], _uses(snapshot)
    passes, left = points["passes"], points["size"] - len(invalid)
    for point in uses.keys() - invalid:
        left -= uses[point] > passes
        if uses[point] not in (passes, passes + 1):
            yield f"{point} was used {uses[point]} times after {passes} passes"
    if passes and len(uses) != points["size"]:
        yield f"{len(uses)} points were used of {points['size']} in {passes} passes"
    if points["left"] != left:
        yield f"{points['left']} points are counted as left, {left} are"
    if points["invalid"] != len(invalid):
        yield f"{points['invalid']} points are counted as invalid, {len(invalid)} are"
    if not passes * points["size"] <= points["at"] < (passes + 1) * points["size"]:
        yield f"the next place is {points['at']} after {passes} passes of {points['size']}"


def lost_trials_are_those_of_invalid_points(snapshot: Snapshot) -> Iterator[str]:
    """A grid has as many trials less as its invalid points would have had."""
    points = snapshot.progress.get("points")
    if not points:
        return
    _, invalid = _uses(snapshot)
    valid = Counter(json.dumps(snapshot.configs[n]) for n, trial in snapshot.trials.items() if trial.state != "invalid")
    lost = sum(points["samples"] - valid[point] for point in invalid) if points["samples"] else 0
    if points["lost"] != lost:
        yield f"{points['lost']} trials are counted as lost, {lost} are"


INVARIANTS = (
    points_are_counted,
    no_point_is_repeated_before_all_were_used,
    lost_trials_are_those_of_invalid_points,
)
