"""Several objectives and constraints on outcomes: how they are read, refused, and made into what results rank by."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.engine import Explanation, Further, Reason, Report
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import to_document
from rungway_server.domain.explain import in_words
from rungway_server.domain.search.fronts import in_fronts
from rungway_server.domain.search.objectives import At, Goal, Objective, OutcomeConstraint
from rungway_server.domain.search.vectors import Missing, Vector, vector_of
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.store.redis.layout.plan_codec import plan_from_json, plan_to_json
from rungway_server.store.redis.layout.schema import NUMBERS, OBJECTIVES, schema_of
from tests.model.objectives import Outcome, ranked

METRICS = [{"name": "error", "goal": "minimize"}, {"name": "speed", "goal": "maximize", "at": "final"}]


def planned(name: str = "async_halving", **searcher: Any) -> Planned:
    """A search with two objectives."""
    section = {"name": name, "metrics": METRICS, "max_length": {"epochs": 9}, "max_trials": 20, **searcher}
    if name == "async_halving":
        section |= {"num_rungs": 3, "divisor": 3}
    return plan_search({"searcher": {key: value for key, value in section.items() if value is not None}})


def refusals(name: str = "async_halving", **searcher: Any) -> dict[str, str]:
    """What is wrong with such a search, by field."""
    with pytest.raises(InvalidInput) as refused:
        planned(name, **searcher)
    return {each.field: each.description for each in refused.value.violations}


@pytest.mark.parametrize("name", ["async_halving", "adaptive_asha", "auto", "random"])
def test_they_are_read_and_written_back(name: str) -> None:
    found = planned(name, outcome_constraints=["memory <= 20", " peak heat>=-1e3"])
    searcher = found.config.searcher
    assert searcher.objectives == (Objective("error"), Objective("speed", Goal.MAXIMIZE, At.FINAL))
    assert searcher.outcome_constraints == (
        OutcomeConstraint("memory", True, 20.0),
        OutcomeConstraint("peak heat", False, -1000.0),
    )
    assert (searcher.metric, searcher.smaller_is_better) == ("error", True)
    assert (found.plan.objectives, found.plan.finals) == (2, True)
    assert plan_search(to_document(found.config)).config == found.config
    assert plan_from_json(plan_to_json(found.plan)) == found.plan
    assert schema_of(found.config) == (NUMBERS if name == "auto" else OBJECTIVES)


def test_constraints_may_stand_beside_one_metric() -> None:
    found = planned(metrics=None, metric="acc", smaller_is_better=False, outcome_constraints=["memory <= 20"])
    assert (found.plan.objectives, found.plan.finals) == (1, False)
    assert plan_search(to_document(found.config)).config == found.config
    assert vector_of(found.config.searcher, Report(1, 0.5, Further({"memory": 30.0})), final=True) == Vector(
        0.5, (-0.5,)
    )


@pytest.mark.parametrize(
    ("searcher", "field", "said"),
    [
        ({"metrics": METRICS[:1]}, "searcher.metrics", "wanted a list of 2 to 4 metrics"),
        ({"metrics": [METRICS[0], "x"]}, "searcher.metrics[1]", "got 'x'"),
        ({"metrics": [METRICS[0], {"name": "b"}]}, "searcher.metrics[1].goal", "missing, wanted minimize or maximize"),
        ({"metrics": [METRICS[0], METRICS[0]]}, "searcher.metrics[1].name", "a second time"),
        ({"metrics": METRICS[::-1]}, "searcher.metrics[0].at", "got 'final'"),
        ({"metrics": [METRICS[0], METRICS[1] | {"goal": "min"}]}, "searcher.metrics[1].goal", "got 'min'"),
        ({"metric": "loss"}, "searcher.metric", "the first of metrics is 'error'"),
        ({"smaller_is_better": False}, "searcher.smaller_is_better", "which is to be minimized"),
        ({"target_metric": 0.1}, "searcher.target_metric", "given together with metrics"),
        ({"stop_once": True}, "searcher.stop_once", "rank by one metric alone"),
        ({"proposals": "mixture"}, "searcher.proposals", "models learn from one metric alone"),
        ({"outcome_constraints": ["memory < 20"]}, "searcher.outcome_constraints[0]", "like 'latency <= 20'"),
        ({"outcome_constraints": ["memory <= inf"]}, "searcher.outcome_constraints[0]", "a finite number"),
        ({"outcome_constraints": []}, "searcher.outcome_constraints", "a list of 1 to 8 texts"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(searcher: dict[str, Any], field: str, said: str) -> None:
    assert said in refusals(**searcher)[field]


@pytest.mark.parametrize("name", ["single", "grid", "sync_halving", "hyperband", "adaptive", "pbt"])
def test_other_searchers_refuse_them_by_name(name: str) -> None:
    found = refusals(name, max_trials=None, outcome_constraints=["memory <= 20"])
    for field in ("searcher.metrics", "searcher.outcome_constraints"):
        assert found[field].startswith(f"{name} ranks by one metric alone, wanted a search by random, async_halving")


def test_a_report_ranks_by_what_counts_at_its_rung() -> None:
    searcher = planned(outcome_constraints=["memory <= 20", "heat >= 0"]).config.searcher
    report = Report(1, 0.25, Further({"memory": 25.0, "heat": -0.5}))
    assert vector_of(searcher, report, final=False) == Vector(0.25 + 0.5, (0.25, 0.0))
    with pytest.raises(Missing, match="speed"):
        vector_of(searcher, report, final=True)
    with pytest.raises(Missing, match="memory"):
        vector_of(searcher, Report(1, 0.25), final=False)
    lost = Report(1, math.nan, Further({"memory": 1.0, "heat": 1.0}))
    assert vector_of(searcher, lost, final=False) == Vector(math.inf, (0.0, 0.0))


VECTORS = st.integers(1, 4).flatmap(
    lambda objectives: st.lists(
        st.builds(
            Vector,
            st.sampled_from([0.0, 0.0, 0.5, math.inf]),
            st.tuples(*[st.sampled_from([0.0, 0.25, 1.0, 1e308, -1e308, 5e-324])] * objectives),
        ),
        max_size=12,
    )
)


@given(vectors=VECTORS, net=st.integers(0, 12), most=st.integers(0, 12))
def test_fronts_are_those_of_the_definition(vectors: list[Vector], net: int, most: int) -> None:
    found = [tuple(each) for each in in_fronts(vectors, net)]
    assert found == ranked([Outcome(each.violation, each.values) for each in vectors], net)
    assert [tuple(each) for each in in_fronts(vectors, net, most)] == found[:most]


def test_a_decision_says_its_front() -> None:
    why = Explanation(Reason.OUTRANKED, rank=5, rung=1, rung_size=9, quota=3, front=2)
    assert in_words(why) == "waits: front 2, rank 5 of 9 at rung 1, the best 3 go on"
