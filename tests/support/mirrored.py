"""Searches to mirror, and what a target has to have of them in the end."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from rungway import Client, Preempted, Reason, TrialState

SEARCH = {
    "hyperparameters": {
        "optimizer": {
            "lr": {"type": "log", "base": 10, "minval": -4, "maxval": -1},
            "name": {"type": "categorical", "vals": ["sgd", "adam"]},
        },
        "layers": 3,
    },
    "searcher": {
        "name": "async_halving",
        "metric": "loss",
        "num_rungs": 3,
        "divisor": 3,
        "max_length": {"epochs": 9},
        "max_trials": 12,
    },
    "seed": 5,
}
POPULATION = SEARCH | {
    "searcher": {
        "name": "pbt",
        "metric": "loss",
        "population_size": 4,
        "num_rounds": 3,
        "length_per_round": {"epochs": 2},
        "truncate_fraction": 0.25,
    }
}
Point = tuple[int, dict[str, float]]
"""A length and all numbers told with it, the metric and the cost ("rungway/cost") among them."""


@dataclass
class Run:
    """What a target has of a trial."""

    points: list[Point] = field(default_factory=list)
    state: str = ""
    marks: set[str] = field(default_factory=set)
    hparams: dict[str, str] = field(default_factory=dict)
    """Values as texts."""


def train(target: str, name: str, pause: float = 0.0, *, ends: threading.Event | None = None) -> None:
    """One worker: tells the loss and one further number at each epoch; one trial is given back, another fails, and
    one has no number at its second epoch."""
    given_back = False
    with Client(target, experiment=name) as client:
        for run in client.trials():
            with suppress(Preempted), run:
                for epoch in run.lengths():
                    if ends and ends.is_set():
                        raise Preempted
                    if run.number == 3 and epoch == 1:
                        raise FloatingPointError("no number")
                    if run.number == 2 and epoch == 1 and not given_back:
                        given_back = True
                        raise Preempted
                    time.sleep(pause)
                    loss = math.nan if (run.number, epoch) == (5, 1) else run.number * 7919 % 101 / 101 + 1 / epoch
                    if not run.report(epoch, loss, metrics={"val/accuracy": epoch / 10}, cost=0.5):
                        break


@contextmanager
def trained(target: str, name: str, pause: float) -> Iterator[threading.Thread]:
    """A worker beside the test; waits for its end."""
    worker = threading.Thread(target=train, args=(target, name, pause))
    worker.start()
    try:
        yield worker
    finally:
        worker.join()


def expected(client: Client) -> dict[int, Run]:
    """What a target has to have of the search of this client."""
    found = {}
    for listed in client.list_trials():
        trial = client.get_trial(listed.trial)
        points = [(each.length, _numbers(each)) for each in trial.curve or ()]
        optimizer = trial.hparams["optimizer"]
        values = {"optimizer.lr": optimizer["lr"], "optimizer.name": optimizer["name"], "layers": 3}
        run = Run(points, str(trial.state), marks_of(client, trial.trial), {k: str(v) for k, v in values.items()})
        found[trial.trial] = run
    return found


def marks_of(client: Client, trial: int) -> set[str]:
    """The promotions and clonings of a trial, from its decisions."""
    marks = set()
    for event in client.explain_trial(trial):
        if event.explanation and event.explanation.reason is Reason.PROMOTED and event.kind != "pause":
            marks.add(f"promoted to rung {event.explanation.rung + 1}")
        if event.explanation and event.explanation.reason is Reason.CLONED:
            marks.add(f"cloned from trial {event.explanation.parent}")
    return marks


def _numbers(report: Any) -> dict[str, float]:
    return {"loss": report.metric, **report.metrics, "rungway/cost": report.cost}


def check_same(found: dict[int, Run], wanted: dict[int, Run], *, digits: float = 1e-12) -> None:
    """The target has the same runs, each point once and in order. `digits`: how exact its numbers are."""
    assert found.keys() == wanted.keys()
    for number, run in wanted.items():
        other = found[number]
        assert (other.state, other.marks) == (run.state, run.marks), number
        assert other.hparams == run.hparams, number
        assert [length for length, _ in other.points] == [length for length, _ in run.points], number
        for (_, numbers), (_, same) in zip(run.points, other.points, strict=True):
            assert numbers.keys() == same.keys()
            for name, value in numbers.items():
                both_nan = math.isnan(value) and math.isnan(same[name])
                assert both_nan or math.isclose(value, same[name], rel_tol=digits), (number, name)


def is_telling(wanted: dict[int, Run]) -> bool:
    """Whether a search had what a mirror may get wrong."""
    states = {run.state for run in wanted.values()}
    promoted = [mark for run in wanted.values() for mark in run.marks]
    return {TrialState.COMPLETED.value, TrialState.FAILED.value} <= states and len(promoted) >= 3
