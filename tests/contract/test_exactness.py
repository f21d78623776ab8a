"""Numbers come back unchanged from wire, Lua, Redis and JSON."""

import math
import struct

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rungway.v1 import experiment_pb2
from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.search_service_pb2 import TellRequest
from rungway.v1.trial_pb2 import Report, Result
from rungway.values import from_map, to_map
from tests.support.calls import SECONDS, Calls, config, refusal_of, unique_name

QUICK = settings(
    max_examples=settings().max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CURVES = st.lists(st.floats(), min_size=1, max_size=40)


def bits(number: float) -> bytes:
    """The bits of a number; all NaNs count as the same."""
    return b"nan" if math.isnan(number) else struct.pack("<d", number)


@QUICK
@given(metrics=CURVES)
def test_every_metric_told_comes_back(metrics: list[float], calls: Calls) -> None:
    experiment = unique_name("exact")
    calls.create(experiment, config("single", max_length={"epochs": len(metrics)}))
    lease = calls.assignment(experiment).lease
    calls.tell(experiment, lease, *enumerate(metrics, start=1))
    trial = calls.trial(experiment, 0)
    assert [report.length for report in trial.curve] == list(range(1, len(metrics) + 1))
    assert [bits(report.metric) for report in trial.curve] == [bits(metric) for metric in metrics]
    assert bits(trial.metric) == bits(metrics[-1])
    best = calls.experiments.BestTrials(pb.BestTrialsRequest(experiment=experiment), timeout=SECONDS).trials
    real = [metric for metric in metrics if not math.isnan(metric)]
    if not real:
        assert not trial.HasField("best_metric")
        assert not best
    else:
        first = real.index(min(real))
        assert bits(trial.best_metric) == bits(real[first])
        assert trial.best_length == [i for i, m in enumerate(metrics, start=1) if not math.isnan(m)][first]
        assert [bits(found.best_metric) for found in best] == [bits(real[first])]


@QUICK
@given(metrics=st.lists(st.floats(allow_nan=False), min_size=2, max_size=12), smaller=st.booleans())
def test_the_best_are_ordered_by_value_and_then_number(metrics: list[float], smaller: bool, calls: Calls) -> None:
    experiment = unique_name("order")
    calls.create(experiment, config(max_trials=len(metrics), smaller_is_better=smaller))
    for assignment in calls.ask(experiment, len(metrics)).assignments:
        calls.tell(experiment, assignment.lease, (1, metrics[assignment.lease.trial]))
    request = pb.BestTrialsRequest(experiment=experiment, count=1000)
    found = [trial.trial for trial in calls.experiments.BestTrials(request, timeout=SECONDS).trials]
    assert found == sorted(range(len(metrics)), key=lambda n: (metrics[n] if smaller else -metrics[n], n))


@QUICK
@given(
    metrics=st.lists(st.tuples(st.floats(), st.floats(), st.booleans()), min_size=2, max_size=12),
    smaller=st.booleans(),
)
def test_the_best_by_last_and_final_result(
    metrics: list[tuple[float, float, bool]], smaller: bool, calls: Calls
) -> None:
    """Each trial tells a first and a last result, and may end by itself there; those that do not are still training."""
    experiment = unique_name("order")
    calls.create(experiment, config(max_trials=len(metrics), max_length={"epochs": 9}, smaller_is_better=smaller))
    for assignment in calls.ask(experiment, len(metrics)).assignments:
        first, last, finished = metrics[assignment.lease.trial]
        reports = [Report(length=1, metric=first), Report(length=2, metric=last)]
        result = Result(lease=assignment.lease, reports=reports, finished=finished)
        calls.search.Tell(TellRequest(experiment=experiment, results=[result]), timeout=SECONDS)

    def ranked(by: pb.BestBy.ValueType, count: int = 1000) -> list[int]:
        request = pb.BestTrialsRequest(experiment=experiment, count=count, by=by)
        answer = calls.experiments.BestTrials(request, timeout=SECONDS)
        assert answer.by == by
        return [trial.trial for trial in answer.trials]

    real = [n for n, (_, last, _) in enumerate(metrics) if not math.isnan(last)]
    by_last = sorted(real, key=lambda n: (metrics[n][1] if smaller else -metrics[n][1], n))
    assert ranked(pb.BEST_BY_LAST) == by_last
    assert ranked(pb.BEST_BY_LAST, 1) == by_last[:1]
    assert ranked(pb.BEST_BY_FINAL) == [n for n in by_last if metrics[n][2]]


def test_more_trials_than_are_read_at_once(calls: Calls) -> None:
    experiment = unique_name("many")
    calls.create(experiment, config(max_trials=250, max_concurrent_trials=0, max_length={"epochs": 9}))
    while given := calls.ask(experiment, 64).assignments:
        for each in given:
            calls.tell(experiment, each.lease, (1, 0.0), (2, float(each.lease.trial * 37 % 250)))
        if given[-1].lease.trial == 249:
            break
    request = pb.BestTrialsRequest(experiment=experiment, count=300, by=pb.BEST_BY_LAST)
    found = calls.experiments.BestTrials(request, timeout=SECONDS).trials
    assert [trial.metric for trial in found] == [float(n) for n in range(250)]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name != "type"  # a group cannot have a member of this name
)


@QUICK
@given(values=st.dictionaries(NAMES, VALUES))
def test_constants_of_a_space_come_back(values: dict[str, object], calls: Calls) -> None:
    experiment = unique_name("const")
    space = {name: {"type": "const", "val": value} for name, value in values.items()}
    categories = {"type": "categorical", "vals": [list(values.values())]}
    calls.create(experiment, config(space={"values": space, "all": categories}))
    expected = {"values": values, "all": list(values.values())}
    assert exactly(from_map(calls.assignment(experiment).hparams)) == exactly(expected)
    assert exactly(from_map(calls.trial(experiment, 0).hparams)) == exactly(expected)


def exactly(value: object) -> object:
    """A value in which 1, 1.0 and True, and 0.0 and -0.0, differ."""
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exactly(item) for item in value]
    return type(value).__name__, repr(value)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**53 + 1, -(2**53) - 1, 10**15 + 1])
def test_whole_numbers_of_64_bits(number: int, calls: Calls) -> None:
    experiment = unique_name("int64")
    space: dict[str, object] = {
        "bare": number,
        "const": {"type": "const", "val": number},
        "choice": {"type": "categorical", "vals": [number]},
        "int": {"type": "int", "minval": min(number, number - 1, key=abs), "maxval": number},
    }
    if number > 0:
        space["int"] = {"type": "int", "minval": number - 1, "maxval": number}
    else:
        space["int"] = {"type": "int", "minval": number, "maxval": number + 1}
    calls.create(experiment, config(space=space))
    drawn = from_map(calls.assignment(experiment).hparams)
    assert [drawn[name] for name in ("bare", "const", "choice")] == [number] * 3
    assert drawn["int"] in {number - 1, number, number + 1}
    assert isinstance(drawn["int"], int)


def test_long_lengths(calls: Calls) -> None:
    experiment, longest = unique_name(), 10**12
    calls.create(experiment, config("single", max_length={"records": longest}))
    assignment = calls.assignment(experiment)
    assert assignment.to_length == longest
    calls.tell(experiment, assignment.lease, (longest - 1, 0.5), (longest, 0.25))
    trial = calls.trial(experiment, 0)
    assert [report.length for report in trial.curve] == [longest - 1, longest]
    assert (trial.length, trial.best_length) == (longest, longest)


@pytest.mark.parametrize("trials", [101, 300])
def test_a_trained_length_of_more_digits_than_lua_writes(trials: int, calls: Calls) -> None:
    experiment, longest = unique_name("long"), 10**12
    calls.create(experiment, config(max_trials=trials, max_length={"records": longest}, max_concurrent_trials=0))
    told = 0
    while told < trials:
        for assignment in calls.ask(experiment, 64).assignments:
            calls.tell(experiment, assignment.lease, (longest - 7, 0.5))
            told += 1
    request = pb.GetExperimentRequest(experiment=experiment)
    found = calls.experiments.GetExperiment(request, timeout=SECONDS).experiment.trained_length
    assert found == trials * (longest - 7) > 10**14


def test_the_largest_totals_come_back_and_larger_ones_are_refused(calls: Calls) -> None:
    def previewed(length: int) -> experiment_pb2.Preview:
        document = to_map(config(max_trials=10**7, max_length={"records": length}))
        return calls.experiments.PreviewSearch(pb.PreviewSearchRequest(config=document), timeout=SECONDS).preview

    preview = previewed(10**11)
    assert (preview.total_length, preview.random_search_length) == (10**18, 10**18)
    for length in (10**11 + 1, 922_337_203_685, 10**12):
        with pytest.raises(grpc.RpcError) as refused:
            previewed(length)
        assert refusal_of(refused.value).fields == ("searcher.max_length",)


def test_texts_come_back(calls: Calls) -> None:
    experiment = unique_name()
    checkpoint = "s3://bücket/{x}:../🎲\n\x00" + "c" * 4000
    calls.create(experiment, config("single", max_length={"epochs": 2}))
    assignment = calls.ask(experiment, worker="42@höst\x00").assignments[0]
    calls.tell(experiment, assignment.lease, (1, 0.5), checkpoint=checkpoint)
    trial = calls.trial(experiment, 0)
    assert (trial.worker, trial.checkpoint, trial.checkpoint_length) == ("42@höst\x00", checkpoint, 1)
