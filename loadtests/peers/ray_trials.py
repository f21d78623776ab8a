"""Adapter: whole trials of Ray Tune with its ASHA scheduler and a training function that takes no time.

A pair is a trial here, because Tune has no ask and tell. Each run begins empty; its start is not measured.
"""

import argparse
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

from loadtests.peers.adapter import Pair, Peer, loss, main
from loadtests.peers.ray_memory import SPACE

_AT_ONCE = 8
"""As many trials at a time as other peers have clients."""
_START_SECONDS = 120
_MORE_THAN_RUN = 100_000


class _Tune:
    def store(self, trials: int, until: float) -> int:
        return 0

    @contextmanager
    def client(self) -> Iterator[Pair]:
        """Run Tune in a thread; a pair waits until another trial has ended."""
        ended, stopped = threading.Semaphore(0), threading.Event()
        run = threading.Thread(target=_tuner(ended, stopped).fit, daemon=True)
        run.start()

        def pair() -> int:
            if not ended.acquire(timeout=_START_SECONDS):
                raise TimeoutError(f"no trial has ended in {_START_SECONDS} s")
            return 1

        pair()
        yield pair
        stopped.set()
        run.join(_START_SECONDS)

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        raise NotImplementedError

    def service_pids(self) -> list[int]:
        return [os.getpid()]


class _Count(tune.Callback):  # type: ignore[misc]  # untyped where Ray is not installed
    def __init__(self, ended: threading.Semaphore) -> None:
        self._ended = ended

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it to resume the run, which is never done here

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._ended.release()


class _Stop(tune.Stopper):  # type: ignore[misc]  # see above
    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._stopped.is_set()


def _tuner(ended: threading.Semaphore, stopped: threading.Event) -> tune.Tuner:
    scheduler = ASHAScheduler(time_attr="training_iteration", max_t=256, grace_period=1, reduction_factor=4)
    return tune.Tuner(
        _train,
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            scheduler=scheduler,
            num_samples=_MORE_THAN_RUN,
            max_concurrent_trials=_AT_ONCE,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(callbacks=[_Count(ended)], stop=_Stop(stopped), verbose=0),
    )


def _train(config: dict[str, Any]) -> None:
    tune.report({"loss": loss()})


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    ray.init(num_cpus=_AT_ONCE, include_dashboard=False, log_to_driver=False)
    try:
        yield _Tune()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(_peer)
