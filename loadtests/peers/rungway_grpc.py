"""Adapter: Rungway through its SDK, over gRPC, one synchronous loop per client process.

`--pruner asha`: each pair is one Ask and one Tell on the wire, as it is with the peers; a worker that is told to go on
with its trial asks for another one instead. Any other: the loop of the README, in which it goes on, without an Ask.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from loadtests.experiment import CONFIG
from loadtests.peers.adapter import Pair, Peer, loss, main
from rungway import Client, Report, Result

_BATCH = 64


class _Rungway:
    def __init__(self, client: Client, experiment: str, continues: bool) -> None:
        self._client, self._experiment, self._continues = client, experiment, continues
        self._stored = 0

    def store(self, trials: int, until: float) -> int:
        while self._stored < trials and time.monotonic() < until:
            reply = self._client.ask_once(min(_BATCH, trials - self._stored))
            self._client.tell_many([Result(one, [Report(one.to_length, loss())]) for one in reply.assignments])
            self._stored = max(self._stored, *(one.trial + 1 for one in reply.assignments))
        return self._stored

    def client(self) -> None:
        return None

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        return partial(_connected, self._client.config.target, self._experiment, self._continues)


@contextmanager
def _connected(target: str, experiment: str, continues: bool) -> Iterator[Pair]:
    with Client(target, experiment=experiment) as client:

        def new_trial() -> None:
            (assignment,) = client.ask_once().assignments
            client.tell(assignment, loss())

        def plain_loop() -> None:
            assignment = client.ask()
            assert assignment
            client.tell(assignment, loss())

        yield plain_loop if continues else new_trial


@contextmanager
def _peer(arguments: argparse.Namespace) -> Iterator[Peer]:
    continues = arguments.pruner != "asha"
    experiment = "peers-loop" if continues else "peers"
    with Client(arguments.target, experiment=experiment) as client:
        client.create_experiment(experiment, CONFIG)
        yield _Rungway(client, experiment, continues)


if __name__ == "__main__":
    main(_peer)
