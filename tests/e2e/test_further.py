"""Further metrics from a worker to where people see them, over both transports and with both clients."""

import asyncio
import json
from pathlib import Path

import pytest

from rungway import AsyncClient, BestBy, Client, Report, Result
from tests.support.calls import config, unique_name
from tests.support.command_line import run, words
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, services

LONG = config("random", max_trials=1, max_length={"epochs": 6})


def told(epoch: int) -> Report:
    return Report(epoch, 1 / epoch, {"accuracy": 1 - 1 / epoch, "lr": 0.1}, float(epoch))


def by_client(target: str, name: str) -> None:
    with Client(target, experiment=name) as client:
        for trial in client.trials():
            with trial:
                for epoch in trial.lengths():
                    loss, further = 1 / epoch, told(epoch).metrics
                    if epoch % 2:
                        trial.report(epoch, loss, metrics=further, cost=float(epoch))
                    else:
                        trial.report(epoch, {"loss": loss, **further}, cost=float(epoch))


def by_async_client(target: str, name: str) -> None:
    async def work() -> None:
        async with AsyncClient(target, experiment=name) as client:
            async for trial in client.trials():
                async with trial:
                    async for epoch in trial.lengths():
                        further = told(epoch).metrics
                        await trial.report(epoch, {"loss": 1 / epoch} | dict(further), cost=float(epoch))

    asyncio.run(work())


@pytest.mark.parametrize("work", [by_client, by_async_client])
def test_what_a_worker_reports_is_what_people_see(work: object, tmp_path: Path) -> None:
    with redis_on_socket() as url, services(url) as (service,):
        for transport in TRANSPORTS:
            name, target = unique_name("further"), service.target(transport)
            with Client(target, experiment=name) as client:
                client.create_experiment(name, LONG)
                work(target, name)  # type: ignore[operator]  # one of the two above
                assert client.get_trial(0).curve == tuple(told(epoch) for epoch in range(1, 7))
                best = client.best()
                assert best
                assert best.best_metric == 1 / 6
                assert best.curve is None
            code, out, _ = run(target, "trial", name, "0", "-n", "2")
            assert code == 0
            assert words(out)[-4:] == [
                ["─" * len(out.splitlines()[-4])],
                ["5", "0.2", "0.8", "0.1", "5"],
                ["6", "0.166667", "0.833333", "0.1", "6"],
                ["4", "reports", "before", "these;", "-n", "shows", "more"],
            ]
            assert words(out)[-5] == ["Length", "loss", "accuracy", "lr", "Cost", "(s)"]
            shown = json.loads(run(target, "trial", name, "0", "--output", "json")[1])["trial"]
            assert shown["curve"][1] == {
                "length": 2, "metric": 0.5, "metrics": {"accuracy": 0.5, "lr": 0.1}, "cost": 2.0,
            }  # fmt: skip
            assert run(target, "export", name, "--format", "csv", "--out", str(tmp_path / transport))[0] == 0
            rows = (tmp_path / transport / "curves.csv").read_text().splitlines()
            assert rows[:2] == ["number,length,metric,metrics.accuracy,metrics.lr,cost", "0,1,1.0,0.0,0.1,1.0"]


def test_the_best_by_each_result(target: str) -> None:
    """Trial 0 is best on the way and worse at the end; trial 1 is still training."""
    name = unique_name("best")
    results = {0: (0.1, 0.9), 1: (0.3, 0.2), 2: (0.5, 0.4)}
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config("random", max_trials=3, max_length={"epochs": 2}))
        work = client.ask_once(3).assignments
        for given in work:
            first, last = results[given.trial]
            if given.trial == 1:
                client.tell(given, last, length=1)
            else:
                client.tell_many([Result(given, [Report(1, first), Report(2, last)])])
        found = {by: client.best(by=by) for by in BestBy}
        assert {str(by): (trial.trial, trial.metric) for by, trial in found.items() if trial} == {
            "best": (0, 0.9),
            "last": (1, 0.2),
            "final": (2, 0.4),
        }

        async def several() -> list[int]:
            async with AsyncClient(target, experiment=name) as own:
                return [trial.trial for trial in await own.best(3, by="final")]

        assert asyncio.run(several()) == [2, 0]
    code, out, _ = run(target, "best", name, "-n", "3", "--by", "final", wide=True)
    assert code == 0
    assert [row[:5] for row in words(out)[-2:]] == [["2", "0.4", "0.4", "2", "2"], ["0", "0.9", "0.1", "1", "2"]]
    assert words(out)[-4][:5] == ["Trial", "Final", "Best", "At", "Trained"]
    shown = json.loads(run(target, "best", name, "--by", "last", "--output", "json")[1])
    assert (shown["by"], [trial["trial"] for trial in shown["trials"]]) == ("last", [1])
    assert [trial["trial"] for trial in json.loads(run(target, "best", name, "-o", "json")[1])["trials"]] == [0]


def test_a_trial_without_reports_and_one_that_is_not_there(target: str) -> None:
    name = unique_name("further")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, LONG)
        assert client.ask()
        assert "no report yet" in run(target, "trial", name, "0")[1]
        code, _, problem = run(target, "trial", name, "7")
        assert (code, "TRIAL_NOT_FOUND" in problem) == (1, True)
