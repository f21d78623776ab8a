"""Reading lengths of training: a mapping of a unit to an integer, or an integer with the unit beside it."""

from collections.abc import Mapping

from rungway_server.domain.fields import Section, shown
from rungway_server.domain.searcher_config import MAX_BUDGET, MAX_LENGTH, WHOLE_RUN, SearcherName

LENGTH_UNITS = ("batches", "records", "epochs", "seconds", "minutes", "hours")
"""The keys of a length written as a mapping; a plain length with the key `unit` may have any other."""
_MAY_RUN_TO_COMPLETION = (SearcherName.SINGLE, SearcherName.RANDOM, SearcherName.GRID)


def read_length(section: Section, name: SearcherName, notes: list[str]) -> tuple[int | None, str]:
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
    if not section.has("max_length") and name not in _MAY_RUN_TO_COMPLETION:
        section.refuse("max_length", f"missing, {name} needs max_length, or max_time with time_metric")
    return length, unit


def read_budget(section: Section, unit: str) -> int | None:
    """What all trials together may train, in the unit of max_length; None when it is not given."""
    value = section.values.get("budget")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return section.integer("budget", least=1, most=MAX_BUDGET)
    budget, own = unit_length(section, "budget", MAX_BUDGET)
    if own and own != unit:
        section.refuse("budget", f"got {shown(own)}, but max_length is in {unit or 'no unit'}")
    return budget


def unit_length(section: Section, key: str, most: int) -> tuple[int, str]:
    """A compulsory length and the unit written with it: "" for a plain integer."""
    value = section.values.get(key)
    if not isinstance(value, Mapping):
        return section.integer(key, least=1, most=most), ""
    unit = next(iter(value), None)
    if len(value) != 1 or unit not in LENGTH_UNITS:
        wanted = f"{{unit: length}} with one unit of {', '.join(LENGTH_UNITS)}, or an integer with any unit beside it"
        section.refuse(key, f"got {shown(value)}, wanted {wanted}")
        return 1, ""
    return section.section(key).integer(unit, least=1, most=most), unit


def length_with_unit(section: Section, key: str) -> tuple[int, str]:
    """A compulsory length and its unit, from the length itself or from the key `unit`."""
    beside = section.text("unit", "")
    noted = len(section.violations)
    length, unit = unit_length(section, key, MAX_LENGTH)
    if unit and beside and unit != beside and len(section.violations) == noted:
        section.refuse("unit", f"got {shown(beside)}, but {key} is in {unit}")
    return length, unit or beside


def _max_length(section: Section) -> tuple[int | None, str]:
    if section.has("max_length"):
        return length_with_unit(section, "max_length")
    section.text("unit", "")
    if section.has("unit"):
        section.refuse("unit", "given without max_length")
    return None, WHOLE_RUN
