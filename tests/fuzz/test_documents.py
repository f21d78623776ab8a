"""A configuration is refused with its fields, or its search works to the end, however odd it is."""

import math
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1.trial_pb2 import OUTCOME_INVALID, Assignment, Report, Result
from rungway.values import InvalidValue, to_map
from tests.fuzz.caller import METHODS, Caller
from tests.fuzz.corpus import CORPUS, line_for_corpus
from tests.fuzz.documents import GOOD, disturbed_documents
from tests.fuzz.extent import tried
from tests.fuzz.strange import FLOATS
from tests.support.calls import Calls, Refusal

METRICS = st.sampled_from(FLOATS) | st.floats()
NAME = "odd"


@tried
@given(document=GOOD)
def test_the_documents_to_disturb_are_good(document: dict[str, Any], caller: Caller) -> None:
    assert sent(caller, "PreviewSearch", experiment_pb.PreviewSearchRequest(config=to_map(document))) is None


@tried
@given(document=disturbed_documents(), metrics=st.lists(METRICS, min_size=6, max_size=6))
def test_odd_configurations(document: dict[str, Any], metrics: list[float], caller: Caller) -> None:
    try:
        refused_or_searched(document, metrics, caller)
    except Exception as error:
        error.add_note(line_for_corpus(document))
        raise


@pytest.mark.parametrize("example", CORPUS, ids=lambda example: example["found"])
def test_configurations_that_were_once_answered_wrongly(example: dict[str, Any], caller: Caller) -> None:
    refused_or_searched(example["config"], [0.5, math.nan, math.inf, -math.inf, 0.0, 1e308], caller)


def refused_or_searched(document: dict[str, Any], metrics: list[float], caller: Caller) -> None:
    try:
        config = to_map(document)
    except InvalidValue:  # not even a client sends it
        return
    previewed = sent(caller, "PreviewSearch", experiment_pb.PreviewSearchRequest(config=config))
    made = sent(caller, "CreateExperiment", experiment_pb.CreateExperimentRequest(experiment=NAME, config=config))
    assert (previewed is None) == (made is None), (previewed, made)
    if made is None:
        try:
            _search(caller, metrics)
        finally:
            sent(caller, "DeleteExperiment", experiment_pb.DeleteExperimentRequest(experiment=NAME))
    else:
        assert made.fields


def sent(caller: Caller, rpc: str, request: Message) -> Refusal | None:
    assert rpc in METHODS
    return caller.call(rpc, request)


def _search(caller: Caller, metrics: list[float]) -> None:
    """Everything that is done with a search, all of it answered."""
    calls = Calls(caller.channel)
    assignments = list(calls.ask(NAME, 3).assignments)
    assert assignments, "nothing to do in a new search"
    caller.look()
    for assignment, metric in zip(assignments, metrics, strict=False):
        reports = [Report(length=length, metric=metric) for length in _lengths(assignment)]
        result = Result(lease=assignment.lease, reports=reports)
        assert sent(caller, "Tell", search_pb.TellRequest(experiment=NAME, results=[result])) is None
    more = calls.ask(NAME, 2).assignments
    caller.look()
    for assignment in more:
        request = search_pb.FailRequest(experiment=NAME, lease=assignment.lease, outcome=OUTCOME_INVALID, message="{}")
        assert sent(caller, "Fail", request) is None
    own = experiment_pb.EnqueueTrialRequest(experiment=NAME, hparams=assignments[0].hparams)
    queued = sent(caller, "EnqueueTrial", own)
    assert queued is None or queued.reason in ("NO_TRIALS_LEFT", "POINT_USED", "WRONG_STATE"), queued
    for rpc in ("GetExperiment", "ListTrials", "BestTrials", "GetTrial", "ExplainTrial", "WatchEvents"):
        kind = getattr(experiment_pb, f"{rpc}Request")
        assert sent(caller, rpc, kind(experiment=NAME)) is None
    sent(caller, "UpdateExperiment", experiment_pb.UpdateExperimentRequest(experiment=NAME, max_trials=50))
    assert sent(caller, "ListExperiments", experiment_pb.ListExperimentsRequest()) is None
    best = calls.experiments.BestTrials(experiment_pb.BestTrialsRequest(experiment=NAME)).trials
    assert not best or not math.isnan(best[0].best_metric) or all(map(math.isnan, metrics[: len(assignments)]))


def _lengths(assignment: Assignment) -> list[int]:
    """One length on the way, and where it ends."""
    return sorted({assignment.from_length + 1, assignment.to_length})
