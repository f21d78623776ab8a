"""`rungway wait`: its exit codes, what it prints, and that it waits through a restart of the service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rungway import Client, Outcome
from tests.support import scraped
from tests.support.calls import config, unique_name
from tests.support.command_line import run
from tests.support.redis_server import free_port, redis_on_socket
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

RUNGWAY = str(Path(sys.executable).parent / "rungway")


def searched(client: Client, *metrics: float, trials: int = 0) -> str:
    """A new search of so many trials, of which each of these metrics ended one."""
    name = unique_name("wait")
    client.create_experiment(name, config(max_trials=trials or len(metrics)) | {"pause_after_failures": 1})
    for metric in metrics:
        with Client(client.config.target, experiment=name) as worker:
            given = worker.ask()
            assert given
            worker.tell(given, metric)
    return name


@pytest.fixture(scope="module")
def client(target: str) -> Client:
    return Client(target)


def streams_of(service: Service) -> float:
    """How many streams are open."""
    return scraped.samples(scraped.page(service.http))["rungway_streams_open"]["grpc",]


def test_the_exit_code_says_how_a_search_ended(target: str, client: Client) -> None:
    done, fruitless = searched(client, 0.5, 0.25), searched(client, float("nan"))
    stopped, failing, running = (searched(client, trials=2) for _ in range(3))
    client.stop_experiment(stopped)
    with Client(target, experiment=failing) as worker:
        given = worker.ask()
        assert given
        worker.fail(given, Outcome.ERROR, "no \x1b[31mdata")
    assert run(target, "wait", done) == (0, f"{done}: done; best loss 0.25 at 1 (trial 1)\n", "")
    assert run(target, "wait", fruitless)[0] == 4
    assert run(target, "wait", stopped) == (5, f"{stopped}: stopped; no trial has a real result\n", "")
    code, out, _ = run(target, "wait", failing, wide=True)
    assert (code, r"no \x1b[31mdata" in out) == (6, True)
    code, out, _ = run(target, "wait", running, "--timeout", "0")
    assert (code, out) == (7, f"{running}: running; 0% done after 0 s of waiting\n")
    assert run(target, "wait", "absent")[0] == 1
    assert run("127.0.0.1:1", "wait", done)[0] == 3
    code, out, _ = run(target, "wait", done, stopped, done, "--output", "json")
    assert len(out.splitlines()) == 2
    found = {each["experiment"]: each for each in map(json.loads, out.splitlines())}
    assert (code, {*found}, found[stopped]["ended"]) == (5, {done, stopped}, "stopped")
    assert found[done]["best"] == {"trial": 1, "metric": 0.25, "length": 1}


def test_a_best_metric_is_waited_for(target: str, client: Client) -> None:
    done, running = searched(client, 0.5), searched(client, 0.5, 0.125, trials=3)
    assert run(target, "wait", running, "--for", "best=0.125")[0] == 0
    # One line for each search, so that scripts can tell them apart: with a long name it is wider than a screen.
    code, out, _ = run(target, "wait", running, "--for", "best=0.12", "--timeout", "0", wide=True)
    assert (code, out.count("\n")) == (7, 1)
    assert run(target, "wait", done, "--for", "best=0.4")[0] == 4
    assert run(target, "wait", done, "--for", "best=0.4", "--for", "done")[0] == 0
    for wrong in ("best", "best=low", "best=nan", "end"):
        code, _, err = run(target, "wait", done, "--for", wrong)
        assert (code, wrong in err) == (2, True)


def test_it_waits_through_a_restart_and_a_pause_of_a_user() -> None:
    port = free_port()
    with redis_on_socket() as url:
        with services(url, 1, "--listen", f"127.0.0.1:{port}") as (first,):
            with Client(first.address) as client:
                name = searched(client, 0.5, trials=2)
                client.pause_experiment(name)
            command = [RUNGWAY, "wait", name, "--target", first.address, "--output", "json", "--for"]
            waiting = [
                subprocess.Popen([*command, goal], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for goal in ("done", "best=0.1")
            ]
            wait_until(lambda: streams_of(first) == 2)  # both follow the event log
        with services(url, 1, "--listen", f"127.0.0.1:{port}") as (second,):
            with Client(second.address, experiment=name) as client:
                client.resume_experiment()
                given = client.ask()
                assert given
                assert [each.poll() for each in waiting] == [None, None]
                client.tell(given, 0.1)
            for each in waiting:
                out, err = each.communicate(timeout=SECONDS)
                assert (each.returncode, err) == (0, "")
                assert json.loads(out)["best"] == {"trial": 1, "metric": 0.1, "length": 1}
