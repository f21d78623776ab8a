"""Reads a sweep of W&B (https://docs.wandb.ai/guides/sweeps)."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from rungway_server.convert.draft import STARTS_NOTHING, Draft
from rungway_server.convert.places import Places
from rungway_server.domain.documents.fields import finite, shown, whole
from rungway_server.domain.foreign import Tool

_OF_PARAMETERS = (
    *("value", "values", "probabilities", "min", "max", "distribution", "mu", "sigma", "q", "parameters", "a", "b"),
)
_LENGTHS = ("epochs", "max_epochs", "num_epochs", "n_epochs", "num_train_epochs", "max_steps", "steps")
"""Names of constants that say how long a run trains."""
_WITHOUT = {
    "program": STARTS_NOTHING,
    "command": STARTS_NOTHING,
    "project": "projects are namespaces: RUNGWAY_NAMESPACE",
    "entity": "a token belongs to a namespace: RUNGWAY_TOKEN",
    "controller": "the service decides; there is no local controller",
    "allow_nan": "NaN is always taken, and ranks after every result",
}
_KNOWN = ("method", "metric", "parameters", "early_terminate", "run_cap", "name", "description")


def read_wandb(document: Mapping[str, Any], places: Places) -> Draft:
    """The sweep as a draft."""
    draft = Draft(Tool.WANDB)
    method = document.get("method", "")
    parameters = document.get("parameters")
    draft.hyperparameters = _group(draft, parameters if isinstance(parameters, Mapping) else {}, places, method)
    _searcher(draft, document, places, method)
    metric = document.get("metric")
    said = metric if isinstance(metric, Mapping) else {}
    draft.objective(places.line("metric"), said.get("name"), said.get("goal") == "maximize", said.get("target"))
    for key in ("name", "description"):
        if isinstance(document.get(key), str):
            draft.more[key] = document[key]
    for key in document:
        if key not in _KNOWN:
            draft.gap(places.line(key), f"{key}: {_WITHOUT.get(key) or _nothing_for(key, (*_KNOWN, *_WITHOUT))}")
    return draft


def _nothing_for(key: object, known: Sequence[str]) -> str:
    """That a key has no counterpart, with the nearest key of W&B where it may be a misspelt one."""
    near = difflib.get_close_matches(str(key), known, 1)
    return "has no counterpart" + (f": {near[0]} is meant?" if near else "")


def _group(
    draft: Draft, parameters: Mapping[str, Any], places: Places, method: object, top: tuple[str, ...] = ("parameters",)
) -> dict[str, object]:
    group: dict[str, object] = {}
    for name, given in parameters.items():
        here = (*top, name)
        line, shortly = places.line(*here), ".".join(part for part in here if part != "parameters")
        if not isinstance(given, Mapping):
            draft.gap(line, f"{shortly}: got {shown(given)}, wanted a mapping: left out")
            continue
        for key in given:
            if key not in _OF_PARAMETERS:
                draft.gap(places.line(*here, key), f"{shortly}.{key}: {_nothing_for(key, _OF_PARAMETERS)}")
        if isinstance(nested := given.get("parameters"), Mapping):
            group[name] = _group(draft, nested, places, method, (*here, "parameters"))
        elif form := _in_whole_steps(draft.parameter(line, shortly, _words(given))):
            _note_rounding(draft, line, shortly, form)
            group[name] = draft.in_grid(line, shortly, form) if method == "grid" else form
    return group


def _words(given: Mapping[str, Any]) -> dict[str, object]:
    """The parameter with what W&B fills in."""
    kind = str(given.get("distribution", ""))
    words = {key: value for key, value in given.items() if key in _OF_PARAMETERS}
    if kind.startswith("q_"):
        words.setdefault("q", 1)
    if kind.endswith("normal"):
        words = {"mu": 0, "sigma": 1} | words
    return words


def _in_whole_steps(form: dict[str, object] | None) -> dict[str, object] | None:
    """W&B rounds to integers where q is one."""
    whole_type = {"double": "int", "log_uniform": "log_int"}.get(str(form["type"])) if form and "step" in form else None
    if form and whole_type and all(isinstance(form.get(key), int) for key in ("minval", "maxval", "step")):
        return {**form, "type": whole_type}
    return form


def _note_rounding(draft: Draft, line: int, name: str, form: Mapping[str, object]) -> None:
    low, step = finite(form.get("minval")), finite(form.get("step"))
    if low is not None and step and abs(low / step - round(low / step)) > 1e-9:
        draft.gap(line, f"{name}: multiples of q = {step:g} there, min + k · {step:g} here")


def _searcher(draft: Draft, document: Mapping[str, Any], places: Places, method: object) -> None:
    searcher, line = draft.searcher, places.line("method")
    searcher["name"] = "grid" if method == "grid" else "random"
    searcher["max_concurrent_trials"] = 0
    if method == "grid":
        if "run_cap" in document:
            draft.gap(places.line("run_cap"), "run_cap: a grid runs all its points: `rungway stop` ends it earlier")
    else:
        draft.trials(places.line("run_cap"), document.get("run_cap"), "run_cap")
    if method == "bayes":
        draft.gap(line, "method: bayes learns from results; here configurations are drawn at random")
    elif method not in ("grid", "random"):
        draft.gap(line, f"method: got {shown(method)}, wanted grid, random or bayes; random is written")
    if isinstance(rule := document.get("early_terminate"), Mapping):
        _early(draft, rule, document, places)


def _early(draft: Draft, rule: Mapping[str, Any], document: Mapping[str, Any], places: Places) -> None:
    line = places.line("early_terminate")
    if draft.searcher["name"] == "grid":
        draft.gap(line, "early_terminate: a grid trains each point to the end")
        return
    if rule.get("type") != "hyperband":
        draft.gap(line, f"early_terminate: got the type {shown(rule.get('type'))}, wanted hyperband: left out")
        return
    longest, shortest = whole(rule.get("max_iter")), whole(rule.get("min_iter"))
    eta, s = finite(rule.get("eta")) or 3.0, whole(rule.get("s"))
    if not isinstance(longest, int) and isinstance(shortest, int):
        longest = _length(document)
    if not isinstance(longest, int):
        draft.gap(line, "early_terminate: no longest length is known: write async_halving, max_length and divisor")
        return
    if not isinstance(shortest, int):
        rungs = s if isinstance(s, int) else 1
        shortest = max(1, round(longest / eta**rungs))
        if not isinstance(s, int):
            draft.gap(line, "early_terminate.s: missing, so that runs are compared once")
    draft.searcher |= {
        **{"name": "async_halving", "max_length": longest, "min_length": shortest, "divisor": eta},
        **{"unit": "iterations", "stop_once": True},
    }
    draft.gap(line, "early_terminate: its iterations are calls of log; here they are the lengths that scripts report")


def _length(document: Mapping[str, Any]) -> object:
    """The length that a constant says, None without one."""
    parameters = document.get("parameters")
    for name in _LENGTHS:
        if isinstance(parameters, Mapping) and isinstance(given := parameters.get(name), Mapping):
            values = given.get("values")
            only = values[0] if isinstance(values, list) and len(values) == 1 else given.get("value")
            if isinstance(length := whole(only), int) and length > 0:
                return length
    return None
