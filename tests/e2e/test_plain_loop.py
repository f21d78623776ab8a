"""The plain ask and tell loop of the README, against the real service."""

from collections.abc import Iterator

import pytest
from redis import Redis

from rungway import Client, Decision, Reason
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

SPACE = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def address(redis_url: str) -> Iterator[str]:
    with services(redis_url, 1) as (service,):
        yield service.address


def searcher(**keys: object) -> dict[str, object]:
    return {
        "hyperparameters": SPACE,
        "searcher": {"name": "async_halving", "num_rungs": 3, "max_trials": 27, "max_length": {"epochs": 9}, **keys},
    }


@pytest.mark.parametrize("stop_once", [False, True])
def test_it_trains_no_further_than_the_next_decision(address: str, stop_once: bool) -> None:
    """In the stopping form, too: an assignment ends where something is decided, not at the end of the ladder."""
    name = f"plain-{'stop' if stop_once else 'promote'}"
    trained = 0
    with Client(address, experiment=name) as client:
        client.create_experiment(name, searcher(metric="loss", divisor=3, stop_once=stop_once))
        while assignment := client.ask():
            trained += assignment.next_decision - assignment.from_length
            client.tell(assignment, assignment.hparams["x"] / assignment.next_decision, checkpoint="saved")
        experiment = client.get_experiment()
    assert experiment.trained_length == trained
    assert trained < 27 * 9 / 2
    assert experiment.trials.started == 27


def test_a_trial_that_the_store_has_lost_is_a_lost_lease(address: str, redis_url: str) -> None:
    """As after a crash of Redis that took its last moments: the worker goes on with other work."""
    with Client(address, experiment="lost") as client:
        client.create_experiment("lost", searcher(metric="loss", divisor=3))
        assignment = client.ask()
        assert assignment
        with Redis.from_url(redis_url) as redis:
            redis.hdel("rungway:{default/lost}:trials", str(assignment.trial))
        reply = client.tell(assignment, 0.5)
        assert (reply.decision, reply.reason) == (Decision.SUPERSEDED, Reason.LEASE_LOST)
        with client.trial() as trial:
            with Redis.from_url(redis_url) as redis:
                redis.hdel("rungway:{default/lost}:trials", str(trial.number))
            assert not trial.report(1, 0.5)
