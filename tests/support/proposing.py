"""Searches whose configurations another program proposes: workers that play them, and what must be true at the end."""

import os
import random
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from rungway import Client, TrialState
from rungway_server.proposers.parameters import Parameter
from rungway_server.proposers.seen import Seen
from tests.support.agents import running
from tests.support.waiting import wait_until, wait_while_it_runs

TRIALS = 40
_FIRST, _LAST = 6, 30
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


OWN = ("--with", "tests.support.proposing:Marked")


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


def killed_restarted_and_doubled(client: Client, target: str, folder: Path, *library: str) -> None:
    """Two workers train the search, while `rungway propose` is killed, and then two of it are started."""
    name, killed, go_on = client.config.experiment or "", threading.Event(), threading.Event()
    command = ("propose", name, *library, "--every", "0.1", "--target", target)
    found = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    workers = [threading.Thread(target=_work, args=(target, name, killed, go_on)) for _ in range(2)]

    def waiting() -> int:
        return client.add_proposals([], 0).waiting

    try:
        with running(folder / "first", *command, environment=found) as first:
            assert wait_while_it_runs(first.process, lambda: waiting() >= 4), first.said()
            for worker in workers:
                worker.start()
            assert wait_while_it_runs(first.process, lambda: len(list(client.list_trials(6))) >= 6), first.said()
            os.killpg(first.process.pid, signal.SIGKILL)
            first.wait()
        killed.set()
        wait_until(lambda: waiting() == 0)  # the workers went on
        with (
            running(folder / "second", *command, environment=found) as second,
            running(folder / "third", *command, environment=found) as third,
        ):
            assert wait_while_it_runs(second.process, lambda: waiting() >= 4), second.said()
            go_on.set()
            assert (second.wait(), third.wait()) == (0, 0), second.said() + third.said()
            assert "the search is over" in second.said()
    finally:
        killed.set()
        go_on.set()
        for worker in workers:
            worker.join()


def _work(target: str, name: str, killed: threading.Event, go_on: threading.Event) -> None:
    """Train. All but the first trials wait until the proposer is killed: what it has in stock then, at most twice as
    many as the trials so far, are fewer than those before the last ones, which wait until it is there again."""
    with Client(target, experiment=name) as client:
        while assignment := client.ask():
            if assignment.trial >= _FIRST:
                killed.wait()
            if assignment.trial >= _LAST:
                go_on.wait()
            client.tell(assignment, loss(assignment.hparams), checkpoint="none")


def check_all_there(client: Client) -> int:
    """No trial is lost or there twice, and each has its own configuration. Returns how many were proposed."""
    trials = list(client.list_trials())
    assert [trial.trial for trial in trials] == list(range(TRIALS))
    assert not [trial for trial in trials if trial.state in (TrialState.RUNNING, TrialState.FAILED)]
    configurations = [repr(trial.hparams) for trial in trials]
    assert len(set(configurations)) == TRIALS
    sources = [client.explain_trial(trial.trial)[0].explanation for trial in trials]
    return sum(why is not None and why.proposal is not None and why.proposal.source == "external" for why in sources)
