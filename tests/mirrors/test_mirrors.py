"""A mirror that is killed again and again shows in the end what the search has: nothing twice, nothing left out."""

import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from rungway import Client, Report, TrialState
from rungway._mirror.changes import Change, Known, Search
from tests.mirrors.tools import TOOLS, Mlflow, TensorBoard, Tool, environment
from tests.support.agents import Process, running
from tests.support.mirrored import POPULATION, SEARCH, check_same, expected, is_telling, train, trained
from tests.support.waiting import wait_until, wait_while_it_runs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@contextmanager
def mirroring(tool: Tool, target: str, name: str, folder: Path, *more: str) -> Iterator[Process]:
    folder.mkdir(exist_ok=True)
    command = ("mirror", name, "--to", tool.name, "--target", target, "--every", "0.1", *more)
    into = ("--into", str(folder.parent / "runs")) if tool.name == "tensorboard" else ()
    with running(folder, *command, *into, environment=environment(tool)) as process:
        yield process


def has_told(client: Client, points: int) -> bool:
    return sum(len(client.get_trial(trial.trial).curve or ()) for trial in client.list_trials()) >= points


@pytest.mark.parametrize("kind", TOOLS)
def test_it_is_killed_in_the_middle_and_the_target_has_what_the_search_has(
    target: str, tmp_path: Path, kind: type[Tool]
) -> None:
    tool, name = kind(tmp_path), f"killed-{kind.name}"
    with Client(target, experiment=name) as client:
        client.create_experiment(name, SEARCH)
        with trained(target, name, 0.2):
            for kill in range(2):
                with mirroring(tool, target, name, tmp_path / f"first-{kill}") as mirror:
                    least = partial(has_told, client, 5 + 12 * kill)
                    assert wait_while_it_runs(mirror.process, least), mirror.said()
                    assert wait_while_it_runs(mirror.process, lambda: has_points(tool, name)), mirror.said()
                    os.killpg(mirror.process.pid, signal.SIGKILL)
                    mirror.wait()
            with mirroring(tool, target, name, tmp_path / "last") as mirror:
                assert mirror.wait() == 0, mirror.said()
        wanted = expected(client)
        assert is_telling(wanted)
        check_same(tool.runs(name), wanted, digits=tool.digits)
        with mirroring(tool, target, name, tmp_path / "again", "--once") as mirror:
            assert mirror.wait() == 0, mirror.said()
            assert "0 new runs, 0 points" in mirror.said()
        check_same(tool.runs(name), wanted, digits=tool.digits)


def has_points(tool: Tool, name: str) -> bool:
    """Whether the mirror has written something of a trial."""
    if isinstance(tool, TensorBoard):
        return any((tool.folder / "runs" / name).glob("trial-*/events*"))
    if isinstance(tool, Mlflow):
        return tool.has_metrics()
    return any((tool.folder / "wandb").glob(f"offline-run-*/run-{name}-*.wandb"))


@pytest.mark.parametrize("kind", TOOLS)
def test_a_second_one_is_refused_and_a_signal_writes_all_out(target: str, tmp_path: Path, kind: type[Tool]) -> None:
    tool, name = kind(tmp_path), f"two-{kind.name}"
    with Client(target, experiment=name) as client:
        client.create_experiment(name, SEARCH)
        begun = client.ask()
        assert begun
        client.tell(begun, 0.5, metrics={"val/accuracy": 0.1}, cost=0.5)
        with mirroring(tool, target, name, tmp_path / "first") as first:
            assert wait_while_it_runs(first.process, lambda: has_points(tool, name)), first.said()
            with mirroring(tool, target, name, tmp_path / "second") as second:
                assert second.wait() == 1, second.said()
                assert "another mirror" in second.said()
            first.process.send_signal(signal.SIGTERM)
            assert first.wait() == 143, first.said()
            assert "not over: the same command goes on" in first.said()
        before = tool.runs(name)[begun.trial]
        assert [(length, numbers["loss"]) for length, numbers in before.points] == [(1, 0.5)]
        train(target, name)
        with mirroring(tool, target, name, tmp_path / "last", "--once") as last:
            assert last.wait() == 0, last.said()
        check_same(tool.runs(name), expected(client), digits=tool.digits)


@pytest.mark.parametrize("kind", TOOLS)
def test_another_search_under_the_same_id_is_not_mixed_in(target: str, tmp_path: Path, kind: type[Tool]) -> None:
    tool, name = kind(tmp_path), f"anew-{kind.name}"
    with Client(target, experiment=name) as client:
        client.create_experiment(name, POPULATION)
        train(target, name)
        with mirroring(tool, target, name, tmp_path / "first", "--once") as first:
            assert first.wait() == 0, first.said()
        wanted = expected(client)
        assert any(mark.startswith("cloned") for run in wanted.values() for mark in run.marks)
        check_same(tool.runs(name), wanted, digits=tool.digits)
        client.delete_experiment()
        client.create_experiment(name, SEARCH)
        with mirroring(tool, target, name, tmp_path / "second", "--once") as second:
            # Runs of W&B are named by the time of creation, too.
            assert second.wait() == (0 if tool.name == "wandb" else 1)
            assert tool.name == "wandb" or "--into" in second.said()
        wait_until(lambda: len(tool.runs(name)) == len(wanted))


@pytest.mark.parametrize("tool", ["event_files.EventFiles", "mlflow_runs.MlflowRuns", "wandb_runs.WandbRuns"])
def test_each_piece_that_was_written_is_known_to_the_next_mirror(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    """Many pieces within a second, the trial given back after each."""
    name = f"pieces-{tool[:3]}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    module, _, kind = tool.partition(".")
    make = getattr(import_module(f"rungway._mirror.{module}"), kind)
    with Client(target, experiment=name) as client:
        client.create_experiment(name, SEARCH)
        assert client.ask()
        search, real = Search.of(client.get_experiment()), client.get_trial(0)
    lengths = (1, 2, 3, 2, 3, 3)  # twice the same number at 3, as after a restart
    curve = tuple(Report(length, 0.5, {"b/c": math.nan}) for length in lengths)
    for count in range(1, len(curve) + 1):
        mirror = make(search, "")
        known = mirror.known(0)
        assert known.points == count - 1
        for state in (TrialState.RUNNING, TrialState.QUEUED):
            trial = replace(real, state=state, length=count, curve=curve[:count])
            marks = {f"promoted to rung {rung}": "why" for rung in range(1, count)}
            mirror.write(Change(trial, known, curve[known.points : count], marks))
            known = mirror.known(0)
            assert known == Known(count, state, frozenset(marks))
        mirror.close()
        again = make(search, "")
        found = again.known(0)
        again.close()
        assert found == Known(count, "queued", frozenset(marks))


def test_files_of_wandb_that_were_cut_off_are_read_as_far_as_they_go(
    tmp_path: Path,
) -> None:
    wandb = pytest.importorskip("wandb")
    from rungway._mirror.wandb_runs import records

    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(project="p", mode="offline", dir=str(tmp_path), settings=settings)
    for step in range(600):
        run.log({"loss": step / 7, "a much longer name of a metric": step})
    run.finish()
    (path,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    data = path.read_bytes()
    assert len(data) > 2 * 32768, "it has several blocks"
    whole = [record.SerializeToString() for record in records(data)]
    assert sum(record.HasField("history") for record in records(data)) == 600
    for end in (0, 7, 8, 1000, 32766, 32768, 32770, 40000, 65540, len(data) - 1):
        part = [record.SerializeToString() for record in records(data[:end])]
        assert part == whole[: len(part)]
        assert len(part) < len(whole)
