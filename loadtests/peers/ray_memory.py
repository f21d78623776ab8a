"""Adapter: only the ASHA scheduler of Ray Tune, in one process: configurations are drawn, but no trial runs."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from loadtests.peers.adapter import InProcess, Peer, loss, main

SPACE = {
    "learning_rate": tune.loguniform(1e-5, 1e-1),
    "momentum": tune.uniform(0.8, 0.99),
    "weight_decay": tune.loguniform(1e-6, 1e-2),
    "layers": tune.randint(1, 7),
    "batch_size": tune.choice([32, 64, 128, 256]),
    "optimizer": tune.choice(["sgd"]),
}


class _Scheduler(InProcess):
    def __init__(self) -> None:
        super().__init__()
        self._scheduler = ASHAScheduler(
            time_attr="training_iteration", metric="loss", mode="min", max_t=256, grace_period=1, reduction_factor=4
        )

    def pair(self) -> None:
        config = {name: domain.sample() for name, domain in SPACE.items()}
        trial = Trial("peers", config=config, stub=True)
        self._scheduler.on_trial_add(None, trial)
        result = {"loss": loss(), "training_iteration": 1}
        if self._scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            self._scheduler.on_trial_remove(None, trial)
        else:
            self._scheduler.on_trial_complete(None, trial, result)


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    yield _Scheduler()


if __name__ == "__main__":
    main(_peer)
