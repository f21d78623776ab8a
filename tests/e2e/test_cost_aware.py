"""Shares by cost as users have them: what is dear gets less of the training, and what was used is said."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rungway import Assignment, Client, ClientConfig, InvalidArgument, Plan
from tests.support.calls import config, unique_name
from tests.support.command_line import run, words
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services

DEAR, TRIALS = 5.0, 80
SEARCH: dict[str, Any] = {"max_trials": TRIALS, "max_length": {"epochs": 4}, "divisor": 2, "proposals": "random"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url, 1) as (service,):
        yield service


def client_of(service: Service, experiment: str) -> Client:
    """A client for one experiment."""
    return Client(config=ClientConfig(target=service.address, experiment=experiment))


def is_dear(work: Assignment) -> bool:
    """Whether a new trial trains long unjudged."""
    return work.explanation.rung > 0


def trained(service: Service, *, cost_aware: bool) -> Plan:
    """A search to its end, by one worker: trials that enter above the lowest rung cost five times as much."""
    name, seconds = unique_name("costs"), dict[int, float]()
    with client_of(service, name) as client:
        client.create_experiment(name, config("auto", **SEARCH, cost_aware=cost_aware))
        while work := client.ask():
            per_epoch = seconds.setdefault(work.trial, DEAR if is_dear(work) else 1.0)
            cost = per_epoch * (work.next_decision - work.from_length)
            client.tell(work, (work.trial * 37 + work.next_decision**2 * 53) % 101 / 101, cost=cost, checkpoint="c")
        plan = client.get_experiment().plan
    assert plan
    return plan


def test_what_costs_five_times_as_much_gets_a_smaller_share_of_the_training(service: Service) -> None:
    by_cost, by_length = trained(service, cost_aware=True), trained(service, cost_aware=False)
    assert (by_cost.cost_aware, by_length.cost_aware) == (True, False)
    assert {entry.used for entry in by_length.entries} == {None}
    parts = []
    for plan in (by_cost, by_length):
        spent = [entry.spent for entry in plan.entries]
        parts.append(sum(spent[1:]) / sum(spent))
    assert 0 < parts[0] < 0.7 * parts[1]
    used = [entry.used or 0.0 for entry in by_cost.entries]
    assert sum(used) == pytest.approx(sum(entry.spent for entry in by_cost.entries))
    assert used[0] < by_cost.entries[0].spent


def test_what_was_used_is_said_wherever_shares_are(service: Service) -> None:
    name = unique_name("costs")
    with client_of(service, name) as client:
        client.create_experiment(name, config("auto", **SEARCH, cost_aware=True))
        first = client.ask()
        assert first
        client.tell(first, 0.5, length=1, cost=12.5, checkpoint="c")
        work = client.ask()
        assert work
        assert [(entry.spent, entry.used) for entry in work.explanation.entries] == [(1, 1.0), (0, 0.0), (0, 0.0)]
        assert work.explanation.text.endswith("; used so far, by cost: 100%, 0%, 0%")
        explained = client.explain_trial(work.trial)[0].explanation
        assert explained
        assert explained.entries == work.explanation.entries
        [report] = client.get_trial(first.trial).curve or ()
        assert report.cost == 12.5
    _, shown, said = run(service.address, "explain", name, str(work.trial), wide=True)
    assert "used so far, by cost: 100%" in " ".join(shown.split()), said
    _, shown, said = run(service.address, "status", name)
    assert "Used, by cost" in shown, said
    assert ["1", "1", "→", "0", "70%", "100%"] in words(shown)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_a_cost_that_is_none_is_refused_by_its_field(service: Service, cost: float) -> None:
    name = unique_name("costs")
    with client_of(service, name) as client:
        client.create_experiment(name, config("auto", **SEARCH, cost_aware=True))
        work = client.ask()
        assert work
        with pytest.raises(InvalidArgument, match="cost"):
            client.tell(work, 0.5, length=1, cost=cost)
        lease = {"trial": work.trial, "fence": str(work.lease.fencing_token)}
        reports = [{"length": 1, "metric": 0.5, "cost": str(cost).replace("nan", "NaN").replace("inf", "Infinity")}]
        body = {"experiment": name, "results": [{"lease": lease, "reports": reports}]}
        answer = httpx.post(f"http://{service.http}/rungway.v1.SearchService/Tell", json=body)
        assert answer.status_code == 400
        assert "results[0].reports[0].cost" in answer.text
        assert client.get_trial(work.trial).length == 0


def test_a_search_that_shares_nothing_out_refuses_the_key(service: Service) -> None:
    name = unique_name("costs")
    with client_of(service, name) as client, pytest.raises(InvalidArgument, match=r"searcher\.cost_aware"):
        client.create_experiment(name, config("random", cost_aware=True))
