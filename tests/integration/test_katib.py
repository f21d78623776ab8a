"""`rungway katib` under a client that plays Katib's controllers: a whole experiment, in every kind of trouble."""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rungway_server.domain import engine
from rungway_server.domain.engine import Decision, Lease, Report, Result
from rungway_server.katib.experiment import ENDLESS, plan_ladder, read_experiment
from rungway_server.katib.log import Begin, Fate, Issue, Outcome, read_log
from rungway_server.katib.wire import api_pb2 as pb
from tests.model.reference import ReferenceModel
from tests.support.katib import Cluster, Service, Status, Values, curve, experiment
from tests.support.service import Service as Process


@contextmanager
def katib(folder: Path, *flags: str) -> Iterator[Process]:
    process = Process(folder, ("--listen", "127.0.0.1:0", *flags), verb="katib")
    try:
        assert process.address
        yield process
    finally:
        process.kill()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with katib(tmp_path_factory.mktemp("katib"), "--missing-after", "0.5", "--namespace", "here") as process:
        yield Service(process.address)


def ran(cluster: Cluster) -> list[tuple[str, dict[str, str]]]:
    """Every run of a cluster, in the order in which they were handed out."""
    return cluster.run().issued


def rungs(cluster: Cluster) -> Counter[int]:
    return Counter(int(values["epochs"]) for _, values in cluster.issued)


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        ("asha", {}),
        ("asha", {"brackets": "2"}),
        ("asha", {"num_rungs": "3", "random_state": "7"}),
        ("adaptive-asha", {"mode": "conservative", "max_rungs": "3"}),
        ("sync-halving", {}),
        ("adaptive", {"max_rungs": "3"}),
        ("rungway-hyperband", {"r_l": "9"}),
    ],
)
@pytest.mark.parametrize("parallel", [1, 4])
def test_an_experiment_has_exactly_its_runs(
    service: Service, algorithm: str, settings: dict[str, Any], parallel: int
) -> None:
    cluster = Cluster(experiment(algorithm, runs=48, parallel=parallel, **settings), service, curve).run()
    names = [name for name, _ in cluster.issued]
    assert len(set(names)) == len(names) == len(cluster.trials) == 48
    assert all(len(name) <= 63 for name in names)
    top = int(settings.get("r_l", 27))
    narrow = algorithm in ("asha", "sync-halving") and parallel > 1
    # Katib wants all slots filled: where a rung has fewer runs, new configurations take some from the rungs above.
    assert max(rungs(cluster)) >= (top // 3 if narrow else top), "none reached the top"
    for error in cluster.errors:
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "waits for the results" in error.details()


def test_without_a_limit_nothing_waits(service: Service) -> None:
    cluster = Cluster(experiment("adaptive-asha", runs=0, parallel=8), service, curve)
    cluster.run(lambda: len(cluster.ended) >= 150)
    assert cluster.errors == []
    assert any("-l1t" in name for name, _ in cluster.issued), "a second ladder"


def test_promoted_are_the_best(service: Service) -> None:
    cluster = Cluster(experiment("sync-halving", runs=13, parallel=3, longest=9), service, curve).run()
    lowest = [(float(curve("", values)), values["lr"]) for _, values in cluster.issued if values["epochs"] == "1"]
    promoted = {values["lr"] for _, values in cluster.issued if values["epochs"] == "3"}
    assert rungs(cluster) == {1: 9, 3: 3, 9: 1}
    assert promoted == {lr for _, lr in sorted(lowest)[:3]}


@pytest.mark.parametrize("algorithm", ["asha", "sync-halving"])
def test_dropped_replies_leave_no_trace(service: Service, algorithm: str) -> None:
    """A status update that fails throws a reply away: the same call comes again."""
    made = experiment(algorithm, runs=30)
    drops = iter([False, True, False, False, True] * 100)
    dropping = Cluster(made, service, curve)
    dropping.after_reply = lambda _: next(drops)
    dropping.run()
    names = [name for name, _ in dropping.issued]
    assert len(names) == len(set(names)) == 30
    assert dropping.issued[:3] == ran(Cluster(made, service, curve))[:3]


def test_a_dropped_reply_comes_again_unchanged(service: Service) -> None:
    cluster = Cluster(experiment(), service, curve)
    cluster.run(lambda: len(cluster.ended) == 10)
    cluster.end_next()
    cluster.reconcile_trials()
    request = cluster.request()
    assert request.current_request_number == 1
    assert service.suggest(request) == service.suggest(request)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["asha", "sync-halving"])
def test_a_kill_between_any_two_calls_changes_nothing(service: Service, tmp_path: Path, algorithm: str) -> None:
    made = experiment(algorithm, runs=8, parallel=4, longest=3)
    steady = Cluster(made, service, curve).run()
    number = iter(range(1000))
    killed = Cluster(made, service, curve)
    running: list[Process] = []

    def restart() -> None:
        for process in running:
            process.kill()
        folder = tmp_path / str(next(number))
        folder.mkdir()
        running[:] = [Process(folder, ("--listen", "127.0.0.1:0", "--namespace", "here"), verb="katib")]
        killed.service = Service(running[0].address)

    killed.before_call = restart
    try:
        killed.run()
    finally:
        for process in running:
            process.kill()
    assert next(number) == killed.calls > 3
    assert killed.issued == steady.issued
    assert killed.log == steady.log


@pytest.mark.parametrize("algorithm", ["asha", "sync-halving", "adaptive-asha"])
def test_fewer_and_more_at_a_time(service: Service, algorithm: str) -> None:
    """Fewer: Katib deletes the newest runs. They come again, under other names."""
    cluster = Cluster(experiment(algorithm, runs=40, parallel=6), service, curve)
    cluster.run(lambda: len(cluster.ended) == 8)
    before = set(cluster.trials)
    cluster.spec.parallel_trial_count = 2
    cluster.settle()
    deleted = before - set(cluster.trials)
    assert len(deleted) == 4
    cluster.run(lambda: len(cluster.ended) == 16)
    cluster.spec.parallel_trial_count = 7
    cluster.run()
    again = {name for name in cluster.trials if name.endswith("a2")}
    assert again == {f"{name}a2" for name in deleted}
    assert len(cluster.trials) == 40
    assert len(re.findall(r"(?<=;)\d+d(?=;)", cluster.log)) == 4
    assert "m;" not in cluster.log


def test_trials_of_others_do_not_count(service: Service) -> None:
    """Katib lists trials by the name of the experiment, whatever their namespace."""
    made = experiment(runs=20)
    foreign = []
    for number in range(10):
        trial = pb.Trial(name=f"demo-ffffff-t{number}r0")
        trial.status.condition = Status.SUCCEEDED
        trial.status.observation.metrics.add(name="loss", value="-1e6")
        foreign.append(trial)
    alone, among = Cluster(made, service, curve), Cluster(made, service, curve, foreign)
    assert ran(among) == ran(alone)
    assert among.log == alone.log


@pytest.mark.parametrize("algorithm", ["asha", "sync-halving"])
@pytest.mark.parametrize("odd", ["", "unavailable", "nan", "acc=0.9", "inf", "1_0", None])
def test_odd_metrics_rank_last_and_block_nothing(service: Service, algorithm: str, odd: str | None) -> None:
    """None: Katib never gets a metric (MetricsUnavailable), and leaves the trial out of its lists."""

    def train(name: str, values: Values) -> str | None:
        return odd if int(name.rpartition("t")[2].partition("r")[0]) % 3 == 0 else curve(name, values)

    cluster = Cluster(experiment(algorithm, runs=36, parallel=3, longest=9), service, train)
    cluster.run()
    assert len(cluster.trials) == 36
    assert max(rungs(cluster)) == 9
    fates = cluster.log.partition("|")[2]
    assert ("m;" if odd is None else "x;") in fates
    promoted = {name for name, values in cluster.issued if values["epochs"] != "1"}
    odd_ones = [name for name in promoted if int(name.rpartition("t")[2].partition("r")[0]) % 3 == 0]
    assert odd_ones == [] or algorithm == "sync-halving"


@pytest.mark.parametrize("condition", [Status.FAILED, Status.KILLED])
def test_failed_trials_count_as_failed_whatever_they_observed(
    service: Service, condition: Status.TrialConditionType.ValueType
) -> None:
    cluster = Cluster(experiment(runs=12), service, curve)
    cluster.settle()
    for trial in cluster.active:
        trial.condition, trial.observed, trial.completed = condition, "-5", 1.0
    cluster.settle()
    assert ";0x;1x;2x;" in cluster.log


def test_an_early_stopped_trial_counts_with_its_metric(service: Service) -> None:
    cluster = Cluster(experiment(runs=12), service, curve)
    cluster.settle()
    for trial in cluster.active:
        trial.condition, trial.observed, trial.completed = Status.EARLYSTOPPED, "0.25", 1.0
    cluster.settle()
    assert ";0=0.25;1=0.25;2=0.25;" in cluster.log


@pytest.mark.parametrize("algorithm", ["asha", "adaptive-asha", "sync-halving"])
def test_more_runs_after_success(service: Service, algorithm: str) -> None:
    cluster = Cluster(experiment(algorithm, runs=13, longest=9), service, curve).run()
    before = list(cluster.issued)
    cluster.spec.max_trial_count = 26
    cluster.run()
    assert cluster.issued[:13] == before
    assert len(cluster.trials) == 26
    assert rungs(cluster)[9] >= 2


def test_never_more_runs_than_the_experiment_has(service: Service) -> None:
    cluster = Cluster(experiment(runs=5), service, curve)
    cluster.settle()
    request = cluster.request()
    request.current_request_number, request.total_request_number = 3, 6
    with pytest.raises(grpc.RpcError, match="6 runs are asked for, maxTrialCount is 5") as caught:
        service.suggest(request)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "begins with 'nonsense'"),
        ("2:abcdef:1|", "has version 2, this is 1"),
        ("1:abcdef:1|g9.3;what", "has the event 'what'"),
        ("1:abcdef:1|g9.3;7=0.5", "not under way"),
        ("1:abcdef:1|g9.3;a3.0000", "another version wrote it"),
        ("1:abcdef:1|g9.3", "Katib has 3 runs of this experiment, its log 0"),
    ],
)
def test_a_log_that_cannot_be_replayed_is_refused(service: Service, text: str, why: str) -> None:
    cluster = Cluster(experiment(), service, curve)
    cluster.settle()
    cluster.suggestion.settings["rungway-log"] = text
    cluster.end_next()
    cluster.settle()
    error = cluster.errors[-1]
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert why in error.details()


def test_a_population_goes_on_from_files(tmp_path: Path) -> None:
    """Each run finds the files of the run before; a clone those of its parent."""
    root = tmp_path / "data"
    root.mkdir()
    made = experiment(
        "rungway-pbt", runs=20, parallel=5, longest=8, n_population="5", num_rounds="4", suggestion_trial_dir="/ckpt"
    )

    def train(name: str, values: Values) -> str:
        folder = root / "demo" / name
        (folder / name).write_text("weights")
        lineage = {path.name for path in folder.iterdir()}
        assert len(lineage) == int(values["epochs"]) // 2, "one run for each round so far"
        return curve(name, values)

    (tmp_path / "log").mkdir()
    with katib(tmp_path / "log", "--trial-dirs", str(root)) as process:
        cluster = Cluster(made, Service(process.address), train)
        left = iter([False] * 3)
        cluster.after_reply = lambda _: next(left, True)
        cluster.run()
    assert rungs(cluster) == {2: 5, 4: 5, 6: 5, 8: 5}
    clones = [name for name, _ in cluster.issued if int(name.rpartition("-t")[2].partition("r")[0]) >= 5]
    assert len(clones) >= 3


def test_without_a_volume_the_event_says_so(service: Service) -> None:
    cluster = Cluster(experiment(suggestion_trial_dir="/ckpt"), service, curve)
    cluster.settle()
    assert "resumePolicy: FromVolume" in cluster.errors[0].details()
    assert cluster.errors[0].code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("name", ["", "manager.v1beta1.Suggestion", "api.v1.beta1.Suggestion"])
def test_probes(service: Service, name: str) -> None:
    check: Callable[..., health_pb2.HealthCheckResponse] = health_pb2_grpc.HealthStub(service.channel).Check
    answer = check(health_pb2.HealthCheckRequest(service=name), timeout=60)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_early_stopping_has_no_rules(service: Service) -> None:
    reply = service.rules(pb.GetEarlyStoppingRulesRequest(experiment=experiment()))
    assert reply == pb.GetEarlyStoppingRulesReply()
    request = pb.ValidateEarlyStoppingSettingsRequest(early_stopping=pb.EarlyStoppingSpec(algorithm_name="asha"))
    with pytest.raises(grpc.RpcError, match="wanted none") as caught:
        service.validate_rules(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_without_a_store_validation_answers_and_suggestions_are_unavailable(tmp_path: Path) -> None:
    with katib(tmp_path, "--redis-server", "/nowhere/redis-server") as process:
        service = Service(process.address)
        service.validate(pb.ValidateAlgorithmSettingsRequest(experiment=experiment()))
        with pytest.raises(grpc.RpcError) as caught:
            service.validate(pb.ValidateAlgorithmSettingsRequest(experiment=experiment(divisor="0.5")))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        cluster = Cluster(experiment(), service, curve)
        cluster.settle()
    assert cluster.errors[0].code() is grpc.StatusCode.UNAVAILABLE


def test_it_ends_on_sigterm(tmp_path: Path) -> None:
    with katib(tmp_path) as process:
        cluster = Cluster(experiment(), Service(process.address), curve)
        cluster.settle()
        assert cluster.errors == []
        assert process.terminate() == 0


@pytest.mark.slow
def test_long_experiments_answer_quickly(tmp_path: Path) -> None:
    """`make katib` has 1,000 runs. The last calls replay the whole log, as after a restart."""
    runs = int(os.environ.get("KATIB_RUNS", "100"))
    with katib(tmp_path) as process:
        service = Service(process.address)
        cluster = Cluster(experiment("adaptive-asha", runs=runs, parallel=10), service, curve)
        cluster.run(lambda: len(cluster.ended) >= runs - 20)
        slowest = 0.0
        while not cluster.is_over:
            # What is kept of the last call is that of another experiment now.
            Cluster(experiment(name="other"), service, curve).settle()
            cluster.end_next()
            began = time.monotonic()
            cluster.settle()
            slowest = max(slowest, time.monotonic() - began)
    print(f"{runs} runs: the slowest of the last calls took {slowest:.2f} s, the log has {len(cluster.log)} bytes")
    assert len(cluster.trials) == runs
    assert len(cluster.log) < 100 * max(runs, 100)
    assert slowest < 60


@pytest.mark.parametrize("algorithm", ["asha", "adaptive-asha", "sync-halving", "rungway-hyperband"])
def test_decisions_are_those_of_the_model(service: Service, algorithm: str) -> None:
    """The rules in plain Python, given the same results, hand out the same runs of the first ladder."""

    def train(name: str, values: Values) -> str:
        return "" if int(name.rpartition("t")[2].partition("r")[0]) % 7 == 3 else curve(name, values)

    cluster = Cluster(experiment(algorithm, runs=60, parallel=4, longest=9), service, train).run()
    names = [name.rpartition("-")[2] if "-l" not in name else "" for name, _ in cluster.issued]
    assert played(cluster) == names


def played(cluster: Cluster) -> list[str]:
    """The runs of the first ladder by the reference model, in order; "" for one of another ladder."""
    search, log = read_experiment(cluster.experiment), read_log(cluster.log)
    first = log.events[0]
    assert isinstance(first, Begin)
    size = ENDLESS if search.endless else first.configurations
    plan = replace(plan_ladder(search, size, first.parallel, log.seed).plan, max_concurrent_trials=0)
    model = ReferenceModel(
        plan, lease_ms=60_000, max_restarts=5, smaller_is_better=True, first_fencing_token=1, hparams=lambda _: {}
    )
    runs: list[tuple[Lease, int, int] | None] = []
    ready: list[tuple[Lease, int, int]] = []
    for event in log.events:
        if isinstance(event, Issue):
            given, ready = ready[: event.runs], ready[event.runs :]
            while len(given) < event.runs:
                more = model.ask("", event.runs - len(given), "w", 1).assignments
                given += [(each.lease, each.bracket, each.next_decision_length) for each in more]
                if not more:
                    break
            runs += [*given, *[None] * (event.runs - len(given))]
        elif isinstance(event, Outcome) and (run := runs[event.run]):
            lease, bracket, length = run
            if event.fate is Fate.TOLD:
                [reply] = model.tell("", [Result(lease, (Report(length, event.metric),), "run")], 1).replies
                if reply.decision is Decision.CONTINUE:
                    ready.append((reply.lease, bracket, reply.next_decision_length))
            else:
                model.fail("", lease, engine.Outcome.ERROR, "failed", 1)
    lengths = [[rung.length for rung in bracket.rungs] for bracket in plan.brackets]
    return [f"t{run[0].trial}r{lengths[run[1]].index(run[2])}" if run else "" for run in runs]
