"""Endings that a random run may not have, played on purpose through a real service: the checker can replay them."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rungway import Client, ClientConfig, FailedPrecondition, Outcome, Result
from tests.chaos.calls import read_histories
from tests.chaos.checker import check
from tests.chaos.recorder import RecordedClient, Recorder
from tests.chaos.remains import fetch
from tests.chaos.worker import cost_of, metric_of
from tests.support.calls import config
from tests.support.redis_server import redis_on_socket
from tests.support.service import services


def only_fail(worker: RecordedClient) -> None:
    """Until the search pauses itself."""
    for _ in range(10):
        work = worker.ask()
        assert work
        worker.fail(work, Outcome.ERROR, "KeyError")
    with pytest.raises(FailedPrecondition, match="paused itself"):
        worker.ask()


def end_early(worker: RecordedClient) -> None:
    """Trials end by themselves with a result on the way, with that of a decision, after one, or not at all."""
    while work := worker.ask():
        way, half = work.trial % 4, (work.from_length + work.next_decision + 1) // 2
        length = work.next_decision if way in (0, 1) else half
        if length <= work.from_length:
            length = work.next_decision
        metric = metric_of(work, length)
        done = way in (1, 2)
        cost = cost_of(work, length)
        reply = worker.tell(work, metric, length=length, cost=cost, checkpoint=f"at {length}", finished=done)
        if way == 3 and reply:
            worker.tell_many([Result(work, (), finished=True)])


@pytest.mark.parametrize("name", ["async_halving", "sync_halving", "stopping", "auto", "mixture", "costs"])
def test_trainings_that_end_themselves_and_a_search_that_pauses_itself(name: str, tmp_path: Path) -> None:
    section: dict[str, Any] = {"max_trials": 27, "max_length": {"epochs": 9}, "num_rungs": 3, "divisor": 3}
    if name == "stopping":
        section["stop_once"] = True
    if name == "auto":
        section = {"max_trials": 27, "max_length": {"epochs": 9}, "budget": {"epochs": 150}, "blind": True}
        section["proposals"] = "random"
    if name in ("mixture", "costs"):
        section = {"max_trials": 60, "max_length": {"epochs": 9}, "proposals": "mixture", "cost_aware": name == "costs"}
    searcher = {"stopping": "async_halving", "mixture": "auto", "costs": "auto"}.get(name, name)
    document = config(searcher, **section)
    with redis_on_socket() as url, services(url, 1) as (service,):
        settings = ClientConfig(target=service.address, experiment="endings")
        with RecordedClient(settings, Recorder(tmp_path / "history")) as worker, Client(config=settings) as client:
            client.create_experiment("endings", document)
            only_fail(worker)
            client.resume_experiment()
            end_early(worker)
            remains = fetch(client, "endings")
    calls = read_histories([tmp_path / "history"]).of("endings")
    assert check(calls, remains).problems == []
    assert {event.kind for event in remains.events} >= {"failing", "running", "stop", "done"}
    wrong = next(trial for trial in remains.trials if trial.outcome is Outcome.FINISHED)
    remains.trials[wrong.trial] = dataclasses.replace(wrong, outcome=None)
    assert check(calls, remains).problems
