"""The commands against a real service on a real Redis."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rungway import (
    Client,
    Diverged,
    ExperimentState,
    FailedPrecondition,
    InvalidConfiguration,
    Reason,
    __version__,
)
from tests.support.command_line import run, words
from tests.support.redis_server import free_port, redis_on_socket
from tests.support.service import services
from tests.support.waiting import SECONDS

CONFIG = """\
name: Small Search
hyperparameters:
  rate: {type: log, base: 10, minval: -3, maxval: 0}
searcher: {name: adaptive_asha, metric: loss, max_trials: 12, max_length: {epochs: 9},
  divisor: 3, max_concurrent_trials: 1}
labels: [x]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "search.yaml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture(scope="module")
def searched(target: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search that has finished: trial n reports (100 - n) / length, trial 3 diverged."""
    name = "finished"
    path = tmp_path_factory.mktemp("search") / "search.yaml"
    path.write_text(CONFIG)
    assert run(target, "create", str(path), "--name", name)[0] == 0
    with Client(target, experiment=name) as client:
        for trial in client.trials():
            with trial:
                for length in trial.lengths():
                    if trial.number == 3:
                        raise Diverged("[bold]too fast\x1b[0m")
                    trial.report(length, (100 - trial.number) / length, checkpoint="somewhere")
    return name


def test_create_prints_id_plan_and_notes_and_refuses_a_second(target: str, file: str) -> None:
    code, out, _ = run(target, "create", file)
    assert code == 0
    assert "created small-search" in out  # made from the file's key "name"
    assert ["0", "8", "1,", "3,", "9"] in words(out)
    assert "note: ignored, they mean nothing here: labels" in out
    assert "max_concurrent_trials raised from 1 to 2" in out
    code, out, err = run(target, "create", file)
    assert (code, out) == (1, "")
    assert err.startswith("error: there is already an experiment 'small-search'\n  reason: EXPERIMENT_EXISTS\n")
    assert "`rungway status small-search`" in err
    code, out, err = run(target, "create", file, "--name", "")
    assert (code, out, err) == (2, "", "error: --name: got an empty id\n")


def test_status_of_one_shows_the_ladder(target: str, searched: str) -> None:
    code, out, _ = run(target, "status", searched)
    assert code == 0
    assert f"{searched}: done, 100% done" in out
    assert "adaptive_asha on loss (smaller is better)" in out
    assert "trials: 12 of 12 started" in out
    assert "1 failed" in out
    assert "1 of 12 trials failed; the last said: Diverged: [bold]too fast\\x1b[0m" in out
    assert "no trial has a real result" not in out
    assert ["epochs", "Bracket", "0", "Bracket", "1"] in words(out)
    assert ["started", "8", "of", "8", "4", "of", "4"] in words(out)
    document = json.loads(run(target, "status", searched, "--output", "json")[1])
    assert [rung["length"] for rung in document["plan"]["brackets"][0]["rungs"]] == [1, 3, 9]
    assert document["plan"]["brackets"][0]["rungs"][0]["results"] == 8
    assert (document["state"], document["trials"]["failed"], document["progress"]) == ("done", 1, 1.0)


@pytest.mark.parametrize(
    ("searcher", "trials"), [({"name": "hyperband", "max_length": 9}, 15), ({"name": "grid", "max_length": 9}, 3)]
)
def test_status_counts_trials_that_no_key_says(
    searcher: dict[str, object], trials: int, target: str, tmp_path: Path
) -> None:
    path = tmp_path / "search.json"
    space = {"rate": {"type": "int", "minval": 1, "maxval": 3, "count": 3}}
    path.write_text(json.dumps({"hyperparameters": space, "searcher": {"metric": "loss", **searcher}}))
    name = f"counted-{searcher['name']}"
    assert run(target, "create", str(path), "--name", name)[0] == 0
    assert f"trials: 0 of {trials} started" in run(target, "status", name)[1]
    assert f"0 of {trials} trials started" in run(target, "update", name, "--max-concurrent", "2")[1]


def test_status_of_all_and_the_environment(target: str, searched: str) -> None:
    code, out, _ = run(target, "status")
    assert code == 0
    assert [line[:3] for line in words(out) if searched in line] == [[searched, "done", "100%"]]
    assert f"{searched}: done" in run(target, "status", env={"RUNGWAY_EXPERIMENT": searched})[1]
    everything = json.loads(run(target, "status", "--all", "--output", "json", env={"RUNGWAY_EXPERIMENT": searched})[1])
    assert searched in [each["experiment"] for each in everything["experiments"]]


def test_best(target: str, searched: str) -> None:
    code, out, _ = run(target, "best", searched, "-n", "2")
    assert code == 0
    assert f"{searched}: best by loss" in out
    found = json.loads(run(target, "best", searched, "-n", "2", "--output", "json")[1])["trials"]
    assert len(found) == 2
    assert found[0]["best_metric"] <= found[1]["best_metric"]
    assert f"rate={found[0]['hparams']['rate']:.4g}" in out


def test_trials_come_in_pages(target: str, searched: str) -> None:
    code, out, _ = run(target, "trials", searched, "-n", "5")
    assert code == 0
    assert [line[0] for line in words(out) if line and line[0].isdigit()] == ["0", "1", "2", "3", "4"]
    assert f"more: rungway trials {searched} --from 5 -n 5" in out
    assert ["3", "failed:", "diverged"] in [line[:3] for line in words(out)]
    assert "Diverged: [bold]too fast" in run(target, "trials", searched, wide=True, env={"COLUMNS": "120"})[1]
    last = json.loads(run(target, "trials", searched, "--from", "10", "--output", "json")[1])
    assert [trial["trial"] for trial in last["trials"]] == [10, 11]
    assert last["next"] is None
    assert "rate=" in run(target, "trials", searched, "--hparams")[1]
    assert "no trials here" in run(target, "trials", searched, "--from", "99")[1]


def test_pause_resume_stop_delete(target: str, file: str) -> None:
    name = "short-lived"
    assert run(target, "create", file, "--name", name)[0] == 0
    assert run(target, "pause", name)[1] == f"{name} is paused\n"
    assert json.loads(run(target, "resume", name, "--output", "json")[1])["state"] == "running"
    assert run(target, "stop", name)[1] == f"{name} is stopped\n"
    code, _, err = run(target, "resume", name)
    assert code == 1
    assert "reason: WRONG_STATE" in err
    code, _, err = run(target, "delete", name, input="n\n")
    assert (code, "nothing was deleted" in err) == (1, True)
    assert run(target, "status", name)[0] == 0
    assert run(target, "delete", name, input="y\n")[0] == 0
    code, _, err = run(target, "status", name)
    assert (code, err) == (1, f"error: there is no experiment '{name}'\n  reason: EXPERIMENT_NOT_FOUND\n")
    assert run(target, "delete", name, "--yes")[0] == 1
    code, _, err = run(target, "delete", name)
    assert (code, err) == (1, f"error: there is no experiment '{name}'\n  reason: EXPERIMENT_NOT_FOUND\n")


def test_a_search_where_everything_failed_says_so(target: str, tmp_path: Path) -> None:
    path = tmp_path / "failing.yaml"
    path.write_text("searcher: {name: random, metric: loss, max_trials: 3, max_length: 2}\n")
    assert run(target, "create", str(path))[0] == 0
    with Client(target, experiment="failing") as client:
        for trial in client.trials():
            with trial:
                if trial.number == 0:
                    raise InvalidConfiguration("too large")
                raise Diverged(f"at {trial.number}")
    out = run(target, "status", "failing")[1]
    assert "3 of 3 trials failed; the last said: Diverged: at 3\n" in out
    assert "1 configuration was invalid and replaced; the last said: InvalidConfiguration: too large no" in " ".join(
        out.split()
    )
    assert "no trial has a real result\n" in out
    assert "trained: 0 units" in out


def only_raise(client: Client) -> None:
    for trial in client.trials():
        with trial:
            raise KeyError("\x1b[31mno such column")


def test_a_search_that_has_paused_itself_says_so(target: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("searcher: {name: random, metric: loss, max_trials: 30, max_length: 2}\n")
    assert run(target, "create", str(path))[0] == 0
    with Client(target, experiment="broken") as client:
        with pytest.raises(FailedPrecondition, match="paused itself"):
            only_raise(client)
        experiment = client.get_experiment()
    assert (experiment.state, experiment.reason) == (ExperimentState.PAUSED, Reason.FAILING)
    assert "no such column" in experiment.message
    out = " ".join(run(target, "status", "broken")[1].split())
    assert "the last error: KeyError: " in out
    assert "\x1b" not in out
    assert "when that is corrected: rungway resume broken" in out
    found = json.loads(run(target, "status", "broken", "--output", "json")[1])
    assert (found["state"], found["reason"], found["message"]) == ("paused", "failing", experiment.message)
    assert run(target, "resume", "broken")[1] == "broken is running\n"
    assert "paused itself" not in run(target, "status", "broken")[1]
    assert run(target, "stop", "broken")[0] == 0
    watched = run(target, "watch", "broken", wide=True)[1]
    assert "search       failing" in watched
    assert "no such column" in watched


def test_a_refused_configuration_lists_every_field(target: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "hyperparameters: {a: {type: int, minval: 3, maxval: 3}}\nsearcher: {name: random, max_trials: -1}\n"
    )
    code, out, err = run(target, "create", str(path))
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "error: the request is refused"
    fields = {line.split(":")[0].strip() for line in err.splitlines()[1:]}
    assert {"searcher.metric", "searcher.max_trials"} <= {field.removeprefix("config.") for field in fields}
    path.write_text("searcher: {name: random, metric: x, max_trials: 99999999999999999999}\n")
    assert run(target, "create", str(path))[0] == 1  # too large even to be sent


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "absent.yaml"),
        ("best",),
        ("trials", "x", "-n", "0"),
        ("nonsense",),
        ("status", "--target", "localhost"),
        ("status", "--target", "localhost:99999"),
    ],
)
def test_wrong_usage(target: str, arguments: tuple[str, ...]) -> None:
    code, out, err = run(target, *arguments)
    assert (code, out) == (2, "")
    assert err


def test_the_installed_command_says_soon_that_the_service_is_away(file: str) -> None:
    command = [str(Path(sys.executable).parent / "rungway"), "create", file, "--target", f"127.0.0.1:{free_port()}"]
    begin = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("error: no service answers at 127.0.0.1:")
    assert 'is "rungway serve" running there?' in ended.stderr
    assert "may not have been" not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - begin < 15


def test_a_search_is_exported_and_imported(target: str, searched: str, tmp_path: Path) -> None:
    out = tmp_path / "search.jsonl"
    assert run(target, "export", searched, "--out", str(out))[0] == 0
    assert not list(tmp_path.glob("*.part"))
    assert run(target, "export", searched, wide=True)[1] == out.read_text()
    assert run(target, "export", searched, "--format", "csv")[0] == 2
    assert run(target, "export", searched, "--format", "csv", "--out", str(tmp_path / "tables"))[0] == 0
    assert len((tmp_path / "tables" / "trials.csv").read_text().splitlines()) == 13
    assert run(target, "export", "nothing")[0] == 1
    with redis_on_socket() as url, services(url) as (service,):
        code, printed, _ = run(target, "import", str(out), "--redis", url, "--as", "again")
        assert (code, printed.startswith("imported again: 12 trials")) == (0, True)
        code, _, said = run(target, "import", str(out), "--redis", url, "--as", "again")
        assert (code, "EXPERIMENT_EXISTS" in said, "--as OTHER" in said) == (1, True, True)
        folder = tmp_path / "kept"
        folder.mkdir(mode=0o700)
        code, printed, _ = run(target, "import", str(out), "--data", str(folder), wide=True)
        assert (code, printed.endswith(f" events, into the data folder {folder}\n")) == (0, True)
        cut = tmp_path / "cut.jsonl"
        for text, why in (
            (out.read_text()[:-20], "the file was cut off there or damaged"),
            ("name: digits\n", "is not one that `rungway export` wrote"),
            ('{"name": "digits"}\n', "is not one that `rungway export` wrote"),
        ):
            cut.write_text(text)
            code, _, said = run(target, "import", str(cut), "--redis", url, "--as", "cut", wide=True)
            assert (code, "nothing was imported" in said, why in said) == (2, True, True)
        with Client(service.address, experiment="again") as there, Client(target, experiment=searched) as here:
            assert there.list_trials() == here.list_trials()
            assert [each.experiment for each in there.list_experiments()] == ["again"]
            assert "".join(there.export_experiment()).count("\n") == out.read_text().count("\n")


def test_version(target: str) -> None:
    assert run(target, "--version") == (0, f"rungway {__version__}\n", "")
