"""The workers of a search as tasks of Dask, on as many of its workers as a cluster has.

    from distributed import Client as DaskClient
    from rungway.dask import run_workers

    print(run_workers(train, 8, {"GPU": 1}, dask=DaskClient("scheduler:8786")))

It is `dask.map(loop, range(8), pure=False, resources={"GPU": 1})` with a loop over `Client.trials()`, and what that
leaves to you: tasks whose workers keep dying are started anew, Ctrl-C gives the trials back, and a result says what
became of all of them.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway._engines.crew import Crew, Died, checked
from rungway._engines.loop import Ended, Loop, Work
from rungway._engines.result import WorkersResult, WorkerSummary
from rungway._sync.client import Client
from rungway.integrations.checkpoints import Checkpoints

__all__ = ["WorkerSummary", "WorkersResult", "run_workers"]


def run_workers(
    fn: Callable[[Any], object],
    n: int,
    resources: Mapping[str, float] | None = None,
    *,
    dask: Any = None,
    client: Client | None = None,
    checkpoints: Checkpoints | str | os.PathLike[str] | None = None,
    max_restarts: int = 8,
) -> WorkersResult:
    """Run `n` tasks of Dask that train the trials of a search with `fn(trial)`, until it is over.

    `resources` are those of one task, as workers of Dask were started with (`--resources "GPU=2"`); Dask counts them,
    and sets no variable of CUDA. Each task takes a thread of a worker: start these with one thread. `dask` is the
    `distributed.Client`, by default the one made last. Everything else is as in `rungway.ray.run_workers`.

    A task whose worker dies is started on another one by Dask itself, which gives it up after `allowed-failures` (3);
    then it is replaced here, up to `max_restarts` times in a row per task while no trial comes further.

    Raises what `rungway.ray.run_workers` raises; FailedPrecondition (NOT_INSTALLED) without distributed.
    """
    work, client = checked(fn, n, resources, client, checkpoints, max_restarts)
    return Crew(_Dask(_dask_client(dask), dict(resources or {})), work, client, n, max_restarts).run()


def _dask_client(given: Any) -> Any:
    try:
        import distributed
    except ImportError:
        raise FailedPrecondition(
            "workers of Dask need the package distributed, which is not installed: pip install 'rungway[dask]'",
            reason="NOT_INSTALLED",
        ) from None
    if given is None:
        try:
            return distributed.Client.current()
        except ValueError:
            raise InvalidArgument.one("dask", "no client of Dask is there: give dask=distributed.Client(…)") from None
    if not isinstance(given, distributed.Client):
        raise InvalidArgument.one("dask", f"got {given!r:.100}, wanted a distributed.Client")
    return given


_loops: dict[str, Loop] = {}
"""The loops of this process by their names."""


def _run(work: Work, name: str) -> Ended:
    """The task."""
    loop = _loops[name] = Loop(work, name)
    try:
        return loop.run()
    finally:
        del _loops[name]


def _leave(names: list[str]) -> None:
    """On every worker: let its loops with these names give their trials back."""
    for loop in [loop for name, loop in [*_loops.items()] if name in names]:
        loop.leave()


def _leave_all() -> None:
    """In a worker that is closed: let all its loops give their trials back."""
    _leave([*_loops])


def _closing() -> Any:
    """A plugin of every worker: one that is closed (SIGTERM to it, a cluster that shrinks) gives its trials back."""
    from distributed import WorkerPlugin

    class Closing(WorkerPlugin):
        name = "rungway"

        def teardown(self, worker: Any) -> None:
            _leave_all()  # by its name: what the class itself refers to is pickled with it

    return Closing()


class _Dask:
    """See Engine. A handle is the key of a task."""

    kind = "dask"

    def __init__(self, client: Any, resources: dict[str, float]) -> None:
        self._dask, self._resources = client, resources
        self._futures: dict[str, Any] = {}
        client.register_plugin(_closing())

    def start(self, name: str, work: Work) -> str:
        """See Engine."""
        self._futures[name] = self._dask.submit(
            _run, work, name, key=f"rungway-{name}", pure=False, resources=self._resources or None
        )
        return name

    def wait(self, handles: list[str], seconds: float) -> list[str]:
        """See Engine."""
        from distributed import wait

        if not handles:
            return []
        try:
            wait([self._futures[name] for name in handles], timeout=seconds, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return []
        return [name for name in handles if self._futures[name].done()]

    def ended(self, handle: str) -> Ended:
        """See Engine."""
        from distributed.scheduler import KilledWorker

        future = self._futures.pop(handle)
        try:
            ended: Ended = future.result()
        except KilledWorker as error:
            raise Died(str(error)[:500]) from None
        return ended

    def waiting(self, handles: list[str]) -> list[str]:
        """See Engine."""
        placed = {str(key) for keys in self._dask.processing().values() for key in keys}
        return [name for name in handles if f"rungway-{name}" not in placed and not self._futures[name].done()]

    def leave(self, handles: list[str], seconds: float) -> None:
        """See Engine."""
        from distributed import wait

        self._dask.run(_leave, handles)
        running = [self._futures[name] for name in handles if name not in self.waiting(handles)]
        with suppress(TimeoutError):
            wait(running, timeout=seconds)
        for name in handles:
            self.drop(name)

    def drop(self, handle: str) -> None:
        """See Engine."""
        self._futures.pop(handle).cancel()
