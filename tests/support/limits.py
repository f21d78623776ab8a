"""Every rpc at its documented limits: what `test_every_rpc_is_short.py` calls and measures."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random
from typing import Any

from redis import Redis

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import view_service_pb2 as view_pb
from rungway.v1.trial_pb2 import OUTCOME_ERROR, Lease, Report
from rungway.v1.trial_pb2 import Result as TrialResult
from rungway.values import to_map
from tests.support.calls import SECONDS, Calls, config, new_id, unique_name
from tests.support.service import Service
from tests.support.waiting import wait_until

WIDE = {f"p{i}": {"type": "double", "minval": 0.0, "maxval": 1.0} for i in range(1_000)}
"""Configurations of nearly 30 KB (limit: 32 KiB) with as many parameters as there may be; 9 KB in a record."""
LARGE = {"c": {"type": "categorical", "vals": [f"v{i:04d}" + "x" * 80 for i in range(9_900)]}}
"""A document of 0.9 MB, near the limit of a message."""
TEXT = "a: [" + ", ".join("x" * 80 for _ in range(10_000)) + "]"
"""A configuration of 0.8 MB in YAML, which takes a second to read."""
KNOWN = "for i = 1, ARGV[1] do redis.call('HGET', KEYS[1], i % 100) end return 1"


@dataclass
class Bench:
    """A service with its own Redis, which logs every script, and searches as large as the limits allow."""

    redis: Redis
    service: Service
    calls: Calls
    names: dict[str, str]
    wide: str = ""
    further: str = ""
    large: str = ""
    long: str = ""
    seen: str = ""
    held: list[Lease] = field(default_factory=list)
    _holding: str = ""

    def holding(self) -> str:
        """A search with `held`, for calls that leave leases as they find them."""
        if not self._holding:
            self._holding, self.held = leases(self)
        return self._holding

    def scripts(self) -> dict[str, float]:
        """The longest run (ms) of each script since the last call."""
        longest: dict[str, float] = {}
        for entry in self.redis.slowlog_get(100_000):
            words = entry["command"].split(b" ")
            if words[0] in (b"EVALSHA", b"EVAL"):
                name = self.names.get(words[1].decode(errors="replace"), "another")
                longest[name] = max(longest.get(name, 0.0), entry["duration"] / 1000)
        self.redis.slowlog_reset()
        return longest

    def known_ms(self) -> float:
        """How long (ms) a script with five thousand reads takes at this moment: as long as one may take, so that it is
        interrupted as often."""
        took = []
        for _ in range(3):
            self.redis.slowlog_reset()
            self.redis.eval(KNOWN, 1, "known", 5000)
            (entry,) = [one for one in self.redis.slowlog_get(9) if one["command"].startswith(b"EVAL for")]
            took.append(float(entry["duration"]) / 1000)
        self.redis.slowlog_reset()
        return min(took)

    def slice_ms(self) -> tuple[float, str]:
        """The longest slice (ms of processor time) since the last call."""
        said = len(self.service.lines("slices"))
        os.kill(self.service.process.pid, signal.SIGUSR1)
        wait_until(lambda: len(self.service.lines("slices")) > said)
        line: dict[str, Any] = self.service.lines("slices")[-1]
        return line["longest_ms"], line["whose"]


def fill(bench: Bench) -> None:
    """Create searches as large as the limits allow, or nearly, to save time."""
    bench.wide, bench.long = unique_name("wide"), unique_name("long")
    bench.calls.create(bench.wide, config(space=WIDE, max_trials=100_000, max_concurrent_trials=0, lease_seconds=600))
    for _ in range(10):
        given = bench.calls.ask(bench.wide, 64).assignments
        told = [result(each.lease, 1, "c" * 4_000, float(each.lease.trial)) for each in given]
        bench.calls.search.Tell(search_pb.TellRequest(experiment=bench.wide, results=told), timeout=SECONDS)
    for _ in range(300):
        bench.calls.create(unique_name("small"), config())
    for _ in range(3):  # more than fit on a page
        bench.large = large(bench)
    bench.seen = unique_name("seen")
    bench.calls.create(bench.seen, config(max_trials=10_000, max_concurrent_trials=0, lease_seconds=600))
    while given := bench.calls.ask(bench.seen, 64).assignments:
        told = [result(each.lease, each.next_decision_length, metric=random()) for each in given]
        bench.calls.search.Tell(search_pb.TellRequest(experiment=bench.seen, results=told), timeout=SECONDS)
    bench.calls.create(bench.long, config(max_trials=1, max_length={"epochs": 10**9}, lease_seconds=600))
    lease = bench.calls.assignment(bench.long).lease
    for first in range(1, 100_001, 4_000):
        bench.calls.tell(bench.long, lease, *((n, 1.0) for n in range(first, first + 4_000)))
    bench.further = unique_name("further")
    bench.calls.create(bench.further, config(max_trials=1, max_length={"epochs": 10**9}, lease_seconds=600))
    lease = bench.calls.assignment(bench.further).lease
    for first in range(1, 100_000, 2_048):
        bench.calls.search.Tell(further_request(bench.further, lease, first), timeout=SECONDS)


def result(lease: Lease, length: int, checkpoint: str = "", metric: float = 0.5) -> TrialResult:
    return TrialResult(lease=lease, reports=[Report(length=length, metric=metric)], checkpoint=checkpoint)


def leases(bench: Bench) -> tuple[str, list[Lease]]:
    """Another search, and 256 leases of it."""
    name = unique_name("many")
    document = config(space=WIDE, max_trials=300, max_concurrent_trials=0, max_length={"epochs": 9})
    bench.calls.create(name, document | {"lease_seconds": 7_200.0})
    held: list[Lease] = []
    while len(held) < 256:
        held += [each.lease for each in bench.calls.ask(name, min(64, 256 - len(held))).assignments]
    return name, held


def proposals(bench: Bench) -> pb.AddProposalsRequest:
    """As many configurations as fit into a message, in another search."""
    name = unique_name("external")
    bench.calls.create(name, config(space=WIDE, proposals="external", max_trials=300))
    whole = to_map(dict.fromkeys(WIDE, random()))
    return pb.AddProposalsRequest(experiment=name, proposals=[whole] * 40)


def tell(bench: Bench) -> Callable[[], object]:
    name, held = leases(bench)
    request = search_pb.TellRequest(experiment=name, results=[result(each, 1) for each in held], request_id=new_id())
    return lambda: bench.calls.search.Tell(request, timeout=SECONDS)


def release(bench: Bench) -> Callable[[], object]:
    name, held = leases(bench)
    request = search_pb.ReleaseRequest(
        experiment=name, releases=[search_pb.Release(lease=each) for each in held], request_id=new_id()
    )
    return lambda: bench.calls.search.Release(request, timeout=SECONDS)


def heartbeat(bench: Bench) -> Callable[[], object]:
    request = search_pb.HeartbeatRequest(experiment=bench.holding(), leases=bench.held)
    return lambda: bench.calls.search.Heartbeat(request, timeout=SECONDS)


def fail(bench: Bench) -> Callable[[], object]:
    given = bench.calls.assignment(bench.wide)
    request = search_pb.FailRequest(
        experiment=bench.wide, lease=given.lease, outcome=OUTCOME_ERROR, message="m" * 4_000
    )
    return lambda: bench.calls.search.Fail(request, timeout=SECONDS)


def create(bench: Bench) -> Callable[[], object]:
    request = pb.CreateExperimentRequest(experiment=unique_name("large"), config=to_map(config(space=LARGE)))
    return lambda: bench.calls.experiments.CreateExperiment(request, timeout=SECONDS)


def warm(bench: Bench) -> Callable[[], object]:
    document = to_map(config(space=WIDE, max_trials=1_000))
    request = pb.CreateExperimentRequest(
        experiment=unique_name("warm"), config=document, warm_start_from=bench.wide, warm_start_count=65
    )
    return lambda: bench.calls.experiments.CreateExperiment(request, timeout=SECONDS)


def experiment(method: str, request: Callable[[Bench], Any]) -> Callable[[Bench], Callable[[], object]]:
    def prepared(bench: Bench) -> Callable[[], object]:
        message = request(bench)
        return lambda: getattr(bench.calls.experiments, method)(message, timeout=SECONDS)

    return prepared


def large(bench: Bench) -> str:
    """A search with a large configuration."""
    name = unique_name("large")
    bench.calls.create(name, config(space=LARGE))
    return name


def streamed(method: str, request: Callable[[Bench], Any]) -> Callable[[Bench], Callable[[], object]]:
    return lambda bench: (
        lambda: sum(1 for _ in getattr(bench.calls.experiments, method)(request(bench), timeout=SECONDS))
    )


def tell_reports(bench: Bench) -> Callable[[], object]:
    """One result with as many reports as a call may have, each better than the one before."""
    name = unique_name("reports")
    bench.calls.create(name, config(space=WIDE, max_length={"epochs": 10**9}))
    reports = [Report(length=n, metric=-float(n)) for n in range(1, 4_097)]
    told = TrialResult(lease=bench.calls.assignment(name).lease, reports=reports, checkpoint="c" * 4_000)
    request = search_pb.TellRequest(experiment=name, results=[told], request_id=new_id())
    return lambda: bench.calls.search.Tell(request, timeout=SECONDS)


def tell_further(bench: Bench) -> Callable[[], object]:
    """One result with as many further metrics as a call may have."""
    name = unique_name("further")
    bench.calls.create(name, config(max_length={"epochs": 10**9}))
    lease = bench.calls.assignment(name).lease
    request = further_request(name, lease, 1)
    return lambda: bench.calls.search.Tell(request, timeout=SECONDS)


def further_request(name: str, lease: Lease, first: int) -> search_pb.TellRequest:
    reports = [Report(length=n, metric=0.5, metrics={"lr": 1 / n}) for n in range(first, first + 2_048)]
    return search_pb.TellRequest(experiment=name, results=[TrialResult(lease=lease, reports=reports)])


def tell_rungs(bench: Bench) -> Callable[[], object]:
    """64 trials, each of which passes 64 rungs at once."""
    name, lengths = unique_name("rungs"), {"epochs": 10**6}
    odd: dict[str, Any] = {"num_rungs": 64, "divisor": 1.1, "stop_once": True, "max_concurrent_trials": 0}
    bench.calls.create(name, config("async_halving", max_trials=100, max_length=lengths, **odd))
    given = bench.calls.ask(name, 64).assignments
    told = [result(each.lease, 10**6) for each in given]
    request = search_pb.TellRequest(experiment=name, results=told, request_id=new_id())
    return lambda: bench.calls.search.Tell(request, timeout=SECONDS)


def tell_round(bench: Bench) -> Callable[[], object]:
    """The last result of a round of the largest population, with as many parameters as it may have."""
    name, space = unique_name("round"), dict(list(WIDE.items())[: (1 << 16) // 1_000])
    document = config(space=space, lease_seconds=600)
    shape = {"population_size": 1_000, "num_rounds": 3, "length_per_round": {"epochs": 1}, "truncate_fraction": 0.5}
    shape["max_concurrent_trials"] = 0
    document["searcher"] = {"name": "pbt", "metric": "loss", **shape}
    bench.calls.create(name, document)
    held: list[Lease] = []
    while len(held) < 1_000:
        held += [each.lease for each in bench.calls.ask(name, 64).assignments]
    for start in range(0, 999, 256):
        some = [result(each, 1) for each in held[start : min(start + 256, 999)]]
        bench.calls.search.Tell(search_pb.TellRequest(experiment=name, results=some), timeout=SECONDS)
    last = search_pb.TellRequest(experiment=name, results=[result(held[-1], 1)], request_id=new_id())
    return lambda: bench.calls.search.Tell(last, timeout=SECONDS)


def ask_rungs(bench: Bench) -> Callable[[], object]:
    """An ask that passes trials through rungs of equal lengths."""
    name = unique_name("equal")
    odd: dict[str, Any] = {"num_rungs": 16, "divisor": 1.1, "max_concurrent_trials": 0}
    bench.calls.create(name, config("async_halving", max_trials=1_000, max_length={"epochs": 1}, **odd))
    given = [each for _ in range(4) for each in bench.calls.ask(name, 64).assignments]
    told = [result(each.lease, 1, metric=float(n)) for n, each in enumerate(given)]
    bench.calls.search.Tell(search_pb.TellRequest(experiment=name, results=told), timeout=SECONDS)
    return lambda: bench.calls.ask(name, 64)


def views(method: str, request: Callable[[Bench], Any]) -> Callable[[Bench], Callable[[], object]]:
    def prepared(bench: Bench) -> Callable[[], object]:
        message = request(bench)
        return lambda: getattr(bench.calls.views, method)(message, timeout=SECONDS)

    return prepared


def view_watched(bench: Bench) -> int:
    """The rows of the first message of a stream, which is the whole view."""
    stream = bench.calls.views.WatchView(view_pb.WatchViewRequest(experiment=bench.seen), timeout=SECONDS)
    view = next(stream).view
    stream.cancel()
    return len(view.trials.trial)


S, E, V = "rungway.v1.SearchService/", "rungway.v1.ExperimentService/", "rungway.v1.ViewService/"
REPORTS, FURTHER, ROUND = f"{S}Tell reports", f"{S}Tell further", f"{S}Tell round"
CASES: dict[str, Callable[[Bench], Callable[[], object]]] = {
    f"{S}Ask": lambda bench: lambda: bench.calls.ask(bench.wide, 64, request_id=new_id(), worker="w" * 256),
    f"{S}Tell": tell,
    REPORTS: tell_reports,
    FURTHER: tell_further,
    ROUND: tell_round,
    f"{S}Tell rungs": tell_rungs,
    f"{S}Ask rungs": ask_rungs,
    f"{S}Heartbeat": heartbeat,
    f"{S}Release": release,
    f"{S}Fail": fail,
    f"{E}CreateExperiment": create,
    f"{E}CreateExperiment warm": warm,
    f"{E}GetExperiment": experiment("GetExperiment", lambda bench: pb.GetExperimentRequest(experiment=bench.large)),
    f"{E}ListExperiments": experiment("ListExperiments", lambda _: pb.ListExperimentsRequest(page_size=1_000)),
    f"{E}ListExperiments whole": experiment(
        "ListExperiments", lambda _: pb.ListExperimentsRequest(page_size=1_000, with_config=True)
    ),
    f"{E}PauseExperiment": experiment(
        "PauseExperiment", lambda bench: pb.PauseExperimentRequest(experiment=large(bench))
    ),
    f"{E}ResumeExperiment": experiment(
        "ResumeExperiment", lambda bench: pb.ResumeExperimentRequest(experiment=large(bench))
    ),
    f"{E}StopExperiment": experiment("StopExperiment", lambda bench: pb.StopExperimentRequest(experiment=large(bench))),
    f"{E}UpdateExperiment": experiment(
        "UpdateExperiment", lambda bench: pb.UpdateExperimentRequest(experiment=large(bench), max_trials=9)
    ),
    f"{E}DeleteExperiment": experiment(
        "DeleteExperiment", lambda bench: pb.DeleteExperimentRequest(experiment=large(bench))
    ),
    f"{E}PreviewSearch": experiment(
        "PreviewSearch", lambda _: pb.PreviewSearchRequest(config=to_map(config(space=LARGE)))
    ),
    f"{E}EnqueueTrial": experiment(
        "EnqueueTrial",
        lambda bench: pb.EnqueueTrialRequest(experiment=bench.wide, hparams=to_map(dict.fromkeys(WIDE, random()))),
    ),
    f"{E}AddProposals": experiment("AddProposals", proposals),
    f"{E}ListTrials": experiment(
        "ListTrials", lambda bench: pb.ListTrialsRequest(experiment=bench.wide, page_size=1_000)
    ),
    f"{E}ListStaleCheckpoints": experiment(
        "ListStaleCheckpoints", lambda bench: pb.ListStaleCheckpointsRequest(experiment=bench.wide)
    ),
    f"{E}ListWorkers": experiment("ListWorkers", lambda bench: pb.ListWorkersRequest(experiment=bench.wide)),
    f"{E}GetTrial": experiment("GetTrial", lambda bench: pb.GetTrialRequest(experiment=bench.long, trial=0)),
    f"{E}GetTrial further": experiment("GetTrial", lambda bench: pb.GetTrialRequest(experiment=bench.further, trial=0)),
    f"{E}BestTrials last": experiment(
        "BestTrials", lambda bench: pb.BestTrialsRequest(experiment=bench.seen, count=1_000, by=pb.BEST_BY_LAST)
    ),
    f"{E}BestTrials": experiment("BestTrials", lambda bench: pb.BestTrialsRequest(experiment=bench.wide, count=1_000)),
    f"{E}ExplainTrial": experiment(
        "ExplainTrial", lambda bench: pb.ExplainTrialRequest(experiment=bench.wide, trial=0, page_size=1_000)
    ),
    f"{E}ExportExperiment": streamed(
        "ExportExperiment", lambda bench: pb.ExportExperimentRequest(experiment=bench.wide)
    ),
    f"{E}WatchEvents": lambda bench: lambda: watched(bench),
    f"{V}GetView": views("GetView", lambda bench: view_pb.GetViewRequest(experiment=bench.seen)),
    f"{V}GetView wide": views("GetView", lambda bench: view_pb.GetViewRequest(experiment=leases(bench)[0])),
    f"{V}WatchView": lambda bench: lambda: view_watched(bench),
    f"{V}GetCurves": views(
        "GetCurves", lambda bench: view_pb.GetCurvesRequest(experiment=bench.seen, trials=range(500))
    ),
    f"{V}GetCurves long": views("GetCurves", lambda bench: view_pb.GetCurvesRequest(experiment=bench.long, trials=[0])),
    f"{V}GetCurves further": views(
        "GetCurves", lambda bench: view_pb.GetCurvesRequest(experiment=bench.further, trials=[0], metric="lr")
    ),
    f"{V}GetImportance": views("GetImportance", lambda bench: view_pb.GetImportanceRequest(experiment=bench.seen)),
    f"{V}GetCaller": views("GetCaller", lambda _: view_pb.GetCallerRequest()),
    f"{V}ReadConfig": views("ReadConfig", lambda _: view_pb.ReadConfigRequest(text=TEXT)),
}


def watched(bench: Bench) -> int:
    """The events so far; the stream of a live search never ends."""
    stream = bench.calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=bench.wide), timeout=SECONDS)
    count = sum(1 for _, _ in zip(range(1_000), stream, strict=False))
    stream.cancel()
    return count
