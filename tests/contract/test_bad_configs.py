"""Invalid configurations: creation and preview name every wrong field, and nothing is stored."""

from collections.abc import Mapping

import pytest
from redis import Redis

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1 import value_pb2
from rungway.values import to_map
from tests.contract.refused import INVALID, refused
from tests.support.calls import SECONDS, Calls, config, new_id, unique_name


@pytest.fixture(scope="session")
def calls(agreeing: Calls) -> Calls:
    """What is refused is refused alike over every transport."""
    return agreeing


RATE = {"type": "double", "minval": 0.0, "maxval": 1.0}


def searcher(**changes: object) -> dict[str, object]:
    """A valid document with these keys of the searcher replaced; None removes a key."""
    document = config("adaptive_asha", max_length={"epochs": 9}, max_trials=20)
    section = document["searcher"]
    assert isinstance(section, dict)
    section.update(changes)
    return document | {"searcher": {key: value for key, value in section.items() if value is not None}}


def space(parameter: object, name: str = "x") -> dict[str, object]:
    """A valid document with this hyperparameter added."""
    return config(space={name: parameter})


def top(**changes: object) -> dict[str, object]:
    """A valid document with these top-level keys replaced."""
    return config() | changes


nested: object = 1
for _ in range(18):
    nested = {"g": nested}

X = "hyperparameters.x"
CONFIGS: list[tuple[str, Mapping[str, object], tuple[str, ...]]] = [
    ("nothing", {}, ("searcher",)),
    ("unknown key", top(serch=1), ("serch",)),
    ("unknown key of the searcher", searcher(max_trails=3), ("searcher.max_trails",)),
    ("key of another searcher", searcher(num_rungs=3), ("searcher.num_rungs",)),
    ("unknown key of a parameter", space(RATE | {"bogus": 1}), (f"{X}.bogus",)),
    ("searcher is a text", top(searcher="random"), ("searcher",)),
    ("hyperparameters are a list", top(hyperparameters=[1]), ("hyperparameters",)),
    ("no searcher name", searcher(name=None), ("searcher.name",)),
    ("unknown searcher", searcher(name="bayes"), ("searcher.name",)),
    ("name is a number", searcher(name=3), ("searcher.name",)),
    ("metric missing", searcher(metric=None), ("searcher.metric",)),
    ("metric empty", searcher(metric=""), ("searcher.metric",)),
    ("metric is a number", searcher(metric=1.0), ("searcher.metric",)),
    ("no trials", searcher(max_trials=0), ("searcher.max_trials",)),
    ("negative trials", searcher(max_trials=-1), ("searcher.max_trials",)),
    ("trials missing", searcher(max_trials=None), ("searcher.max_trials",)),
    ("trials as a text", searcher(max_trials="20"), ("searcher.max_trials",)),
    ("trials as a fraction", searcher(max_trials=20.5), ("searcher.max_trials",)),
    ("trials as a truth value", searcher(max_trials=True), ("searcher.max_trials",)),
    ("far too many trials", searcher(max_trials=2**63 - 1), ("searcher.max_trials",)),
    ("no length", searcher(max_length=None), ("searcher.max_length",)),
    ("length 0", searcher(max_length=0), ("searcher.max_length",)),
    ("negative length", searcher(max_length={"epochs": -1}), ("searcher.max_length.epochs",)),
    ("length in two units", searcher(max_length={"epochs": 1, "batches": 1}), ("searcher.max_length",)),
    ("length in an unknown unit", searcher(max_length={"parsecs": 1}), ("searcher.max_length",)),
    ("negative concurrency", searcher(max_concurrent_trials=-1), ("searcher.max_concurrent_trials",)),
    ("divisor 1", searcher(divisor=1), ("searcher.divisor",)),
    ("divisor 0", searcher(divisor=0), ("searcher.divisor",)),
    ("divisor NaN", searcher(divisor=float("nan")), ("searcher.divisor",)),
    ("divisor infinite", searcher(divisor=float("inf")), ("searcher.divisor",)),
    ("negative divisor", searcher(divisor=-4), ("searcher.divisor",)),
    ("unknown mode", searcher(mode="reckless"), ("searcher.mode",)),
    ("no rungs", searcher(max_rungs=0), ("searcher.max_rungs",)),
    ("bracket of no rungs", searcher(bracket_rungs=[0]), ("searcher.bracket_rungs",)),
    ("more brackets than trials", searcher(bracket_rungs=[1] * 30), ("searcher.bracket_rungs",)),
    ("min_length above max_length", searcher(min_length=10), ("searcher.min_length",)),
    ("direction as a text", searcher(smaller_is_better="no"), ("searcher.smaller_is_better",)),
    ("minval equals maxval", space({"type": "double", "minval": 1.0, "maxval": 1.0}), (f"{X}.minval",)),
    ("minval above maxval", space({"type": "double", "minval": 2.0, "maxval": 1.0}), (f"{X}.minval",)),
    ("empty range of integers", space({"type": "int", "minval": 3, "maxval": 3}), (f"{X}.minval",)),
    ("integers as fractions", space({"type": "int", "minval": 0.5, "maxval": 1.5}), (f"{X}.minval", f"{X}.maxval")),
    ("bounds without a type", space({"min": 1, "max": 5}), (X,)),
    ("a misspelt type", space({"tpye": "int", "minval": 1, "maxval": 5}), (f"{X}.tpye",)),
    ("a bare list", space([16, 32]), (X,)),
    ("bounds missing", space({"type": "int"}), (f"{X}.minval", f"{X}.maxval")),
    ("bound NaN", space(RATE | {"minval": float("nan")}), (f"{X}.minval",)),
    ("bound infinite", space(RATE | {"maxval": float("inf")}), (f"{X}.maxval",)),
    ("range too wide for a number", space(RATE | {"minval": -1.7e308, "maxval": 1.7e308}), (f"{X}.maxval",)),
    ("log of base 0", space({"type": "log", "base": 0, "minval": -3, "maxval": -1}), (f"{X}.base",)),
    ("log of a negative base", space({"type": "log", "base": -2.0, "minval": -3, "maxval": -1}), (f"{X}.base",)),
    ("log of base 1", space({"type": "log", "base": 1, "minval": -3, "maxval": -1}), (f"{X}.base",)),
    ("log without a base", space({"type": "log", "minval": -3, "maxval": -1}), (f"{X}.base",)),
    ("log that overflows", space({"type": "log", "base": 10, "minval": 1, "maxval": 400}), (f"{X}.maxval",)),
    ("no categories", space({"type": "categorical", "vals": []}), (f"{X}.vals",)),
    ("categories as a text", space({"type": "categorical", "vals": "abc"}), (f"{X}.vals",)),
    ("category NaN", space({"type": "categorical", "vals": [1, float("nan")]}), (f"{X}.vals[1]",)),
    ("constant infinite", space(float("inf")), (X,)),
    ("unknown type", space({"type": "beta"}), (f"{X}.type",)),
    ("no curve", space({"type": "normal"}), (f"{X}.mu", f"{X}.sigma")),
    ("sigma 0", space({"type": "lognormal", "mu": 0, "sigma": 0}), (f"{X}.sigma",)),
    ("weights of other values", space({"type": "categorical", "vals": [1, 2], "weights": [1]}), (f"{X}.weights",)),
    ("type is a number", space({"type": 1}), (f"{X}.type",)),
    ("count 0", space(RATE | {"count": 0}), (f"{X}.count",)),
    ("no name", space(RATE, name=""), ("hyperparameters.",)),
    ("negative seed", top(seed=-1), ("seed",)),
    ("seed as a text", top(seed="1"), ("seed",)),
    ("negative restarts", top(max_restarts=-1), ("max_restarts",)),
    ("lease of no time", top(lease_seconds=0), ("lease_seconds",)),
    ("negative lease", top(lease_seconds=-5.0), ("lease_seconds",)),
    ("lease NaN", top(lease_seconds=float("nan")), ("lease_seconds",)),
    ("lease of a year", top(lease_seconds=3.2e7), ("lease_seconds",)),
    (
        "several at once",
        searcher(max_trials=0, metric=None, bogus=1) | {"seed": -1},
        ("searcher.bogus", "searcher.metric", "searcher.max_trials", "seed"),
    ),
]


@pytest.mark.parametrize(("document", "fields"), [pytest.param(*row[1:], id=row[0]) for row in CONFIGS])
def test_a_wrong_configuration(
    document: Mapping[str, object], fields: tuple[str, ...], calls: Calls, store: Redis
) -> None:
    message = to_map(document)
    create = pb.CreateExperimentRequest(experiment=unique_name(), request_id=new_id(), config=message)
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(create, timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FIELD")
    assert sorted(refusal.fields) == sorted(fields)
    assert all(refusal.violations.values())
    preview = pb.PreviewSearchRequest(config=message)
    assert refused(store, lambda: calls.experiments.PreviewSearch(preview, timeout=SECONDS)) == refusal


def test_a_configuration_nested_too_deep(calls: Calls, store: Redis) -> None:
    request = pb.CreateExperimentRequest(experiment=unique_name(), config=to_map(space(nested)))
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert refusal.code == INVALID
    assert refusal.fields[0].startswith("hyperparameters.x.g.g.g")


def test_a_configuration_nested_deeper_than_clients_send(calls: Calls, store: Redis) -> None:
    value = value_pb2.Value(int_value=1)
    for _ in range(24):
        value = value_pb2.Value(list_value=value_pb2.ListValue(items=[value]))
    request = pb.CreateExperimentRequest(experiment=unique_name(), config=value_pb2.MapValue(entries={"x": value}))
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert refusal.code == INVALID
    assert refusal.fields[0].startswith("x[0][0]")


def test_very_many_violations_with_long_names_fit_into_an_answer(calls: Calls, store: Redis) -> None:
    bad = {f"{'ü' * 250}{n}": {"type": "log"} for n in range(100)}
    request = pb.CreateExperimentRequest(experiment=unique_name(), config=to_map(config(space=bad)))
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert refusal.code == INVALID
    assert refusal.fields[0].startswith("hyperparameters.üü")
    assert "more violations are not listed" in refusal.violations[refusal.fields[-1]]


def test_names_of_parameters_may_be_anything(calls: Calls) -> None:
    experiment, names = unique_name(), ["{x}", "a:b", "../", "ä", "🎲", "type name", "x" * 256, "0"]
    calls.create(experiment, config(space=dict.fromkeys(names, RATE)))
    assert set(calls.assignment(experiment).hparams.entries) == set(names)


def test_a_parameter_with_a_name_of_10_kilobytes(calls: Calls, store: Redis) -> None:
    request = pb.PreviewSearchRequest(config=to_map(space(RATE, name="n" * 10_000)))
    assert refused(store, lambda: calls.experiments.PreviewSearch(request, timeout=SECONDS)).code == INVALID
