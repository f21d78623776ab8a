"""Runs one scenario: searches one after the other while faults are injected, and a check of each at the end."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rungway import Client, ClientConfig, ExperimentState, RungwayError
from tests.chaos.calls import Recorded, read_histories
from tests.chaos.checker import Findings, check
from tests.chaos.faults import LEASE_SECONDS
from tests.chaos.fleet import Fleet
from tests.chaos.remains import Remains, fetch
from tests.chaos.scenarios import Scenario
from tests.chaos.stage import Stage, staged

SEARCH_SECONDS = 180.0
"""Most time that a search may take after the faults are over, before it counts as stuck."""
DURABLE_SECONDS = 1.3
"""After this many seconds without a fault nothing can be lost."""
STEP_SECONDS = 0.02
SEARCHERS: tuple[dict[str, Any], ...] = (
    {"name": "adaptive_asha"},
    {"name": "async_halving", "num_rungs": 4},
    {"name": "adaptive_asha", "stop_once": True},
    {"name": "auto", "proposals": "random", "budget": 600, "blind": True},
    {"name": "auto", "proposals": "mixture"},
    {"name": "auto", "proposals": "mixture", "cost_aware": True},
    {"name": "async_halving", "proposals": "forest", "num_rungs": 3},
    {"name": "sync_halving", "num_rungs": 3},
)


@dataclass(frozen=True)
class Injected:
    """One fault (seconds, monotonic clock)."""

    what: str
    begun: float
    ended: float
    by_itself: bool = False
    """Whether the service had to recover while it went on, not at its end."""


@dataclass(kw_only=True)
class Outcome(Findings):
    """The findings of all searches of a scenario together, and what the run itself measured."""

    scenario: str
    seed: int
    seconds: float = 0.0
    faults: list[Injected] = field(default_factory=list)
    searches: int = 0
    failed: list[str] = field(default_factory=list)
    """Errors that reached the training loops."""
    recovery: list[float] = field(default_factory=list)
    """From the end of each fault to the next acknowledged call (seconds)."""

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not self.problems and not self.failed


class Run:
    """One scenario on one stage."""

    def __init__(self, scenario: Scenario, seed: int, stage: Stage, fleet: Fleet, client: Client) -> None:
        self.outcome = Outcome(scenario=scenario.name, seed=seed)
        self.searches: dict[str, Remains] = {}
        self.scenario = scenario
        self._stage = stage
        self._fleet = fleet
        self._client = client
        self._dice = random.Random(f"{scenario.name} {seed}")
        self._first = self._dice.randrange(len(SEARCHERS))
        """The searcher of the first search: a short scenario has a few only, and together they have all."""
        self._calm = threading.Lock()
        self._over = threading.Event()
        self._broken: Exception | None = None

    def play(self, seconds: float) -> None:
        """Run searches under faults for some seconds; the last one ends without faults."""
        begun = time.monotonic()
        thread = threading.Thread(target=self._inject, daemon=True)
        thread.start()
        try:
            while time.monotonic() - begun < seconds or not self.outcome.faults:
                self._search(f"{self.scenario.name}-{len(self.searches)}", begun + seconds)
        finally:
            self._over.set()
            thread.join()
        self.outcome.seconds = time.monotonic() - begun

    def _inject(self) -> None:
        while not self._over.wait(self._dice.uniform(*self.scenario.pause)):
            if self._calm.locked():
                continue  # and not right after it, when no worker is at work yet
            with self._calm:
                if self._over.is_set():
                    return
                begun = time.monotonic()
                try:
                    what = self._dice.choice(self.scenario.faults)(self._stage, self._fleet, self._dice)
                except Exception as error:  # raised by the main thread
                    self._broken = error
                    return
                self.outcome.faults.append(Injected(what, begun, time.monotonic(), self._stage.recovers_by_itself))
                if self.scenario.once:
                    return

    def _search(self, experiment: str, until: float) -> None:
        with self._calm:
            self._client.create_experiment(experiment, self._document(len(self.searches)))
            self._wait_until_durable()
        self._stage.key = f"rungway:{{default/{experiment}}}:meta"
        self._fleet.work_on(experiment)
        limit = until + SEARCH_SECONDS
        while experiment not in self.searches:
            if time.monotonic() > until and self.outcome.faults:
                self._over.set()
            self._look_on(experiment, limit)
            time.sleep(0.2)
            if self._is_done(experiment):
                self._fetch_remains(experiment)

    def _document(self, number: int) -> dict[str, Any]:
        searcher = {
            **SEARCHERS[(self._first + number) % len(SEARCHERS)],
            "metric": "loss",
            "max_trials": 100,
            "max_length": {"epochs": 27},
            "divisor": 3,
            "max_concurrent_trials": 5,
        }
        space = {"rate": {"type": "log", "base": 10.0, "minval": -4.0, "maxval": -1.0}}
        return {
            "hyperparameters": space,
            "searcher": searcher,
            "seed": self.outcome.seed + number,
            "lease_seconds": self._lease_seconds(),
            "max_restarts": 8,
        }

    def _lease_seconds(self) -> float:
        """A worker over HTTP has one replica. Where no lease may expire, a lease outlasts the start of a new one, which
        depends on the machine."""
        least = 3 * self._stage.start_seconds if self.scenario.keeps_leases else 0.0
        return max(LEASE_SECONDS, least, min(self.scenario.lease_seconds, self._stage.seconds / 10))

    def _look_on(self, experiment: str, limit: float) -> None:
        if self._broken:
            raise self._broken
        self._fleet.check_alive()
        if time.monotonic() > limit:
            raise RuntimeError(f"{experiment} is stuck: {self._client.get_experiment(experiment)}")

    def _is_done(self, experiment: str) -> bool:
        return self._client.get_experiment(experiment).state is ExperimentState.DONE

    def _fetch_remains(self, experiment: str) -> None:
        """Read the search if it is still done after a while without faults; else send its workers back to it."""
        with self._calm:
            self._wait_until_durable()
            if self._is_done(experiment):
                self.searches[experiment] = fetch(self._client, experiment)
            else:
                self._fleet.work_on(experiment)

    def _wait_until_durable(self) -> None:
        if self.scenario.loses:
            time.sleep(DURABLE_SECONDS)


def run_scenario(scenario: Scenario, seconds: float, seed: int, folder: Path) -> tuple[Run, Recorded]:
    """Run it in this folder, which keeps logs and histories. Its processes have ended afterwards."""
    with staged(folder, seconds, topology=scenario.topology, fsync=scenario.fsync, replicas=scenario.replicas) as stage:
        fleet = Fleet(folder, stage.targets, scenario.workers, step=STEP_SECONDS, mishaps=scenario.mishaps)
        try:
            patience = ClientConfig(target=stage.direct, backoff_max=1.0, total_timeout=seconds + SEARCH_SECONDS)
            with Client(config=patience) as client:
                run = Run(scenario, seed, stage, fleet, client)
                try:
                    run.play(seconds)
                except (RuntimeError, RungwayError) as error:
                    run.outcome.problems.append(f"{type(error).__name__}: {error}")
                fleet.end()
            run.outcome.problems += audited(stage, run.searches)
        finally:
            fleet.kill_all()
    recorded = read_histories(fleet.histories)
    judge(run, recorded)
    return run, recorded


def audited(stage: Stage, experiments: Iterable[str]) -> list[str]:
    """The problems that `rungway audit` finds in each search."""
    rungway = Path(sys.executable).parent / "rungway"
    said = []
    for experiment in experiments:
        command = [str(rungway), "audit", experiment, "--redis", stage.store.direct_url]
        audit = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if audit.returncode:
            said.append(f"rungway audit {experiment}: {audit.stdout}{audit.stderr}")
    return said


def judge(run: Run, recorded: Recorded) -> None:
    """Check every search, and add the findings up."""
    outcome, calls = run.outcome, recorded.calls
    outcome.failed = [f"{line['failed']}: {line['text']}" for line in recorded.failures]
    outcome.searches = len(run.searches)
    for experiment, remains in run.searches.items():
        found = check(recorded.of(experiment), remains, loses=run.scenario.loses)
        found.problems = [f"{experiment}: {problem}" for problem in found.problems]
        outcome.add(found)
    if run.scenario.keeps_leases and outcome.expired:
        outcome.problems.append(f"{len(outcome.expired)} leases expired though no worker failed")
    answered = sorted(call.ended for call in calls if call.ended is not None)
    outcome.recovery = [recovery(fault, answered) for fault in outcome.faults]


def recovery(fault: Injected, answered: list[float]) -> float:
    """Seconds from the end of a fault to the next answer; of one that ends by itself, the longest silence."""
    if not fault.by_itself:
        return next((moment - fault.ended for moment in answered if moment > fault.ended), 0.0)
    moments = [fault.begun, *(moment for moment in answered if fault.begun < moment < fault.ended), fault.ended]
    return max(after - before for before, after in pairwise(moments))
