"""Learning curves, and the best metrics of them."""

import struct
from collections.abc import Iterator

from rungway_server.domain.engine import MOST_BEST
from rungway_server.domain.ranking import WORST_KEY, metric_key
from rungway_server.store.redis.layout.curves import CURVE_PIECE, POINT
from rungway_server.store.redis.layout.further import FIELD, Names, pieces_before, tail_field
from rungway_server.store.redis.layout.vectors import is_fit
from rungway_server.store.redis.snapshot.audit.vectors import told_by
from rungway_server.store.redis.snapshot.snapshot import Snapshot, further_of, points_of

MINUS_ZERO_KEY, ZERO_KEY = metric_key(-0.0, True).hex(), metric_key(0.0, True).hex()


def ranked(key: str) -> str:
    """The key by which a metric ranks: -0.0 as 0.0."""
    return ZERO_KEY if key == MINUS_ZERO_KEY else key


def curves_have_the_points_counted(snapshot: Snapshot) -> Iterator[str]:
    """Each trial's curve has as many points as its record says, the last of them its last metric."""
    for number, trial in snapshot.trials.items():
        points = points_of(snapshot, number)
        if len(points) != trial.points:
            yield f"trial {number} has {len(points)} points, its record says {trial.points}"
        elif (points[-1][1] if points else "") != trial.metric:
            yield f"trial {number}: the last point is {points[-1:]}, its record says {trial.metric!r}"


def curves_belong_to_trials(snapshot: Snapshot) -> Iterator[str]:
    """Every piece of a curve belongs to a trial and is full; the last points are with the trial."""
    for name, piece in snapshot.curves.items():
        number, _, at = name.partition(".")
        trial = snapshot.trials.get(int(number))
        expected = CURVE_PIECE if trial and int(at) < trial.points // CURVE_PIECE else 0
        if len(piece) != expected * POINT.size or not piece:
            yield f"piece {name} has {len(piece) / POINT.size} points, wanted {expected}"


def best_metrics_are_those_of_the_curves(snapshot: Snapshot) -> Iterator[str]:
    """The best metric of a trial is the first of the best points of its curve; NaN is never best, nor what is unfit."""
    for number, trial in snapshot.trials.items():
        points = points_of(snapshot, number)
        # of equal ones the first that was told, which may be the longer one where a training began anew
        real = [(ranked(key), i, at, key) for i, (at, key) in enumerate(points) if key != WORST_KEY.hex()]
        if snapshot.config and snapshot.plan and snapshot.plan.objectives:
            fit = [is_fit(snapshot.config.searcher, each) for each in told_by(snapshot, number)]
            real = [each for each in real if fit[each[1]]]
        _, _, length, best = min(real, default=("", 0, 0, ""))
        if (trial.best_key, trial.best_length) != (best, length):
            found, expected = f"{trial.best_key!r} at {trial.best_length}", f"{best!r} at {length}"
            yield f"trial {number}: the best key is {found}, the curve says {expected}"


def the_list_of_the_best_is_right(snapshot: Snapshot) -> Iterator[str]:
    """The list of the best has the best trials by their records; it keeps 1,000, less those that became invalid."""
    valid = {number: trial for number, trial in snapshot.trials.items() if trial.state != "invalid"}
    expected = sorted(f"{ranked(trial.best_key)}{number:010d}" for number, trial in valid.items() if trial.best_key)
    yield from (
        f"{member} is listed, its trial's record says otherwise" for member in set(snapshot.best) - set(expected)
    )
    invalid = len(snapshot.trials) - len(valid)
    if invalid and len(expected) > MOST_BEST - invalid:
        least = min(len(expected), MOST_BEST) - invalid
        if not least <= len(snapshot.best) <= MOST_BEST:
            yield f"{len(snapshot.best)} are listed, wanted {least} to {MOST_BEST}"
    elif lacking := set(expected[:MOST_BEST]) - set(snapshot.best):
        yield from (f"{member} is not listed" for member in sorted(lacking))


def further_metrics_belong_to_reports(snapshot: Snapshot) -> Iterator[str]:
    """Further metrics have known names, and those of a trial are in the order of its reports."""
    names = Names(snapshot.meta.get(FIELD))
    if len(names.names) < snapshot.progress.get(FIELD, 0):  # more may have come while the experiment was read
        yield f"there are {len(names.names)} names, the progress says {snapshot.progress.get(FIELD, 0)}"
    for number in snapshot.trials:
        try:
            places = [place for place, _ in further_of(snapshot, number, names)]
        except (KeyError, ValueError, IndexError, struct.error) as error:
            yield f"trial {number}: its further metrics cannot be read: {type(error).__name__} {error}"
            continue
        if sorted(set(places)) != places:
            yield f"trial {number}: rows at {places}, wanted growing places"
    for field in snapshot.further:
        trial, _, at = field.removeprefix("m").partition(".")
        if int(trial) not in snapshot.trials:
            yield f"piece {field} is of no trial"
        elif at and int(at) >= pieces_before(snapshot.further.get(tail_field(int(trial)))):
            yield f"piece {field} is after the last one"


INVARIANTS = (
    curves_have_the_points_counted,
    curves_belong_to_trials,
    best_metrics_are_those_of_the_curves,
    further_metrics_belong_to_reports,
    the_list_of_the_best_is_right,
)
