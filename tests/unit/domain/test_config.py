"""Reading whole configurations: defaults, Determined's own files, and every kind of mistake."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import ExperimentConfig, parse, to_document
from rungway_server.domain.search.config import Sampler, SearcherConfig, SearcherName
from rungway_server.domain.search.ladder import Mode
from rungway_server.domain.space.space import Space
from tests.reference.tables import Case, cases
from tests.unit.domain.test_space import spaces

NO_SPACE = "hyperparameters: none, so all trials are alike"
RANDOM = {"name": "random", "metric": "loss", "max_trials": 5}
ADAPTIVE = {"name": "adaptive_asha", "metric": "loss", "max_trials": 100, "max_length": {"epochs": 64}}


def searcher(section: dict[str, Any]) -> SearcherConfig:
    return parse({"searcher": section})[0].searcher


def notes(document: dict[str, Any]) -> list[str]:
    return [note for note in parse({"hyperparameters": {"x": 1}, **document})[1]]


def accepted(section: dict[str, Any]) -> bool:
    try:
        parse({"searcher": section})
    except InvalidInput:
        return False
    return True


@pytest.mark.parametrize("case", cases("config_cases.json", schema="searcher", startable=...))
def test_what_may_start_is_accepted_and_nothing_else(case: Case) -> None:
    # Where the original is lenient about something meaningless, Rungway refuses.
    assert accepted(case["config"]) == (case["startable"] and "lenient" not in case)


@pytest.mark.parametrize("case", cases("config_cases.json", schema="length"))
def test_lengths(case: Case) -> None:
    assert accepted({**RANDOM, "max_length": case["config"]}) == case["sane_positive"]


DEFAULTED = [
    *cases("config_cases.json", schema="searcher", expect_defaulted=...),
    *cases("config_cases.json", schema="searcher", expect_defaulted_subset=...),
]


@pytest.mark.parametrize("case", DEFAULTED)
def test_defaults(case: Case) -> None:
    section = case["config"]
    if section["name"] not in ("single", "random") and "max_length" not in section:
        section = {**section, "max_length": 1000}  # compulsory here, and its own default nowhere
    expect = case.get("expect_defaulted") or case["expect_defaulted_subset"]
    document = to_document(parse({"searcher": section})[0])["searcher"]
    assert isinstance(document, dict)
    kept = {key: value for key, value in expect.items() if value is not None and not key.startswith("source_")}
    assert {key: document.get(key) for key in kept} == kept


@pytest.mark.parametrize(
    "section",
    [
        {"name": "adaptive_asha", "metric": "loss", "max_trials": 100, "max_length": {"epochs": 5}},
        {"name": "async_halving", "metric": "loss", "max_trials": 100, "num_rungs": 3, "max_length": {"epochs": 5}},
    ],
)
def test_old_lengths_may_start(section: dict[str, Any]) -> None:
    assert (searcher(section).max_length, searcher(section).unit) == (5, "epochs")


def test_the_least_there_can_be() -> None:
    config, said = parse({"searcher": {"name": "single", "metric": "loss"}})
    assert config == ExperimentConfig(
        Space(), SearcherConfig(name=SearcherName.SINGLE, metric="loss", max_concurrent_trials=1), seed=0
    )
    assert (config.max_restarts, config.lease_seconds, config.name, config.description) == (5, 60.0, "", "")
    assert said == (NO_SPACE,)
    assert config.searcher.to_completion
    assert config.searcher.full_length == 1


def test_everything_given() -> None:
    document = {
        "name": "digits",
        "description": "a search",
        "hyperparameters": {"lr": {"type": "log", "base": 10, "minval": -5, "maxval": -1}},
        "constraints": [],
        "searcher": {
            "name": "adaptive_asha",
            "metric": "accuracy",
            "smaller_is_better": False,
            "max_trials": 50,
            "max_length": 100,
            "unit": "rounds",
            "max_concurrent_trials": 0,
            "sampler": "sobol",
            "divisor": 2.5,
            "min_length": 3,
            "stop_once": True,
            "mode": "conservative",
            "max_rungs": 4,
            "bracket_rungs": [2, 1],
        },
        "seed": 7,
        "max_restarts": 0,
        "pause_after_failures": 3,
        "lease_seconds": 1.5,
        "retention_days": 30,
    }
    config, said = parse(document)
    assert said == ()
    assert config.searcher == SearcherConfig(
        name=SearcherName.ADAPTIVE_ASHA,
        metric="accuracy",
        smaller_is_better=False,
        max_trials=50,
        max_length=100,
        unit="rounds",
        max_concurrent_trials=0,
        sampler=Sampler.SOBOL,
        divisor=2.5,
        min_length=3,
        stop_once=True,
        mode=Mode.CONSERVATIVE,
        max_rungs=4,
        bracket_rungs=(2, 1),
    )
    assert (config.seed, config.max_restarts, config.lease_seconds) == (7, 0, 1.5)
    assert (config.name, config.description) == ("digits", "a search")
    written = to_document(config)
    assert written.pop("hyperparameters") == {"lr": {"type": "log", "base": 10.0, "minval": -5.0, "maxval": -1.0}}
    assert written == {key: value for key, value in document.items() if key != "hyperparameters"}


def test_a_determined_file_is_accepted_as_it_is() -> None:
    document = {
        "name": "mnist_pytorch_adaptive_search",
        "description": None,
        "hyperparameters": {
            "learning_rate": {"type": "log", "minval": -5.0, "maxval": 1.0, "base": 10.0},
            "n_filters1": {"type": "int", "minval": 8, "maxval": 64},
            "dropout1": {"type": "double", "minval": 0.2, "maxval": 0.8},
            "batch_size": {"type": "categorical", "vals": [32, 64]},
            "global_batch_size": 64,
        },
        "searcher": {
            "name": "adaptive_asha",
            "metric": "validation_loss",
            "smaller_is_better": True,
            "max_trials": 500,
            "max_time": 1024,
            "time_metric": "epochs",
            "source_trial_id": None,
        },
        "entrypoint": "python3 train.py",
        "records_per_epoch": 50_000,
        "min_validation_period": {"epochs": 1},
        "resources": {"slots_per_trial": 1},
        "environment": {"image": "some/image"},
        "checkpoint_policy": "best",
        "checkpoint_storage": None,
        "data": {"url": "https://example.com"},
        "labels": ["a", "b"],
        "profiling": {"enabled": False},
        "workspace": "w",
        "project": "p",
        "reproducibility": {"experiment_seed": 42},
        "max_restarts": 3,
    }
    config, said = parse(document)
    assert (config.seed, config.max_restarts, config.name) == (42, 3, "mnist_pytorch_adaptive_search")
    assert (config.searcher.max_length, config.searcher.unit) == (1024, "epochs")
    assert said == (
        "ignored, they mean nothing here: checkpoint_policy, checkpoint_storage, data, entrypoint, environment, labels,"
        " min_validation_period, profiling, project, records_per_epoch, resources, workspace",
        "labels are given beside a configuration: `rungway create --label NAME=VALUE`",
    )


@pytest.mark.parametrize(
    ("keys", "length", "unit"),
    [
        ({"max_length": {"batches": 7}}, 7, "batches"),
        ({"max_length": {"seconds": 7}}, 7, "seconds"),
        ({"max_length": {"epochs": 7}, "unit": "epochs"}, 7, "epochs"),
        ({"max_length": 7}, 7, ""),
        ({"max_length": 7, "unit": "rounds"}, 7, "rounds"),
        ({"max_time": 7, "time_metric": "steps"}, 7, "steps"),
        ({"max_time": 7, "time_metric": "steps", "max_length": {"epochs": 9}}, 7, "steps"),
        ({"max_time": 7, "max_length": {"epochs": 9}}, 9, "epochs"),
        ({"time_metric": "steps", "max_length": {"epochs": 9}}, 9, "epochs"),
        ({"max_length": 10**12}, 10**12, ""),
    ],
)
def test_forms_of_a_length(keys: dict[str, Any], length: int, unit: str) -> None:
    for section in (RANDOM, {**ADAPTIVE, "max_length": None}):
        found = searcher({**section, **keys})
        assert (found.max_length, found.unit) == (length, unit)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"searcher": RANDOM}, []),
        ({"searcher": RANDOM, "hyperparameters": None}, [NO_SPACE]),
        ({"searcher": RANDOM, "hyperparameters": {}}, [NO_SPACE]),
        (
            {"searcher": {**ADAPTIVE, "max_time": 8, "time_metric": "epochs"}},
            ["searcher: max_length ignored, max_time and time_metric are used"],
        ),
        (
            {"searcher": {**ADAPTIVE, "max_time": 8}},
            ["searcher: max_time ignored without time_metric, max_length is used"],
        ),
        (
            {"searcher": {**RANDOM, "source_trial_id": 15, "source_checkpoint_uuid": None}},
            ["searcher: source_trial_id ignored, trials start without another trial's checkpoint"],
        ),
    ],
)
def test_notes(document: dict[str, Any], said: list[str]) -> None:
    assert notes(document) == said


@pytest.mark.parametrize(
    "seeds",
    [
        {"seed": 9},
        {"searcher": {**RANDOM, "seed": 9}},
        {"reproducibility": {"experiment_seed": 9}},
        {"seed": 9, "searcher": {**RANDOM, "seed": 9}, "reproducibility": {"experiment_seed": 9}},
        {"seed": 9, "reproducibility": {"experiment_seed": None}},
    ],
)
def test_where_the_seed_may_be(seeds: dict[str, Any]) -> None:
    assert parse({"searcher": RANDOM, **seeds})[0].seed == 9


lengths = st.integers(1, 10**12)
units = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
several = {
    "metric": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
    "smaller_is_better": st.booleans(),
    "max_trials": st.integers(1, 10_000_000),
    "max_concurrent_trials": st.integers(0, 100),
}
halving = {
    **several,
    "max_length": lengths,
    "unit": units,
    "divisor": st.floats(1.5, 1000) | st.integers(2, 9),
    "stop_once": st.booleans(),
}
sync = {**several, "max_length": lengths, "unit": units, "divisor": st.floats(1.5, 1000) | st.integers(2, 9)}
sections = st.one_of(
    st.fixed_dictionaries({"name": st.just("single"), "metric": several["metric"]}, optional={"max_length": lengths}),
    st.fixed_dictionaries({"name": st.just("random"), **several}),
    st.fixed_dictionaries({"name": st.just("async_halving"), **halving, "num_rungs": st.integers(1, 9)}),
    st.fixed_dictionaries({"name": st.just("async_halving"), **halving, "min_length": st.just(1)}),
    st.fixed_dictionaries({"name": st.just("sync_halving"), **sync, "num_rungs": st.integers(1, 9)}),
    st.fixed_dictionaries({"name": st.just("sync_halving"), **sync, "min_length": st.just(1)}),
    st.fixed_dictionaries({"name": st.just("adaptive"), **sync, "max_rungs": st.integers(1, 9)}),
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["sync_halving", "adaptive"]),
            "metric": several["metric"],
            "max_length": st.integers(1, 1000),
            "budget": st.integers(10**5, 10**6),
            "min_length": st.just(1),
        }
    ),
    st.fixed_dictionaries(
        {"name": st.just("hyperband"), "metric": several["metric"], "max_length": st.integers(1, 10**5)},
        optional={"divisor": st.integers(2, 9), "sampler": st.sampled_from(["random", "sobol"])},
    ),
    st.fixed_dictionaries(
        {
            "name": st.just("adaptive_asha"),
            **halving,
            "mode": st.sampled_from(["aggressive", "standard", "conservative"]),
            "max_rungs": st.integers(1, 9),
        }
    ),
)


@given(spaces, sections, st.integers(0, 2**63 - 1), st.floats(0.1, 86_400))
def test_documents_read_back_as_the_same_configuration(
    space: dict[str, Any], section: dict[str, Any], seed: int, lease_seconds: float
) -> None:
    document = {"hyperparameters": space, "searcher": section, "seed": seed, "lease_seconds": lease_seconds}
    config, _ = parse(document)
    written = to_document(config)
    assert parse(json.loads(json.dumps(written)))[0] == config
    assert {key: written["searcher"][key] for key in section} == section  # type: ignore[index]


keys = st.sampled_from(["name", "metric", "max_trials", "max_length", "divisor", "searcher", "seed", "bracket_rungs"])
values = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["random", "loss", "adaptive_asha"])
anything = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner), max_leaves=6)


@given(st.dictionaries(keys, anything))
def test_nothing_breaks_the_parser(document: dict[str, Any]) -> None:
    for attempt in (document, {"searcher": document}):
        try:
            config, _ = parse(attempt)
        except InvalidInput:
            continue
        assert parse(to_document(config))[0] == config
