"""Adapter: Syne Tune's ASHA, stopping form, in one process."""

import argparse
import datetime
from collections.abc import Iterator
from contextlib import contextmanager

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, loguniform, randint, uniform
from syne_tune.optimizer.baselines import ASHA

from loadtests.peers.adapter import InProcess, Peer, loss, main

_SPACE = {
    "learning_rate": loguniform(1e-5, 1e-1),
    "momentum": uniform(0.8, 0.99),
    "weight_decay": loguniform(1e-6, 1e-2),
    "layers": randint(1, 6),
    "batch_size": choice([32, 64, 128, 256]),
    "optimizer": "sgd",
}


class _SyneTune(InProcess):
    def __init__(self) -> None:
        super().__init__()
        self._scheduler = ASHA(_SPACE, metric="loss", time_attr="epoch", max_t=256, reduction_factor=4)

    def pair(self) -> None:
        suggested = self._scheduler.suggest()
        trial = Trial(self._stored, suggested.config, datetime.datetime.now())
        self._scheduler.on_trial_add(trial)
        result = {"loss": loss(), "epoch": 1}
        if self._scheduler.on_trial_result(trial, result) == "STOP":
            self._scheduler.on_trial_remove(trial)
        else:
            self._scheduler.on_trial_complete(trial, result)


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    yield _SyneTune()


if __name__ == "__main__":
    main(_peer)
