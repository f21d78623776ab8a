"""Adapter: Optuna in one process, with storage in memory."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from optuna.storages import InMemoryStorage

from loadtests.peers import optuna_study
from loadtests.peers.adapter import InProcess, Peer, main


class _Optuna(InProcess):
    def __init__(self, pruner: str) -> None:
        super().__init__()
        self._study = optuna_study.study(InMemoryStorage(), pruner)
        self._pair = optuna_study.pair(self._study)

    def pair(self) -> None:
        self._pair()

    def store(self, trials: int, until: float) -> int:
        self._stored = optuna_study.store(self._study, self._stored, trials, until)
        return self._stored


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    yield _Optuna(arguments.pruner)


if __name__ == "__main__":
    main(_peer)
