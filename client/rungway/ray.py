"""The workers of a search as actors of Ray, on as many nodes as its cluster has.

    from rungway.ray import run_workers

    def train(trial):
        model = build(trial.hparams, trial.checkpoint)
        for epoch in trial.lengths():
            if not trial.report(epoch, train_one(model), checkpoint=lambda: save(model)):
                break

    print(run_workers(train, 8, {"GPU": 1}))

Rungway decides which trial is trained next, and Ray where: this is not Ray Tune. For function trainables of Tune there
is `rungway.compat.tune`.
"""

import os
import signal
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
_OURS = (
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "max_restarts",
    "max_task_retries",
    "max_concurrency",
    "lifetime",
)
"""Options of an actor that `run_workers` sets itself."""


def run_workers(
    fn: Callable[[Any], object],
    n: int,
    resources: Mapping[str, float] | None = None,
    *,
    client: Client | None = None,
    checkpoints: Checkpoints | str | os.PathLike[str] | None = None,
    max_restarts: int = 8,
    options: Mapping[str, object] | None = None,
) -> WorkersResult:
    """Run `n` actors of Ray that train the trials of a search with `fn(trial)`, until it is over.

    `resources` are those of one worker: "CPU" (1 unless given), "GPU", "memory" (bytes), or any that nodes were started
    with; Ray sets CUDA_VISIBLE_DEVICES. `options` are further options of the actors (`runtime_env`,
    `scheduling_strategy`). Workers without a place wait for one. The cluster is that which `ray.init` has joined.

    `client` says which search, by default as RUNGWAY_TARGET and RUNGWAY_EXPERIMENT do; its address and its token are
    sent to the workers. `fn` gets a `TrialRun`; with `checkpoints`, a folder that all nodes see or a URL, it gets a
    trial of `rungway.integrations`, which saves, resumes and leaves in time. Exceptions of `fn` mean what they mean in
    `Client.trials`: an error ends the trial, and not the actor.

    An actor whose process or node dies is replaced, and so is one that raises Preempted. Its trial is handed out again
    when its lease has expired. `max_restarts` is how many times per worker this may happen in a row while no trial
    comes further. Ctrl-C, and any other error here, lets the workers give their trials back, and is then raised.

    Raises InvalidArgument for wrong arguments; FailedPrecondition without ray (NOT_INSTALLED), when the workers die one
    after the other (WORKERS_DIED) or when the first trials all failed (FAILING); what Ray raises for a function that it
    cannot send; and what the service says, such as NotFound.
    """
    work, client = checked(fn, n, resources, client, checkpoints, max_restarts)
    return Crew(_Ray(resources or {}, options or {}), work, client, n, max_restarts).run()


class _Worker:
    """The actor."""

    def place(self) -> tuple[str, int]:
        """Its node, and its process there."""
        import ray

        return ray.get_runtime_context().get_node_id(), os.getpid()

    def run(self, work: Work, name: str) -> Ended:
        """The loop over trials, in the main thread, where libraries may want to be. SIGTERM gives the trial back."""
        loop = Loop(work, name)
        before = signal.signal(signal.SIGTERM, loop.on_signal)
        try:
            return loop.run()
        finally:
            signal.signal(signal.SIGTERM, before)


class _Handle:
    """One actor with its two calls."""

    def __init__(self, actor: Any, work: Work, name: str) -> None:
        self.actor = actor
        self.place = actor.place.remote()
        self.run = actor.run.remote(work, name)


class _Ray:
    """See Engine."""

    kind = "ray"

    def __init__(self, resources: Mapping[str, float], options: Mapping[str, object]) -> None:
        try:
            import ray
        except ImportError:
            raise FailedPrecondition(
                "workers of Ray need the package ray, which is not installed: pip install 'rungway[ray]'",
                reason="NOT_INSTALLED",
            ) from None
        if not isinstance(options, Mapping):
            raise InvalidArgument.one("options", f"got {options!r:.100}, wanted a mapping")
        if taken := sorted({*options} & {*_OURS}):
            raise InvalidArgument.one(f"options.{taken[0]}", "wanted in `resources`, or not at all: it is set here")
        others = dict(resources)
        named = {"num_cpus": others.pop("CPU", 1), "num_gpus": others.pop("GPU", 0)}
        if (memory := others.pop("memory", None)) is not None:
            named["memory"] = memory
        self._ray = ray
        self._actors = ray.remote(_Worker).options(**named, resources=others, max_restarts=0, **options)

    def start(self, name: str, work: Work) -> _Handle:
        """See Engine."""
        return _Handle(self._actors.remote(), work, name)

    def wait(self, handles: list[_Handle], seconds: float) -> list[_Handle]:
        """See Engine."""
        by_call = {handle.run: handle for handle in handles}
        ready, _ = self._ray.wait([*by_call], num_returns=len(by_call), timeout=seconds) if by_call else ([], [])
        return [by_call[call] for call in ready]

    def ended(self, handle: _Handle) -> Ended:
        """See Engine."""
        try:
            ended: Ended = self._ray.get(handle.run)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.WorkerCrashedError) as error:
            raise Died(" ".join(str(error).split())[:500]) from None
        self.drop(handle)
        return ended

    def waiting(self, handles: list[_Handle]) -> list[_Handle]:
        """See Engine."""
        return [handle for handle in handles if self._place(handle) is None]

    def leave(self, handles: list[_Handle], seconds: float) -> None:
        """See Engine."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        processes: dict[str, list[int]] = {}
        for handle in handles:
            if place := self._place(handle):
                processes.setdefault(place[0], []).append(place[1])
        for node, there in processes.items():
            on_it = NodeAffinitySchedulingStrategy(node, soft=False)
            self._ray.remote(num_cpus=0, max_retries=0)(_terminate).options(scheduling_strategy=on_it).remote(there)
        calls = [handle.run for handle in handles if self._place(handle)]
        if calls:
            self._ray.wait(calls, num_returns=len(calls), timeout=seconds)
        for handle in handles:
            self.drop(handle)

    def drop(self, handle: _Handle) -> None:
        """See Engine."""
        self._ray.kill(handle.actor)

    def _place(self, handle: _Handle) -> tuple[str, int] | None:
        """Where it runs; None while it waits for a place, and when it is gone."""
        if not self._ray.wait([handle.place], timeout=0)[0]:
            return None
        try:
            found: tuple[str, int] = self._ray.get(handle.place)
        except self._ray.exceptions.RayError:
            return None
        return found


def _terminate(processes: list[int]) -> None:
    """On a node: ask the processes of its actors to leave. A method of an actor cannot be interrupted otherwise."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
