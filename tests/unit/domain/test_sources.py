"""Sources of configurations: how they are read and planned, and what is said of them."""

from typing import Any

import pytest

from rungway_server.domain.engine import Explanation, Proposal, Reason
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import to_document
from rungway_server.domain.explain import in_words
from rungway_server.domain.search.config import Sampler, SearcherName
from rungway_server.domain.search.sources import CODES, PARTS, Proposals
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.store.redis.layout.plan_codec import plan_from_json, plan_to_json
from rungway_server.store.redis.layout.schema import NUMBERS, SCHEMA, schema_of

SPACE = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}, "y": {"type": "int", "minval": 1, "maxval": 4}, "z": 3}


def planned(name: str = "async_halving", **searcher: Any) -> Planned:
    """A search of up to 27 epochs."""
    section = {"name": name, "metric": "loss", "max_length": {"epochs": 27}, "max_trials": 60, **searcher}
    section |= {"num_rungs": 3} if name in ("async_halving", "sync_halving") else {}
    section = {key: value for key, value in section.items() if value is not None}
    return plan_search({"hyperparameters": SPACE, "searcher": section})


@pytest.mark.parametrize(
    ("searcher", "sampler", "proposals"),
    [
        ({}, Sampler.RANDOM, None),
        ({"proposals": "random"}, Sampler.RANDOM, None),
        ({"proposals": "sobol"}, Sampler.SOBOL, None),
        ({"proposals": "sobol", "sampler": "sobol"}, Sampler.SOBOL, None),
        ({"proposals": "forest", "sampler": "sobol"}, Sampler.SOBOL, Proposals.FOREST),
        ({"proposals": "mixture"}, Sampler.RANDOM, Proposals.MIXTURE),
        ({"name": "auto"}, Sampler.RANDOM, Proposals.MIXTURE),
        ({"name": "auto", "proposals": "random"}, Sampler.RANDOM, None),
        ({"name": "auto", "sampler": "sobol"}, Sampler.SOBOL, None),
        ({"name": "auto", "outcome_constraints": ["memory <= 20"]}, Sampler.RANDOM, None),
    ],
)
def test_the_sampler_is_the_pure_source(
    searcher: dict[str, Any], sampler: Sampler, proposals: Proposals | None
) -> None:
    found = planned(**searcher).config.searcher
    assert (found.sampler, found.proposals) == (sampler, proposals)


@pytest.mark.parametrize(
    ("searcher", "error"),
    [
        ({"proposals": "random", "sampler": "sobol"}, "proposals: got 'random', but sampler is 'sobol': wanted one"),
        ({"proposals": "best"}, "proposals: got 'best', wanted one of random, sobol, kde, forest, mixture, external"),
        ({"name": "single", "max_trials": None, "proposals": "kde"}, "got 'kde', but one trial has no results"),
        ({"name": "grid", "proposals": "forest"}, "proposals: unknown key, wanted one of"),
        ({"name": "bohb", "max_trials": None, "proposals": "forest"}, "got 'forest', but bohb is hyperband with 'kde'"),
    ],
)
def test_what_contradicts_is_refused(searcher: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidInput, match=error):
        planned(**searcher)


def test_bohb_is_hyperband_with_densities() -> None:
    found = planned("bohb", max_trials=None)
    assert (found.config.searcher.name, found.config.searcher.proposals) == (SearcherName.HYPERBAND, Proposals.KDE)
    assert found.plan.brackets == planned("hyperband", max_trials=None).plan.brackets
    assert "searcher: bohb is hyperband with proposals: kde" in found.notes


@pytest.mark.parametrize("proposals", [each for each in Proposals if each not in ("random", "sobol")])
@pytest.mark.parametrize("name", ["async_halving", "auto", "random", "hyperband", "adaptive_asha"])
def test_a_search_with_sources_reads_back_as_it_was(name: str, proposals: str) -> None:
    found = planned(name, proposals=proposals, **({"max_trials": None} if name == "hyperband" else {}))
    again = plan_search(to_document(found.config))
    assert (again.config, again.plan) == (found.config, found.plan)
    assert plan_from_json(plan_to_json(found.plan)) == found.plan
    assert schema_of(found.config) == NUMBERS
    sources = found.plan.sources
    assert sources is not None
    assert (sum(sources.shares), sources.names[0]) == (PARTS, "sampler")
    assert set(sources.names) <= CODES.keys()


def test_the_first_shares_are_those_that_are_said() -> None:
    found = {each: planned(proposals=each).plan.sources for each in ("mixture", "forest", "kde", "external")}
    shares = {name: each.shares for name, each in found.items() if each}
    assert shares == {"mixture": (2048, 1365, 683), "forest": (819, 3277), "kde": (0, 4096), "external": (0, 4096)}
    assert {name: each.least for name, each in found.items() if each} == {
        **{"mixture": 8, "forest": 8},  # two are searched
        **{"kde": 3, "external": 0},
    }
    assert [each.learns for each in found.values() if each] == [True, False, False, False]


@pytest.mark.parametrize(
    ("searcher", "protects"),
    [
        ({}, True),
        ({"stop_once": True}, False),
        ({"name": "sync_halving"}, False),
        ({"name": "adaptive_asha"}, True),
        ({"name": "auto"}, True),
    ],
)
def test_only_rungs_that_promote_at_any_time_protect(searcher: dict[str, Any], protects: bool) -> None:
    sources = planned(proposals="mixture", **searcher).plan.sources
    assert sources is not None
    assert sources.protects is protects


def test_others_keep_their_layout_and_document() -> None:
    found = planned()
    assert schema_of(found.config) == SCHEMA
    assert "proposals" not in str(to_document(found.config))
    assert "sources" not in plan_to_json(found.plan)


@pytest.mark.parametrize(
    ("proposal", "said"),
    [
        (Proposal("forest", "forest", 812), "a new trial, proposed by forest from the results of revision 812"),
        (Proposal("sampler", "sampler"), "a new trial, drawn by sampler"),
        (Proposal("sampler", "local"), "a new trial, drawn by the sampler, for local had nothing ready"),
        (Proposal("external", "external"), "a new trial, proposed by external"),
    ],
)
def test_where_a_configuration_comes_from_is_said(proposal: Proposal, said: str) -> None:
    assert in_words(Explanation(Reason.NEW_TRIAL, proposal=proposal)) == said
