"""Checks the lines of an export file as the wire checks a request: numbers, texts, lists and words have limits.

Each check raises BadField, with the path, what was found and what was wanted.
"""

from typing import Any

from rungway_server.domain.documents.fields import MAX_INTEGER, MAX_TEXT, MIN_INTEGER, finite, is_text
from rungway_server.domain.engine import ExperimentState, Further, Outcome, TrialState
from rungway_server.domain.search.config import MAX_DIVISOR, MAX_LENGTH, MAX_TRIALS
from rungway_server.domain.search.objectives import COMPARED, MOST_OBJECTIVES
from rungway_server.domain.search.plan import DecisionForm, PromotionRule
from rungway_server.domain.search.sources import CODES, PARTS
from rungway_server.service.checks import LONGEST_METRIC, check_further
from rungway_server.store.redis.layout import about as layout_about
from rungway_server.store.redis.layout.further import Row
from rungway_server.store.redis.layout.plan_codec import LATER_FIELDS
from rungway_server.store.redis.snapshot import ranges
from rungway_server.store.redis.snapshot.curve import Curve
from rungway_server.store.redis.snapshot.field_checks import BadField, fields, like, listed, number, one_of, text, truth

_DEEPEST, LONGEST_VALUE = 20, 10_000
_METRIC_WORDS = {"": None, "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def metric(path: str, found: Any) -> None:
    """A metric as the file has it."""
    if not (isinstance(found, str) and found in _METRIC_WORDS) and finite(found) is None:
        raise BadField(path, found, 'a finite number, "nan", "inf", "-inf" or "" for none')


def mapping(path: str, found: Any) -> None:
    """A configuration, or a document: nesting, numbers and texts as on the wire."""
    if not isinstance(found, dict):
        raise BadField(path, found, "a mapping")
    _value(path, found, 0)


def _value(path: str, found: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise BadField(path, found, f"at most {_DEEPEST} maps and lists in each other")
    if isinstance(found, dict):
        for name, value in found.items():
            text(LONGEST_VALUE)(path, name)
            _value(f"{path}.{name[:MAX_TEXT]}", value, depth + 1)
    elif isinstance(found, list):
        for at, value in enumerate(found):
            _value(f"{path}[{at}]", value, depth + 1)
    elif isinstance(found, str):
        text(4 * LONGEST_VALUE)(path, found)
    elif type(found) is int:
        number(MIN_INTEGER, MAX_INTEGER)(path, found)


def about(path: str, found: Any) -> None:
    """Labels, owner and comment."""
    mapping(path, found)
    try:
        wrong = [*layout_about.of_document(found).violations()]
    except (ValueError, TypeError, KeyError):
        raise BadField(path, found, "labels, owner and comment, all of them texts") from None
    for each in wrong:
        raise BadField(f"{path}.{each.field}", found, each.description)


def parent(path: str, found: Any) -> None:
    """Whose clone a trial is: number, rung and rank there, checkpoint, its length; false for none."""
    if found is False:
        return
    if not isinstance(found, list) or len(found) != 5:
        raise BadField(path, found, "false, or number, rung, rank, checkpoint and its length")
    digits(f"{path}[0]", found[0])
    number(*ranges.EVENT["rung"])(f"{path}[1]", found[1])
    number(*ranges.EVENT["rank"])(f"{path}[2]", found[2])
    text(ranges.TEXTS["checkpoint"])(f"{path}[3]", found[3])
    number(0, MAX_LENGTH)(f"{path}[4]", found[4])


def proposed(path: str, found: Any) -> None:
    """Where the configuration of a new trial comes from: numbers, of which four each are of a source."""
    numbers = _without_used(path, found)
    listed(_amount, 4 + 4 * ranges.LANES, 4)(path, numbers)
    if len(numbers) != 4 + 4 * numbers[3]:
        raise BadField(path, found, "source, turn, revision, how many sources there are, and four numbers of each")


def entered(path: str, found: Any) -> None:
    """Where a new trial entered: numbers, of which three each are of an entry."""
    listed(_amount, 3 * ranges.RUNGS)(path, _without_used(path, found))


def _without_used(path: str, found: Any) -> Any:
    """The numbers of a new trial without what was used, weighed by its cost: a text at their end, which is checked."""
    if not isinstance(found, list) or not found or not isinstance(found[-1], str):
        return found
    like(ranges.USED, "what was used, in numbers with a space between them")(f"{path}[{len(found) - 1}]", found[-1])
    return found[:-1]


def cost(path: str, found: Any) -> None:
    """A sum of costs."""
    value = finite(found)
    if value is None or value < 0:
        raise BadField(path, found, "a finite number, 0 or more")


def digits(path: str, found: Any) -> None:
    """The number of a trial as a text."""
    if not (isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 10):
        raise BadField(path, found, "the number of a trial as a text")


def curve(path: str, found: Any) -> Curve:
    """The points of a curve, checked; 16 bytes each."""
    if not isinstance(found, list):
        raise BadField(path, found, "a list of points")
    kept = Curve()
    for at, point in enumerate(found):
        if not isinstance(point, list) or len(point) != 2:
            raise BadField(f"{path}[{at}]", point, "a length and a metric")
        length, told = point
        if type(length) is not int or not 0 < length <= MAX_LENGTH:
            raise BadField(f"{path}[{at}][0]", length, f"a whole number from 1 to {MAX_LENGTH}")
        real = _METRIC_WORDS.get(told) if isinstance(told, str) else finite(told)
        if real is None:
            raise BadField(f"{path}[{at}][1]", told, 'a finite number, "nan", "inf" or "-inf"')
        kept.add(length, real)
    return kept


def further(path: str, found: Any, points: int) -> list[Row]:
    """The further metrics of reports at growing places of a curve with so many points."""
    if not isinstance(found, list):
        raise BadField(path, found, "a list of rows")
    rows: list[Row] = []
    for at, row in enumerate(found):
        if not isinstance(row, list) or len(row) not in (2, 3) or not isinstance(row[1], dict):
            raise BadField(f"{path}[{at}]", row, "a place in the curve, values by name, and perhaps a cost")
        least = rows[-1][0] + 1 if rows else 0
        if type(row[0]) is not int or not least <= row[0] < points:
            raise BadField(f"{path}[{at}][0]", row[0], f"a place in the curve from {least} to {points - 1}")
        for name, value in row[1].items():
            if not is_text(name, len(name)):
                raise BadField(f"{path}[{at}][1]", name, "names without surrogates, which UTF-8 cannot encode")
            metric(f"{path}[{at}][1].{name[:LONGEST_METRIC]}", value if value != "" else None)
        told = Further({name: float(value) for name, value in row[1].items()}, *row[2:])
        if told.cost is not None and finite(told.cost) is None:
            raise BadField(f"{path}[{at}][2]", told.cost, "a finite number of seconds")
        for problem in check_further(f"{path}[{at}]", told, ""):
            raise BadField(problem.field, row, problem.description)
        rows.append((row[0], told))
    return rows


_WORD = 40
"""Longest kind or reason of an event, in bytes."""
_EVENT_ID = like(ranges.EVENT_ID, "the id of an event, like 1795264784155-0")
_STATES = tuple(TrialState)
_count = number(0, ranges.MOST_NUMBER)
_trial_number = number(0, ranges.MOST_NUMBER)
_amount = number(*ranges.PROGRESS["trained"])

HEADER = fields({"experiment": text(63), "revision": number(1, ranges.MOST)})
TRIAL = fields(
    {
        "trial": _trial_number,
        "hparams": mapping,
        "state": one_of(*_STATES),
        **{name: number(*bounds) for name, bounds in ranges.TRIAL.items()},
        **{name: text(longest) for name, longest in ranges.TEXTS.items()},
        "outcome": one_of("", *Outcome),
        "entries": listed(like(ranges.STAMP, '24 or 26 hexadecimal digits, perhaps a vector, or ""'), ranges.RUNGS),
        "log": listed(_EVENT_ID, 10**9),
        "parent": parent,
        "metric": metric,
        "best_metric": metric,
        "entry": number(0, ranges.RUNGS),
        "source": one_of(*CODES),
    },
    # files of earlier layouts, trials that entered at the lowest rung, and those of the sampler
    may_lack=("reached", "best_checkpoint", "entry", "source"),
)
SUGGESTION = fields(
    {"proposal": _trial_number, "hparams": mapping, "lane": number(2, ranges.LANES)},
    may_lack=("lane",),
)
EVENT_OF_SEARCH = fields(
    {"event": _EVENT_ID, "kind": text(_WORD), "message": text(2 * ranges.TEXTS["message"])}, may_lack=("message",)
)
EVENT = fields(
    {
        "event": _EVENT_ID,
        "kind": text(_WORD),
        "reason": text(_WORD),
        **{name: number(*bounds) for name, bounds in ranges.EVENT.items()},
        "cutoff": metric,
        "metric": metric,
        "worker": text(ranges.TEXTS["worker"]),
        "parent": digits,
        "front": number(0, COMPARED),
        "entries": entered,
        "proposed": proposed,
    },
    may_lack=("parent", "front", "entries", "proposed"),
)


def _divisor(path: str, found: Any) -> None:
    value = finite(found)
    if value is None or not 1 < value <= MAX_DIVISOR:
        raise BadField(path, found, f"a number above 1, at most {MAX_DIVISOR}")


def _rung(path: str, found: Any) -> None:
    if not isinstance(found, list) or not 1 <= len(found) <= 4:
        raise BadField(path, found, "a length, and how many results there are, pass and are cloned")
    number(1, MAX_LENGTH)(f"{path}[0]", found[0])
    for at, value in enumerate(found[1:], 1):
        _count(f"{path}[{at}]", value)


def _states(path: str, found: Any) -> None:
    if not isinstance(found, dict):
        if found != []:  # as Lua writes it while there is none
            raise BadField(path, found, "counts by state")
        return
    for name, value in found.items():
        one_of(*_STATES)(path, name)
        _count(f"{path}.{name}", value)


_SOURCES = fields(
    {
        "names": listed(one_of(*CODES), ranges.LANES - 1, 1),
        "shares": listed(number(0, PARTS), ranges.LANES - 1, 1),
        "least": _count,
        "learns": truth,
        "protects": truth,
        "bounded": truth,
    },
    may_lack=("bounded",),
)
_STOCK = fields({name: number(0, ranges.MOST) for name in ("used", "filled", "drawn", "made", "revision")})
_TOLD = {"told": listed(_amount, ranges.RUNGS, 1), "cost": listed(cost, ranges.RUNGS, 1)}
_COSTS = fields(_TOLD | {"before": fields(_TOLD)}, may_lack=("before",))
_SHARED = fields(
    {
        "share": listed(number(0, PARTS), ranges.LANES - 1, 1),
        **dict.fromkeys(("spent", "credit", "base"), listed(_amount, ranges.LANES - 1, 1)),
        "learned": _count,
        "stock": listed(_STOCK, ranges.LANES, 2),
        "sizes": listed(_count, ranges.BRACKETS * ranges.RUNGS, 1),
        "costs": _COSTS,
    },
    may_lack=("base", "learned", "costs"),
)
_PLAN = fields(
    {
        "brackets": listed(
            fields(
                {
                    "rungs": listed(_rung, ranges.RUNGS, 1),
                    "max_trials": number(0, MAX_TRIALS),
                    "max_concurrent_trials": number(0, MAX_TRIALS),
                }
            ),
            ranges.BRACKETS,
            1,
        ),
        "rule": one_of(*PromotionRule),
        "form": one_of(*DecisionForm),
        "divisor": _divisor,
        "max_concurrent_trials": number(0, MAX_TRIALS),
        "unit": text(4 * MAX_TEXT),
        "entries": listed(_count, ranges.RUNGS, 1),
        "go_on": truth,
        "blind": truth,
        "budget": _amount,
        "budget_ms": number(1, ranges.MOST),
        "sources": _SOURCES,
        "objectives": number(1, MOST_OBJECTIVES),
        "finals": truth,
        "cost_aware": truth,
    },
    may_lack=LATER_FIELDS,
)
_POINTS = fields(dict.fromkeys(("size", "samples", "passes", "left", "at", "invalid", "lost"), number(0, ranges.MOST)))
_OPTIONAL = {
    "points": _POINTS,
    "clones": listed(digits, 10**9),
    "failures": _count,
    "failing": truth,
    "target_reached": truth,
    "budget_spent": truth,
    **dict.fromkeys(("share", "spent", "credit", "opened"), listed(_amount, ranges.RUNGS, 1)),
    "learned": _count,
    "sources": _SHARED,
    "costs": _COSTS,
    "drawn": _count,
    "deadline": number(0, ranges.MOST),
}
_COUNTED = {
    "state": one_of(*ExperimentState),
    **{name: number(*bounds) for name, bounds in ranges.PROGRESS.items()},
    "started": listed(_count, ranges.BRACKETS, 1),
    "live": listed(_count, ranges.BRACKETS, 1),
    "states": _states,
    "sizes": listed(_count, ranges.BRACKETS * ranges.RUNGS, 1),
    "passed": listed(_count, ranges.BRACKETS * ranges.RUNGS, 1),
}
PROGRESS_FIELDS = frozenset(_COUNTED) | frozenset(_OPTIONAL)
"""Fields of the progress that an import uses."""
_PROGRESS = fields(_COUNTED | _OPTIONAL, may_lack=tuple(_OPTIONAL))
SEARCH = fields(
    {
        "created_ms": number(0, ranges.MOST),
        "config": mapping,
        "plan": _PLAN,
        "notes": listed(text(4 * LONGEST_VALUE), 1_000),
        "settings": fields(
            {name: number(*bounds) for name, bounds in ranges.SETTINGS.items()}, may_lack=tuple(ranges.SETTINGS)
        ),
        "tally": _PROGRESS,
        "failing": text(2 * ranges.TEXTS["message"]),
        "line": listed(_trial_number, 10**9),
        "ready": listed(like(ranges.PROMOTABLE, "28 hexadecimal digits and the number of a trial"), 10**9),
        "queue": listed(mapping, 10**9),
        "about": about,
    },
    may_lack=("failing", "about"),
)
