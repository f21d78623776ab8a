"""What a mirror yields of a real search, while the service and the target go away in turn. `make mirrors` does the same
with the tools themselves."""

import threading
from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest

from rungway import Client, ClientConfig, FailedPrecondition, NotFound
from rungway._mirror.changes import Change, Known, TargetAway, flat
from rungway._mirror.follow import Follower, search_of
from tests.support.command_line import run as command
from tests.support.mirrored import POPULATION, SEARCH, Run, check_same, expected, is_telling, train, trained
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import wait_until


@dataclass
class Kept:
    """A target in memory that is away at each `away`-th write, after it has taken the first point of it."""

    away: int = 0
    runs: dict[int, Run] = field(default_factory=dict)
    writes: int = 0
    beats: int = 0

    def known(self, trial: int) -> Known:
        run = self.runs.get(trial, Run())
        return Known(len(run.points), run.state, frozenset(run.marks))

    def write(self, change: Change) -> None:
        self.writes += 1
        run = self.runs.setdefault(change.trial.trial, Run())
        run.hparams = {name: str(value) for name, value in flat(change.trial.hparams).items()}
        run.state = run.state or "unknown"
        for report in change.points:
            run.points.append((report.length, change.numbers(report, "loss")))
            assert list(run.points[-1][1])[-1] == "loss"
            if self.away and self.writes % self.away == 0:
                raise TargetAway("the disk is full")
        assert not run.marks & change.new_marks.keys()
        run.marks |= change.new_marks.keys()
        run.state = str(change.trial.state)

    def beat(self) -> None:
        self.beats += 1

    def forget(self) -> None:
        pass

    def close(self) -> None:
        pass


def follower(client: Client, kept: Kept, name: str, said: list[str]) -> Follower:
    return Follower(client, kept, search_of(client, name), said.append, threading.Event())


def test_a_target_that_takes_a_part_gets_the_rest(target: str) -> None:
    kept, said = Kept(away=5), list[str]()
    with Client(target, experiment="parts") as client:
        client.create_experiment("parts", SEARCH)
        with trained(target, "parts", 0.01):
            assert follower(client, kept, "parts", said).follow(0.02)
        wanted = expected(client)
        assert is_telling(wanted)
        check_same(kept.runs, wanted)
        assert any("waiting for the target: the disk is full" in line for line in said)
        assert said[-1] == "the target is there again"
        writes = kept.writes
        again = follower(client, kept, "parts", said)
        assert again.follow(0.02, once=True)
        assert (kept.writes, again.points, again.runs) == (writes, 0, 0)


def test_points_between_decisions_come_while_the_trial_runs(target: str) -> None:
    kept = Kept()
    with Client(target, experiment="between") as client:
        searcher = {"name": "random", "metric": "loss", "max_length": {"epochs": 9}, "max_trials": 1}
        client.create_experiment("between", SEARCH | {"searcher": searcher})
        one = follower(client, kept, "between", [])
        assert one.round() is False
        assert kept.runs == {}
        assignment = client.ask()
        assert assignment
        for length in (1, 2, 5):
            client.tell(assignment, 0.5, length=length)
            assert one.round() is False
            assert kept.runs[0].points[-1][0] == length
            assert kept.runs[0].state == "running"
        client.tell(assignment, 0.5, length=9)
        assert one.follow(0.02)
        assert kept.runs[0].state == "completed"


def test_clones_have_their_parents_as_marks(target: str) -> None:
    kept = Kept()
    with Client(target, experiment="family") as client:
        client.create_experiment("family", POPULATION)
        train(target, "family")
        assert follower(client, kept, "family", []).follow(0.1, once=True)
        wanted = expected(client)
        assert any(mark.startswith("cloned") for run in wanted.values() for mark in run.marks)
        check_same(kept.runs, wanted)


def test_a_service_that_goes_away_is_waited_for() -> None:
    kept, said, ended = Kept(), list[str](), list[bool]()
    with redis_on_socket() as url, services(url) as (first,):
        address = first.address
        short = ClientConfig(target=address, experiment="outage", attempt_timeout=0.2, total_timeout=0.3)
        with Client(address, experiment="outage") as client, Client(config=short) as watching:
            client.create_experiment("outage", SEARCH)
            one = follower(watching, kept, "outage", said)
            thread = threading.Thread(target=lambda: ended.append(one.follow(0.02)))
            thread.start()
            first.kill()
            wait_until(lambda: any("waiting for the service" in line for line in said))
            with services(url, 1, "--listen", address):
                train(address, "outage")
                thread.join()
                check_same(kept.runs, expected(client))
    assert ended == [True]
    assert said[-1] == "the service is there again"


def test_a_search_that_was_made_anew_is_another(target: str) -> None:
    with Client(target, experiment="anew") as client:
        client.create_experiment("anew", SEARCH)
        one = follower(client, Kept(), "anew", [])
        assert one.follow(0.1, once=True) is False
        client.delete_experiment()
        with pytest.raises(NotFound):
            one.follow(0.1)
        client.create_experiment("anew", SEARCH)
        with pytest.raises(FailedPrecondition, match="is now another search"):
            one.follow(0.1)


def test_without_the_package_it_says_which_extra_brings_it(target: str) -> None:
    for tool in ("wandb", "mlflow", "tensorboard"):
        if find_spec(tool) is None:
            code, _, said = command(target, "mirror", "parts", "--to", tool)
            assert (code, f"pip install 'rungway[{tool}]'" in said) == (2, True)
    assert command(target, "mirror", "parts", "--to", "elsewhere")[0] == 2
