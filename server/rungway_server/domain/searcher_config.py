"""The searcher section of a configuration: which search, and how far it may go."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from rungway_server.domain.fields import Section, shown
from rungway_server.domain.ladder import MAX_RUNGS, Mode

MAX_TRIALS = 10_000_000
MAX_LENGTH = 10**12
MAX_DIVISOR = 1000
LENGTH_UNITS = ("batches", "records", "epochs", "seconds", "minutes", "hours")
"""The keys of a length written as a mapping; a plain length with the key `unit` may have any other."""
WHOLE_RUN = "run"
"""The unit of a search without lengths: each trial trains once, to completion."""


class SearcherName(StrEnum):
    """The searchers that can be planned."""

    SINGLE = "single"
    RANDOM = "random"
    ASYNC_HALVING = "async_halving"
    ADAPTIVE_ASHA = "adaptive_asha"


NOT_YET = ("grid", "sync_halving", "hyperband", "adaptive", "pbt")
"""Searchers that are known but cannot be planned yet."""
REPLACED = {"adaptive_simple": "adaptive_asha"}
"""Retired searchers of Determined, and what takes their place."""

_COMMON = ("name", "metric", "smaller_is_better", "max_length", "unit")
_SEVERAL = (*_COMMON, "max_trials", "max_concurrent_trials")
_HALVING = (*_SEVERAL, "divisor", "min_length", "stop_once")
_KEYS: dict[SearcherName, tuple[str, ...]] = {
    SearcherName.SINGLE: _COMMON,
    SearcherName.RANDOM: _SEVERAL,
    SearcherName.ASYNC_HALVING: (*_HALVING, "num_rungs"),
    SearcherName.ADAPTIVE_ASHA: (*_HALVING, "mode", "max_rungs", "bracket_rungs"),
}
_IGNORED = ("source_trial_id", "source_checkpoint_uuid")
_OTHER_FORMS = ("seed", "max_time", "time_metric", *_IGNORED)
"""Keys every searcher accepts that the parsed configuration holds in another form, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearcherConfig:
    """A searcher section with its defaults; keys that its searcher does not have keep their defaults.

    `max_length` is in `unit`; None means that each trial trains once, to completion (single and random only).
    `max_concurrent_trials` caps the leases (0 = no cap). `stop_once` chooses the stopping form. Exactly one of
    `num_rungs` and `min_length` is set for async_halving; `bracket_rungs` replaces `mode` and `max_rungs`.
    """

    name: SearcherName
    metric: str
    smaller_is_better: bool = True
    max_length: int | None = None
    unit: str = WHOLE_RUN
    max_trials: int = 1
    max_concurrent_trials: int = 16
    divisor: float = 4.0
    min_length: int | None = None
    stop_once: bool = False
    num_rungs: int | None = None
    mode: Mode = Mode.STANDARD
    max_rungs: int = 5
    bracket_rungs: tuple[int, ...] = ()

    @property
    def to_completion(self) -> bool:
        """Whether trials train once, to completion, instead of to lengths."""
        return self.max_length is None

    @property
    def full_length(self) -> int:
        """What a trial that is never stopped trains (unit: `unit`)."""
        return 1 if self.max_length is None else self.max_length


def read_searcher(section: Section, notes: list[str]) -> SearcherConfig | None:
    """Read a searcher section, all but its seed. Returns None, with the violation noted, for an unusable name."""
    name = _name(section)
    metric = section.text("metric")
    if name is None:
        return None
    keys = _KEYS[name]
    section.allow(keys, unsaid=_OTHER_FORMS)
    noted = len(section.violations)
    max_length, unit = _length(section, name, notes)
    longest = max_length if max_length and len(section.violations) == noted else MAX_LENGTH  # else a placeholder
    if ignored := [key for key in _IGNORED if section.has(key)]:
        notes.append(f"searcher: {' and '.join(ignored)} ignored, trials start without another trial's checkpoint")
    several = "max_trials" in keys
    return SearcherConfig(
        name=name,
        metric=metric,
        smaller_is_better=section.flag("smaller_is_better", True),
        max_length=max_length,
        unit=unit,
        max_trials=section.integer("max_trials", least=1, most=MAX_TRIALS) if several else 1,
        max_concurrent_trials=section.integer("max_concurrent_trials", 16, least=0, most=MAX_TRIALS) if several else 1,
        divisor=_divisor(section) if "divisor" in keys else 4.0,
        min_length=section.optional_integer("min_length", least=1, most=longest) if "min_length" in keys else None,
        stop_once="stop_once" in keys and section.flag("stop_once", False),
        num_rungs=_num_rungs(section) if "num_rungs" in keys else None,
        mode=section.choice("mode", Mode.STANDARD) if "mode" in keys else Mode.STANDARD,
        max_rungs=section.integer("max_rungs", 5, least=1, most=MAX_RUNGS) if "max_rungs" in keys else 5,
        bracket_rungs=_bracket_rungs(section) if "bracket_rungs" in keys else (),
    )


def searcher_document(searcher: SearcherConfig) -> dict[str, object]:
    """The section that reads back as this searcher, defaults included; absent = None, as everywhere."""
    document: dict[str, object] = {}
    for key in _KEYS[searcher.name]:
        value = getattr(searcher, key)
        if isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, StrEnum):
            value = str(value)
        if value is not None and not (key == "unit" and searcher.to_completion):
            document[key] = value
    return document


def _name(section: Section) -> SearcherName | None:
    name = section.text("name")
    if name in list(SearcherName):
        return SearcherName(name)
    if name in REPLACED:
        section.refuse("name", f"{name!r} is retired: use {REPLACED[name]!r}")
    elif name in NOT_YET:
        section.refuse("name", f"{name!r} is not available yet; available: {', '.join(SearcherName)}")
    elif name:
        section.refuse("name", f"got {shown(name)}, wanted one of {', '.join(SearcherName)}")
    return None


def _length(section: Section, name: SearcherName, notes: list[str]) -> tuple[int | None, str]:
    """The longest training and its unit: max_time with time_metric, else max_length, else the whole run."""
    length, unit = _max_length(section)
    time = section.optional_integer("max_time", least=1, most=MAX_LENGTH)
    time_metric = section.text("time_metric", "")
    if time is not None and time_metric:
        if length is not None:
            notes.append("searcher: max_length ignored, max_time and time_metric are used")
        return time, time_metric
    for key, other in (("max_time", "time_metric"), ("time_metric", "max_time")):
        if section.has(key) and not section.has(other):
            if section.has("max_length"):
                notes.append(f"searcher: {key} ignored without {other}, max_length is used")
            else:
                section.refuse(other, f"missing, {key} needs it")
            return length, unit
    if not section.has("max_length") and name not in (SearcherName.SINGLE, SearcherName.RANDOM):
        section.refuse("max_length", f"missing, {name} needs max_length, or max_time with time_metric")
    return length, unit


def _max_length(section: Section) -> tuple[int | None, str]:
    value = section.values.get("max_length")
    unit = section.text("unit", "")
    if value is None:
        if section.has("unit"):
            section.refuse("unit", "given without max_length")
        return None, WHOLE_RUN
    if not isinstance(value, Mapping):
        return section.integer("max_length", least=1, most=MAX_LENGTH), unit
    key = next(iter(value), None)
    if len(value) != 1 or key not in LENGTH_UNITS:
        wanted = f"{{unit: length}} with one unit of {', '.join(LENGTH_UNITS)}, or an integer with any unit beside it"
        section.refuse("max_length", f"got {shown(value)}, wanted {wanted}")
        return 1, unit
    if unit and unit != key:
        section.refuse("unit", f"got {shown(unit)}, but max_length is in {key}")
    return section.section("max_length").integer(key, least=1, most=MAX_LENGTH), key


def _divisor(section: Section) -> float:
    divisor = section.number("divisor", 4.0)
    if not 1 < divisor <= MAX_DIVISOR:
        section.refuse("divisor", f"got {shown(divisor)}, wanted more than 1, at most {MAX_DIVISOR}")
        return 4.0
    return divisor


def _num_rungs(section: Section) -> int | None:
    if section.has("min_length"):
        if section.has("num_rungs"):
            section.refuse("num_rungs", "given together with min_length, wanted one of them")
        return None
    return section.integer("num_rungs", least=1, most=MAX_RUNGS)


def _bracket_rungs(section: Section) -> tuple[int, ...]:
    value = section.values.get("bracket_rungs")
    if value is None:
        return ()
    counts = value if isinstance(value, list | tuple) else None
    if counts is None or len(counts) > MAX_RUNGS or not all(_is_rung_count(count) for count in counts):
        section.refuse(
            "bracket_rungs", f"got {shown(value)}, wanted a list of at most {MAX_RUNGS} integers from 1 to {MAX_RUNGS}"
        )
        return ()
    return tuple(counts)


def _is_rung_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RUNGS
