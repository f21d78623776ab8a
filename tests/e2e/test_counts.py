"""At any moment of a search, the counters of the service are the sums of its own answers."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import pytest

from rungway.v1 import experiment_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1 import search_service_pb2 as search_pb
from tests.support.calls import SECONDS, Calls, calls_to, config, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

LOOK_EVERY = 7
"""Asks between two looks at the counters."""
Outcome: TypeAlias = "trial_pb2.Outcome.ValueType"
STATES = ("running", "paused", "queued", "completed", "stopped", "failed", "invalid")


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    with redis_on_socket() as url, services(url) as (service,), calls_to(service.address) as calls:
        yield calls


class Ledger:
    """A worker with many leases that keeps books on every answer."""

    def __init__(self, calls: Calls, experiment: str, mishaps: Mapping[Outcome, str], seed: int) -> None:
        self.calls, self.experiment, self.mishaps = calls, experiment, mishaps
        self.luck = random.Random(seed)
        self.state: dict[int, str] = {}
        self.length: dict[int, int] = defaultdict(int)
        self.told: Counter[tuple[int, int]] = Counter()
        """Results by bracket and length, without those of invalid trials."""
        self.rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.held: list[trial_pb2.Assignment] = []

    def ask(self) -> bool:
        """Ask for up to three assignments; False when the search is over."""
        reply = self.calls.ask(self.experiment, 3)
        for given in reply.assignments:
            self.state[given.lease.trial] = "running"
        self.held += reply.assignments
        return reply.status != search_pb.ASK_STATUS_DONE

    def work(self) -> None:
        """End up to three of the leases held."""
        self.luck.shuffle(self.held)
        for _ in range(self.luck.randint(1, 3)):
            if self.held:
                self._end(self.held.pop())

    def _end(self, given: trial_pb2.Assignment) -> None:
        trial, length = given.lease.trial, given.next_decision_length
        if self.mishaps and self.luck.random() < 0.2:
            outcome = self.luck.choice(list(self.mishaps))
            request = search_pb.FailRequest(experiment=self.experiment, lease=given.lease, outcome=outcome)
            self.calls.search.Fail(request, timeout=SECONDS)
            self.state[trial] = self.mishaps[outcome]
            if self.state[trial] == "invalid":
                self.told.subtract(self.rows.pop(trial, []))
            return
        while True:
            metric = self.luck.random()
            reply = self.calls.tell(self.experiment, given.lease, (length, metric), checkpoint="c")
            self.length[trial] = length
            self.told[given.bracket, length] += 1
            self.rows[trial].append((given.bracket, length))
            if reply.decision != trial_pb2.DECISION_CONTINUE:
                break
            length = reply.next_decision_length
        completed = reply.explanation.reason == trial_pb2.REASON_COMPLETED
        ended = "completed" if completed else "stopped"
        self.state[trial] = "paused" if reply.decision == trial_pb2.DECISION_PAUSE else ended

    def check(self) -> experiment_pb2.Experiment:
        """Compare the books with what the service shows."""
        request = pb.GetExperimentRequest(experiment=self.experiment)
        found = self.calls.experiments.GetExperiment(request, timeout=SECONDS).experiment
        wanted = Counter(self.state.values())
        assert {name: getattr(found.trials, name) for name in STATES} == {name: wanted[name] for name in STATES}
        assert found.trials.started == len(self.state) - wanted["invalid"]
        assert sum(bracket.started for bracket in found.plan.brackets) == found.trials.started
        assert sum(bracket.running for bracket in found.plan.brackets) == len(self.held)
        assert found.trained_length == sum(self.length.values())
        if "failed" not in self.mishaps.values():  # a dead trial counts in its rung as well
            shown = {
                (number, rung.length): rung.results
                for number, bracket in enumerate(found.plan.brackets)
                for rung in bracket.rungs
            }
            assert shown == {rung: self.told[rung] for rung in shown}
        listed = self.calls.experiments.ListTrials(
            pb.ListTrialsRequest(experiment=self.experiment, page_size=1000), timeout=SECONDS
        )
        words = [trial_pb2.TrialState.Name(trial.state) for trial in listed.trials]
        assert {f"TRIAL_STATE_{state.upper()}" for state in self.state.values()} == set(words)
        assert Counter(words) == Counter(f"TRIAL_STATE_{state.upper()}" for state in self.state.values())
        return found


TRANSIENT = {trial_pb2.OUTCOME_TRANSIENT: "queued", trial_pb2.OUTCOME_PREEMPTED: "queued"}


def ladder(**searcher: bool) -> dict[str, object]:
    return config(
        "adaptive_asha",
        max_restarts=100,
        max_trials=60,
        max_length={"epochs": 27},
        divisor=3,
        max_concurrent_trials=9,
        **searcher,  # type: ignore[arg-type]  # none of these is an argument of its own
    )


FATAL = {
    trial_pb2.OUTCOME_ERROR: "failed",
    trial_pb2.OUTCOME_DIVERGED: "failed",
    trial_pb2.OUTCOME_INVALID: "invalid",
    trial_pb2.OUTCOME_STOPPED: "stopped",
}
SEARCHES: dict[str, tuple[dict[str, object], Mapping[Outcome, str]]] = {
    "promotion": (ladder(), TRANSIENT | {trial_pb2.OUTCOME_INVALID: "invalid"}),
    "stopping": (ladder(stop_once=True), TRANSIENT),
    "with failures": (config(max_trials=60, max_concurrent_trials=9, max_restarts=100), TRANSIENT | FATAL),
}
"""Configurations, each with the outcomes of its failures and the state after each."""


@pytest.mark.parametrize("name", SEARCHES)
def test_counters_are_what_was_told(name: str, calls: Calls) -> None:
    document, mishaps = SEARCHES[name]
    experiment = unique_name("counts")
    calls.create(experiment, document)
    ledger = Ledger(calls, experiment, mishaps, seed=3)
    asks, progress = 0, 0.0
    while ledger.ask():
        ledger.work()
        asks += 1
        if asks % LOOK_EVERY == 0:
            found = ledger.check()
            assert 0 <= progress <= found.progress <= 1
            progress = found.progress
    assert asks > 2 * LOOK_EVERY
    found = ledger.check()
    assert (found.state, found.progress, found.trials.running) == (experiment_pb2.EXPERIMENT_STATE_DONE, 1.0, 0)

    events = calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=experiment), timeout=SECONDS)
    logged = Counter(part.event.kind for part in events)
    assert logged["assign"] >= len(ledger.state)
    assert logged["invalid"] == found.trials.invalid
    by_user = sum(ledger.state[number] == "stopped" and not ledger.rows[number] for number in ledger.state)
    assert logged["failed"] == found.trials.failed + by_user
