"""Reading the searcher section of a configuration: the keys of each searcher, and lengths with their units."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan
from typing import TypeGuard

from rungway_server.domain.documents.fields import Section, shown, whole
from rungway_server.domain.search.config import (
    KEYS,
    MAX_BUDGET,
    MAX_DIVISOR,
    MAX_LENGTH,
    MAX_TRIALS,
    UNLIMITED,
    WHOLE_RUN,
    AfterMaxTrials,
    Population,
    SearcherConfig,
    SearcherName,
)
from rungway_server.domain.search.ladder import MAX_RUNGS, Mode, log_floor, powers
from rungway_server.domain.search.objective import read_objective
from rungway_server.domain.search.read_objectives import check_beside_objectives, read_objectives
from rungway_server.domain.search.read_proposals import named_bohb, read_cost_aware, read_proposals

MAX_SAMPLES = 1_000_000
"""Most repetitions of a grid."""
REPLACED = {"adaptive_simple": "adaptive_asha"}
"""Retired searchers of Determined, and their replacements."""
RAY_NAMES = {
    "grace_period": "min_length",
    "reduction_factor": "divisor",
    "max_t": "max_length",
    "time_attr": "unit",
}
"""What Ray Tune's ASHAScheduler calls the keys of async_halving (its `brackets` are called so here too)."""
MAX_ROUNDS = 100
"""Most rounds of a population: each is a rung."""
MAX_POPULATION = 1000
"""Most trials of a round: one step of the engine ends it for all of them."""
LENGTH_UNITS = ("batches", "records", "epochs", "seconds", "minutes", "hours")
"""The keys of a length that is written as a mapping; a plain length with the key `unit` may have any unit."""

_IGNORED = ("source_trial_id", "source_checkpoint_uuid")
_OTHER_FORMS = ("seed", "max_time", "time_metric", *_IGNORED)
"""Keys that every searcher accepts, and that a SearcherConfig holds in another form or not at all."""
_UNSAID_OF_PBT = ("seed", "replace_function", *_IGNORED)
_MAY_RUN_TO_COMPLETION = (SearcherName.SINGLE, SearcherName.RANDOM, SearcherName.GRID)
_SYNC = (SearcherName.SYNC_HALVING, SearcherName.ADAPTIVE)
_GENTLE = (SearcherName.HYPERBAND, SearcherName.AUTO)
"""Searchers whose divisor is 3 unless it is given."""
_PROMOTIONS = 4
"""How many promotions lead to the top of `auto` unless `min_length` says otherwise."""
MAX_HOURS = 24 * 365 * 10
"""Longest budget of hours."""


def read_searcher(section: Section, notes: list[str]) -> SearcherConfig | None:
    """Read a searcher section, all but its seed. Returns None, with the violation noted, for an unusable name."""
    section = named_bohb(section, notes)
    name = _name(section)
    if name is SearcherName.ASYNC_HALVING:
        section = section.renamed(RAY_NAMES)
    section, objectives, constraints = read_objectives(section, name)
    section, metric = read_objective(section, name is None or "mode" in KEYS[name], notes)
    if name is None:
        return None
    _note_ignored(section, name, notes)
    if name is SearcherName.PBT:
        return _read_population(section, metric)
    more = ("max_rungs",) if name is SearcherName.ASYNC_HALVING else ()
    section.allow((*KEYS[name], *more), unsaid=_unsaid(name))
    searcher = _read(section, name, metric, notes, several=bool(objectives or constraints))
    if name is SearcherName.ASYNC_HALVING:
        searcher = _with_max_rungs(section, searcher)
    if objectives or constraints:
        check_beside_objectives(section, searcher)
    return replace(searcher, objectives=objectives, outcome_constraints=constraints)


def _read(section: Section, name: SearcherName, metric: str, notes: list[str], *, several: bool) -> SearcherConfig:
    keys, noted = KEYS[name], len(section.violations)
    max_length, unit = _read_length(section, name, notes)
    longest = max_length if max_length and len(section.violations) == noted else MAX_LENGTH  # else a placeholder
    divisor = _divisor(section, 3.0 if name in _GENTLE else 4.0) if "divisor" in keys else 4.0
    min_length = section.optional_integer("min_length", least=1, most=longest) if "min_length" in keys else None
    if name is SearcherName.AUTO and min_length is None:
        min_length = max(1, int(longest / powers(divisor, _PROMOTIONS + 1)[-1]))
    budget, hours = _read_budget(section, name, unit) if "budget" in keys else (None, None)
    bound = budget is not None or hours is not None
    stop_once = "stop_once" in keys and section.flag("stop_once", False)
    sampler, proposals = read_proposals(section, name, several=several)
    return SearcherConfig(
        name=name,
        metric=metric,
        smaller_is_better=section.flag("smaller_is_better", True),
        target_metric=section.number("target_metric") if section.has("target_metric") else None,
        max_length=max_length,
        unit=unit,
        max_trials=_unlimited(section, budget, hours, max_length or 1, min_length, notes)
        if section.values.get("max_trials") == UNLIMITED and "budget" in keys and name not in _SYNC
        else _max_trials(section, name),
        max_concurrent_trials=section.integer("max_concurrent_trials", 16, least=0, most=MAX_TRIALS)
        if "max_concurrent_trials" in keys
        else 1,
        sampler=sampler,
        num_samples=section.integer("num_samples", 1, least=1, most=MAX_SAMPLES) if "num_samples" in keys else 1,
        budget=budget,
        divisor=divisor,
        min_length=min_length,
        stop_once=stop_once,
        num_rungs=_num_rungs(section) if "num_rungs" in keys else None,
        brackets=section.integer("brackets", 1, least=1, most=MAX_RUNGS) if "brackets" in keys else 1,
        mode=section.choice("mode", Mode.STANDARD) if "mode" in keys else Mode.STANDARD,
        max_rungs=section.integer("max_rungs", 5, least=1, most=MAX_RUNGS) if "max_rungs" in keys else 5,
        bracket_rungs=_bracket_rungs(section) if "bracket_rungs" in keys else (),
        budget_hours=hours,
        after_max_trials=_after_max_trials(section, bound, stop_once) if "after_max_trials" in keys else None,
        blind="blind" in keys and _blind(section, bound),
        proposals=proposals,
        cost_aware="cost_aware" in keys and read_cost_aware(section, name, proposals),
    )


def _name(section: Section) -> SearcherName | None:
    name = section.text("name")
    if name in list(SearcherName):
        return SearcherName(name)
    if name in REPLACED:
        section.refuse("name", f"{name!r} is retired: use {REPLACED[name]!r}")
    elif name:
        section.refuse("name", f"got {shown(name)}, wanted one of {', '.join(SearcherName)}")
    return None


def _unsaid(name: SearcherName) -> tuple[str, ...]:
    return (*_OTHER_FORMS, "train_stragglers") if name in _SYNC else _OTHER_FORMS


def _note_ignored(section: Section, name: SearcherName, notes: list[str]) -> None:
    if ignored := [key for key in _IGNORED if section.has(key)]:
        notes.append(f"searcher: {' and '.join(ignored)} ignored, trials start without another trial's checkpoint")
    if name in _SYNC and section.has("train_stragglers"):
        notes.append("searcher: train_stragglers ignored, results that come late count like all others")


def _max_trials(section: Section, name: SearcherName) -> int:
    """How many trials; 0 where that follows from other keys."""
    if "max_trials" not in KEYS[name]:
        return 0 if name is SearcherName.HYPERBAND else 1
    if name in _SYNC:
        if section.has("budget"):
            if section.has("max_trials"):
                section.refuse("max_trials", "given together with budget, wanted one of them")
            return 0
        if not section.has("max_trials"):
            section.refuse("budget", "missing, wanted a length that all trials share, or max_trials")
            return 1
    if name is SearcherName.GRID and not section.has("max_trials"):
        return 0
    return section.integer("max_trials", least=1, most=MAX_TRIALS)


def _divisor(section: Section, default: float) -> float:
    divisor = section.number("divisor", default)
    if not 1 < divisor <= MAX_DIVISOR:
        section.refuse("divisor", f"got {shown(divisor)}, wanted more than 1, at most {MAX_DIVISOR}")
        return default
    return divisor


def _with_max_rungs(section: Section, searcher: SearcherConfig) -> SearcherConfig:
    """async_halving with `max_rungs`: at most that many rungs, and no more than lengths and trials allow, as in
    adaptive_asha."""
    if not section.has("max_rungs"):
        return searcher
    for other in ("num_rungs", "min_length"):
        if section.has(other):
            section.refuse("max_rungs", f"given together with {section.spelling(other)}, wanted one of them")
    most = section.integer("max_rungs", least=1, most=MAX_RUNGS)
    filled = [log_floor(x, searcher.divisor, MAX_RUNGS) + 1 for x in (searcher.full_length, searcher.max_trials)]
    return replace(searcher, num_rungs=min(most, *filled))


def _num_rungs(section: Section) -> int | None:
    if section.has("min_length"):
        if section.has("num_rungs"):
            section.refuse("num_rungs", f"given together with {section.spelling('min_length')}, wanted one of them")
        return None
    if not section.has("num_rungs"):
        if not section.has("max_rungs"):
            section.refuse("num_rungs", f"missing, wanted an integer from 1 to {MAX_RUNGS}, or min_length")
        return 1
    return section.integer("num_rungs", least=1, most=MAX_RUNGS)


def _bracket_rungs(section: Section) -> tuple[int, ...]:
    value = section.values.get("bracket_rungs")
    if value is None:
        return ()
    counts = [whole(count) for count in value] if isinstance(value, list | tuple) else None
    if counts is None or len(counts) > MAX_RUNGS or not all(_is_rung_count(count) for count in counts):
        section.refuse(
            "bracket_rungs", f"got {shown(value)}, wanted a list of at most {MAX_RUNGS} integers from 1 to {MAX_RUNGS}"
        )
        return ()
    return tuple(count for count in counts if _is_rung_count(count))


def _is_rung_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RUNGS


def _read_population(section: Section, metric: str) -> SearcherConfig:
    """Read the section of population based training; what is wrong is noted in it.

    Determined's older form is read, too: `replace_function: {truncate_fraction: …}` and `explore_function: {…}`.
    """
    section = section.renamed({"explore_function": "explore"})
    section.allow(KEYS[SearcherName.PBT], unsaid=_UNSAID_OF_PBT)
    length, unit = _length_with_unit(section, "length_per_round")
    truncation = section.section("replace_function") if section.has("replace_function") else section
    if truncation is not section:
        truncation.allow(("truncate_fraction",))
        if section.has("truncate_fraction"):
            section.refuse("truncate_fraction", "given together with replace_function, wanted one of them")
    explore = section.section("explore")
    explore.allow(("resample_probability", "perturb_factor"))
    population = Population(
        population_size=section.integer("population_size", least=1, most=MAX_POPULATION),
        num_rounds=section.integer("num_rounds", least=1, most=MAX_ROUNDS),
        length_per_round=length,
        truncate_fraction=_fraction(truncation, "truncate_fraction", 0.2, most=0.5),
        resample_probability=_fraction(explore, "resample_probability", 0.25, most=1.0),
        perturb_factor=_fraction(explore, "perturb_factor", 0.2, most=1.0),
    )
    sampler, proposals = read_proposals(section, SearcherName.PBT)
    return SearcherConfig(
        name=SearcherName.PBT,
        metric=metric,
        smaller_is_better=section.flag("smaller_is_better", True),
        target_metric=section.number("target_metric") if section.has("target_metric") else None,
        max_length=min(length * population.num_rounds, MAX_LENGTH),
        unit=unit,
        max_trials=population.population_size,
        max_concurrent_trials=section.integer("max_concurrent_trials", 16, least=0, most=MAX_TRIALS),
        sampler=sampler,
        population=population,
        proposals=proposals,
        cost_aware=read_cost_aware(section, SearcherName.PBT, proposals),
    )


def _fraction(section: Section, key: str, default: float, *, most: float) -> float:
    fraction = section.number(key, default)
    if not 0 <= fraction <= most:
        section.refuse(key, f"got {shown(fraction)}, wanted 0 to {most}")
        return default
    return fraction


def _read_length(section: Section, name: SearcherName, notes: list[str]) -> tuple[int | None, str]:
    """The full length and its unit: max_time with time_metric, else max_length, else None for a whole run."""
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


def _read_budget(section: Section, name: SearcherName, unit: str) -> tuple[int | None, float | None]:
    """The length that all trials together may train, in the unit of max_length, or the hours from the creation to the
    end, where the search may be bounded by these; None for what is not given."""
    value = section.values.get("budget")
    if value is None:
        return None, None
    if not isinstance(value, Mapping):
        return section.integer("budget", least=1, most=MAX_BUDGET), None
    if list(value) == ["hours"] and unit != "hours" and name not in _SYNC:
        hours = section.section("budget").number("hours")
        if not isnan(hours) and not 0 < hours <= MAX_HOURS:
            section.refuse("budget", f"got {shown(hours)} hours, wanted more than 0, at most {MAX_HOURS}")
        return None, hours
    budget, own = _unit_length(section, "budget", MAX_BUDGET)
    if own and own != unit:
        section.refuse("budget", f"got {shown(own)}, but max_length is in {unit or 'no unit'}")
    return budget, None


def _unlimited(
    section: Section, budget: int | None, hours: float | None, longest: int, least: int | None, notes: list[str]
) -> int:
    """The most trials of a search that its budget ends: no more than it pays for, if each trains to the lowest rung."""
    if budget is None and hours is None:
        section.refuse("max_trials", f"got {UNLIMITED!r} without a budget, wanted one, or an integer")
        return 1
    most = min(MAX_TRIALS, MAX_BUDGET // longest)
    if budget is not None:
        most = min(most, budget // (least or 1) + 1)
    notes.append(f"searcher: max_trials unlimited are at most {most}, the budget ends the search")
    return most


def _after_max_trials(section: Section, bound: bool, stop_once: bool) -> AfterMaxTrials | None:
    """With a budget, trials go on unless rungs stop them for good, or the user says otherwise."""
    default = AfterMaxTrials.GO_ON if bound and not stop_once else AfterMaxTrials.STOP
    chosen = section.choice("after_max_trials", default)
    if chosen is AfterMaxTrials.GO_ON and not bound:
        section.refuse("after_max_trials", "got 'go_on' without a budget: every trial would train to the end")
    if chosen is AfterMaxTrials.GO_ON and stop_once:
        section.refuse("after_max_trials", "got 'go_on' together with stop_once: what a rung has stopped cannot go on")
    return chosen if bound else None


def _blind(section: Section, bound: bool) -> bool:
    blind = section.flag("blind", False)
    if blind and (not bound or section.values.get("after_max_trials") == AfterMaxTrials.STOP):
        section.refuse("blind", "got true, wanted a budget and after_max_trials: go_on beside it")
    return blind


def _unit_length(section: Section, key: str, most: int) -> tuple[int, str]:
    """A required length and the unit written with it: "" for a plain integer."""
    value = section.values.get(key)
    if not isinstance(value, Mapping):
        return section.integer(key, least=1, most=most), ""
    unit = next(iter(value), None)
    if len(value) != 1 or unit not in LENGTH_UNITS:
        wanted = f"{{unit: length}} with one unit of {', '.join(LENGTH_UNITS)}, or an integer with any unit beside it"
        section.refuse(key, f"got {shown(value)}, wanted {wanted}")
        return 1, ""
    return section.section(key).integer(unit, least=1, most=most), unit


def _length_with_unit(section: Section, key: str) -> tuple[int, str]:
    """A required length and its unit, from the length itself or from the key `unit`."""
    beside = section.text("unit", "")
    noted = len(section.violations)
    length, unit = _unit_length(section, key, MAX_LENGTH)
    if unit and beside and unit != beside and len(section.violations) == noted:
        section.refuse("unit", f"got {shown(beside)}, but {key} is in {unit}")
    return length, unit or beside


def _max_length(section: Section) -> tuple[int | None, str]:
    if section.has("max_length"):
        return _length_with_unit(section, "max_length")
    section.text("unit", "")
    if section.has("unit"):
        section.refuse("unit", "given without max_length")
    return None, WHOLE_RUN
