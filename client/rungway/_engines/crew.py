"""Workers in a cluster of another engine, from outside: they are started, replaced when they die, and stopped."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rungway._core import requests
from rungway._core.enums import TrialState
from rungway._core.errors import FailedPrecondition, InvalidArgument, RungwayError
from rungway._engines.loop import Ended, Work
from rungway._engines.result import WorkersResult, WorkerSummary
from rungway._sync.client import Client

_log = logging.getLogger("rungway")
LOOK_SECONDS = 0.2
"""How often the driver looks at its workers; Ctrl-C may wait for so long."""
LEAVE_SECONDS = 30.0
"""How long workers have to give their trials back before they are ended: an engine may first have to start a process
that tells them."""
_SLOWEST = 2.0
"""Longest wait before a worker is replaced (seconds)."""


class Died(Exception):
    """A worker is gone: its process, or its node."""


class Engine(Protocol):
    """A cluster that runs workers. A handle stands for one worker, from its start to its end."""

    kind: str
    """What names of workers begin with."""

    def start(self, name: str, work: Work) -> Any:
        """Start a worker, at once or when there is place for it; returns its handle."""
        ...

    def wait(self, handles: list[Any], seconds: float) -> list[Any]:
        """Those that have ended, after so many seconds at most."""
        ...

    def ended(self, handle: Any) -> Ended:
        """How one of these has ended. Raises Died, and what is wrong with the function or with the cluster."""
        ...

    def waiting(self, handles: list[Any]) -> list[Any]:
        """Those that have found no place yet."""
        ...

    def leave(self, handles: list[Any], seconds: float) -> None:
        """Let these give their trials back, for so long; then end them."""
        ...

    def drop(self, handle: Any) -> None:
        """End one at once."""
        ...


def checked(
    fn: Callable[[Any], object],
    n: int,
    resources: Mapping[str, float] | None,
    client: Client | None,
    checkpoints: object,
    max_restarts: int,
) -> tuple[Work, Client]:
    """What all workers get, and the client of the driver. Raises InvalidArgument for wrong arguments."""
    if not callable(fn):
        raise InvalidArgument.one("fn", f"got {fn!r:.100}, wanted a function of one trial")
    requests.whole("n", n, least=1)
    requests.whole("max_restarts", max_restarts)
    if client is not None and not isinstance(client, Client):
        raise InvalidArgument.one("client", f"got {client!r:.100}, wanted a rungway.Client")
    _check(resources)
    root = None
    if checkpoints is not None:
        from rungway.integrations.checkpoints import Checkpoints

        root = Checkpoints.of(checkpoints).root  # type: ignore[arg-type]  # it checks what it gets
    client = client or Client()
    requests.experiment_of(client.config, None)
    return Work(fn, client.config, root), client


def _check(resources: Mapping[str, float] | None) -> None:
    if resources is not None and not isinstance(resources, Mapping):
        raise InvalidArgument.one("resources", f"got {resources!r:.100}, wanted a mapping such as {{'GPU': 1}}")
    for name, amount in (resources or {}).items():
        if not isinstance(name, str) or not name:
            raise InvalidArgument.one("resources", f"got the name {name!r:.100}, wanted a text such as 'GPU'")
        requests.not_negative(f"resources.{name}", amount)


class Crew:
    """`n` workers of one search."""

    def __init__(self, engine: Engine, work: Work, client: Client, n: int, max_restarts: int) -> None:
        self._engine, self._work, self._client = engine, work, client
        self._max_deaths = n * max_restarts
        self._tag = f"{engine.kind}-{uuid.uuid4().hex[:4]}"
        self._running: dict[Any, int] = {}
        self._due: dict[int, float] = {}  # workers to replace, and when
        self._replaced = dict.fromkeys(range(1, n + 1), 0)
        self._deaths = 0  # since a trial has come further
        self._progress: object = None
        self._done = False

    def run(self) -> WorkersResult:
        """Until the search is over. Whatever ends it before, Ctrl-C too, lets the workers give their trials back.

        Raises FailedPrecondition (WORKERS_DIED) when they die one after the other without any progress, and what the
        service says to one of them.
        """
        self._progress = self._look()
        try:
            for number in self._replaced:
                self._start(number)
            while self._running or self._due:
                self._tend()
        except BaseException:
            self._leave()
            raise
        return self._result()

    def _leave(self) -> None:
        try:
            self._engine.leave([*self._running], LEAVE_SECONDS)
        except Exception as error:  # the cluster is gone, for example; what is raised is why we leave
            _log.warning("the workers could not be told to leave, leases of theirs will expire: %s", error)

    def _tend(self) -> None:
        for handle in self._engine.wait([*self._running], LOOK_SECONDS):
            number = self._running.pop(handle)
            try:
                ended = self._engine.ended(handle)
            except Died as death:
                ended = Ended(why=f"died: {death}")
            if ended.error is not None:
                raise ended.error
            self._done = self._done or ended.done
            if not ended.done:
                self._replace(number, ended.why)
        if self._done:
            self._due.clear()
            for handle in self._engine.waiting([*self._running]):
                del self._running[handle]
                self._engine.drop(handle)
        for number in [number for number, at in self._due.items() if at <= time.monotonic()]:
            del self._due[number]
            self._start(number)

    def _start(self, number: int) -> None:
        name = f"{self._tag}-{number}.{self._replaced[number]}"
        self._running[self._engine.start(name, self._work)] = number

    def _replace(self, number: int, why: str) -> None:
        if (progress := self._look()) != self._progress:
            self._progress, self._deaths = progress, 0
        self._deaths += 1
        if self._deaths > self._max_deaths:
            raise FailedPrecondition(
                f"the workers end one after the other, and no trial comes further: worker {number} {why}",
                reason="WORKERS_DIED",
            )
        _log.warning("worker %d %s; another one takes its place", number, why)
        self._replaced[number] += 1
        self._due[number] = time.monotonic() + min(_SLOWEST, 0.1 * 2.0 ** min(self._deaths, 10))

    def _look(self) -> object:
        """What is another one when a trial has come further or ended. While the service is away, the same."""
        try:
            found = self._client.get_experiment()
        except RungwayError:
            if self._progress is None:
                raise
            return self._progress
        return found.trained_length, found.trials.completed, found.trials.failed, found.trials.invalid

    def _result(self) -> WorkersResult:
        trials = self._client.list_trials()
        held = [(trial.worker.partition(".")[0], trial.trial) for trial in trials]  # "ray-1f2e-3.0 17@host": worker 3
        workers = (
            WorkerSummary(number, tuple(trial for who, trial in held if who == f"{self._tag}-{number}"), replaced)
            for number, replaced in self._replaced.items()
        )
        failed = tuple(trial for trial in trials if trial.state is TrialState.FAILED)
        return WorkersResult(self._client.get_experiment(), tuple(workers), failed)
