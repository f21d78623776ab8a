"""Reads an experiment of NNI (version 2, and the older form), and a search space of its own
(https://nni.readthedocs.io/en/stable/hpo/search_space.html)."""

from collections.abc import Callable, Mapping
from typing import Any

from rungway_server.convert.draft import STARTS_NOTHING, Draft
from rungway_server.convert.places import Place, Places
from rungway_server.domain.documents.fields import finite, shown, whole
from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.foreign import Tool

_WITHOUT = {
    **dict.fromkeys(("trialCommand", "trialCodeDirectory", "trial", "trainingService"), STARTS_NOTHING),
    **dict.fromkeys(("trainingServicePlatform", "trialGpuNumber", "useAnnotation"), STARTS_NOTHING),
    "assessor": "the nearest is the searcher async_halving with stop_once: true",
    "maxExperimentDuration": "a search has no time limit: `rungway stop` ends it",
    "maxExecDuration": "a search has no time limit: `rungway stop` ends it",
}
_KNOWN = (
    *("experimentName", "searchSpace", "searchSpaceFile", "searchSpacePath", "trialConcurrency", "maxTrialNumber"),
    *("maxTrialNum", "tuner", "advisor", "experimentType", "authorName", "debug", "logLevel", "description"),
)

OtherFile = Callable[[str], tuple[Mapping[str, Any], Places]]
"""Reads the file that an experiment names beside it. Raises CannotConvert."""


def read_nni_space(document: Mapping[str, Any], places: Places) -> Draft:
    """A search space alone, as a draft."""
    draft = Draft(Tool.NNI_SPACE)
    draft.hyperparameters = _space(draft, document, places, (), grid=False)
    draft.searcher |= {"name": "random", "max_concurrent_trials": 1}
    draft.trials(1, None, "maxTrialNumber")
    draft.objective(1, None, None)
    return draft


def read_nni(document: Mapping[str, Any], places: Places, other: OtherFile) -> Draft:
    """An experiment as a draft. Raises CannotConvert when its search space cannot be read."""
    draft = Draft(Tool.NNI)
    key = "advisor" if isinstance(document.get("advisor"), Mapping) else "tuner"
    tuner = document.get(key)
    tuner = tuner if isinstance(tuner, Mapping) else {}
    name = tuner.get("name") or tuner.get("builtinTunerName") or tuner.get("builtinAdvisorName") or ""
    given = tuner.get("classArgs")
    args: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    grid = str(name).lower() == "gridsearch"
    space, at, top = _space_of(document, places, other)
    draft.hyperparameters = _space(draft, space, at, top, grid=grid)
    for field, ours in (("experimentName", "name"), ("description", "description")):
        if isinstance(document.get(field), str):
            draft.more[ours] = document[field]
    _searcher(draft, document, places, key, str(name), args)
    draft.objective(places.line(key), "default", args.get("optimize_mode", "maximize") != "minimize")
    for field in document:
        if field not in _KNOWN:
            draft.gap(places.line(field), f"{field}: {_WITHOUT.get(field, 'has no counterpart')}")
    return draft


def _space_of(document: Mapping[str, Any], places: Places, other: OtherFile) -> tuple[Mapping[str, Any], Places, Place]:
    for key in ("searchSpaceFile", "searchSpacePath"):
        if isinstance(name := document.get(key), str):
            return (*other(name), ())
    space = document.get("searchSpace")
    return (space if isinstance(space, Mapping) else {}), places, ("searchSpace",)


def _space(
    draft: Draft, space: Mapping[str, Any], places: Places, top: Place, *, grid: bool, group: tuple[str, ...] = ()
) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, given in space.items():
        if name == "_name":
            continue
        here, line = (*top, name), places.line(*top, name)
        shortly = spelled(*group, name)
        if not isinstance(given, Mapping) or not isinstance(given.get("_value"), list):
            draft.gap(line, f"{shortly}: got {shown(given)}, wanted _type and _value: left out")
        elif given.get("_type") == "choice" and any(isinstance(each, Mapping) for each in given["_value"]):
            found[name] = _nested(draft, given["_value"], places, here, (*group, name), grid=grid)
        elif form := draft.parameter(line, shortly, given):
            found[name] = draft.in_grid(line, shortly, form) if grid else form
    return found


def _nested(
    draft: Draft, choices: list[Any], places: Places, top: Place, group: tuple[str, ...], *, grid: bool
) -> dict[str, object]:
    """A choice of branches, each with parameters of its own: a group with the name of the branch, and with the others
    conditional on it."""
    names = [each.get("_name") if isinstance(each, Mapping) else each for each in choices]
    found: dict[str, object] = {"_name": {"type": "categorical", "vals": names}}
    for index, each in enumerate(choices):
        if isinstance(each, Mapping):
            here = (*top, "_value", index)
            for name, form in _space(draft, each, places, here, grid=grid, group=group).items():
                line, shortly = places.line(*here, name), spelled(*group, name)
                if name in found:
                    draft.gap(line, f"{shortly}: is in several branches; the first one is written")
                elif isinstance(form, Mapping) and "type" in form:
                    found[name] = {**form, "when": {spelled(*group, "_name"): each.get("_name")}}
                else:
                    draft.gap(line, f"{shortly}: a branch within a branch has no condition here: it always exists")
                    found[name] = form
    return found


def _searcher(
    draft: Draft, document: Mapping[str, Any], places: Places, key: str, name: str, args: Mapping[str, Any]
) -> None:
    searcher, line = draft.searcher, places.line(key)
    counted = "maxTrialNum" if "maxTrialNum" in document else "maxTrialNumber"
    searcher["max_concurrent_trials"] = whole(document.get("trialConcurrency", 1))
    lowered = name.lower()
    if lowered == "gridsearch":
        searcher["name"] = "grid"
        if counted in document:
            draft.gap(places.line(counted), f"{counted}: a grid runs all its points: `rungway stop` ends it earlier")
    elif lowered in ("hyperband", "bohb"):
        longest, eta = args.get("R", args.get("max_budget")), finite(args.get("eta")) or 3.0
        searcher |= {"name": "hyperband", "max_length": whole(longest) if longest else 60, "divisor": eta}
        draft.gap(
            line, f"{name}: the middle brackets have other sizes there (rounded up; here as in Hyperband's paper)"
        )
        if lowered == "bohb":
            draft.gap(line, "BOHB learns from results; here configurations are drawn at random")
        if counted in document:
            draft.gap(places.line(counted), f"{counted}: the number of trials follows from max_length and divisor")
    else:
        searcher["name"] = "random"
        draft.trials(places.line(counted), document.get(counted), counted)
        if lowered != "random":
            draft.gap(line, f"{key}: {name or 'none'} learns from results; here configurations are drawn at random")
    for given in args:
        if given not in ("optimize_mode", "seed", "R", "eta", "max_budget"):
            draft.gap(places.line(key, "classArgs", given), f"classArgs.{given}: has no counterpart")
    if isinstance(seed := args.get("seed"), int):
        draft.more["seed"] = seed
