"""A search with two objectives and a constraint, from its file to its front: real workers, one of which is killed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import rungway
from rungway import Client, Trial
from tests.support.command_line import run, words
from tests.support.service import services
from tests.support.waiting import SECONDS

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPERIMENT, TRIALS = "two-objectives", 60
OBJECTIVES, BOUND = ("mean_squared_error", "largest_weight"), 7
HANGS = """
import sys, time, problem
train, trained = problem.Model.train_epoch, []
def hang(model):
    trained.append(model)
    if len(trained) == 50:
        print("hanging", flush=True)
        time.sleep(3600)
    return train(model)
problem.Model.train_epoch = hang
import two_objectives
two_objectives.main()
"""
"""The example, but that it stops for good in its 50th epoch."""


def start(target: str, *arguments: str) -> "subprocess.Popen[str]":
    """A worker process."""
    environment = os.environ | {"RUNGWAY_TARGET": target, "PYTHONPATH": str(EXAMPLES), "GRPC_VERBOSITY": "NONE"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def last_metrics(trial: Trial) -> dict[str, float]:
    """All that a trial told last, by name."""
    assert trial.curve
    return {"mean_squared_error": trial.curve[-1].metric, **trial.curve[-1].metrics}


def dominates(one: dict[str, float], other: dict[str, float]) -> bool:
    """By the two objectives."""
    pairs = [(one[name], other[name]) for name in OBJECTIVES]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def check_what_is_shown(
    client: Client,
    target: str,
    told: dict[int, dict[str, float]],
    front: set[int],
    violation: dict[int, float],
    to: Path,
) -> None:
    """Tables, data frames and pictures say the same of each trial."""
    frame = client.to_dataframe()
    assert set(frame["number"][frame["on_front"]]) == front
    assert dict(zip(frame["number"], frame["violation"], strict=True)) == violation
    code, out, _ = run(target, "trials", EXPERIMENT, "-n", str(TRIALS), wide=True, env={"COLUMNS": "200"})
    rows = {int(row[0]): row for row in words(out) if row and row[0].isdigit()}
    assert code == 0
    assert words(out)[0][3:7] == [*OBJECTIVES, "Violation", "Front"]
    for number, row in rows.items():
        assert row[3:6] == [
            f"{value:.6g}" for value in (*(told[number][name] for name in OBJECTIVES), violation[number])
        ]
        assert (row[6:7] == ["first"]) is (number in front)
    picture, (first, second) = to / "front.svg", OBJECTIVES
    plot = ("plot", EXPERIMENT, "front", "-o", str(picture), "--axis", second, "--axis")
    assert run(target, *plot, first, wide=True)[0] == 0
    assert f"on the front: {len(front)}" in picture.read_text()
    refused = run(target, *plot, "heat")
    assert (refused[0], f"wanted two of '{first}', '{second}'" in refused[2]) == (1, True)


def test_the_example_finds_the_front(redis_url: str, tmp_path: Path) -> None:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "two_objectives.yaml").read_text()) | {"lease_seconds": 1.5}
    file = tmp_path / "search.yaml"
    file.write_text(yaml.safe_dump(document))
    with services(redis_url) as (service,), Client(service.address, experiment=EXPERIMENT) as client:
        assert run(service.address, "create", str(file))[0] == 0
        with start(service.address, "-c", HANGS) as victim:
            assert victim.stdout
            assert victim.stdout.readline() == "hanging\n"
            [left] = [trial for trial in client.list_trials() if trial.state == "running"]
            victim.kill()
        workers = [start(service.address, str(EXAMPLES / "two_objectives.py")) for _ in range(2)]
        said = [worker.communicate(timeout=SECONDS) for worker in workers]
        assert [(worker.returncode, err) for worker, (_, err) in zip(workers, said, strict=True)] == [(0, "")] * 2

        found = client.get_experiment()
        assert (found.state, found.trials.started, found.trials.failed) == ("done", TRIALS, 0)
        trials = [client.get_trial(number) for number in range(TRIALS)]
        assert trials[left.trial].worker != left.worker  # another one went on with it

        told = {trial.trial: last_metrics(trial) for trial in trials}
        violation = {number: max(0.0, each["coefficients"] - BOUND) / BOUND for number, each in told.items()}
        assert {trial.trial: trial.objectives.violation for trial in trials if trial.objectives} == violation
        assert any(violation.values())

        full = [trial.trial for trial in trials if trial.length == 64]
        meets = {number: told[number] for number in full if not violation[number]}
        front = {n for n, each in meets.items() if not any(dominates(other, each) for other in meets.values())}
        assert len(front) > 1
        best = [(trial.trial, trial.objectives) for trial in client.best(len(full)) if trial.objectives]
        assert {number for number, _ in best} == set(full)
        assert {number for number, each in best if each.front == 0} == front
        assert {number for number, _ in best[: len(meets)]} == set(meets)
        rest = [each.violation for _, each in best[len(meets) :]]
        assert rest == sorted(rest)
        for number, each in best:
            assert each.values == {name: told[number][name] for name in OBJECTIVES}
        assert all(f"on the front: trial {number}," in said[0][0] for number in front)
        check_what_is_shown(client, service.address, told, front, violation, tmp_path)


def test_a_missing_objective_is_named_and_the_report_repeated(target: str) -> None:
    document = yaml.safe_load((EXAMPLES / "two_objectives.yaml").read_text())
    with Client(target, experiment="missing") as client:
        client.create_experiment("missing", document)
        with client.trial() as trial:
            assert trial.report(1, 0.5)  # no rung is there
            epoch = trial.next_decision
            for metrics, wanted in (({}, "largest_weight"), ({"largest_weight": 3}, "coefficients")):
                with pytest.raises(rungway.InvalidArgument) as refusal:
                    trial.report(epoch, 0.25, metrics=metrics)
                assert refusal.value.reason == "OBJECTIVE_MISSING"
                [(field, problem)] = refusal.value.violations
                assert field.endswith(f'].metrics["{wanted}"]')
                assert problem.startswith("missing, wanted a value")
            trial.report(epoch, 0.25, metrics={"largest_weight": 3, "coefficients": 1})
        told = client.get_trial(trial.number)
        assert told.curve
        assert [(report.length, report.metric) for report in told.curve] == [(1, 0.5), (epoch, 0.25)]
        assert told.objectives
        assert told.objectives.values == {"mean_squared_error": 0.25, "largest_weight": 3.0}
