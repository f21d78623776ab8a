"""Plays Katib's two controllers on objects in memory, and calls a real suggestion service over gRPC.

It does what Katib 0.19 does with suggestions, step by step: which trials a request has (by the experiment's name alone,
without those that have no metric), how many runs are asked for, that a reply with another number of them is thrown
away, that one update keeps suggestions and settings together, and which trials go when fewer may run at a time.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from rungway_server.katib.wire import api_pb2 as pb

Values = Mapping[str, str]
Train = Callable[[str, Values], str | None]
"""The observed metric of a run, by its name and values; None: its metric never arrives."""
Status = pb.TrialStatus
ENDED = (
    *(Status.SUCCEEDED, Status.KILLED, Status.FAILED, Status.METRICSUNAVAILABLE, Status.EARLYSTOPPED),
)  # fmt: skip


@dataclass
class Trial:
    """A Trial of the cluster; `ends` in seconds of the cluster's clock."""

    name: str
    values: dict[str, str]
    started: float
    ends: float
    condition: Status.TrialConditionType.ValueType = Status.RUNNING
    observed: str | None = None
    completed: float = 0.0

    @property
    def ended(self) -> bool:
        return self.condition in ENDED

    def message(self, metric: str) -> pb.Trial:
        trial = pb.Trial(name=self.name)
        trial.status.condition = self.condition
        trial.status.start_time = stamp(self.started)
        if self.ended:
            trial.status.completion_time = stamp(self.completed)
        if self.observed is not None:
            trial.status.observation.metrics.add(name="another", value="-1e9")
            trial.status.observation.metrics.add(name=metric, value=self.observed)
        for name, value in self.values.items():
            trial.spec.parameter_assignments.assignments.add(name=name, value=value)
        return trial


def stamp(seconds: float) -> str:
    """A time as Katib writes it: in whole seconds."""
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=int(seconds))).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Suggestion:
    """The Suggestion of an experiment: what is asked for, and what the service gave."""

    requests: int = 0
    given: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)


class Service:
    """A client of the methods that Katib calls."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.suggest = self._method("Suggestion/GetSuggestions", pb.GetSuggestionsReply)
        self.validate = self._method("Suggestion/ValidateAlgorithmSettings", pb.ValidateAlgorithmSettingsReply)
        self.rules = self._method("EarlyStopping/GetEarlyStoppingRules", pb.GetEarlyStoppingRulesReply)
        self.validate_rules = self._method(
            "EarlyStopping/ValidateEarlyStoppingSettings", pb.ValidateEarlyStoppingSettingsReply
        )

    def _method(self, name: str, reply: type) -> Callable[..., object]:
        call: Any = self.channel.unary_unary(
            f"/api.v1.beta1.{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=reply.FromString,  # type: ignore[attr-defined] # of every message
        )
        return lambda request: call(request, timeout=200, wait_for_ready=True)


class Cluster:
    """One experiment with its Suggestion and Trials, and a clock. `speeds`: seconds of a unit of length, by trial."""

    def __init__(self, experiment: pb.Experiment, service: Service, train: Train, foreign: Iterable[pb.Trial] = ()):
        self.experiment, self.service, self.train = experiment, service, train
        self.suggestion, self.trials = Suggestion(), dict[str, Trial]()
        self.foreign = list(foreign)
        self.now = 0.0
        self.errors: list[Any] = []
        self.calls = 0
        self.after_reply: Callable[[pb.GetSuggestionsReply], bool] = lambda _: True
        """Whether the status update that keeps a reply succeeds."""
        self.before_call: Callable[[], None] = lambda: None
        self.issued: list[tuple[str, dict[str, str]]] = []

    # The experiment controller.

    @property
    def spec(self) -> pb.ExperimentSpec:
        return self.experiment.spec

    @property
    def active(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if not trial.ended]

    @property
    def ended(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if trial.ended]

    @property
    def is_over(self) -> bool:
        return 0 < self.spec.max_trial_count <= len(self.ended)

    def reconcile_trials(self) -> None:
        parallel, active = self.spec.parallel_trial_count, len(self.active)
        if active > parallel:
            self._delete(active - parallel)
        elif active < parallel:
            wanted = parallel
            if self.spec.max_trial_count:
                wanted = min(wanted, self.spec.max_trial_count - len(self.ended))
            if wanted > active:
                self._create(wanted - active)

    def _delete(self, count: int) -> None:
        """Fewer may run: the newest go, and their suggestions with them."""
        newest = sorted(self.active, key=lambda trial: trial.started)[-count:]
        names = {trial.name for trial in newest}
        self.trials = {name: trial for name, trial in self.trials.items() if name not in names}
        self.suggestion.given = [each for each in self.suggestion.given if each[0] not in names]
        self.suggestion.requests = len(self.suggestion.given)

    def _create(self, count: int) -> None:
        hidden = sum(t.condition == Status.EARLYSTOPPED and t.observed is None for t in self.trials.values())
        self.suggestion.requests = len(self.trials) + count - hidden
        for name, values in self.suggestion.given:
            if name not in self.trials:  # a name that is taken is never made
                length = int(values["epochs"])
                ends = self.now + length * speed(name)
                self.trials[name] = Trial(name, values, self.now, ends)

    # The suggestion controller.

    def request(self) -> pb.GetSuggestionsRequest:
        experiment = pb.Experiment()
        experiment.CopyFrom(self.experiment)
        settings = experiment.spec.algorithm.algorithm_settings
        for name, value in self.suggestion.settings.items():
            for setting in settings:
                if setting.name == name:
                    setting.value = value
                    break
            else:
                settings.add(name=name, value=value)
        metric = self.spec.objective.objective_metric_name
        listed = [
            trial.message(metric)
            for trial in self.trials.values()
            if trial.condition != Status.METRICSUNAVAILABLE
            and not (trial.condition == Status.EARLYSTOPPED and trial.observed is None)
        ]
        return pb.GetSuggestionsRequest(
            experiment=experiment,
            trials=[*self.foreign, *sorted(listed, key=lambda trial: trial.name)],
            current_request_number=self.suggestion.requests - len(self.suggestion.given),
            total_request_number=self.suggestion.requests,
        )

    def sync_assignments(self) -> bool:
        """Ask for what is missing. Returns whether the reply was kept."""
        request = self.request()
        if request.current_request_number <= 0:
            return False
        self.before_call()
        self.calls += 1
        try:
            reply = self.service.suggest(request)
        except grpc.RpcError as error:
            self.errors.append(error)
            return False
        assert isinstance(reply, pb.GetSuggestionsReply)
        assert len(reply.parameter_assignments) == request.current_request_number
        if not self.after_reply(reply):
            return False
        for each in reply.parameter_assignments:
            values = {assigned.name: assigned.value for assigned in each.assignments}
            assert list(values) == [parameter.name for parameter in self.spec.parameter_specs.parameters]
            self.suggestion.given.append((each.trial_name, values))
            self.issued.append((each.trial_name, values))
        for setting in reply.algorithm.algorithm_settings:
            self.suggestion.settings[setting.name] = setting.value
        return True

    # The cluster.

    @property
    def log(self) -> str:
        return self.suggestion.settings.get("rungway-log", "")

    def settle(self) -> None:
        """Reconcile until nothing changes."""
        while True:
            self.reconcile_trials()
            if not self.sync_assignments():
                return

    def end_next(self) -> None:
        """The clock goes on to the next end of a trial."""
        trial = min(self.active, key=lambda trial: (trial.ends, trial.name))
        self.now = max(self.now, trial.ends)
        trial.completed, trial.observed = self.now, self.train(trial.name, trial.values)
        trial.condition = Status.METRICSUNAVAILABLE if trial.observed is None else Status.SUCCEEDED

    def run(self, until: Callable[[], bool] = lambda: False) -> "Cluster":
        """Go on until the experiment is over, or `until` holds. A refused call comes again after a moment."""
        self.settle()
        refused = 0
        while not self.is_over and not until():
            if self.active:
                self.end_next()
                refused = 0
            else:
                refused += 1
                assert refused < 200, self.errors[-1].details()
                time.sleep(0.05)
            self.settle()
        return self


def speed(name: str) -> float:
    """Seconds that a run takes for a unit of length: some runs are slower than others."""
    return 1 + hashlib.sha256(name.encode()).digest()[0] / 128


def curve(_: str, values: Values) -> str:
    """A metric that falls with the length, towards a floor that the learning rate says."""
    floor = abs(math.log10(float(values["lr"])) + 3)
    return repr(floor + 2 / (1 + int(values["epochs"])))


def experiment(
    algorithm: str = "asha",
    *,
    name: str = "demo",
    runs: int = 30,
    parallel: int = 3,
    longest: int = 27,
    **settings: str,
) -> pb.Experiment:
    """An experiment with a learning rate, a width and an optimiser; `epochs` is its resource."""
    made = pb.Experiment(name=name)
    spec = made.spec
    spec.max_trial_count, spec.parallel_trial_count = runs, parallel
    spec.objective.type, spec.objective.objective_metric_name = pb.MINIMIZE, "loss"
    spec.algorithm.algorithm_name = algorithm
    divisor = {} if algorithm.endswith("pbt") else {"divisor": "3"}
    for key, value in {"resource_name": "epochs", **divisor, **settings}.items():
        spec.algorithm.algorithm_settings.add(name=key, value=value)
    add = spec.parameter_specs.parameters.add
    log = pb.FeasibleSpace(min="1e-5", max="0.1", distribution=pb.LOG_UNIFORM)
    add(name="lr", parameter_type=pb.DOUBLE, feasible_space=log)
    add(name="epochs", parameter_type=pb.INT, feasible_space=pb.FeasibleSpace(min="1", max=str(longest)))
    add(name="width", parameter_type=pb.INT, feasible_space=pb.FeasibleSpace(min="8", max="64", step="8"))
    add(name="optimizer", parameter_type=pb.CATEGORICAL, feasible_space=pb.FeasibleSpace(list=["sgd", "adam"]))
    return made
