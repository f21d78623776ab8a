"""Searches whose configurations another program proposes: workers that play them, and what must be true at the end."""

import os
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rungway import Client, TrialState
from rungway_server.proposers.parameters import Parameter
from rungway_server.proposers.seen import Seen

TRIALS = 40
SEARCH: Mapping[str, object] = {
    "hyperparameters": {
        "by": {"type": "categorical", "vals": ["sampler", "proposer"], "weights": [1_000_000, 1]},
        "inner": {
            "depth": {"type": "int", "minval": 1, "maxval": 8},
            "x": {"type": "log", "base": 10, "minval": -4, "maxval": 0},
        },
        "momentum": {"type": "double", "minval": 0, "maxval": 1, "when": {"inner.depth": [1, 2, 3, 4]}},
    },
    "constraints": ["inner.x <= 0.5"],
    "searcher": {
        **{"name": "async_halving", "metric": "loss", "max_length": 9, "min_length": 1, "divisor": 3},
        **{"max_trials": TRIALS, "max_concurrent_trials": 0, "proposals": "external"},
    },
    "seed": 7,
}
"""The sampler hardly ever draws "proposer": a trial that has it was proposed, by `Marked` at least."""


class Marked:
    """Proposes random configurations that say so."""

    def __init__(self) -> None:
        self._random = random.Random(os.getpid())

    def propose(self, seen: Seen, count: int) -> Sequence[Mapping[str, object]]:
        found = [seen.parameters.configuration(self._choose) for _ in range(8 * count)]
        return [hparams for hparams in found if hparams is not None][:count]

    def _choose(self, each: Parameter) -> float:
        if each.name == "by":
            return 1
        return self._random.randrange(each.size) if each.size else self._random.random()


def loss(hparams: Mapping[str, object]) -> float:
    inner = hparams["inner"]
    assert isinstance(inner, Mapping)
    return abs(float(inner["x"]) - 0.1) + 0.01 * float(inner["depth"])


@contextmanager
def trained(target: str, name: str, slowly: threading.Event) -> Iterator[list[threading.Thread]]:
    """Two workers train the search; they take their time until the event is set."""
    threads = [threading.Thread(target=_work, args=(target, name, slowly)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        slowly.set()
        for thread in threads:
            thread.join()


def _work(target: str, name: str, slowly: threading.Event) -> None:
    with Client(target, experiment=name) as client:
        while assignment := client.ask():
            slowly.wait(0.05)
            client.tell(assignment, loss(assignment.hparams))


def check_all_there(client: Client) -> int:
    """No trial is lost or there twice, and each has its own configuration. Returns how many were proposed."""
    trials = list(client.list_trials())
    assert [trial.trial for trial in trials] == list(range(TRIALS))
    assert not [trial for trial in trials if trial.state in (TrialState.RUNNING, TrialState.FAILED)]
    configurations = [repr(trial.hparams) for trial in trials]
    assert len(set(configurations)) == TRIALS
    sources = [client.explain_trial(trial.trial)[0] for trial in trials]
    proposed = [why.explanation.source for why in sources if why.explanation and why.explanation.source]
    return sum(each.source == "external" for each in proposed)
