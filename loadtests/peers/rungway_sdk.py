"""Adapter: Rungway through its SDK, over gRPC or HTTP, one synchronous loop per client process.

`--pruner asha`: each pair is one Ask and one Tell on the wire, as with the peers; a worker whose trial continues asks
for another one instead. `asha, batches of 16`: the same, but each process holds 16 trials, with one Ask and one Tell
for all. `asha, promoted go on`: the loop of the README, which continues with a promoted trial without an Ask.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from loadtests.experiment import CONFIG
from loadtests.peers.adapter import Pair, Peer, loss, main
from rungway import Client, Report, Result

_STORED_AT_ONCE = 64
_BATCH = 16


def _one_by_one(client: Client) -> int:
    (assignment,) = client.ask_once().assignments
    client.tell(assignment, loss())
    return 1


def _batch(client: Client) -> int:
    held = client.ask_once(_BATCH).assignments
    client.tell_many([Result(one, [Report(one.next_decision, loss())]) for one in held])
    return len(held)


def _plain_loop(client: Client) -> int:
    assignment = client.ask()
    assert assignment
    client.tell(assignment, loss())
    return 1


_WAYS: dict[str, tuple[str, Callable[[Client], int]]] = {
    "asha": ("peers", _one_by_one),
    "asha, over HTTP": ("peers-http", _one_by_one),
    f"asha, batches of {_BATCH}": ("peers-batches", _batch),
    "asha, promoted go on": ("peers-loop", _plain_loop),
}
"""For each setting, the experiment and the function that does a pair or a batch of them."""


class _Rungway:
    def __init__(self, client: Client, experiment: str, way: Callable[[Client], int]) -> None:
        self._client, self._experiment, self._way = client, experiment, way
        self._stored = 0

    def store(self, trials: int, until: float) -> int:
        while self._stored < trials and time.monotonic() < until:
            reply = self._client.ask_once(min(_STORED_AT_ONCE, trials - self._stored))
            self._client.tell_many([Result(one, [Report(one.next_decision, loss())]) for one in reply.assignments])
            self._stored = max(self._stored, *(one.trial + 1 for one in reply.assignments))
        return self._stored

    def client(self) -> None:
        return None

    def service_pids(self) -> list[int]:
        return []  # the runner has started it

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        return partial(_connected, self._client.config.target, self._experiment, self._way)


@contextmanager
def _connected(target: str, experiment: str, way: Callable[[Client], int]) -> Iterator[Pair]:
    with Client(target, experiment=experiment) as client:
        yield partial(way, client)


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    experiment, way = _WAYS[arguments.pruner]
    with Client(arguments.target, experiment=experiment) as client:
        client.create_experiment(experiment, CONFIG)
        yield _Rungway(client, experiment, way)
        client.delete_experiment(experiment)


if __name__ == "__main__":
    main(_peer)
