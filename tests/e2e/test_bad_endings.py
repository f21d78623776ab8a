"""A search without a result says so everywhere: in commands, clients, and the logs of workers and service."""

import asyncio
import json
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rungway import (
    AskStatus,
    AsyncClient,
    Client,
    ClientConfig,
    Diverged,
    ExperimentState,
    FailedPrecondition,
    InvalidConfiguration,
    Outcome,
    Reason,
    TrialRun,
)
from tests.support.calls import unique_name
from tests.support.command_line import run, words
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, Service, services

CONFIG: dict[str, Any] = {
    "hyperparameters": {"rate": {"type": "double", "minval": 0, "maxval": 1}},
    "searcher": {"name": "random", "metric": "loss", "max_trials": 30, "max_length": 2},
}
ERROR = "KeyError: 'lr'"


def of(trials: int) -> dict[str, Any]:
    return CONFIG | {"searcher": CONFIG["searcher"] | {"max_trials": trials}}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (running,):
        yield running


@pytest.fixture(params=TRANSPORTS)
def client(service: Service, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(service.target(request.param), experiment=unique_name("bad")) as client:
        client.create_experiment(str(client.config.experiment), CONFIG)
        yield client


def by_trials(client: Client) -> None:
    for trial in client.trials():
        with trial:
            raise KeyError("lr")


def by_plain_calls(client: Client) -> None:
    while (given := client.ask()) is not None:
        client.fail(given, Outcome.ERROR, ERROR)


def by_diverging(client: Client) -> None:
    while (given := client.ask()) is not None:
        client.fail(given, Outcome.DIVERGED, ERROR)


def by_the_twin(client: Client) -> None:
    async def work() -> None:
        config = ClientConfig(target=client.config.target, experiment=client.config.experiment)
        async with AsyncClient(config=config) as twin:
            async for trial in twin.trials():
                async with trial:
                    raise KeyError("lr")

    asyncio.run(work())


@pytest.mark.parametrize("fails", [by_trials, by_plain_calls, by_diverging, by_the_twin])
def test_a_search_that_paused_itself_says_so(fails: Callable[[Client], None], client: Client, service: Service) -> None:
    target, name = client.config.target, str(client.config.experiment)
    hint = f"rungway resume {name}"
    with pytest.raises(FailedPrecondition) as caught:
        fails(client)
    assert caught.value.reason == "FAILING"
    for part in (ERROR, hint, "client.resume_experiment()"):
        assert part in str(caught.value)

    code, out, _ = run(target, "status", name)
    told = " ".join(out.split())
    assert (code, f"{name}: paused" in out) == (0, True)
    assert f"paused itself: its first trials all failed and nothing was ever told; the last error: {ERROR}" in told
    assert hint in told
    listed = [line for line in words(run(target, "status")[1]) if line[:1] == [name]]
    assert listed[0][1:3] == ["paused:", "failing"]
    code, out, err = run(target, "best", name)
    assert (code, out, ERROR in err, hint in err) == (1, "", True, True)
    document = json.loads(run(target, "status", name, "--output", "json")[1])
    assert (document["reason"], document["message"]) == ("failing", ERROR)
    seen = client.get_experiment()
    assert (seen.state, seen.reason, seen.message) == (ExperimentState.PAUSED, Reason.FAILING, ERROR)
    assert [ERROR in line for line in seen.warnings] == [True]
    (line,) = (line for line in service.lines("search_paused_itself") if line["experiment"] == name)
    assert (line["why"], line["level"], line["namespace"]) == (ERROR, "warning", "default")

    assert run(target, "resume", name)[1] == f"{name} is running\n"
    seen = client.get_experiment()
    assert (seen.reason, seen.message, seen.warnings) == (None, "", ())
    assert ERROR not in run(target, "status", name)[1]
    assert run(target, "best", name)[:2] == (0, "no trial has a result yet\n")
    with pytest.raises(FailedPrecondition):
        fails(client)
    assert len([line for line in service.lines("search_paused_itself") if line["experiment"] == name]) == 2
    client.stop_experiment()
    out = run(target, "watch", name, wide=True)[1]
    failing = [line for line in out.splitlines() if "failing" in line]
    assert [(ERROR in line, hint in line) for line in failing] == [(True, True)] * 2
    events = [json.loads(line) for line in run(target, "watch", name, "--output", "json")[1].splitlines()]
    assert [event["message"] for event in events if event["kind"] == "failing"] == [ERROR] * 2
    assert [event.message for event in client.watch_events() if event.message] == [ERROR] * 2


def diverges(run: TrialRun) -> None:
    raise Diverged("too fast")


def tells_nan(run: TrialRun) -> None:
    for length in run.lengths():
        run.report(length, math.nan)


def tells_and_diverges(run: TrialRun) -> None:
    run.report(1, 0.5)
    raise Diverged("later")


def is_invalid(run: TrialRun) -> None:
    raise InvalidConfiguration("too large")


BAD: list[tuple[Callable[[TrialRun], None] | None, str, list[str]]] = [
    (diverges, "done", ["3 of 3 trials failed; the last said: Diverged: too fast", "no trial has a real result"]),
    (tells_nan, "done", ["no trial has a real result"]),
    (tells_and_diverges, "done", ["3 of 3 trials failed; the last said: Diverged: later"]),
    (
        is_invalid,
        "stopped",
        [
            "100 configurations were invalid and replaced; the last said: InvalidConfiguration: too large",
            "no trial has a real result",
        ],
    ),
    (None, "stopped", ["no trial has a real result"]),
]


@pytest.mark.parametrize(("train", "state", "expect"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_a_search_that_is_over_without_a_result_says_so(
    train: Callable[[TrialRun], None] | None,
    state: str,
    expect: list[str],
    service: Service,
    caplog: pytest.LogCaptureFixture,
) -> None:
    target, name = service.address, unique_name("over")
    said = "; ".join(expect)
    with Client(target, experiment=name) as client:
        client.create_experiment(name, of(3))
        if train is None:
            client.stop_experiment()
        with caplog.at_level(logging.WARNING, "rungway"):
            for trial in client.trials():
                with trial:
                    assert train is not None
                    train(trial)
        assert f"the search is over: {said}" in caplog.messages
        reply = client.ask_once()
        assert (reply.status, reply.message) == (AskStatus.DONE, said)
        assert list(client.get_experiment().warnings) == expect
        found = client.best(3)
    assert bool(found) is (train is tells_and_diverges)
    (line,) = (line for line in service.lines("search_without_result") if line["experiment"] == name)
    assert line["why"] == said

    told = " ".join(run(target, "status", name)[1].split())
    assert all(line in told for line in expect)
    listed = [line for line in words(run(target, "status")[1]) if line[:1] == [name]]
    assert listed[0][1].removesuffix(":") == state
    assert (listed[0][2:4] == ["all", "failed"]) is ("failed" in said)
    *_, last = run(target, "watch", name, wide=True)[1].splitlines()
    assert last.endswith(f"  {said}")
    _, out, err = run(target, "watch", name, "--output", "json")
    assert err == f"{said}\n"
    *_, event = map(json.loads, out.splitlines())
    assert event["kind"] == last.split()[2]
    code, out, err = run(target, "best", name)
    assert (code, bool(out)) == (1, bool(found))
    assert err.splitlines() == [f"error: {name} is {state}", *(f"  {line}" for line in expect)]
    code, out, _ = run(target, "best", name, "--output", "json")
    assert (code, len(json.loads(out)["trials"])) == (1, min(len(found), 1))


def test_a_search_with_a_result_has_no_such_warning(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    target, name = service.address, unique_name("good")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, of(3))
        assert run(target, "best", name)[:2] == (0, "no trial has a result yet\n")
        assert json.loads(run(target, "best", name, "--output", "json")[1])["trials"] == []
        for trial in client.trials():
            with trial:
                if trial.number == 1:
                    raise Diverged("one of three")
                for length in trial.lengths():
                    trial.report(length, 0.5)
        assert client.ask_once().message == ""
        warnings = client.get_experiment().warnings
    assert warnings == ("1 of 3 trials failed; the last said: Diverged: one of three",)
    assert "the search is over" not in caplog.text
    assert run(target, "best", name)[0] == 0
    assert run(target, "watch", name, wide=True)[1].splitlines()[-1].split()[1:] == ["search", "done"]
    assert run(target, "watch", name, "--output", "json")[2] == ""
    assert [line for line in service.lines("search_without_result") if line["experiment"] == name] == []


async def test_a_curve_that_was_not_read_is_not_empty(service: Service) -> None:
    target, name = service.address, unique_name("curves")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, of(2))
        for trial in client.trials():
            with trial:
                for length in trial.lengths():
                    trial.report(length, 0.5)
        best = client.best()
        assert best is not None
        shown = [*client.list_trials(), *client.list_trials(1, after=1), best, *client.best(2), client.ask_once().best]
        whole = client.get_trial(best.trial)
    async with AsyncClient(target, experiment=name) as twin:
        shown += [*await twin.list_trials(), await twin.best(), *await twin.best(2), (await twin.ask_once()).best]
        assert await twin.get_trial(best.trial) == whole
    assert [trial.curve for trial in shown if trial] == [None] * len(shown)
    assert whole.curve is not None
    assert [(point.length, point.metric) for point in whole.curve] == [(1, 0.5), (2, 0.5)]
    for command in ("trials", "best"):
        document = json.loads(run(target, command, name, "--output", "json")[1])
        assert {str(trial["curve"]) for trial in document["trials"]} == {"None"}


def test_a_trial_without_reports_has_an_empty_curve(client: Client) -> None:
    given = client.ask_once().assignments[0]
    assert client.get_trial(given.trial).curve == ()
