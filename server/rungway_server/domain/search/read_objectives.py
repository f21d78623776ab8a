"""Reading several objectives, and constraints on outcomes, of a searcher section; what is wrong is noted in it."""

import re
from collections.abc import Mapping

from rungway_server.domain.documents.fields import Section, finite, shown
from rungway_server.domain.search.config import KEYS, OF_OBJECTIVES, SearcherConfig, SearcherName
from rungway_server.domain.search.objectives import (
    LEAST_OBJECTIVES,
    LONGEST_NAME,
    MOST_CONSTRAINTS,
    MOST_OBJECTIVES,
    At,
    Goal,
    Objective,
    OutcomeConstraint,
)

_CONSTRAINT = re.compile(r"\s*(\S(?:.*?\S)?)\s*(<=|>=)\s*(\S+)\s*", re.DOTALL)


def read_objectives(
    section: Section, name: SearcherName | None
) -> tuple[Section, tuple[Objective, ...], tuple[OutcomeConstraint, ...]]:
    """The section with `metric` and `smaller_is_better` in place of `metrics`, the objectives, and the constraints."""
    section = _may_have_objectives(section, name)
    constraints = _read_constraints(section)
    values = {key: value for key, value in section.values.items() if key not in ("metrics", "outcome_constraints")}
    objectives: tuple[Objective, ...] = ()
    if section.has("metrics"):
        objectives = _read_metrics(section)
        first = objectives[0] if objectives else Objective("metric")
        if section.has("target_metric"):
            section.refuse("target_metric", "given together with metrics: a target is of one metric alone")
        own = {"metric": first.name, "smaller_is_better": first.smaller_is_better}
        for key, value in own.items():
            if objectives and section.has(key) and section.values[key] != value:
                said = f"but the first of metrics is {shown(first.name)}, which is to be {first.goal}d"
                section.refuse(key, f"got {shown(section.values[key])}, {said}: leave it out")
        values |= own
        if values.get("mode") in ("min", "max"):
            section.refuse("mode", f"got {shown(values.pop('mode'))}, but each of metrics has a goal of its own")
    elif constraints and section.has("target_metric"):
        section.refuse("target_metric", "given together with outcome_constraints, wanted one of them")
    return Section(values, section.path, section.violations, section.spelled), objectives, constraints


def _read_metrics(section: Section) -> tuple[Objective, ...]:
    given = section.values["metrics"]
    wanted = f"a list of {LEAST_OBJECTIVES} to {MOST_OBJECTIVES} metrics, each {{name: …, goal: minimize}}"
    if not isinstance(given, list | tuple) or not LEAST_OBJECTIVES <= len(given) <= MOST_OBJECTIVES:
        section.refuse("metrics", f"got {shown(given)}, wanted {wanted}")
        return ()
    found: list[Objective] = []
    for at, each in enumerate(given):
        if not isinstance(each, Mapping):
            section.refuse(f"metrics[{at}]", f"got {shown(each)}, wanted {{name: …, goal: minimize}}")
            continue
        inner = Section(each, f"{section.path}.metrics[{at}]", section.violations)
        inner.allow(("name", "goal", "at"))
        objective = Objective(inner.text("name"), inner.choice("goal", Goal.MINIMIZE), inner.choice("at", At.ANY))
        _check_name(inner, "name", objective.name)
        if not inner.has("goal"):
            inner.refuse("goal", "missing, wanted minimize or maximize")
        if objective.at is At.FINAL and at == 0:
            inner.refuse("at", "got 'final', but each report has the first of metrics: wanted 'any'")
        if objective.name in [other.name for other in found]:
            inner.refuse("name", f"got {shown(objective.name)} a second time, wanted another metric")
        found.append(objective)
    return tuple(found)


def _check_name(section: Section, key: str, name: str) -> None:
    if len(name.encode(errors="replace")) > LONGEST_NAME:
        section.refuse(key, f"got {shown(name)}, wanted a name of at most {LONGEST_NAME} bytes")


def _read_constraints(section: Section) -> tuple[OutcomeConstraint, ...]:
    given = section.values.get("outcome_constraints")
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= MOST_CONSTRAINTS:
        wanted = f"a list of 1 to {MOST_CONSTRAINTS} texts like 'latency <= 20'"
        section.refuse("outcome_constraints", f"got {shown(given)}, wanted {wanted}")
        return ()
    found = []
    for at, each in enumerate(given):
        match = _CONSTRAINT.fullmatch(each) if isinstance(each, str) else None
        bound = _number(match[3]) if match else None
        if match is None or bound is None:
            wanted = "a metric, <= or >=, and a finite number, like 'latency <= 20'"
            section.refuse(f"outcome_constraints[{at}]", f"got {shown(each)}, wanted {wanted}")
            continue
        _check_name(section, f"outcome_constraints[{at}]", match[1])
        found.append(OutcomeConstraint(match[1], match[2] == "<=", bound))
    return tuple(found)


def _number(text: str) -> float | None:
    try:
        return finite(float(text))
    except ValueError:
        return None


def _may_have_objectives(section: Section, name: SearcherName | None) -> Section:
    """The section without several objectives or constraints where its searcher ranks by one metric alone."""
    refused = [key for key in OF_OBJECTIVES if name and key not in KEYS[name] and section.has(key)]
    for key in refused:
        able = ", ".join(each for each in SearcherName if key in KEYS[each])
        section.refuse(key, f"{name} ranks by one metric alone, wanted a search by {able}")
    values = {key: value for key, value in section.values.items() if key not in refused}
    if "metrics" in refused:
        values = {"metric": "metric"} | values
    return Section(values, section.path, section.violations, section.spelled) if refused else section


def check_beside_objectives(section: Section, searcher: SearcherConfig) -> None:
    """Note what cannot stand beside several objectives, or constraints."""
    among = "metrics or outcome_constraints"
    if searcher.stop_once:
        section.refuse("stop_once", f"got true beside {among}: rungs that stop trials rank by one metric alone")
    if searcher.proposals:
        section.refuse("proposals", f"got '{searcher.proposals}' beside {among}: models learn from one metric alone")
    if searcher.blind:
        section.refuse("blind", f"got true beside {among}: wanted false")
