"""Numbers and texts are within the ranges that imports are checked by as well."""

from collections.abc import Iterator, Mapping

from rungway_server.store.redis.layout.records import ATTRIBUTES, order_of
from rungway_server.store.redis.snapshot import ranges
from rungway_server.store.redis.snapshot.snapshot import Snapshot, points_of


def _wrong(found: object, limits: Mapping[str, ranges.Range], names: Mapping[str, str]) -> Iterator[str]:
    for name, (least, most) in limits.items():
        value = getattr(found, names.get(name, name))
        if problem := ranges.outside(value, least, most):
            yield f"{name} is {value!r}, {problem}"


def records_are_in_range(snapshot: Snapshot) -> Iterator[str]:
    """Every number of a trial's record, and every text, is within the limits of the service."""
    for number, trial in snapshot.trials.items():
        if problem := ranges.outside(number, 0, ranges.MOST_NUMBER):
            yield f"trial {number}: {problem}"
        yield from (f"trial {number}: {text}" for text in _wrong(trial, ranges.TRIAL, ATTRIBUTES))
        for name, longest in ranges.TEXTS.items():
            if problem := ranges.too_long(getattr(trial, name), longest):
                yield f"trial {number}: {name} is of {len(getattr(trial, name))} characters, {problem}"
        yield from (f"trial {number}: event {each}" for each in trial.log if not ranges.EVENT_ID.fullmatch(each))


def curves_are_in_range(snapshot: Snapshot) -> Iterator[str]:
    """Every length of a curve is within the limits of the service."""
    least, most = ranges.TRIAL["length"]
    for number in snapshot.trials:
        for length, _ in points_of(snapshot, number):
            if problem := ranges.outside(length, max(least, 1), most):
                yield f"trial {number}: a point at length {length}, {problem}"


def events_are_in_range(snapshot: Snapshot) -> Iterator[str]:
    """Every number of the event log is within the limits of the service, and its lines are in order."""
    before: tuple[int, ...] = (0, 0)
    for line in snapshot.log:
        order = order_of(line.id)
        if order <= before or not ranges.EVENT_ID.fullmatch(line.id):
            yield f"event {line.id}: wanted a later one than before, of the time of a clock"
        before = order
        if line.trial >= 0:
            yield from (f"event {line.id}: {text}" for text in _wrong(line, ranges.EVENT, {}))
            if problem := ranges.too_long(line.worker, ranges.TEXTS["worker"]):
                yield f"event {line.id}: worker is of {len(line.worker)} characters, {problem}"


def counters_are_in_range(snapshot: Snapshot) -> Iterator[str]:
    """Every counter of the search is within the limits of the service."""
    for name, (least, most) in ranges.PROGRESS.items():
        if problem := ranges.outside(snapshot.progress[name], least, most):
            yield f"{name} is {snapshot.progress[name]!r}, {problem}"


def about_is_in_range(snapshot: Snapshot) -> Iterator[str]:
    """Labels, owner and comment are within the limits of the service."""
    yield from (f"{each.field}: {each.description}" for each in snapshot.about.violations())


INVARIANTS = (
    records_are_in_range,
    curves_are_in_range,
    events_are_in_range,
    counters_are_in_range,
    about_is_in_range,
)
