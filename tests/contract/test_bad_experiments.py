"""Bad input to the calls about experiments: the status, the reason, the field, and nothing changed."""

from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from redis import Redis

from rungway.v1 import experiment_pb2, value_pb2
from rungway.v1 import experiment_service_pb2 as pb
from rungway.values import to_map
from tests.contract.refused import INVALID, NOT_FOUND, UNLAWFUL_NAMES, refused
from tests.support.calls import SECONDS, SPACE, Calls, config, new_id, unique_name
from tests.support.snapshot import differences, snapshot

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
RATE = {"type": "double", "minval": 0.0, "maxval": 1.0}


def searcher(**changes: object) -> dict[str, object]:
    """A good document but for keys of the searcher; None takes a key away."""
    document = config("adaptive_asha", max_length={"epochs": 9}, max_trials=20)
    section = document["searcher"]
    assert isinstance(section, dict)
    section.update(changes)
    return document | {"searcher": {key: value for key, value in section.items() if value is not None}}


def space(parameter: object, name: str = "x") -> dict[str, object]:
    """A good document but for one parameter."""
    return config(space={name: parameter})


def top(**changes: object) -> dict[str, object]:
    """A good document but for keys of the outermost mapping."""
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
    ("unknown key of a parameter", space(RATE | {"step": 1}), (f"{X}.step",)),
    ("searcher is a text", top(searcher="random"), ("searcher",)),
    ("hyperparameters are a list", top(hyperparameters=[1]), ("hyperparameters",)),
    ("no searcher name", searcher(name=None), ("searcher.name",)),
    ("unknown searcher", searcher(name="bayes"), ("searcher.name",)),
    ("searcher not there yet", searcher(name="hyperband"), ("searcher.name",)),
    ("name is a number", searcher(name=3), ("searcher.name",)),
    ("metric missing", searcher(metric=None), ("searcher.metric",)),
    ("metric empty", searcher(metric=""), ("searcher.metric",)),
    ("metric is a number", searcher(metric=1.0), ("searcher.metric",)),
    ("no trials", searcher(max_trials=0), ("searcher.max_trials",)),
    ("negative trials", searcher(max_trials=-1), ("searcher.max_trials",)),
    ("trials missing", searcher(max_trials=None), ("searcher.max_trials",)),
    ("trials as a text", searcher(max_trials="20"), ("searcher.max_trials",)),
    ("trials as a float", searcher(max_trials=20.0), ("searcher.max_trials",)),
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
    ("integer bounds as floats", space({"type": "int", "minval": 0.0, "maxval": 1.0}), (f"{X}.minval", f"{X}.maxval")),
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
    ("unknown type", space({"type": "normal"}), (f"{X}.type",)),
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


# Calls that name an experiment.

NAMED = {
    "CreateExperiment": pb.CreateExperimentRequest,
    "GetExperiment": pb.GetExperimentRequest,
    "PauseExperiment": pb.PauseExperimentRequest,
    "ResumeExperiment": pb.ResumeExperimentRequest,
    "StopExperiment": pb.StopExperimentRequest,
    "DeleteExperiment": pb.DeleteExperimentRequest,
    "ListTrials": pb.ListTrialsRequest,
    "GetTrial": pb.GetTrialRequest,
    "BestTrials": pb.BestTrialsRequest,
}
UNIMPLEMENTED = {
    "EnqueueTrial": pb.EnqueueTrialRequest,
    "ExplainTrial": pb.ExplainTrialRequest,
    "WatchEvents": pb.WatchEventsRequest,
}


def call(calls: Calls, rpc: str, request: Message) -> Any:
    return getattr(calls.experiments, rpc)(request, timeout=SECONDS)


def test_the_tables_of_this_folder_know_every_rpc() -> None:
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["ExperimentService"].methods}
    assert methods == NAMED.keys() | UNIMPLEMENTED.keys() | {"ListExperiments", "PreviewSearch"}


@pytest.mark.parametrize("name", UNLAWFUL_NAMES, ids=lambda name: repr(name[:20]))
@pytest.mark.parametrize("rpc", NAMED)
def test_an_unlawful_name(rpc: str, name: str, calls: Calls, store: Redis) -> None:
    request = NAMED[rpc](experiment=name)
    if isinstance(request, pb.CreateExperimentRequest):
        request.config.CopyFrom(to_map(config()))
    refusal = refused(store, lambda: call(calls, rpc, request))
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "INVALID_FIELD", ("experiment",))


@pytest.mark.parametrize("rpc", sorted(NAMED.keys() - {"CreateExperiment"}))
def test_an_unknown_experiment(rpc: str, calls: Calls, store: Redis) -> None:
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment="nobody")))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "EXPERIMENT_NOT_FOUND")
    assert refusal.metadata == {"experiment": "nobody"}


@pytest.mark.parametrize("rpc", sorted(NAMED.keys() - {"CreateExperiment"}))
def test_a_deleted_experiment_is_unknown(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    calls.assignment(experiment)
    call(calls, "DeleteExperiment", pb.DeleteExperimentRequest(experiment=experiment))
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment=experiment)))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "EXPERIMENT_NOT_FOUND")


@pytest.mark.parametrize("rpc", UNIMPLEMENTED)
def test_what_is_not_implemented_says_so(rpc: str, calls: Calls, store: Redis) -> None:

    def answer() -> None:
        found = call(calls, rpc, UNIMPLEMENTED[rpc](experiment="e"))
        if rpc == "WatchEvents":
            next(found)

    refusal = refused(store, answer)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")
    assert refusal.metadata == {"rpc": rpc}


def test_a_second_create_of_the_same_name(calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config(), request_id=new_id())
    for request_id in ("", new_id()):
        request = pb.CreateExperimentRequest(experiment=experiment, request_id=request_id, config=to_map(config()))
        refusal = refused(store, lambda request=request: call(calls, "CreateExperiment", request))  # type: ignore[misc]  # a default argument
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EXPERIMENT_EXISTS")
        assert refusal.metadata == {"experiment": experiment}


def test_a_create_repeated_with_its_id_is_the_same_experiment(calls: Calls, store: Redis) -> None:
    request = pb.CreateExperimentRequest(experiment=unique_name(), request_id=new_id(), config=to_map(config()))
    first = call(calls, "CreateExperiment", request)
    before = snapshot(store)
    assert call(calls, "CreateExperiment", request) == first
    assert differences(before, snapshot(store)) == []


def test_a_create_with_an_id_used_for_another_body(calls: Calls, store: Redis) -> None:
    experiment, request_id = unique_name(), new_id()
    calls.create(experiment, config(), request_id)
    request = pb.CreateExperimentRequest(
        experiment=experiment, request_id=request_id, config=to_map(config(max_trials=5))
    )
    refusal = refused(store, lambda: call(calls, "CreateExperiment", request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert refusal.metadata == {"request_id": request_id}


def test_a_create_with_a_long_id(calls: Calls, store: Redis) -> None:
    request = pb.CreateExperimentRequest(experiment=unique_name(), request_id="r" * 65, config=to_map(config()))
    assert refused(store, lambda: call(calls, "CreateExperiment", request)).fields == ("request_id",)


# Numbers and pages.


@pytest.fixture(scope="module")
def five(calls: Calls) -> str:
    """An experiment of five trials, all handed out."""
    experiment = unique_name("five")
    calls.create(experiment, config(max_trials=5))
    assert len(calls.ask(experiment, 5).assignments) == 5
    return experiment


@pytest.mark.parametrize("number", [-1, 5, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_trial_that_is_not_there(number: int, five: str, calls: Calls, store: Redis) -> None:
    request = pb.GetTrialRequest(experiment=five, trial=number)
    refusal = refused(store, lambda: call(calls, "GetTrial", request))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "TRIAL_NOT_FOUND")
    assert refusal.metadata == {"experiment": five, "trial": str(number)}


@pytest.mark.parametrize("count", [-1, 1001, 2**31 - 1])
def test_best_trials_with_a_wrong_count(count: int, five: str, calls: Calls, store: Redis) -> None:
    request = pb.BestTrialsRequest(experiment=five, count=count)
    refusal = refused(store, lambda: call(calls, "BestTrials", request))
    assert (refusal.code, refusal.fields) == (INVALID, ("count",))


TOKENS = ["x", "-1", "1.5", "٣", "1e3", " 1", "9" * 100, "{x}", "0x1", "../"]


@pytest.mark.parametrize("token", [*TOKENS, "1/e"])
def test_a_page_of_trials_with_a_wrong_token(token: str, five: str, calls: Calls, store: Redis) -> None:
    request = pb.ListTrialsRequest(experiment=five, page_token=token)
    refusal = refused(store, lambda: call(calls, "ListTrials", request))
    assert (refusal.code, refusal.fields) == (INVALID, ("page_token",))


@pytest.mark.parametrize("token", [*TOKENS, "1", "/e", "-1/e", "inf/e", "(1/e", "٣/e", "9" * 20 + "/e"])
def test_a_page_of_experiments_with_a_wrong_token(token: str, calls: Calls, store: Redis) -> None:
    refusal = refused(store, lambda: call(calls, "ListExperiments", pb.ListExperimentsRequest(page_token=token)))
    assert (refusal.code, refusal.fields) == (INVALID, ("page_token",))


@pytest.mark.parametrize("rpc", ["ListTrials", "ListExperiments"])
def test_a_page_of_negative_size(rpc: str, five: str, calls: Calls, store: Redis) -> None:
    request = (
        pb.ListTrialsRequest(experiment=five, page_size=-1)
        if rpc == "ListTrials"
        else pb.ListExperimentsRequest(page_size=-1)
    )
    assert refused(store, lambda: call(calls, rpc, request)).fields == ("page_size",)


@pytest.mark.parametrize(
    ("size", "pages"), [(0, [5]), (1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5]), (2**31 - 1, [5])]
)
def test_pages_of_trials(size: int, pages: list[int], five: str, calls: Calls) -> None:
    found: list[list[int]] = []
    token = ""
    while not found or token:
        request = pb.ListTrialsRequest(experiment=five, page_size=size, page_token=token)
        answer = calls.experiments.ListTrials(request, timeout=SECONDS)
        found.append([trial.trial for trial in answer.trials])
        token = answer.next_page_token
    assert [len(page) for page in found] == pages
    assert [number for page in found for number in page] == list(range(5))


def test_a_page_beyond_the_end_is_empty(five: str, calls: Calls) -> None:
    answer = calls.experiments.ListTrials(pb.ListTrialsRequest(experiment=five, page_token="500"), timeout=SECONDS)
    assert (len(answer.trials), answer.next_page_token) == (0, "")


# States.

CHANGES = {"PauseExperiment": "paused", "ResumeExperiment": "running", "StopExperiment": "stopped"}


@pytest.mark.parametrize("rpc", CHANGES)
def test_a_search_that_is_done_cannot_change(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config("single"))
    calls.tell(experiment, calls.assignment(experiment).lease, (1, 0.5))
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment=experiment)))
    assert (refusal.code, refusal.reason) == (PRECONDITION, "WRONG_STATE")
    assert refusal.metadata == {"experiment": experiment, "state": "done"}


@pytest.mark.parametrize("rpc", ["PauseExperiment", "ResumeExperiment"])
def test_a_stopped_search_cannot_go_on(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    call(calls, "StopExperiment", pb.StopExperimentRequest(experiment=experiment))
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment=experiment)))
    assert (refusal.code, refusal.reason) == (PRECONDITION, "WRONG_STATE")
    assert refusal.metadata == {"experiment": experiment, "state": "stopped"}


@pytest.mark.parametrize("rpc", CHANGES)
def test_a_change_of_state_repeated_changes_nothing_more(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    first = call(calls, rpc, NAMED[rpc](experiment=experiment)).experiment
    assert experiment_pb2.ExperimentState.Name(first.state).endswith(CHANGES[rpc].upper())
    before = snapshot(store)
    assert call(calls, rpc, NAMED[rpc](experiment=experiment)).experiment == first
    assert differences(before, snapshot(store)) == []


def test_the_space_is_given_back_as_it_was_sent(calls: Calls) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    request = pb.GetExperimentRequest(experiment=experiment)
    stored = calls.experiments.GetExperiment(request, timeout=SECONDS).experiment.config.entries["hyperparameters"]
    assert stored.map_value == to_map(SPACE)
