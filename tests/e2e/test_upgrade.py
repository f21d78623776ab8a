"""Servers of two versions on one Redis: they work side by side, or the older one refuses clearly."""

import io
import os
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from rungway.v1 import experiment_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as experiments_pb
from rungway.v1 import search_service_pb2 as pb
from rungway.v1.trial_pb2 import Report, Result
from rungway_server.store.redis.layout.schema import FURTHER_METRICS, LATER_KINDS, NEWEST, OLDEST, SCHEMA
from tests.contract.every_rpc import STREAMS
from tests.support.calls import SECONDS, Calls, calls_to, config, new_id, refusal_of, unique_name
from tests.support.service import Service, service_by, services

ROOT = Path(__file__).resolve().parents[2]
LUA = "server/rungway_server/store/redis/lua"
NEWER = """
from rungway_server.store.redis.layout import schema
schema.SCHEMA = schema.NEWEST = schema.NEWEST + 1
from rungway_server.cli import main
main()
"""
"""`rungway` of a version whose experiments have the next schema."""
OLDER = "from rungway_server.cli import main; main()"
SEARCH = config("adaptive_asha", max_trials=60, max_length={"epochs": 9}, divisor=3, max_concurrent_trials=0)


@contextmanager
def other_service(folder: Path, redis_url: str, program: str, *paths: Path) -> Iterator[Service]:
    """`rungway serve` of another version: `program` is what Python runs, with `paths` before those of this one."""
    own = folder / "other"
    own.mkdir()
    command = [sys.executable, "-P", "-c", program, "serve"]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths))} if paths else {}
    with service_by(command, own, redis_url, environment) as service:
        yield service


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the commit before the last one that changed a Lua script."""

    def git(*arguments: str) -> bytes:
        command = ["git", "-c", "safe.directory=*", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=SECONDS).stdout

    try:
        last = git("log", "-1", "--format=%H", "--", LUA).decode().strip()
        archive = git("archive", f"{last}~1", "client", "server")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no history of this checkout: {error}")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def schema_of(checkout: Path) -> int:
    """The schema that a checkout writes."""
    (schema,) = (checkout / "server/rungway_server/store/redis").rglob("schema.py")
    return max(map(int, re.findall(r"^    (\d+): \"", schema.read_text(), re.MULTILINE)))


def every_call(calls: Calls, experiment: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every rpc that names an experiment, with a request for this one."""
    services_of: Any = ((calls.search, pb), (calls.experiments, experiments_pb))
    for stub, module in services_of:
        (service,) = module.DESCRIPTOR.services_by_name.values()
        for method in service.methods:
            request = getattr(module, method.input_type.name)()
            if "experiment" not in method.input_type.fields_by_name or method.name == "CreateExperiment":
                continue
            request.experiment = experiment
            if method.name == "Tell":
                request.results.add(lease={"trial": 0, "fence": 1}).reports.add(length=1, metric=0.5)
            elif method.name == "Heartbeat":
                request.leases.add(trial=0, fence=1)
            elif method.name == "Release":
                request.releases.add(lease={"trial": 0, "fence": 1})
            elif method.name == "Fail":
                request.lease.CopyFrom(trial_pb2.Lease(trial=0, fence=1))
                request.outcome = trial_pb2.OUTCOME_ERROR
            elif method.name == "UpdateExperiment":
                request.max_trials = 100
            yield method.name, partial(getattr(stub, method.name), request, timeout=SECONDS)


def test_an_experiment_of_a_newer_version_is_refused_in_every_call(redis_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        (old,) = stack.enter_context(services(redis_url))
        newer = stack.enter_context(other_service(tmp_path, redis_url, NEWER))
        calls = stack.enter_context(calls_to(old.address))
        theirs = stack.enter_context(calls_to(newer.address))
        calls.create("ours", SEARCH)
        theirs.create("theirs", SEARCH)
        assert theirs.ask("theirs").assignments
        assert theirs.ask("ours").assignments

        for name, call in every_call(calls, "theirs"):
            if name == "DeleteExperiment":  # takes any
                continue
            with pytest.raises(grpc.RpcError) as failed:
                list(call()) if name in STREAMS else call()
            refusal = refusal_of(failed.value)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NEWER_SCHEMA"), name
            assert refusal.metadata == {"experiment": "theirs", "schema": str(NEWEST + 1)}
        with pytest.raises(grpc.RpcError) as failed:
            calls.create("theirs", SEARCH)
        assert refusal_of(failed.value).reason == "EXPERIMENT_EXISTS"

        listed = calls.experiments.ListExperiments(experiments_pb.ListExperimentsRequest(), timeout=SECONDS).experiments
        assert {each.experiment: each.state for each in listed} == {
            "ours": experiment_pb2.EXPERIMENT_STATE_RUNNING,
            "theirs": experiment_pb2.EXPERIMENT_STATE_UNREADABLE,
        }
        assert f"schema {NEWEST + 1}" in listed[1].notes[0]
        assert theirs.ask("theirs").assignments  # and nothing has happened to it
        theirs.experiments.DeleteExperiment(experiments_pb.DeleteExperimentRequest(experiment="theirs"))


def test_servers_of_two_versions_share_an_experiment_under_load(redis_url: str, tmp_path: Path, before: Path) -> None:
    """The old version makes it, both decide on it in turn, and it ends with every budget exact.

    Where the new version does not work on experiments of the old any more, it refuses this one instead."""
    experiment = unique_name("mixed")
    with ExitStack() as stack:
        (new,) = stack.enter_context(services(redis_url))
        old = stack.enter_context(other_service(tmp_path, redis_url, OLDER, before / "server", before / "client"))
        both = [stack.enter_context(calls_to(service.address)) for service in (old, new)]
        both[0].create(experiment, SEARCH)
        if schema_of(before) < OLDEST:
            with pytest.raises(grpc.RpcError) as failed:
                both[1].ask(experiment)
            assert refusal_of(failed.value).reason == "OLDER_SCHEMA"
            assert both[0].ask(experiment).assignments
            both[0].experiments.DeleteExperiment(experiments_pb.DeleteExperimentRequest(experiment=experiment))
            return
        trained = Trained(both, experiment)
        trained.run(workers=8)
        found = both[1].experiments.GetExperiment(experiments_pb.GetExperimentRequest(experiment=experiment))
        assert found.experiment.state == experiment_pb2.EXPERIMENT_STATE_DONE
        assert (found.experiment.trials.started, found.experiment.trials.running) == (60, 0)
        assert trained.by[0] > 20
        assert trained.by[1] > 20


def test_what_the_new_version_makes_is_served_or_refused_by_the_old(
    redis_url: str, tmp_path: Path, before: Path
) -> None:
    with ExitStack() as stack:
        (new,) = stack.enter_context(services(redis_url))
        old = stack.enter_context(other_service(tmp_path, redis_url, OLDER, before / "server", before / "client"))
        ours, theirs = (stack.enter_context(calls_to(each.address)) for each in (new, old))
        ours.create("new", SEARCH)
        if schema_of(before) == SCHEMA:
            assert theirs.ask("new").assignments
            return
        with pytest.raises(grpc.RpcError) as failed:
            theirs.ask("new")
        assert refusal_of(failed.value).reason == "NEWER_SCHEMA"
        assert ours.ask("new").assignments


def test_kinds_of_parameters_that_the_old_version_does_not_know(redis_url: str, tmp_path: Path, before: Path) -> None:
    """It refuses the search as that of a newer version, and goes on with all others."""
    space = {"width": {"type": "log_int", "minval": 8, "maxval": 512}}
    (schema,) = (before / "server/rungway_server/store/redis").rglob("schema.py")
    with ExitStack() as stack:
        (new,) = stack.enter_context(services(redis_url))
        old = stack.enter_context(other_service(tmp_path, redis_url, OLDER, before / "server", before / "client"))
        ours, theirs = (stack.enter_context(calls_to(each.address)) for each in (new, old))
        ours.create("kinds", config(space=space))
        given = ours.ask("kinds").assignments
        assert given
        if "LATER_KINDS" in schema.read_text():
            assert theirs.ask("kinds").assignments
            return
        with pytest.raises(grpc.RpcError) as failed:
            theirs.ask("kinds")
        refusal = refusal_of(failed.value)
        assert (refusal.reason, refusal.metadata["schema"]) == ("NEWER_SCHEMA", str(LATER_KINDS))
        assert ours.tell("kinds", given[0].lease, (given[0].next_decision_length, 0.5)).decision


def test_further_metrics_that_the_old_version_does_not_know(redis_url: str, tmp_path: Path, before: Path) -> None:
    """It refuses the search from the first of them on. Where it has worked on the search before, it goes on with that,
    and loses none that are stored."""
    (schema,) = (before / "server/rungway_server/store/redis").rglob("schema.py")
    with ExitStack() as stack:
        (new,) = stack.enter_context(services(redis_url))
        old = stack.enter_context(other_service(tmp_path, redis_url, OLDER, before / "server", before / "client"))
        ours, theirs = (stack.enter_context(calls_to(each.address)) for each in (new, old))
        for name in ("known", "further"):
            ours.create(name, config(max_length={"epochs": 100}))
            assert name == "further" or theirs.ask(name).assignments
            lease = ours.assignment(name).lease
            report = Report(length=1, metric=0.5, metrics={"lr": 0.125}, cost=2.0)
            result = Result(lease=lease, reports=[report])
            ours.search.Tell(pb.TellRequest(experiment=name, results=[result]), timeout=SECONDS)
            if "FURTHER_METRICS" in schema.read_text() or name == "known":
                assert theirs.tell(name, lease, (2, 0.25)).decision
                assert theirs.ask(name).assignments
            else:
                with pytest.raises(grpc.RpcError) as failed:
                    theirs.tell(name, lease, (2, 0.25))
                refusal = refusal_of(failed.value)
                assert (refusal.reason, refusal.metadata["schema"]) == ("NEWER_SCHEMA", str(FURTHER_METRICS))
                ours.tell(name, lease, (2, 0.25))
            ours.tell(name, lease, (3, 0.125))
            curve = ours.trial(name, lease.trial).curve
            assert [each.length for each in curve] == [1, 2, 3]
            assert curve[0] == report


class Trained:
    """Workers that send each call to the other of two servers; `by` counts the decisions of each."""

    def __init__(self, both: list[Calls], experiment: str) -> None:
        self.both, self.experiment = both, experiment
        self.by = [0, 0]
        self.errors: list[BaseException] = []

    def run(self, workers: int) -> None:
        threads = [threading.Thread(target=self.work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert self.errors == []
        assert not any(thread.is_alive() for thread in threads)

    def work(self, turn: int) -> None:
        try:
            while (answer := self.ask(turn)).status != pb.ASK_STATUS_DONE:
                turn += 1
                for given in answer.assignments:
                    turn = self.train(turn, given.lease, given.next_decision_length)
        except BaseException as error:  # told by the main thread
            self.errors.append(error)

    def ask(self, turn: int) -> pb.AskResponse:
        return self.both[turn % 2].ask(self.experiment, request_id=new_id())

    def train(self, turn: int, lease: trial_pb2.Lease, length: int) -> int:
        while True:
            self.by[turn % 2] += 1
            metric = hash((turn, length)) % 1000 / 1000
            calls = self.both[turn % 2]
            reply = calls.tell(self.experiment, lease, (length, metric), request_id=new_id())
            turn += 1
            if not (length := reply.next_decision_length):
                return turn
