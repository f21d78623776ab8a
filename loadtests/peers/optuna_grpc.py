"""Adapter: Optuna with its gRPC storage proxy as a separate process, over memory, a journal in Redis, or SQLite."""

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from optuna.storages import (
    BaseStorage,
    GrpcStorageProxy,
    InMemoryStorage,
    JournalStorage,
    get_storage,
    run_grpc_proxy_server,
)
from optuna.storages.journal import JournalRedisBackend

from loadtests.peers import optuna_study
from loadtests.peers.adapter import Pair, Peer, free_port, main

_START_SECONDS = 60


class _Proxied:
    def __init__(self, port: int, pruner: str, server_pid: int | None) -> None:
        self._port, self._pruner, self._server_pid = port, pruner, server_pid
        self._study = optuna_study.study(_storage(port), pruner)
        self._stored = 0

    def store(self, trials: int, until: float) -> int:
        self._stored = optuna_study.store(self._study, self._stored, trials, until)
        return self._stored

    def client(self) -> None:
        return None

    def service_pids(self) -> list[int]:
        return [self._server_pid] if self._server_pid else []

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        return partial(_connected, self._port, self._pruner)


@contextmanager
def _connected(port: int, pruner: str) -> Iterator[Pair]:
    yield optuna_study.pair(optuna_study.study(_storage(port), pruner))


def _storage(port: int) -> GrpcStorageProxy:
    proxy = GrpcStorageProxy(host="localhost", port=port)
    proxy.wait_server_ready(timeout=_START_SECONDS)
    return proxy


def _serve(arguments: argparse.Namespace, port: int) -> None:
    storages: dict[str, Callable[[], BaseStorage]] = {
        "memory": InMemoryStorage,
        "journal in Redis": lambda: JournalStorage(JournalRedisBackend(arguments.redis, prefix=arguments.pruner)),
        "SQLite": lambda: get_storage(f"sqlite:///{arguments.folder}/optuna-{arguments.pruner}.db"),
    }
    run_grpc_proxy_server(storages[arguments.over](), host="localhost", port=port)


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(arguments, port), daemon=True)
    server.start()
    try:
        yield _Proxied(port, arguments.pruner, server.pid)
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main(_peer)
