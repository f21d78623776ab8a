"""The demo from beginning to end: start everything, watch, kill one worker, check, clean up."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from rungway import Client, ClientConfig, Experiment, ExperimentState, RungwayError, Trial
from rungway._local.processes import Service
from rungway_server.demo import digits
from rungway_server.demo.floor import Accident, Desk, Floor
from rungway_server.demo.processes import Worker
from rungway_server.demo.space import EXPERIMENT, experiment_config
from rungway_server.demo.view import Snapshot, View

LOOK_SECONDS = 0.25
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoFailed(Exception):
    """The demo could not be finished; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run."""

    trials: int
    epochs: int
    workers: int
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The finished search, with every trial's curve; seconds from the first worker's start to the end."""

    experiment: Experiment
    trials: list[Trial]
    best: Trial | None
    accident: Accident | None
    retried: bool
    """Whether the service has requeued the killed worker's trial."""
    seconds: float
    page: str
    """The URL of the page of the service."""

    @property
    def taken_over(self) -> bool:
        """Whether the service itself says that another worker finished the killed worker's trial."""
        if self.accident is None:
            return False
        trial = self.trials[self.accident.trial]
        return self.retried and trial.worker != self.accident.worker_name and trial.length > self.accident.epoch


def run(order: Order, view: View, then: Callable[[Outcome], None]) -> Outcome:
    """Run the demo; `then` is called at its end, while the service still runs. In any case its processes and files are
    removed. Raises DemoFailed and ServiceFailed, and what `then` raises."""
    stack = ExitStack()
    with _signals_interrupt():
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rungway-demo-")))
            outcome = _search(order, view, folder, stack)
            then(outcome)
            return outcome
        finally:
            for number in _INTERRUPTS:  # ignore further signals during the clean-up, which ends by itself
                signal.signal(number, signal.SIG_IGN)
            stack.close()


def _search(order: Order, view: View, folder: Path, stack: ExitStack) -> Outcome:
    service = Service(folder, folder / "data")
    stack.callback(service.stop)
    (folder / "work").mkdir()
    digits.prepare(folder / "work")
    target, page = service.wait_ready()
    view.say(f"service at {target} (process {service.pid})")
    view.say(f"embedded store in {service.data}")
    view.say(f"page: {page}#/e/{EXPERIMENT}/ladder")
    config = ClientConfig(target=target, experiment=EXPERIMENT, attempt_timeout=5, total_timeout=10)
    client = stack.enter_context(Client(config=config))
    search = experiment_config(order.trials, order.epochs, order.workers, order.seed)
    for note in client.create_experiment(EXPERIMENT, search).notes:
        view.say(f"note: {note}")
    with view:
        return _Search(order, view, service, client, folder=folder, stack=stack, page=page).run(target)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP act as Ctrl-C does, and the old handlers come back at the end."""
    before = {number: signal.getsignal(number) for number in _INTERRUPTS}
    try:
        for number in _INTERRUPTS:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def rung_lengths(experiment: Experiment) -> list[int]:
    """The lengths of all its rungs, lowest first."""
    assert experiment.plan
    return sorted({rung.length for bracket in experiment.plan.brackets for rung in bracket.rungs})


class _Search:
    """One running search."""

    def __init__(
        self, order: Order, view: View, service: Service, client: Client, *, folder: Path, stack: ExitStack, page: str
    ) -> None:
        self._order, self._view, self._service, self._client, self._page = order, view, service, client, page
        self._folder, self._stack = folder, stack
        self._events: SimpleQueue[tuple[int, dict[str, Any]]] = SimpleQueue()
        self._begin = self._looked = time.monotonic()

    def run(self, target: str) -> Outcome:
        floor = Floor(dict(self._desks(target)), self._view.say)
        experiment = self._look(floor)
        while floor.working:
            self._take_in(floor)
            if time.monotonic() - self._looked > LOOK_SECONDS:
                experiment = self._look(floor)
            floor.cause_accident(experiment.progress, rung_lengths(experiment), self._client.get_trial)
        self._take_in(floor)
        experiment = self._look(floor)
        if experiment.state is not ExperimentState.DONE:
            raise DemoFailed("all workers ended before the search was done:\n" + self._worker_logs(floor))
        return self._outcome(experiment, floor)

    def _desks(self, target: str) -> Iterator[tuple[int, Desk]]:
        for number in range(1, self._order.workers + 1):
            worker = Worker(number, target, self._folder, self._events)
            self._stack.callback(worker.stop)
            yield number, Desk(number, worker)

    def _take_in(self, floor: Floor) -> None:
        """What the workers have printed; waits a moment if there is nothing."""
        try:
            floor.handle(*self._events.get(timeout=LOOK_SECONDS))
            while True:
                floor.handle(*self._events.get_nowait())
        except Empty:
            floor.notice_deaths()

    def _look(self, floor: Floor) -> Experiment:
        self._service.check()
        try:
            experiment, best = self._client.get_experiment(), self._client.best()
        except RungwayError:
            self._service.check()
            raise
        self._looked = time.monotonic()
        self._view.show(Snapshot(experiment, best, floor.desks.values(), time.monotonic() - self._begin))
        return experiment

    def _outcome(self, experiment: Experiment, floor: Floor) -> Outcome:
        seconds = time.monotonic() - self._begin
        trials = [self._client.get_trial(trial.trial) for trial in self._client.list_trials()]
        accident = floor.accident
        retried = accident is not None and any(e.kind == "retry" for e in self._client.explain_trial(accident.trial))
        return Outcome(experiment, trials, self._client.best(), accident, retried, seconds, self._page)

    def _worker_logs(self, floor: Floor) -> str:
        logs = {desk.process.name: desk.process.log_tail() for desk in floor.desks.values()}
        return "\n".join(f"{name}:\n{log}" for name, log in logs.items() if log)
