"""Adapter: Optuna in one process, its storage in that process's memory."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from optuna.storages import InMemoryStorage

from loadtests.peers import optuna_study
from loadtests.peers.adapter import Pair, Peer, main


class _InProcess:
    def __init__(self, pruner: str) -> None:
        self._study = optuna_study.study(InMemoryStorage(), pruner)
        self._stored = 0

    def store(self, trials: int, until: float) -> int:
        self._stored = optuna_study.store(self._study, self._stored, trials, until)
        return self._stored

    def client(self) -> AbstractContextManager[Pair]:
        return nullcontext(optuna_study.pair(self._study))

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        raise NotImplementedError


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    yield _InProcess(arguments.pruner)


if __name__ == "__main__":
    main(_peer)
