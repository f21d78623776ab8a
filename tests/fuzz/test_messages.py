"""No message, however odd, is answered UNKNOWN or INTERNAL, hangs, or changes anything when it is refused."""

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from rungway.v1 import experiment_pb2
from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1.trial_pb2 import OUTCOME_ERROR, Lease, Report, Result
from rungway.v1.value_pb2 import MapValue
from rungway.values import to_map
from tests.contract.every_rpc import RPCS
from tests.fuzz.caller import METHODS, Caller
from tests.fuzz.extent import tried
from tests.fuzz.strange import NAMES, class_of, disturbed, messages
from tests.support.calls import Calls, config

KNOWN = "known"
CONFIG = config("adaptive_asha", max_length={"epochs": 9}, max_trials=1_000, divisor=3)


@pytest.fixture
def lease(caller: Caller) -> Lease:
    """A lease of a search that runs."""
    return living(caller)


def living(caller: Caller) -> Lease:
    """Makes sure that the search KNOWN is running, even after a test ended it. Returns one of its leases."""
    calls = Calls(caller.channel)
    state = None
    if caller.call("GetExperiment", experiment_pb.GetExperimentRequest(experiment=KNOWN)) is None:
        known = calls.experiments.GetExperiment(experiment_pb.GetExperimentRequest(experiment=KNOWN))
        state = known.experiment.state
    if state != experiment_pb2.EXPERIMENT_STATE_RUNNING:
        if state is not None:
            calls.experiments.DeleteExperiment(experiment_pb.DeleteExperimentRequest(experiment=KNOWN))
        calls.create(KNOWN, CONFIG)
    found = calls.ask(KNOWN).assignments
    caller.look()
    return found[0].lease if found else Lease(trial=0, fence=1)


def good(rpc: str, lease: Lease) -> Message:
    """A request that the service takes."""
    result = Result(lease=lease, reports=[Report(length=1, metric=0.5)], checkpoint="s3://here")
    match rpc:
        case "Tell":
            return search_pb.TellRequest(experiment=KNOWN, request_id="again", results=[result])
        case "Heartbeat":
            return search_pb.HeartbeatRequest(experiment=KNOWN, leases=[lease])
        case "Release":
            release = search_pb.Release(lease=lease, checkpoint="s3://here", checkpoint_length=0)
            return search_pb.ReleaseRequest(experiment=KNOWN, releases=[release])
        case "Fail":
            return search_pb.FailRequest(experiment=KNOWN, lease=lease, outcome=OUTCOME_ERROR, message="out of memory")
        case "CreateExperiment":
            return experiment_pb.CreateExperimentRequest(
                experiment="other", config=to_map(CONFIG), warm_start_from=KNOWN, warm_start_count=3
            )
    (request,) = (request for name, request in RPCS.items() if name.endswith(f"/{rpc}"))
    copy = type(request)()
    copy.CopyFrom(request)
    if "experiment" in copy.DESCRIPTOR.fields_by_name:
        copy.experiment = KNOWN  # type: ignore[attr-defined]  # just looked
    return copy


WITH_FIELDS = [name for name, method in METHODS.items() if method.input_type.fields]


@pytest.mark.parametrize("rpc", METHODS)
def test_any_message(rpc: str, caller: Caller) -> None:
    @tried
    @given(request=messages(class_of(METHODS[rpc].input_type)))
    def run(request: Message) -> None:
        caller.call(rpc, request)

    run()


@pytest.mark.parametrize("rpc", WITH_FIELDS)
def test_good_messages_with_something_strange_in_them(rpc: str, caller: Caller) -> None:
    @tried
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        caller.call(rpc, data.draw(disturbed(good(rpc, living(caller)))))

    run()


@pytest.mark.parametrize("rpc", WITH_FIELDS)
def test_bytes_that_are_not_a_message(rpc: str, caller: Caller) -> None:
    bad_utf8, cut_off, deep = b"\x0a\x02\xff\xfe", b"\x0a\x05ab", b"\x1a\x80\x08" * 300
    surrogate = b"\x0a\x03\xed\xa0\x80"
    for data in (b"\xff\xff\xff", cut_off, b"\x00" * 100, bytes(range(256))):
        refusal = caller.call(rpc, data)
        assert refusal is not None
        assert refusal.reason == "UNREADABLE_REQUEST"
        assert refusal.fields == ("request",)
    for data in (b"", bad_utf8, surrogate, deep, b"\xf8\x7f\x01" * 50, b"\x0b" * 200):
        caller.call(rpc, data)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names(name: str, caller: Caller, lease: Lease) -> None:
    """The same text wherever a text goes, in requests that are good otherwise."""
    for rpc in METHODS:
        request = good(rpc, lease)
        for field in request.DESCRIPTOR.fields:
            if field.cpp_type == field.CPPTYPE_STRING and not field.is_repeated and rpc != "WatchEvents":
                odd = type(request)()
                odd.CopyFrom(request)
                setattr(odd, field.name, name)
                caller.call(rpc, odd)
    living(caller)


def test_messages_as_large_as_they_may_be(caller: Caller, lease: Lease) -> None:
    """A million bytes of one thing after another: the most results, reports, leases, values and unknown fields."""
    report, half = Report(length=1, metric=0.5), 500_000
    reports = [Report(length=length, metric=length) for length in range(1, 4_097)]
    results = [Result(lease=Lease(trial=trial, fence=1), reports=reports[:300]) for trial in range(256)]
    requests: tuple[tuple[str, Message | bytes], ...] = (
        ("Tell", search_pb.TellRequest(experiment=KNOWN, results=[Result(lease=lease, reports=reports)])),
        ("Tell", search_pb.TellRequest(experiment=KNOWN, results=[Result(lease=lease, reports=[report] * 50_000)])),
        ("Tell", search_pb.TellRequest(experiment=KNOWN, results=results)),
        ("Tell", search_pb.TellRequest(experiment=KNOWN, results=[Result()] * (half - 100))),
        ("Heartbeat", search_pb.HeartbeatRequest(experiment=KNOWN, leases=[Lease()] * (half - 100))),
        ("Release", search_pb.ReleaseRequest(experiment=KNOWN, releases=[search_pb.Release()] * (half - 100))),
        ("GetTrial", b"\x0a\x05known" + b"\x98\x06\x01" * 300_000),  # unknown fields
        ("Ask", b"\x0a\x05known" * 140_000),  # one field, again and again
        ("EnqueueTrial", enqueue({f"unknown{i}": 1 for i in range(40_000)})),
        ("EnqueueTrial", enqueue({"x" * 900_000: 1})),
        ("AddProposals", experiment_pb.AddProposalsRequest(experiment=KNOWN, proposals=[MapValue()] * (half - 100))),
        ("EnqueueTrial", enqueue({"rate": [None] * 400_000})),
        ("GetExperiment", experiment_pb.GetExperimentRequest(experiment="e" * 1_000_000)),
        ("ListTrials", experiment_pb.ListTrialsRequest(experiment=KNOWN, page_token="9" * 1_000_000)),
        ("ListExperiments", experiment_pb.ListExperimentsRequest(page_token="1/" + "9" * 1_000_000)),
        ("WatchEvents", experiment_pb.WatchEventsRequest(experiment=KNOWN, after_event_id="9" * 1_000_000)),
        ("Fail", search_pb.FailRequest(experiment=KNOWN, lease=lease, outcome=OUTCOME_ERROR, message="\0" * 1_000_000)),
    )
    for rpc, request in requests:
        caller.call(rpc, request)
        print(f"{rpc}: {caller.last:.2f} s")


def enqueue(hparams: dict[str, object]) -> experiment_pb.EnqueueTrialRequest:
    return experiment_pb.EnqueueTrialRequest(experiment=KNOWN, hparams=to_map(hparams))
