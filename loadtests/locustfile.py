"""Workers of a search for Locust (https://locust.io), to load your own deployment over its HTTP port.

    pip install locust
    locust -f loadtests/locustfile.py --host https://rungway.example:7078 --users 1000 --spawn-rate 100

Each user is a worker in the plain loop: it asks for a trial, reports at each length, and at a decision goes on or asks
again. RUNGWAY_TOKEN and RUNGWAY_NAMESPACE are those of any client. LOAD_EXPERIMENT names a search that is there, as it
must where Locust runs in several processes; without it the test makes one and deletes it at the end.
LOAD_REPORT_SECONDS (5) is the time between two reports of a worker.
"""

import os
import random
import time
import uuid
from typing import Any

from locust import HttpUser, constant_pacing, events, task
from locust.clients import HttpSession
from locust.env import Environment

REPORT_SECONDS = float(os.environ.get("LOAD_REPORT_SECONDS", "5"))
SEARCH = "/rungway.v1.SearchService"
EXPERIMENTS = "/rungway.v1.ExperimentService"
CONFIG = {
    "hyperparameters": {
        "learning_rate": {"type": "log", "base": 10, "minval": -5, "maxval": -1},
        "momentum": {"type": "double", "minval": 0.8, "maxval": 0.99},
        "layers": {"type": "int", "minval": 1, "maxval": 6},
    },
    "searcher": {"name": "adaptive_asha", "metric": "loss", "max_trials": 10_000_000, "max_length": 256},
    "lease_seconds": max(30.0, 6 * REPORT_SECONDS),
}
experiment = os.environ.get("LOAD_EXPERIMENT", "")


def headers() -> dict[str, str]:
    """The token and the namespace of the environment."""
    found = {}
    if token := os.environ.get("RUNGWAY_TOKEN"):
        found["Authorization"] = f"Bearer {token}"
    if namespace := os.environ.get("RUNGWAY_NAMESPACE"):
        found["Rungway-Namespace"] = namespace
    return found


def call(session: HttpSession, method: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to a call; None if it was refused, which Locust counts as a failure."""
    with session.post(method, json=body, headers=headers(), catch_response=True) as response:
        if response.status_code != 200:
            response.failure(f"{response.status_code}: {(response.text or '')[:200]}")
            return None
        answer: dict[str, Any] = response.json()
        return answer


@events.test_start.add_listener
def create(environment: Environment, **_: object) -> None:
    """Make a search, unless one is named."""
    global experiment
    if experiment:
        return
    experiment = f"locust-{uuid.uuid4().hex[:12]}"
    session = HttpSession(environment.host, environment.events.request, None)
    if call(session, f"{EXPERIMENTS}/CreateExperiment", {"experiment": experiment, "config": CONFIG}) is None:
        environment.runner.quit()


@events.test_stop.add_listener
def delete(environment: Environment, **_: object) -> None:
    """Delete the search that this test has made."""
    if experiment.startswith("locust-"):
        session = HttpSession(environment.host, environment.events.request, None)
        call(session, f"{EXPERIMENTS}/DeleteExperiment", {"experiment": experiment})


class Worker(HttpUser):
    """A worker that trains nothing."""

    wait_time = constant_pacing(REPORT_SECONDS)

    def on_start(self) -> None:
        """Workers do not report at the same moment."""
        self._assignment: dict[str, Any] | None = None
        self._length = self._decision = 0
        time.sleep(random.random() * REPORT_SECONDS)

    @task
    def work(self) -> None:
        """Ask for a trial if there is none, or report the next length."""
        if self._assignment is None:
            self._ask()
        else:
            self._report(self._assignment)

    def _ask(self) -> None:
        body = {"experiment": experiment, "requestId": uuid.uuid4().hex, "worker": "locust"}
        answer = call(self.client, f"{SEARCH}/Ask", body)
        for assignment in (answer or {}).get("assignments", []):
            self._assignment = assignment
            self._length = int(assignment.get("fromLength", 0))
            self._decision = int(assignment["nextDecisionLength"])

    def _report(self, assignment: dict[str, Any]) -> None:
        self._length += 1
        report = {"length": self._length, "metric": random.random()}
        result = {"lease": assignment["lease"], "reports": [report]}
        body = {"experiment": experiment, "requestId": uuid.uuid4().hex, "results": [result]}
        answer = call(self.client, f"{SEARCH}/Tell", body)
        if answer is None:
            self._length -= 1
            return
        verdict = answer["verdicts"][0]
        if verdict.get("decision") != "DECISION_CONTINUE":
            self._assignment = None
        elif self._length == self._decision:
            self._decision = int(verdict["nextDecisionLength"])
