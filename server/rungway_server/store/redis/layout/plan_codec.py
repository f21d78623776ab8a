"""Plans as JSON: one form for Python to read back, one for Lua with what its decisions need beside the plan."""

import json
from dataclasses import fields, replace
from itertools import accumulate
from typing import Any

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.ranking import sort_key
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.sources import CODES, Sources

_LEAST_INVALID = 100
_INVALID_PER_TRIAL = 10
"""A search ends when it had this many invalid configurations, and this many per trial: then the cause is not the
configurations, and replacing them would never end."""
LATER_FIELDS = ("entries", "go_on", "blind", "budget", "budget_ms", "sources", "objectives", "finals", "cost_aware")
"""Fields that only plans of searches of the layouts from `schema.ENTRIES` on have."""


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON text; `plan_from_json` reads it back equal."""
    return json.dumps(
        {
            "brackets": [
                {
                    "rungs": [[rung.length, rung.size, rung.slots, rung.clones] for rung in bracket.rungs],
                    "max_trials": bracket.max_trials,
                    "max_concurrent_trials": bracket.max_concurrent_trials,
                }
                for bracket in plan.brackets
            ],
            "rule": plan.rule,
            "form": plan.form,
            "divisor": plan.divisor,
            "max_concurrent_trials": plan.max_concurrent_trials,
            "unit": plan.unit,
            **_later(plan),
        }
    )


def told_apart_by(plan: Plan) -> str:
    """What tells two plans of one configuration apart, as JSON text. No rule that came later: a request to create
    a search may be repeated at a server of a later version."""
    return plan_to_json(replace(plan, sources=plan.sources and replace(plan.sources, bounded=False)))


def _later(plan: Plan) -> dict[str, Any]:
    """What only plans of later layouts have, by the names of the fields."""
    return {name: _plain(value) for name in LATER_FIELDS if (value := getattr(plan, name))}


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    if isinstance(value, Sources):
        value = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        if not value["bounded"]:  # as in plans from before it
            del value["bounded"]
    return list(value) if isinstance(value, tuple) else value


def plan_from_json(text: str | bytes) -> Plan:
    """The plan that `plan_to_json` wrote."""
    found: dict[str, Any] = json.loads(text)
    later = {name: _later_value(name, found[name]) for name in LATER_FIELDS if name in found}
    brackets = tuple(
        Bracket(
            rungs=tuple(Rung(*rung) for rung in bracket["rungs"]),
            max_trials=bracket["max_trials"],
            max_concurrent_trials=bracket["max_concurrent_trials"],
        )
        for bracket in found["brackets"]
    )
    return Plan(
        brackets=brackets,
        rule=PromotionRule(found["rule"]),
        form=DecisionForm(found["form"]),
        divisor=found["divisor"],
        max_concurrent_trials=found["max_concurrent_trials"],
        unit=found["unit"],
        **later,
    )


def _later_value(name: str, value: Any) -> Any:
    if name == "sources":
        names, shares = tuple(value["names"]), tuple(value["shares"])
        return Sources(names, shares, value["least"], value["learns"], value["protects"], value.get("bounded", False))
    return tuple(value) if isinstance(value, list) else value


def plan_for_lua(
    plan: Plan, config: ExperimentConfig, *, pause_after: int, window_ms: int, window_count: int, most_events: int
) -> str:
    """The plan as the scripts use it, with what the configuration says: numbers of the whole, and those of brackets and
    rungs as lists. `pause_after` is not taken from the configuration: plans of layout 5 have 0.

    `first` is the position of a bracket's lowest rung in the lists of all rungs, counted from 1 as Lua does; `trials`
    says how many start in a bracket, `most` how many with clones; `blind` is the seed of the draws; `target` is the key
    of the target ("" for none), `keep_ms` how long it is kept after its end (0 = without a limit).
    """
    target, smaller = config.searcher.target_metric, config.searcher.smaller_is_better
    rungs, later = [rung for bracket in plan.brackets for rung in bracket.rungs], _later(plan)
    counts = [len(bracket.rungs) for bracket in plan.brackets]
    return json.dumps(
        {
            "plan": {
                "rule": plan.rule,
                "form": plan.form,
                "divisor": plan.divisor,
                "cap": plan.max_concurrent_trials,
                "lease_ms": round(config.lease_seconds * 1000),
                "max_restarts": config.max_restarts,
                "pause_after": pause_after,
                "window_ms": window_ms,
                "window_count": window_count,
                "target": "" if target is None else sort_key(target, smaller).hex(),
                "keep_ms": round(config.retention_days * 86_400_000),
                "most_events": most_events,
                "most_invalid": max(_LEAST_INVALID, _INVALID_PER_TRIAL * plan.max_trials),
                # each tell looks at it
                **({"cost_aware": later.pop("cost_aware")} if plan.cost_aware else {}),
            },
            "ladder": {
                "first": list(accumulate(counts[:-1], initial=1)),
                "rungs": counts,
                "trials": [bracket.new_trials for bracket in plan.brackets],
                "most": [bracket.max_trials for bracket in plan.brackets],
                "share": [bracket.max_concurrent_trials for bracket in plan.brackets],
                "lengths": [rung.length for rung in rungs],
                "planned": [rung.size for rung in rungs],
                "passes": [rung.slots for rung in rungs],
                "clones": [rung.clones for rung in rungs],
                **later,
                **({"blind": str(config.seed)} if plan.blind else {}),
                **({"sources": _sources_for_lua(plan.sources)} if plan.sources else {}),
            },
        }
    )


def _sources_for_lua(sources: Sources) -> dict[str, Any]:
    """The sources by their numbers."""
    named: dict[str, Any] = _plain(sources)
    named["codes"] = [CODES[name] for name in named.pop("names")]
    return named
