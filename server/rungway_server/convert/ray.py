"""Reads the space of a Python file with Ray Tune: the outermost mapping with calls of `tune`
(https://docs.ray.io/en/latest/tune/api/search_space.html)."""

import ast
import math
from collections.abc import Mapping

from rungway_server.convert.draft import CannotConvert, Draft
from rungway_server.convert.python_source import Call, NotLiteral, Source
from rungway_server.domain.documents.fields import finite, whole
from rungway_server.domain.foreign import Tool
from rungway_server.domain.space.decimals import exact, step_value

_FORMS: Mapping[str, tuple[tuple[str, ...], Mapping[str, object]]] = {
    "uniform": (("lower", "upper"), {"type": "float"}),
    "quniform": (("lower", "upper", "q"), {"type": "float"}),
    "loguniform": (("lower", "upper", "base"), {"type": "float", "log": True}),
    "qloguniform": (("lower", "upper", "q", "base"), {"type": "float", "log": True}),
    "randint": (("lower", "upper"), {"type": "int"}),
    "qrandint": (("lower", "upper", "q"), {"type": "int"}),
    "lograndint": (("lower", "upper", "base"), {"type": "int", "log": True}),
    "qlograndint": (("lower", "upper", "q", "base"), {"type": "int", "log": True}),
    "randn": (("mean", "sd"), {"distribution": "normal"}),
    "qrandn": (("mean", "sd", "q"), {"distribution": "normal"}),
    "choice": (("values",), {"type": "categorical"}),
    "grid_search": (("values",), {"type": "categorical"}),
}
_WITHOUT_UPPER = ("randint", "qrandint", "lograndint", "qlograndint")
"""Their upper end is not included, unless they have a q above 1."""
_SCHEDULERS = ("ASHAScheduler", "AsyncHyperBandScheduler")
_TIME = {"training_iteration": "iterations"}


def read_ray(source: Source) -> Draft:
    """The space as a draft. Raises CannotConvert when there is none."""
    draft = Draft(Tool.RAY)
    spaces = _spaces(source)
    if not spaces:
        raise CannotConvert("no mapping with calls of tune was found")
    draft.hyperparameters = _Reader(source, draft).group(spaces[0], ())
    for other in spaces[1:]:
        draft.gap(other.lineno, f"another space: only that of line {spaces[0].lineno} is written")
    _run(source, draft, [call for call in source.calls(spaces[0]) if _is_space(call)])
    return draft


def _is_space(call: Call) -> bool:
    return (call.before == "tune" or call.before.endswith("ray.tune") or call.before.startswith("ray.tune.")) and (
        call.name in _FORMS or call.name == "sample_from"
    )


def _spaces(source: Source) -> list[ast.Dict]:
    """The outermost mappings with calls of tune, by line."""
    found: list[ast.Dict] = []
    inside = {
        id(each)
        for call in source.calls(source.tree)
        for name, value in call.keywords.items()
        if name.startswith("hyperparam_")  # what population based training changes, a part of the space
        for each in ast.walk(value)
    }
    for node in ast.walk(source.tree):  # outer ones come first
        if isinstance(node, ast.Dict) and id(node) not in inside and any(map(_is_space, source.calls(node))):
            found.append(node)
            inside |= {id(each) for each in ast.walk(node)}
    return sorted(found, key=lambda node: node.lineno)


class _Reader:
    def __init__(self, source: Source, draft: Draft) -> None:
        self._source, self._draft = source, draft

    def group(self, node: ast.Dict, top: tuple[str, ...]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                self._draft.gap(value.lineno, "a name is not a literal: left out")
                continue
            name = key.value
            shortly, call = ".".join((*top, name)), self._source.call(value)
            if isinstance(value, ast.Dict):
                found[name] = self.group(value, (*top, name))
            elif call and _is_space(call):
                if form := self._parameter(shortly, call):
                    found[name] = form
            else:
                self._constant(found, name, shortly, value)
        return found

    def _constant(self, found: dict[str, object], name: str, shortly: str, value: ast.expr) -> None:
        try:
            found[name] = {"type": "const", "val": self._source.value(value)}
        except NotLiteral:
            self._draft.gap(value.lineno, f"{shortly}: {ast.unparse(value)[:80]} is no literal: left out")

    def _parameter(self, name: str, call: Call) -> dict[str, object] | None:
        text = ast.unparse(call.node)[:80]
        if call.name == "sample_from":
            self._draft.gap(call.line, f"{name}: {text} runs code: left out; the nearest is a parameter with when")
            return None
        names, words = _FORMS[call.name]
        try:
            given = self._source.arguments(call, *names)
        except NotLiteral:
            self._draft.gap(call.line, f"{name}: {text} has no literal arguments: left out")
            return None
        given.pop("base", None)  # of the logarithm: it changes nothing
        if call.name in ("randn", "qrandn"):
            given = {"mean": 0, "sd": 1} | given
        return self._draft.parameter(call.line, name, {**words, **_bounds(call.name, given)})


def _bounds(function: str, given: dict[str, object]) -> dict[str, object]:
    """The arguments with the bounds that Tune means: those of a quantized parameter are multiples of q, and the upper
    one of integers is left out, but not with a q above 1."""
    upper = whole(given.get("upper"))
    step = finite(given.get("q", 1))
    if function in _WITHOUT_UPPER and step == 1 and isinstance(upper, int):
        return {**{key: value for key, value in given.items() if key != "q"}, "upper": upper - 1}
    low, high = finite(given.get("lower")), finite(upper)
    if "q" in given and low is not None and high is not None and step is not None and step > 0:
        first, last = math.ceil(exact(low) / exact(step)), math.floor(exact(high) / exact(step))
        return {**given, "lower": whole(step_value(0.0, step, first)), "upper": whole(step_value(0.0, step, last))}
    return given


def _run(source: Source, draft: Draft, space: list[Call]) -> None:
    """The searcher, from how the search is run."""
    searcher = draft.searcher
    searcher |= {"name": "random", "max_concurrent_trials": 0}
    metric: object = None
    larger: bool | None = None
    samples: object = 1
    line = 1
    for call in source.calls(source.tree):
        found = source.literals(call)
        if call.name in ("TuneConfig", "run") and ("tune" in call.before or call.name == "TuneConfig"):
            line = call.line
            samples = found.get("num_samples", samples)
            cap = whole(found.get("max_concurrent_trials", 0))
            searcher["max_concurrent_trials"] = cap if isinstance(cap, int) else 0
            if "search_alg" in call.keywords:
                draft.gap(call.line, "search_alg: learns from results; here configurations are drawn at random")
        metric = found.get("metric", metric)
        larger = found["mode"] == "max" if found.get("mode") in ("min", "max") else larger
        _scheduler(draft, call, found)
    _trials(draft, space, samples, line)
    draft.objective(line, metric, larger)


def _scheduler(draft: Draft, call: Call, found: Mapping[str, object]) -> None:
    if call.name in _SCHEDULERS:
        longest = whole(found.get("max_t", 100))
        unit = str(found.get("time_attr", "training_iteration"))
        draft.searcher |= {
            **{"name": "async_halving", "max_length": longest, "min_length": whole(found.get("grace_period", 1))},
            **{"divisor": finite(found.get("reduction_factor", 4)), "brackets": whole(found.get("brackets", 1))},
            **{"unit": _TIME.get(unit, unit), "stop_once": True},
        }
        if found.get("stop_last_trials") is False:
            draft.gap(call.line, "stop_last_trials: no trial trains beyond max_length")
    elif call.name.endswith("Scheduler") or call.name in ("PopulationBasedTraining", "PB2", "HyperBandForBOHB"):
        near = {"PopulationBasedTraining": "pbt", "PB2": "pbt"}.get(call.name, "hyperband or async_halving")
        if call.name != "FIFOScheduler":
            draft.gap(call.line, f"{call.name}: has no exact counterpart; the nearest searcher is {near}")


def _trials(draft: Draft, space: list[Call], samples: object, line: int) -> None:
    """How many trials: a grid repeated, or samples of a grid and a random space together."""
    points = 1
    grids = [call for call in space if call.name == "grid_search"]
    count = whole(samples)
    count = count if isinstance(count, int) and count > 0 else 1
    for call in grids:
        for node in [*call.args, *call.keywords.values()][:1]:
            points *= len(node.elts) if isinstance(node, ast.List | ast.Tuple) else 1
    if grids and len(grids) == len(space) and draft.searcher["name"] == "random":
        draft.searcher |= {"name": "grid", "num_samples": count}
        return
    if grids:
        draft.gap(grids[0].line, "grid_search beside random parameters: here all of them are drawn at random")
    draft.trials(line, points * count, "num_samples")
