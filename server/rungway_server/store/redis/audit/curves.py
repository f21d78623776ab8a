"""Learning curves, and the best metrics taken from them."""

from collections.abc import Iterator

from rungway_server.domain.ranking import WORST_KEY, sort_key
from rungway_server.store.redis.stored import Stored

_CHUNK = 32
_KEPT_BEST = 1_000


def points_of(stored: Stored, number: int) -> list[tuple[int, float]]:
    """The curve of a trial: lengths and metrics in the order in which they were told."""
    text = "".join(stored.curves.get(f"{number}.{i}", "") for i in range(-(-stored.trials[number].points // _CHUNK)))
    pairs = (point.split(" ") for point in text.split(";") if point)
    return [(int(length), float(metric)) for length, metric in pairs]


def curves_have_the_points_counted(stored: Stored) -> Iterator[str]:
    """Each trial's curve has as many points as its record says, the last of them its last metric."""
    for number, trial in stored.trials.items():
        points = points_of(stored, number)
        if len(points) != trial.points:
            yield f"trial {number} has {len(points)} points, its record says {trial.points}"
        elif repr(points[-1][1] if points else "") != repr(float(trial.metric) if trial.metric else ""):
            yield f"trial {number}: the last point is {points[-1:]}, its record says {trial.metric!r}"


def curves_belong_to_trials(stored: Stored) -> Iterator[str]:
    """Every piece of a curve belongs to a trial and is full unless it is the last."""
    for name, text in stored.curves.items():
        number, _, chunk = name.partition(".")
        trial = stored.trials.get(int(number))
        left = trial.points - int(chunk) * _CHUNK if trial else 0
        if text.count(";") != min(max(left, 0), _CHUNK) or not text:
            yield f"piece {name} has {text.count(';')} points, wanted {min(max(left, 0), _CHUNK)}"


def best_metrics_are_those_of_the_curves(stored: Stored) -> Iterator[str]:
    """The best metric of a trial is the first of the best points of its curve; NaN is never best."""
    assert stored.config is not None
    smaller = stored.config.searcher.smaller_is_better
    for number, trial in stored.trials.items():
        keys = [(sort_key(metric, smaller), length) for length, metric in points_of(stored, number)]
        best = min((key for key, _ in keys if key != WORST_KEY), default="")
        length = next((at for key, at in keys if key == best), 0)
        if (trial.best_key, trial.best_length) != (best, length):
            found, wanted = f"{trial.best_key!r} at {trial.best_length}", f"{best!r} at {length}"
            yield f"trial {number}: the best key is {found}, the curve says {wanted}"


def the_list_of_the_best_is_right(stored: Stored) -> Iterator[str]:
    """The list of the best has the best trials by their records; it keeps 1,000, less those that became invalid."""
    valid = {number: trial for number, trial in stored.trials.items() if trial.state != "invalid"}
    wanted = sorted(f"{trial.best_key}{number:010d}" for number, trial in valid.items() if trial.best_key)
    yield from (f"{member} is listed, its trial's record says otherwise" for member in set(stored.best) - set(wanted))
    invalid = len(stored.trials) - len(valid)
    if invalid and len(wanted) > _KEPT_BEST - invalid:
        least = min(len(wanted), _KEPT_BEST) - invalid
        if not least <= len(stored.best) <= _KEPT_BEST:
            yield f"{len(stored.best)} are listed, wanted {least} to {_KEPT_BEST}"
    elif lacking := set(wanted[:_KEPT_BEST]) - set(stored.best):
        yield from (f"{member} is not listed" for member in sorted(lacking))


INVARIANTS = (
    curves_have_the_points_counted,
    curves_belong_to_trials,
    best_metrics_are_those_of_the_curves,
    the_list_of_the_best_is_right,
)
