"""Nothing waits in silence: workers say why they wait, status and `workers` say who trains and who has gone quiet."""

import asyncio
import json
import logging
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rungway import AsyncClient, Client, ClientConfig, DeadlineExceeded, Unavailable
from rungway._agent import session
from rungway._agent.options import Options
from rungway._core import waiting
from rungway_server.cli import live
from tests.support.calls import unique_name
from tests.support.command_line import run, words
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import wait_until

SPACE = {"lr": {"type": "double", "minval": 0, "maxval": 1}}


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address


@pytest.fixture
def client(target: str) -> Iterator[Client]:
    with Client(target, experiment=unique_name("wait")) as client:
        yield client


def create(client: Client, *, lease_seconds: float = 60, **searcher: Any) -> None:
    section = {"name": "random", "metric": "loss", "max_trials": 4, "max_length": 9, "unit": "epochs", **searcher}
    config = {"hyperparameters": SPACE, "searcher": section, "lease_seconds": lease_seconds}
    client.create_experiment(client.config.experiment, config)


def by_client(config: ClientConfig) -> int:
    with Client(config=config) as asking:
        given = asking.ask()
        assert given
        return given.trial


def by_async_client(config: ClientConfig) -> int:
    async def ask() -> int:
        async with AsyncClient(config=config) as asking:
            given = await asking.ask()
            assert given
            return given.trial

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [by_client, by_async_client])
def test_a_worker_says_why_it_waits_and_when_that_is_over(
    ask: Callable[[ClientConfig], int],
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "LOG_AFTER", 0.2)
    caplog.set_level(logging.WARNING, "rungway")
    create(client)
    client.pause_experiment()
    found: list[int] = []
    worker = threading.Thread(target=lambda: found.append(ask(client.config)))
    worker.start()
    wait_until(lambda: "the search is paused" in caplog.text)
    client.resume_experiment()
    worker.join()
    name = client.config.experiment
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"{name}: waiting for work for ")
    assert first.endswith(" s: the search is paused")
    assert last.startswith(f"{name}: trial {found[0]} is handed out after ")


def test_an_agent_says_once_why_all_its_places_wait(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(waiting, "LOG_AFTER", 0.2)
    caplog.set_level(logging.WARNING, "rungway")
    create(client)
    client.pause_experiment()
    command = ["sh", "-c", "echo rungway: epochs=9 loss=0.5"]
    options = Options(places=3, logs=tmp_path)
    endings: list[session.Ending] = []
    agent = threading.Thread(target=lambda: endings.append(session.run(client, command, options, lambda: None)))
    agent.start()
    wait_until(lambda: "the search is paused" in caplog.text)
    client.resume_experiment()
    agent.join()
    assert [each.experiment.trials.completed for each in endings] == [4]
    assert caplog.text.count("waiting for work") == 1
    assert caplog.text.count("is handed out after") == 1


def test_a_short_wait_says_nothing(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    create(client)
    client.pause_experiment()
    with pytest.raises(DeadlineExceeded):
        client.ask(timeout=0.2)
    assert caplog.text == ""
    assert waiting.LOG_AFTER == 10


@pytest.mark.parametrize(
    ("searcher", "said"),
    [
        ({"max_concurrent_trials": 2}, "2 of 2 trials that may run at once are running"),
        (
            {"name": "sync_halving", "num_rungs": 2, "divisor": 2, "max_concurrent_trials": 0},
            "waiting for results of rung 0: 0 of 4 are there; 4 running",
        ),
        ({"name": "async_halving", "num_rungs": 2, "max_concurrent_trials": 0}, "every trial is started"),
    ],
)
def test_the_reason_has_its_numbers(
    searcher: dict[str, Any],
    said: str,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "LOG_AFTER", 0.0)
    create(client, **searcher)
    client.ask_once(9)
    with pytest.raises(DeadlineExceeded):
        client.ask(timeout=3)
    assert said in caplog.text


def test_workers_are_listed_longest_silent_first(target: str, client: Client) -> None:
    create(client)
    name = client.config.experiment
    assert run(target, "workers", name) == (0, "no trial is running\n", "")
    of_one = ClientConfig(target=target, experiment=name, worker="gpu-1")
    with Client(config=of_one) as one, Client(config=replace(of_one, worker="gpu-2")) as two:
        (first,) = one.ask_once().assignments
        (second,) = two.ask_once().assignments
        one.tell(first, 0.5, length=3)
        found = two.list_workers()
        assert [each.worker for each in found] == ["gpu-2", "gpu-1"]
        assert [(each.trial, each.length, each.overdue) for each in found] == [
            (second.trial, 0, False),
            (first.trial, 3, False),
        ]
        assert found[0].lease_seconds == 60
        code, out, _ = run(target, "workers", name)
        assert (code, [line[:2] for line in words(out)][2:]) == (0, [["gpu-2", "1"], ["gpu-1", "0"]])
        printed = json.loads(run(target, "workers", name, "--output", "json")[1])
        assert [each["worker"] for each in printed["workers"]] == ["gpu-2", "gpu-1"]

        async def listed() -> list[str]:
            async with AsyncClient(config=two.config) as other:
                return [each.worker for each in await other.list_workers()]

        assert asyncio.run(listed()) == ["gpu-2", "gpu-1"]


def test_status_warns_of_no_worker_and_of_leases_that_are_not_renewed(target: str, client: Client) -> None:
    create(client, lease_seconds=4)
    name = client.config.experiment
    assert "no trial is running" in run(target, "status", name)[1]
    client.ask_once()
    wait_until(lambda: "not renewed" in run(target, "status", name, wide=True)[1])
    out = run(target, "status", name, wide=True)[1]
    assert f"see `rungway workers {name}`" in " ".join(out.split())
    assert "no trial is running" not in out
    warnings = json.loads(run(target, "status", name, "--output", "json")[1])["warnings"]
    assert len(warnings) == 1
    client.pause_experiment()
    assert json.loads(run(target, "status", name, "--output", "json")[1])["warnings"] == []


def test_status_has_the_expected_end(target: str, client: Client) -> None:
    create(client)
    name = client.config.experiment
    assert json.loads(run(target, "status", name, "--output", "json")[1])["expected_end"] is None
    with client.trial() as trial:
        trial.report(9, 0.5)
    experiment = client.get_experiment()
    now = experiment.create_time + timedelta(seconds=30)
    assert live.expected_end(experiment, now) == now + timedelta(seconds=90)  # one of four is done
    assert "expected end: in " in run(target, "status", name, wide=True)[1]
    end = json.loads(run(target, "status", name, "--output", "json")[1])["expected_end"]
    assert datetime.fromisoformat(end) > datetime.now(UTC)


def test_status_is_watched_until_the_end(target: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.05)
    create(client, max_trials=2)
    name = client.config.experiment
    found: list[tuple[int, str, str]] = []
    watcher = threading.Thread(target=lambda: found.append(run(target, "status", name, "--watch", wide=True)))
    watcher.start()
    for trial in client.trials():
        with trial:
            trial.report(9, 0.5)
    watcher.join()
    ((code, out, _),) = found
    assert code == 0
    assert out.splitlines()[-1] == f"{name}: done, 100% done, 2 trials started, 0 running"
    assert run(target, "status", "--watch")[0] == 2


def test_a_client_pickles_as_its_settings(client: Client) -> None:
    create(client)
    with pickle.loads(pickle.dumps(client)) as copy:
        assert copy.config == client.config
        assert copy.ask_once().assignments
    made = pickle.loads(pickle.dumps(AsyncClient(config=client.config)))
    assert (type(made), made.config) == (AsyncClient, client.config)
    assignment = client.ask()
    assert assignment
    other = pickle.loads(pickle.dumps(assignment))
    assert other == assignment or (other.lease, other.hparams) == (assignment.lease, assignment.hparams)
    client.release(assignment)
    with client.trial() as trial:
        with pytest.raises(TypeError, match=r"hand on `trial\.hparams`"):
            pickle.dumps(trial)
        trial.report(9, 0.1)


@pytest.mark.parametrize("url", ["192.0.2.1:9", "http://192.0.2.1:9"])
def test_a_connection_that_fails_names_the_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "no_proxy", "NO_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    config = ClientConfig(target=url, experiment="e", total_timeout=0.5, attempt_timeout=0.4)
    with Client(config=config) as client, pytest.raises(Unavailable) as failed:
        client.get_experiment()
    assert "of the variable http_proxy" in str(failed.value)
    assert "secret" not in str(failed.value)
