"""What the adapters share: a protocol of JSON lines with the runner, and client processes that start together.

An adapter is a program of its own, run by the interpreter of the environment its peer is installed in, so that this
module uses nothing but the standard library. It reads one request per line and answers each with one line:

    {"do": "store", "trials": 1000, "seconds": 120}            -> {"stored": 1000}
    {"do": "pairs", "clients": 8, "seconds": 5, "most": 200}   -> {"pairs": 200, "took": 3.9}

`store` fills up to so many trials with a result each, as fast as the peer allows, and stops when the time is over.
A pair is one configuration of six hyperparameters suggested, and one result reported at a rung and decided upon.
`most` bounds how many pairs a measurement may add (null = no bound): the cost of some grows with what is stored.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

Pair = Callable[[], int]
"""Does one pair, or a batch of them; how many it did."""
_CONNECT_SECONDS = 120.0
_UNBOUNDED = 10**9


class Peer(Protocol):
    """What an adapter brings."""

    def store(self, trials: int, until: float) -> int:
        """Fill up to so many trials in all, until that moment of `time.monotonic`; how many there are now."""
        ...

    def client(self) -> AbstractContextManager[Pair] | None:
        """A client in this very process; None when clients are processes of their own, by `connect`."""
        ...

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        """What a client process calls to be connected; sent to it by pickle."""
        ...


class InProcess(ABC):
    """A Peer without clients of their own: it does its pairs in this very process, one after the other."""

    def __init__(self) -> None:
        self._stored = 0

    @abstractmethod
    def pair(self) -> None:
        """Do one pair."""

    def store(self, trials: int, until: float) -> int:
        """See Peer: by plain pairs, for want of anything faster."""
        while self._stored < trials and time.monotonic() < until:
            self._count_pair()
        return self._stored

    def client(self) -> AbstractContextManager[Pair]:
        """See Peer."""
        return nullcontext(self._count_pair)

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        """Never called: there is a client."""
        raise NotImplementedError

    def _count_pair(self) -> int:
        self.pair()
        self._stored += 1
        return 1


def loss() -> float:
    """The result that is reported: any."""
    return random.random()


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.create_server(("localhost", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def main(make: Callable[[argparse.Namespace], AbstractContextManager[Peer]]) -> None:
    """Serve requests until the input ends. `make` gets what the command line says about the variant wanted."""
    parser = argparse.ArgumentParser()
    for name in ("target", "redis", "folder", "over", "pruner"):
        parser.add_argument(f"--{name}", default="")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the peer prints goes where errors go
    with contextlib.ExitStack() as exits:
        peer = exits.enter_context(make(arguments))
        for line in sys.stdin:
            print(json.dumps(_answer(peer, json.loads(line))), file=answers, flush=True)


def _answer(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "store":
        return {"stored": peer.store(request["trials"], time.monotonic() + request["seconds"])}
    most = request["most"] or _UNBOUNDED
    with _client(peer) as pair:
        if pair is not None:
            done, begin, end = _pairs(pair, request["seconds"], iter(range(most)))
            return {"pairs": done, "took": end - begin}
    results = _client_processes(peer.connect(), request["clients"], request["seconds"], most)
    took = max(end for _, _, end in results) - min(begin for _, begin, _ in results)
    return {"pairs": sum(done for done, _, _ in results), "took": took}


@contextmanager
def _client(peer: Peer) -> Iterator[Pair | None]:
    with peer.client() or contextlib.nullcontext() as pair:
        yield pair


def _pairs(pair: Pair, seconds: float, allowed: Iterator[int]) -> tuple[int, float, float]:
    """Pair after pair; how many, and when the first began and the last ended."""
    done, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds and next(allowed, None) is not None:
        done += pair()
    return done, begin, time.monotonic()


def _client_processes(
    connect: Callable[[], AbstractContextManager[Pair]], clients: int, seconds: float, most: int
) -> list[tuple[int, float, float]]:
    """Processes with one synchronous loop each. They are forked from one that has imported the peer and done no more:
    each has a connection of its own, and eight of them start in the time of one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([sys.modules["__main__"].__spec__.name])  # type: ignore[union-attr]  # run by -m
    left, together, results = context.Value("q", most), context.Barrier(clients), context.SimpleQueue()
    shared = (connect, left, together, results, seconds)
    processes = [context.Process(target=_client_process, args=shared, daemon=True) for _ in range(clients)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_CONNECT_SECONDS + 4 * seconds)
    if any(process.exitcode != 0 for process in processes):
        for process in processes:
            process.kill()
        raise RuntimeError(f"clients ended with {[process.exitcode for process in processes]}")
    return [results.get() for _ in processes]


def _client_process(
    connect: Callable[[], AbstractContextManager[Pair]], left: Any, together: Any, results: Any, seconds: float
) -> None:
    random.seed()

    def allowed() -> Iterator[int]:
        while True:
            with left:
                if left.value <= 0:
                    return
                left.value -= 1
            yield 1

    with connect() as pair:
        pair()  # the first call opens the connection and fills caches
        together.wait(_CONNECT_SECONDS)
        results.put(_pairs(pair, seconds, allowed()))
