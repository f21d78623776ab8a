"""Searches for the page to show: played against a real service, many trials in a call, with curves that we invent."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import trial_pb2
from rungway.values import from_map
from tests.support.calls import SECONDS, Calls, config

SPACE: Mapping[str, object] = {
    "lr": {"type": "log", "base": 10.0, "minval": -5.0, "maxval": 0.0},
    "layers": {"type": "int", "minval": 1, "maxval": 8},
    "dropout": {"type": "double", "minval": 0.0, "maxval": 0.7},
    "optimizer": {"type": "categorical", "vals": ["sgd", "adam", "lamb"]},
    "momentum": {"type": "double", "minval": 0.0, "maxval": 0.99, "when": {"optimizer": "sgd"}},
}
Metric = Callable[[int, Mapping[str, Any], int], float]


def error_of(trial: int, hparams: Mapping[str, Any], length: int) -> float:
    """A validation error that falls with the length, and depends on the learning rate most of all."""
    floor = 0.02 + 0.06 * (math.log10(hparams["lr"]) + 2.5) ** 2 + 0.01 * abs(hparams["layers"] - 4)
    noise = 0.02 * math.sin(37.0 * trial + length)
    return float(round(floor + 0.9 * math.exp(-length / 6.0) + noise / (1 + length), 6))


def asha(trials: int, *, epochs: int = 27, name: str = "adaptive_asha", **more: Any) -> dict[str, Any]:
    """A configuration of a search on `SPACE`."""
    document = config(name, space=SPACE, lease_seconds=600.0, max_trials=trials, max_length={"epochs": epochs}, **more)
    searcher: dict[str, Any] = document["searcher"]  # type: ignore[assignment]  # (it is one)
    searcher["metric"] = "error"
    return document


class Player:
    """Workers of one search: they take trials and tell results."""

    def __init__(
        self,
        calls: Calls,
        experiment: str,
        metric: Metric = error_of,
        workers: int = 6,
        further: Mapping[str, Metric] | None = None,
    ) -> None:
        self._calls, self.experiment, self._metric, self._workers = calls, experiment, metric, workers
        self._further = further or {}
        self.held: list[trial_pb2.Assignment] = []
        """What is handed out and not told."""
        self.told = 0
        """Results so far."""
        self._turn = 0

    def ask(self, count: int) -> bool:
        """Take up to `count` trials, as one of the workers; returns whether there was any."""
        self._turn += 1
        answer = self._calls.ask(self.experiment, count=count, worker=f"gpu-{self._turn % self._workers}")
        self.held += answer.assignments
        return bool(answer.assignments)

    def tell(self, count: int = 64) -> None:
        """Tell the results of up to `count` trials at their next rung; those that go on are held further on."""
        now, self.held = self.held[:count], self.held[count:]
        if not now:
            return
        request = search_pb.TellRequest(experiment=self.experiment, results=[self._result(each) for each in now])
        verdicts = self._calls.search.Tell(request, timeout=SECONDS).verdicts
        self.told += len(now)
        for assignment, verdict in zip(now, verdicts, strict=True):
            if verdict.decision == trial_pb2.DECISION_CONTINUE:
                assignment.from_length = assignment.next_decision_length
                assignment.next_decision_length = verdict.next_decision_length
                self.held.append(assignment)

    def play(self, results: int = 0) -> None:
        """Until so many results are told, or the search is over."""
        goal = self.told + results if results else 1 << 60
        while self.told < goal:
            if not self.held and not self.ask(min(64, goal - self.told)):
                return
            self.tell(min(64, goal - self.told))

    def fail(self, outcome: "trial_pb2.Outcome.ValueType", message: str) -> None:
        """One of those held fails."""
        lease = self.held.pop(0).lease
        request = search_pb.FailRequest(experiment=self.experiment, lease=lease, outcome=outcome, message=message)
        self._calls.search.Fail(request, timeout=SECONDS)

    def _result(self, assignment: trial_pb2.Assignment) -> trial_pb2.Result:
        hparams, trial = from_map(assignment.hparams), assignment.lease.trial
        goal = assignment.next_decision_length
        lengths = sorted(
            {assignment.from_length + max(1, (goal - assignment.from_length) * i // 4) for i in range(1, 5)}
        )
        reports = [
            trial_pb2.Report(
                length=length,
                metric=self._metric(trial, hparams, length),
                metrics={name: value(trial, hparams, length) for name, value in self._further.items()},
            )
            for length in lengths
            if length <= goal
        ]
        return trial_pb2.Result(lease=assignment.lease, reports=reports, checkpoint=f"s3://runs/{trial}-{goal}")


def odd_metric(trial: int, hparams: Mapping[str, Any], length: int) -> float:
    """What breaks pictures: NaN, infinities, 10^20, zero, numbers below zero."""
    strange = {0: math.nan, 1: 1e20, 2: math.inf, 3: 0.0, 4: -1.5}
    return strange.get(trial % 9, error_of(trial, hparams, length))


MARKUP = '<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt; "quoted" \' javascript:alert(3)'
"""A text that must stay a text."""


def make_odd(calls: Calls, experiment: str) -> Player:
    """A search with odd results, one category, values with markup, failures, conditions."""
    document = asha(40, name="async_halving", num_rungs=3)
    document["hyperparameters"] = {
        **SPACE,
        "only": {"type": "categorical", "vals": ["one"]},
        "text": {"type": "categorical", "vals": [MARKUP, "plain", True, 7]},
        "fixed": 3,
    }
    calls.create(experiment, document)
    player = Player(calls, experiment, odd_metric)
    player.play(30)
    player.ask(4)
    player.fail(trial_pb2.OUTCOME_ERROR, MARKUP)
    player.fail(trial_pb2.OUTCOME_TRANSIENT, "CUDA out of memory")
    player.fail(trial_pb2.OUTCOME_INVALID, "too many layers")
    return player


OBJECTIVES: Mapping[str, Metric] = {
    "latency": lambda trial, hparams, _: round(2.0 + 3.0 * hparams["layers"] + 0.5 * math.sin(trial), 4),
    "throughput": lambda trial, hparams, _: round(900.0 - 60.0 * hparams["layers"] + 300.0 * hparams["dropout"], 4),
    "memory": lambda trial, hparams, _: float(hparams["layers"] + trial % 3),
}
"""Further metrics of a search with several objectives: deeper networks err less, and are slower."""


def make_objectives(calls: Calls, experiment: str) -> Player:
    """A search with three objectives, and a constraint that some trials violate."""
    document = asha(80, epochs=9)
    goals = {"error": "minimize", "latency": "minimize", "throughput": "maximize"}
    metrics = [{"name": name, "goal": goal} for name, goal in goals.items()]
    more = {"metrics": metrics, "outcome_constraints": ["memory <= 7"]}
    document["searcher"] = {key: value for key, value in document["searcher"].items() if key != "metric"} | more
    calls.create(experiment, document)
    player = Player(calls, experiment, further=OBJECTIVES)
    player.play()
    return player


def make_clones(calls: Calls, experiment: str) -> Player:
    """A population search: two rounds of it, so that there are clones."""
    rounds = {"population_size": 8, "num_rounds": 4, "length_per_round": {"epochs": 2}, "truncate_fraction": 0.25}
    document = asha(1)
    document["searcher"] = {"name": "pbt", "metric": "error", **rounds}
    calls.create(experiment, document)
    player = Player(calls, experiment)
    player.play(20)
    return player
