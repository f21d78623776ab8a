"""Reads an Experiment of Katib, a manifest of Kubernetes (https://www.kubeflow.org/docs/components/katib)."""

from collections.abc import Mapping
from typing import Any

from rungway_server.convert.draft import STARTS_NOTHING, CannotConvert, Draft
from rungway_server.convert.places import Places
from rungway_server.domain.documents.fields import finite, shown, whole
from rungway_server.domain.foreign import Tool
from rungway_server.domain.space.other_words import number

_SEARCHERS = {
    **{"random": "random", "sobol": "random", "grid": "grid", "hyperband": "hyperband", "pbt": "pbt"},
    **{"asha": "async_halving", "adaptive-asha": "adaptive_asha", "sync-halving": "sync_halving"},
    "adaptive": "adaptive",
}
"""Algorithms with a counterpart; the last ones are those of `rungway katib`."""
_SETTINGS = {
    **{"eta": "divisor", "divisor": "divisor", "r_l": "max_length", "max_length": "max_length"},
    **{"min_length": "min_length", "num_rungs": "num_rungs", "max_rungs": "max_rungs", "mode": "mode"},
    **{"brackets": "brackets", "n_population": "population_size", "truncation_threshold": "truncate_fraction"},
    "num_rounds": "num_rounds",
}
_WITHOUT = {
    "trialTemplate": STARTS_NOTHING,
    "metricsCollectorSpec": "scripts report their results themselves",
    "maxFailedTrialCount": "the nearest is pause_after_failures",
    "resumePolicy": "a search is kept until it is deleted",
    "earlyStopping": "the nearest is the searcher async_halving with stop_once: true",
    "nasConfig": "searches of architectures",
}
_KNOWN = ("objective", "algorithm", "parameters", "maxTrialCount", "parallelTrialCount")


def read_katib(document: Mapping[str, Any], places: Places) -> Draft:
    """The experiment as a draft. Raises CannotConvert."""
    if document.get("kind") != "Experiment" or not isinstance(document.get("spec"), Mapping):
        raise CannotConvert(f"got the kind {shown(document.get('kind'))}, wanted an Experiment with a spec")
    spec = document["spec"]
    if "nasConfig" in spec:
        raise CannotConvert(f"line {places.line('spec', 'nasConfig')}: an architecture search has no counterpart")
    draft = Draft(Tool.KATIB)
    name = _mapping(document.get("metadata")).get("name")
    if isinstance(name, str):
        draft.more["name"] = name
    settings = _settings(draft, spec, places)
    algorithm = str(_mapping(spec.get("algorithm")).get("algorithmName", ""))
    resource = settings.pop("resource_name", "")
    longest = _parameters(draft, spec, places, resource, grid=algorithm == "grid")
    _searcher(draft, spec, places, algorithm, settings, longest)
    objective = _mapping(spec.get("objective"))
    line = places.line("spec", "objective")
    larger = objective.get("type") == "maximize"
    draft.objective(line, objective.get("objectiveMetricName"), larger, number(objective.get("goal")))
    for key in objective:
        if key not in ("type", "goal", "objectiveMetricName"):
            draft.gap(places.line("spec", "objective", key), f"objective.{key}: has no counterpart")
    for key in spec:
        if key not in _KNOWN:
            draft.gap(places.line("spec", key), f"{key}: {_WITHOUT.get(key, 'has no counterpart')}")
    return draft


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _settings(draft: Draft, spec: Mapping[str, Any], places: Places) -> dict[str, str]:
    """The settings of the algorithm by name, as texts."""
    given = _mapping(spec.get("algorithm")).get("algorithmSettings")
    found: dict[str, str] = {}
    for index, each in enumerate(given if isinstance(given, list) else []):
        name, value = _mapping(each).get("name"), _mapping(each).get("value")
        if not isinstance(name, str):
            line = places.line("spec", "algorithm", "algorithmSettings", index)
            draft.gap(line, f"algorithmSettings: got {shown(each)}, wanted a name and a value: left out")
        elif name in ("random_state", "seed") and isinstance(seed := number(value), int):
            draft.more["seed"] = seed
        else:
            found[name] = str(value)
    return found


def _parameters(draft: Draft, spec: Mapping[str, Any], places: Places, resource: str, *, grid: bool) -> int | None:
    """Fill in the hyperparameters. Returns the greatest value of the one that takes the length."""
    longest = None
    given = spec.get("parameters")
    for index, each in enumerate(given if isinstance(given, list) else []):
        line, parameter = places.line("spec", "parameters", index), _mapping(each)
        name, space = parameter.get("name"), _mapping(parameter.get("feasibleSpace"))
        if not isinstance(name, str) or not space:
            draft.gap(line, f"parameters[{index}]: wanted a name and a feasibleSpace: left out")
        elif name == resource:
            most = whole(number(space.get("max")))
            longest = most if isinstance(most, int) else None
        elif form := draft.parameter(line, name, _words(str(parameter.get("parameterType", "")), space)):
            draft.hyperparameters[name] = draft.in_grid(line, name, form) if grid else form
    return longest


def _words(kind: str, space: Mapping[str, Any]) -> dict[str, object]:
    """A parameter in words that `in_our_form` reads: Katib writes numbers as texts."""
    if kind in ("categorical", "discrete"):
        listed = space.get("list")
        values = listed if isinstance(listed, list) else None
        if kind == "discrete" and values:
            values = [each if number(each) is None else number(each) for each in values]
        return {"type": "categorical", "values": values}
    words: dict[str, object] = {key: space[key] for key in ("min", "max", "step") if space.get(key) not in (None, "")}
    distribution = str(space.get("distribution", "uniform"))
    if distribution.lower().endswith("normal"):
        whole_steps = {"step": 1} if kind == "int" else {}
        return {"distribution": distribution, **whole_steps, **words}
    return {"type": kind, "log": distribution == "logUniform", **words}


def _searcher(
    draft: Draft,
    spec: Mapping[str, Any],
    places: Places,
    algorithm: str,
    settings: Mapping[str, str],
    longest: int | None,
) -> None:
    line, searcher = places.line("spec", "algorithm"), draft.searcher
    name = searcher["name"] = _SEARCHERS.get(algorithm.removeprefix("rungway-"), "random")
    if algorithm.removeprefix("rungway-") not in _SEARCHERS:
        draft.gap(line, f"algorithm: {algorithm or 'none'} learns from results; here configurations are random")
    if algorithm == "sobol":
        searcher["sampler"] = "sobol"
    for key, value in settings.items():
        if name in ("random", "grid") or key not in _SETTINGS:
            draft.gap(line, f"algorithmSettings: {key} has no counterpart in the searcher {name}")
        else:
            read = number(value)
            searcher[_SETTINGS[key]] = value if read is None else read
    if name not in ("random", "grid", "pbt"):
        if "max_length" not in searcher and longest is None:
            draft.gap(line, "no longest length is known: resource_name and r_l are missing; max_length: 1 is written")
        searcher.setdefault("max_length", longest or 1)
        if name in ("async_halving", "sync_halving") and not searcher.keys() & {"num_rungs", "min_length"}:
            searcher["min_length"] = 1
    if name == "pbt":
        rounds = whole(searcher.setdefault("num_rounds", 10))
        searcher["length_per_round"] = max(1, (longest or 10) // (rounds if isinstance(rounds, int) else 10))
    _counts(draft, spec, places, name)


def _counts(draft: Draft, spec: Mapping[str, Any], places: Places, name: str) -> None:
    line, most = places.line("spec", "maxTrialCount"), spec.get("maxTrialCount")
    parallel = whole(spec.get("parallelTrialCount", 3))
    draft.searcher["max_concurrent_trials"] = parallel if isinstance(parallel, int) else 3
    if name in ("hyperband", "pbt"):
        if most is not None:
            draft.gap(line, f"maxTrialCount: the number of trials follows from the keys of {name}")
    elif name == "grid":
        points = 1
        for form in draft.hyperparameters.values():
            vals = _mapping(form).get("vals")
            count = len(vals) if isinstance(vals, list) else finite(_mapping(form).get("count")) or 1
            points *= int(count)
        if isinstance(most, int) and most < points:
            draft.gap(line, f"maxTrialCount: got {most}; a grid runs all its {points} points")
    else:
        draft.trials(line, most, "maxTrialCount")
        if name != "random":
            draft.gap(line, "maxTrialCount: each step of a trial is a trial of Katib; here all its steps are one")
