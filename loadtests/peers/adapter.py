"""What the adapters share: a protocol of JSON lines with the runner, and client processes that start together.

An adapter is a program that the interpreter of its peer's environment runs, so this module uses only the standard
library. It reads one request per line and answers each with one line:

    {"do": "store", "trials": 1000, "seconds": 120}            -> {"stored": 1000}
    {"do": "pairs", "clients": 8, "seconds": 5, "most": 200, "pids": [17]}
                                                               -> {"pairs": 200, "took": 3.9, "cpu": 0.7}

`cpu` is what the service took (seconds): the process that the peer started for it, or this one if the peer works in
process, and those of `pids`, with all their descendants. It is read when all clients are connected and when all are
done, so that neither their start nor their end counts.
`store` adds trials with one result each until there are `trials`, as fast as the peer allows, or until the time is
over. A pair is one suggested configuration of six hyperparameters, and one result reported at a rung, with its
decision. `most` bounds how many pairs a measurement may add (null = no bound), because some peers slow down as trials
pile up.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

Pair = Callable[[], int]
"""Does one pair or a batch of them; returns how many."""
_CONNECT_SECONDS = 120.0
_UNBOUNDED = 10**9
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Peer(Protocol):
    """What an adapter provides."""

    def store(self, trials: int, until: float) -> int:
        """Store up to `trials` trials in all, until that `time.monotonic`; returns how many there are."""
        ...

    def client(self) -> AbstractContextManager[Pair] | None:
        """A client in this process; None if clients are separate processes, which call `connect`."""
        ...

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        """The function that a client process calls to connect; it is pickled."""
        ...

    def service_pids(self) -> list[int]:
        """The processes that this adapter has started for the service."""
        ...


class InProcess(ABC):
    """A Peer without client processes: it does its pairs in this process, one after the other."""

    def __init__(self) -> None:
        self._stored = 0

    @abstractmethod
    def pair(self) -> None:
        """Do one pair."""

    def store(self, trials: int, until: float) -> int:
        """See Peer; by plain pairs, since there is no faster way."""
        while self._stored < trials and time.monotonic() < until:
            self._count_pair()
        return self._stored

    def client(self) -> AbstractContextManager[Pair]:
        """See Peer."""
        return nullcontext(self._count_pair)

    def connect(self) -> Callable[[], AbstractContextManager[Pair]]:
        """Never called, because there is a client."""
        raise NotImplementedError

    def service_pids(self) -> list[int]:
        """This process."""
        return [os.getpid()]

    def _count_pair(self) -> int:
        self.pair()
        self._stored += 1
        return 1


def loss() -> float:
    """A result to report; any will do."""
    return random.random()


def free_port() -> int:
    """A port of the loopback interface that is free at the moment."""
    with socket.create_server(("localhost", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def main(make: Callable[[argparse.Namespace], AbstractContextManager[Peer]]) -> None:
    """Serve requests until the input ends. `make` gets the options of the command line."""
    parser = argparse.ArgumentParser()
    for name in ("target", "redis", "folder", "over", "pruner"):
        parser.add_argument(f"--{name}", default="")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints goes to stderr
    with contextlib.ExitStack() as exits:
        peer = exits.enter_context(make(arguments))
        for line in sys.stdin:
            print(json.dumps(_answer(peer, json.loads(line))), file=answers, flush=True)


def _answer(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "store":
        return {"stored": peer.store(request["trials"], time.monotonic() + request["seconds"])}
    most, pids = request["most"] or _UNBOUNDED, [*peer.service_pids(), *request["pids"]]
    with _client(peer) as pair:
        if pair is not None:
            before = tree_cpu_seconds(pids)
            done, begin, end = _pairs(pair, request["seconds"], iter(range(most)))
            return {"pairs": done, "took": end - begin, "cpu": tree_cpu_seconds(pids) - before}
    results, cpu = _client_processes(peer.connect(), request["clients"], request["seconds"], most, pids)
    took = max(end for _, _, end in results) - min(begin for _, begin, _ in results)
    return {"pairs": sum(done for done, _, _ in results), "took": took, "cpu": cpu}


@contextmanager
def _client(peer: Peer) -> Iterator[Pair | None]:
    with peer.client() or contextlib.nullcontext() as pair:
        yield pair


def _pairs(pair: Pair, seconds: float, allowed: Iterator[int]) -> tuple[int, float, float]:
    """Do pairs one after the other; returns how many, and when the first began and the last ended."""
    done, begin = 0, time.monotonic()
    while time.monotonic() < begin + seconds and next(allowed, None) is not None:
        done += pair()
    return done, begin, time.monotonic()


def _client_processes(
    connect: Callable[[], AbstractContextManager[Pair]], clients: int, seconds: float, most: int, pids: list[int]
) -> tuple[list[tuple[int, float, float]], float]:
    """Processes with one synchronous loop each. They are forked from a process that has only imported the peer, so
    each has its own connection, and eight start as fast as one. Returns what each did, and the CPU seconds of the
    service."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([sys.modules["__main__"].__spec__.name])  # type: ignore[union-attr]  # run by -m
    left, together, results = context.Value("q", most), context.Barrier(clients + 1), context.SimpleQueue()
    shared = (connect, left, together, results, seconds)
    processes = [context.Process(target=_client_process, args=shared, daemon=True) for _ in range(clients)]
    for process in processes:
        process.start()
    used = 0.0
    with contextlib.suppress(threading.BrokenBarrierError):  # a client has failed, and says so below
        together.wait(_CONNECT_SECONDS)
        before = tree_cpu_seconds(pids)
        together.wait(_CONNECT_SECONDS + 4 * seconds)
        used = tree_cpu_seconds(pids) - before
    for process in processes:
        process.join(_CONNECT_SECONDS)
    if any(process.exitcode != 0 for process in processes):
        for process in processes:
            process.kill()
        raise RuntimeError(f"clients ended with {[process.exitcode for process in processes]}")
    return [results.get() for _ in processes], used


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

    with _breaking(together), connect() as pair:
        pair()  # the first call opens the connection and fills caches
        together.wait(_CONNECT_SECONDS)
        results.put(_pairs(pair, seconds, allowed()))
        together.wait()


@contextmanager
def _breaking(together: Any) -> Iterator[None]:
    """Nobody waits for a client that has failed."""
    try:
        yield
    except BaseException:
        together.abort()
        raise


def tree_cpu_seconds(roots: list[int]) -> float:
    """CPU seconds of processes and their descendants so far, including those that ended and were waited for."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], used[pid] = int(fields[1]), sum(map(int, fields[11:15])) / _TICKS_PER_SECOND
    return sum(seconds for pid, seconds in used.items() if _is_below(pid, roots, parents))


def _is_below(pid: int, roots: list[int], parents: dict[int, int]) -> bool:
    while pid not in roots and pid in parents:
        pid = parents[pid]
    return pid in roots
