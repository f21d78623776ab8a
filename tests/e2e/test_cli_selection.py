"""Commands that choose what they show, errors as JSON, namespaces as a flag, and completion of the shell."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rungway import Client, ClientConfig, Diverged
from tests.support.calls import unique_name
from tests.support.command_line import run, words
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import SECONDS

CONFIG = {
    "hyperparameters": {"lr": {"type": "double", "minval": 0, "maxval": 1}},
    "searcher": {"name": "random", "metric": "score", "smaller_is_better": False, "max_trials": 6, "max_length": 2},
}
SCORES = {0: 0.3, 1: 0.9, 2: None, 3: 0.1, 4: None, 5: 0.5}
"""By trial; those without one have diverged."""


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address


@pytest.fixture(scope="module")
def searched(target: str) -> str:
    name = unique_name("selected")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, CONFIG)
        for trial in client.trials():
            with trial:
                if (score := SCORES[trial.number]) is None:
                    raise Diverged("too fast")
                trial.report(2, score)
    return name


@pytest.mark.parametrize(
    ("options", "numbers", "following"),
    [
        (["--state", "failed"], [2, 4], None),
        (["--state", "failed", "--state", "completed", "--new"], [5, 4, 3, 2, 1, 0], None),
        (["--sort", "metric"], [1, 5, 0, 3, 2, 4], None),
        (["--sort", "metric", "--new", "--state", "completed", "-n", "2"], [1, 5], 2),
        (["--sort", "metric", "--from", "2", "-n", "2"], [0, 3], 4),
        (["--new", "-n", "1"], [5], 1),
        (["--state", "running"], [], None),
    ],
)
def test_trials_are_selected_and_sorted(
    options: list[str], numbers: list[int], following: int | None, target: str, searched: str
) -> None:
    document = json.loads(run(target, "trials", searched, *options, "--output", "json")[1])
    assert [trial["trial"] for trial in document["trials"]] == numbers
    assert document["next"] == following


def test_the_next_page_keeps_the_selection(target: str, searched: str) -> None:
    out = run(target, "trials", searched, "--sort", "metric", "--new", "-n", "2", wide=True)[1]
    assert [line[0] for line in words(out)][2:4] == ["1", "5"]
    assert f"more: rungway trials {searched} --sort metric --new --from 2 -n 2" in out


def test_an_unknown_state_is_named(target: str, searched: str) -> None:
    code, _, err = run(target, "trials", searched, "--state", "broken")
    assert (code, err) == (
        2,
        "error: --state: got 'broken', wanted one of running, paused, queued, completed, stopped, failed, invalid\n",
    )


def test_the_events_of_one_trial_are_watched(target: str, searched: str) -> None:
    code, out, _ = run(target, "watch", searched, "--trial", "3", wide=True)
    lines = out.splitlines()
    assert code == 0
    assert all("  trial 3 " in line or "  search  " in line for line in lines)
    assert sum("  trial 3 " in line for line in lines) >= 2
    code, _, err = run(target, "watch", searched, "--trial", "99")
    assert (code, "TRIAL_NOT_FOUND" in err) == (1, True)


def test_whoami(target: str) -> None:
    code, out, _ = run(target, "whoami", wide=True)
    assert code == 0
    assert out.startswith("admin in the namespace default, without a token: the service wants none\n")
    document = json.loads(run(target, "--namespace", "team", "whoami", "--output", "json")[1])
    assert (document["namespace"], document["role"], document["tokens"]) == ("team", "admin", False)


def test_the_namespace_is_a_flag(target: str, tmp_path: Path) -> None:
    name, file = unique_name("spaced"), tmp_path / "search.json"
    file.write_text(json.dumps(CONFIG))
    assert run(target, "--namespace", "team", "create", str(file), "--name", name)[0] == 0
    assert run(target, "status", name)[0] == 1
    assert run(target, "status", name, env={"RUNGWAY_NAMESPACE": "team"})[0] == 0
    assert run(target, "--namespace", "team", "status", name, env={"RUNGWAY_NAMESPACE": "other"})[0] == 0
    with Client(config=ClientConfig(target=target, namespace="team", experiment=name)) as client:
        assert client.get_experiment().experiment == name


def test_errors_are_json_where_results_are(target: str, tmp_path: Path) -> None:
    code, out, err = run(target, "status", "absent", "--output", "json")
    assert (code, out) == (1, "")
    assert json.loads(err) == {
        "error": {
            "details": ["reason: EXPERIMENT_NOT_FOUND"],
            "exit_code": 1,
            "message": "there is no experiment 'absent'",
        }
    }
    file = tmp_path / "wrong.yaml"
    file.write_text("hyperparameters: {}\nsearcher: {name: random}\n")
    code, _, err = run(target, "create", str(file), "--output", "json")
    found = json.loads(err)["error"]
    assert (code, found["exit_code"], found["message"]) == (1, 1, "the request is refused")
    assert any(line.startswith("searcher.metric: missing") for line in found["details"])
    assert run("127.0.0.1:1", "status", "a")[2].startswith("error: ")  # a table: words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    rungway = Path(sys.executable).parent / "rungway"
    environment = os.environ | {
        "_RUNGWAY_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "rungway con",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "rungway con",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run([rungway], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert "convert" in done.stdout
