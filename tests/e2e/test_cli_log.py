"""The commands that queue, change, explain and follow, against a real service on a real Redis."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rungway import Client, ClientConfig, Diverged, Outcome
from rungway_server.cli.connection import TOTAL_SECONDS
from tests.support.calls import config
from tests.support.command_line import run, words
from tests.support.redis_server import port_of, redis_on_socket
from tests.support.service import services
from tests.support.waiting import SECONDS

RUNGWAY = str(Path(sys.executable).parent / "rungway")
CONFIG = """\
hyperparameters:
  rate: {type: log, base: 10, minval: -3, maxval: 0}
  optimizer: {momentum: {type: double, minval: 0, maxval: 1}, name: {type: categorical, vals: [sgd, adam]}}
searcher: {name: async_halving, metric: loss, max_trials: 9, max_length: {epochs: 9}, divisor: 3, num_rungs: 2}
"""
OWN = {"rate": 0.125, "optimizer": {"momentum": 0.5, "name": "adam"}}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("search") / "search.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture(scope="module")
def searched(target: str, file: str) -> str:
    """A search that has finished: trial n reported (100 - n) / length, trial 2 diverged."""
    assert run(target, "create", file, "--name", "finished")[0] == 0
    with Client(target, experiment="finished") as client:
        for trial in client.trials():
            with trial:
                for length in trial.lengths():
                    if trial.number == 2:
                        raise Diverged("[bold]too fast\x1b[0m")
                    trial.report(length, (100 - trial.number) / length)
    return "finished"


def test_explain_shows_the_decisions_with_their_numbers(target: str, searched: str) -> None:
    code, out, _ = run(target, "explain", searched, "8")
    assert code == 0
    assert out.startswith(f"{searched}, trial 8: completed after 9 of 9 epochs; best loss 10.2222 at 9\n")
    assert "bracket 0, rung 0 at 3, 1 at 9" in out
    words = " ".join(out.split())
    assert "assign a new trial" in words
    assert "promoted: rank 0 of 9 at rung 0, the best 3 go" in words
    assert "cut-off" in words
    assert "completed at the top" in words
    events = json.loads(run(target, "explain", searched, "8", "--output", "json")[1])["events"]
    assert [event["kind"] for event in events] == ["assign", "continue", "stop"]
    why = events[1]["explanation"]
    assert (why["rank"], why["rung_size"], why["quota"], why["cutoff"]) == (0, 9, 3, 94 / 3)
    assert [(event["length"], event["metric"]) for event in events] == [(0, None), (3, 92 / 3), (9, 92 / 9)]
    failed = run(target, "explain", searched, "2")[1]
    assert "trial 2: failed: diverged after 0 of 9 epochs\n" in failed
    assert "last said: Diverged: [bold]too fast\\x1b[0m\n" in failed


def test_explain_of_many_decisions_says_what_it_leaves_out(target: str, file: str) -> None:
    config = CONFIG + "max_restarts: 1000\npause_after_failures: 0\n"
    assert run(target, "create", "-", "--name", "tried", input=config)[0] == 0
    with Client(target, experiment="tried") as client:
        for _ in range(100):
            work = client.ask()
            assert work
            client.fail(work, Outcome.TRANSIENT, "no memory left")
        assert len(client.explain_trial(0)) == 65
    rows = run(target, "explain", "tried", "0")[1].splitlines()
    assert sum("a new trial" in row or "resumed after" in row for row in rows) == 32
    assert [" ".join(row.split()) for row in rows if "no longer" in row] == ["… … 136 lines no longer kept"]
    events = json.loads(run(target, "explain", "tried", "0", "--output", "json")[1])["events"]
    assert [(event["kind"], event["dropped"]) for event in events if event["dropped"]] == [("dropped", 136)]


def test_explain_of_an_unknown_trial_is_refused(target: str, searched: str) -> None:
    code, out, err = run(target, "explain", searched, "99")
    assert (code, out) == (1, "")
    assert err == f"error: experiment '{searched}' has no trial 99\n  reason: TRIAL_NOT_FOUND\n"
    assert "EXPERIMENT_NOT_FOUND" in run(target, "explain", "absent", "0")[2]


def test_a_finished_log_is_read_to_its_end(target: str, searched: str) -> None:
    code, out, _ = run(target, "watch", searched, "--output", "json")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert (events[0]["kind"], events[0]["trial"]) == ("assign", 0)
    assert (events[-1]["kind"], events[-1]["trial"], events[-1]["explanation"]) == ("done", None, None)
    reasons = [(event["trial"], event["explanation"]["reason"]) for event in events[:-1]]
    assert [trial for trial, reason in reasons if reason == "new_trial"] == list(range(9))
    rest = run(target, "watch", searched, "--after", events[-3]["event_id"], "--output", "json")[1]
    assert [json.loads(line) for line in rest.splitlines()] == events[-2:]
    told = run(target, "watch", searched, wide=True)[1].splitlines()
    assert len(told) == len(events)
    assert told[-1].split()[1:] == ["search", "done"]
    assert told[0].split()[1:4] == ["trial", "0", "assign"]
    code, out, err = run(target, "watch", searched, "--after", "yesterday")
    assert (code, out) == (1, "")
    assert "after_event_id" in err
    assert run(target, "watch", "absent")[0] == 1


def test_a_live_log_is_followed_line_by_line_until_interrupted(target: str, file: str) -> None:
    assert run(target, "create", file, "--name", "live")[0] == 0
    environment = os.environ | {"RUNGWAY_TARGET": target, "RUNGWAY_EXPERIMENT": "live"}
    watching = subprocess.Popen(
        [RUNGWAY, "watch"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert watching.stdout is not None
        run(target, "pause", "live")
        assert watching.stdout.readline().split()[1:] == ["search", "paused"]
        run(target, "resume", "live")
        assert watching.stdout.readline().split()[1:] == ["search", "running"]
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=SECONDS)
    finally:
        watching.kill()
        watching.communicate()
    assert watching.returncode == 130
    assert "to go on from here: rungway watch live --after " in err
    assert "Traceback" not in err


def test_a_log_is_followed_across_a_restart_of_the_service(file: str) -> None:
    with redis_on_socket() as url, services(url) as (first,):
        port = port_of(first.address)
        assert run(first.address, "create", file, "--name", "moved")[0] == 0
        config = ClientConfig(target=first.address, experiment="moved", backoff_max=0.5)
        with Client(config=config) as client:
            events = client.watch_events()
            client.pause_experiment()
            assert next(events).kind == "paused"
            first.kill()
            with services(url, 1, "--listen", f"127.0.0.1:{port}"):
                client.resume_experiment()
                client.stop_experiment()
                assert [event.kind for event in events] == ["running", "stopped"]


def test_watch_goes_on_after_an_outage_longer_than_a_command_waits(file: str) -> None:
    with redis_on_socket() as url, services(url) as (first,), ExitStack() as stack:
        port = port_of(first.address)
        assert run(first.address, "create", file, "--name", "moved")[0] == 0
        watching = {form: stack.enter_context(watch(first.address, "moved", form)) for form in ("table", "json")}
        run(first.address, "pause", "moved")
        for process in watching.values():
            assert process.stdout is not None
            assert "paused" in process.stdout.readline()
        first.kill()
        with pytest.raises(subprocess.TimeoutExpired):
            watching["table"].wait(2 * TOTAL_SECONDS)
        assert [process.poll() for process in watching.values()] == [None, None]  # they wait on
        with services(url, 1, "--listen", f"127.0.0.1:{port}") as (second,):
            run(second.address, "resume", "moved")
            run(second.address, "stop", "moved")
            said = {form: process.communicate(timeout=SECONDS) for form, process in watching.items()}
        for form, (out, err) in said.items():
            assert (watching[form].returncode, "Traceback" in err) == (0, False)
            kinds = [json.loads(line)["kind"] if form == "json" else line.split()[2] for line in out.splitlines()]
            assert kinds == ["running", "stopped"]


@contextmanager
def watch(target: str, experiment: str, form: str) -> Iterator[subprocess.Popen[str]]:
    """The command, while it runs."""
    command = [RUNGWAY, "watch", experiment, "--target", target, "--output", form]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_watch_of_a_service_that_is_not_there_ends_soon() -> None:
    assert run("127.0.0.1:1", "watch", "moved")[0] == 3


def test_own_configurations_come_first(target: str, file: str, tmp_path: Path) -> None:
    assert run(target, "create", file, "--name", "queued")[0] == 0
    path = tmp_path / "own.json"
    path.write_text(json.dumps(OWN))
    assert run(target, "enqueue", "queued", str(path)) == (0, "enqueued in queued: the next new trial takes it\n", "")
    changed = run(target, "enqueue", "queued", "-", "--set", "optimizer.name=sgd", input=json.dumps(OWN))
    assert changed == (0, "enqueued in queued, behind 1 other\n", "")
    sets = ("--set", "rate=1", "--set", "optimizer.momentum=1e-1", "--set", "optimizer.name=adam")
    third = json.loads(run(target, "enqueue", "queued", *sets, "--output", "json")[1])
    assert (third["position"], third["hparams"]["optimizer"]["momentum"]) == (2, 0.1)
    with Client(target, experiment="queued") as client:
        given = [client.ask_once(1).assignments[0] for _ in range(4)]
    assert given[0].hparams == OWN
    assert given[1].hparams["optimizer"] == {"momentum": 0.5, "name": "sgd"}
    assert given[2].hparams == {"rate": 1, "optimizer": {"momentum": 0.1, "name": "adam"}}
    assert [each.explanation.reason for each in given] == ["enqueued", "enqueued", "enqueued", "new_trial"]


def test_a_configuration_outside_the_space_is_refused_with_every_field(target: str, searched: str, file: str) -> None:
    run(target, "create", file, "--name", "refusing")
    code, out, err = run(target, "enqueue", "refusing", "--set", "rate=5", "--set", "x=1")
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "error: the request is refused"
    fields = {line.split(":")[0].strip() for line in err.splitlines()[1:]}
    assert fields == {"hparams.rate", "hparams.x"}  # the others would be drawn
    sets = ("--set", "rate=1", "--set", "optimizer.momentum=1", "--set", "optimizer.name=adam")
    code, _, err = run(target, "enqueue", searched, *sets)
    assert (code, "reason: WRONG_STATE" in err) == (1, True)


def test_a_search_is_made_longer_and_narrower(target: str, file: str) -> None:
    assert run(target, "create", file, "--name", "updated")[0] == 0
    out = run(target, "update", "updated", "--max-trials", "1200", "--max-concurrent", "4")[1]
    assert out == "updated is running: 0 of 1,200 trials started, at most 4 at once\n"
    assert run(target, "update", "updated", "--max-concurrent", "0")[1].endswith("any number at once\n")
    with Client(target, experiment="updated") as client:
        assert len(client.ask_once(3).assignments) == 3
    code, out, err = run(target, "update", "updated", "--max-trials", "2")
    assert (code, out) == (1, "")
    assert "max_trials: got 2, wanted at least 3" in err
    document = json.loads(run(target, "update", "updated", "--max-trials", "3", "--output", "json")[1])
    assert document["config"]["searcher"]["max_trials"] == 3
    assert run(target, "update", "absent", "--max-trials", "3")[0] == 1


def test_more_trials_after_the_budget_are_warned_of(target: str) -> None:
    with Client(target, experiment="spent") as client:
        client.create_experiment("spent", config(max_trials=4, budget=1))
        given = client.ask()
        assert given
        client.tell(given, 0.5)
    out = run(target, "update", "spent", "--max-trials", "9", wide=True)[1].splitlines()
    assert out[0].startswith("spent is done: 1 of 9 trials started")
    assert out[1:] == ["the budget of the search is spent: nothing more is handed out"]
    assert len(run(target, "update", "spent", "--retention-days", "1", wide=True)[1].splitlines()) == 1


def test_a_search_begins_with_the_best_of_another(target: str, searched: str, file: str) -> None:
    code, out, _ = run(
        target, "create", file, "--name", "warm", "--warm-start-from", searched, "--warm-start-count", "2"
    )
    assert code == 0
    assert f"2 of the 2 best configurations of {searched} come first" in " ".join(out.split())
    with Client(target) as client:
        best = client.best(2, experiment=searched)
    with Client(target, experiment="warm") as client:
        given = [client.ask_once(1).assignments[0].hparams for _ in range(2)]
    assert given == [trial.hparams for trial in best]
    code, out, err = run(target, "create", file, "--name", "cold", "--warm-start-from", "absent")
    assert (code, out) == (1, "")
    assert "EXPERIMENT_NOT_FOUND" in err
    assert run(target, "status", "cold")[0] == 1


def test_trials_are_listed_from_a_number_on(target: str, searched: str) -> None:
    out = run(target, "trials", searched, "--from", "3", "-n", "2")[1]
    assert [line[0] for line in words(out) if line and line[0].isdigit()] == ["3", "4"]
    assert f"more: rungway trials {searched} --from 5 -n 2" in out
    with Client(target, experiment=searched) as client:
        assert [trial.trial for trial in client.list_trials(after=6)] == [6, 7, 8]
        assert client.list_trials(after=9) == []
