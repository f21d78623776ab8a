"""Reading the searcher section of a configuration."""

from dataclasses import replace
from typing import TypeGuard

from rungway_server.domain.fields import Section, shown, whole
from rungway_server.domain.ladder import MAX_RUNGS, Mode, log_floor
from rungway_server.domain.lengths import read_budget, read_length
from rungway_server.domain.objective import read_objective
from rungway_server.domain.population_reader import read_population
from rungway_server.domain.searcher_config import (
    KEYS,
    MAX_DIVISOR,
    MAX_LENGTH,
    MAX_TRIALS,
    Sampler,
    SearcherConfig,
    SearcherName,
)

MAX_SAMPLES = 1_000_000
"""Most repetitions of a grid."""
REPLACED = {"adaptive_simple": "adaptive_asha"}
"""Retired searchers of Determined, and what takes their place."""
RAY_NAMES = {
    "grace_period": "min_length",
    "reduction_factor": "divisor",
    "max_t": "max_length",
    "time_attr": "unit",
}
"""What Ray Tune's ASHAScheduler calls the keys of async_halving (its `brackets` are called so here too)."""

_IGNORED = ("source_trial_id", "source_checkpoint_uuid")
_OTHER_FORMS = ("seed", "max_time", "time_metric", *_IGNORED)
"""Keys every searcher accepts that the parsed configuration holds in another form, or not at all."""
_SYNC = (SearcherName.SYNC_HALVING, SearcherName.ADAPTIVE)


def read_searcher(section: Section, notes: list[str]) -> SearcherConfig | None:
    """Read a searcher section, all but its seed. Returns None, with the violation noted, for an unusable name."""
    name = _name(section)
    if name is SearcherName.ASYNC_HALVING:
        section = section.renamed(RAY_NAMES)
    section, metric = read_objective(section, name is None or "mode" in KEYS[name], notes)
    if name is None:
        return None
    _note_ignored(section, name, notes)
    if name is SearcherName.PBT:
        return read_population(section, metric)
    if name is not SearcherName.ASYNC_HALVING:
        section.allow(KEYS[name], unsaid=_unsaid(name))
        return _read(section, name, metric, notes)
    section.allow((*KEYS[name], "max_rungs"), unsaid=_unsaid(name))
    return _with_max_rungs(section, _read(section, name, metric, notes))


def _read(section: Section, name: SearcherName, metric: str, notes: list[str]) -> SearcherConfig:
    keys, noted = KEYS[name], len(section.violations)
    max_length, unit = read_length(section, name, notes)
    longest = max_length if max_length and len(section.violations) == noted else MAX_LENGTH  # else a placeholder
    return SearcherConfig(
        name=name,
        metric=metric,
        smaller_is_better=section.flag("smaller_is_better", True),
        target_metric=section.number("target_metric") if section.has("target_metric") else None,
        max_length=max_length,
        unit=unit,
        max_trials=_max_trials(section, name),
        max_concurrent_trials=section.integer("max_concurrent_trials", 16, least=0, most=MAX_TRIALS)
        if "max_concurrent_trials" in keys
        else 1,
        sampler=section.choice("sampler", Sampler.RANDOM) if "sampler" in keys else Sampler.RANDOM,
        num_samples=section.integer("num_samples", 1, least=1, most=MAX_SAMPLES) if "num_samples" in keys else 1,
        budget=read_budget(section, unit) if "budget" in keys else None,
        divisor=_divisor(section, 3.0 if name is SearcherName.HYPERBAND else 4.0) if "divisor" in keys else 4.0,
        min_length=section.optional_integer("min_length", least=1, most=longest) if "min_length" in keys else None,
        stop_once="stop_once" in keys and section.flag("stop_once", False),
        num_rungs=_num_rungs(section) if "num_rungs" in keys else None,
        brackets=section.integer("brackets", 1, least=1, most=MAX_RUNGS) if "brackets" in keys else 1,
        mode=section.choice("mode", Mode.STANDARD) if "mode" in keys else Mode.STANDARD,
        max_rungs=section.integer("max_rungs", 5, least=1, most=MAX_RUNGS) if "max_rungs" in keys else 5,
        bracket_rungs=_bracket_rungs(section) if "bracket_rungs" in keys else (),
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
    """How many trials; 0 where that follows from something else."""
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
    """async_halving with `max_rungs`: so many rungs at most, as many as lengths and trials can fill (as in
    adaptive_asha)."""
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
