"""The job script for Slurm: it can be run by a shell, and takes no name or word for something else."""

import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rungway import InvalidArgument
from rungway._agent.slurm import main, script
from tests.support.waiting import SECONDS, wait_until

REFUSED = [
    ({"experiment": "a b"}, "experiment: got 'a b', wanted 1 to 63 of a-z"),
    ({"experiment": "a\n#SBATCH --x"}, "experiment: got"),
    ({"target": ""}, "target: got none, wanted --target or RUNGWAY_TARGET"),
    ({"workers": 0}, "n: got 0, wanted 1 to 1000"),
    ({"gpus": -1}, "gpus: got -1, wanted 0 to 1000"),
    ({"time": "30"}, "time: got '30', wanted hours, minutes and seconds"),
    ({"time": "30:00"}, "time: got '30:00', wanted hours"),
    ({"time": "0:02:00"}, "wanted at least 0:10:00"),
]
WORDS = ["python", "my train.py", "--lr={lr}", "it's $HOME `x`", 'a"b', "two\nlines", ""]


def made(**more: Any) -> str:
    given: dict[str, Any] = {"experiment": "search", "target": "host:7077", "command": WORDS, **more}
    return script(given.pop("experiment"), given.pop("command"), **given)


@pytest.mark.parametrize(("given", "problem"), REFUSED)
def test_what_is_refused(given: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        made(**given)
    assert problem in str(refused.value)


def test_the_lines_for_slurm() -> None:
    lines = [line for line in made(workers=4, time="1-12:00:00", gpus=2).splitlines() if line.startswith("#SBATCH")]
    assert lines == [
        "#SBATCH --job-name=rungway-search",
        "#SBATCH --array=1-4",
        "#SBATCH --time=1-12:00:00",
        "#SBATCH --gres=gpu:2",
        "#SBATCH --signal=B:USR1@120",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --output=rungway-search-%A_%a.log",
    ]
    assert "--time" not in made()


def run(folder: Path, text: str, agent: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """The script, with stand-ins for the agent and for scontrol."""
    for name, body in (("rungway", agent), ("scontrol", 'echo "$@" >>"$OUT/requeued"')):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    (folder / "job.sh").write_text(text)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "OUT": str(folder), "SLURM_JOB_ID": "7"}
    return subprocess.Popen(["sh", "job.sh", *arguments], cwd=folder, env=environment)


@pytest.mark.parametrize("by_sbatch", [False, True])
def test_each_word_of_the_command_arrives_as_it_is(tmp_path: Path, by_sbatch: bool) -> None:
    text = made(command=[] if by_sbatch else WORDS, gpus=1)
    job = run(tmp_path, text, 'printf \'%s\\0\' "$@" >"$OUT/words"; exit 3', *(WORDS if by_sbatch else []))
    assert job.wait(SECONDS) == 3
    head = shlex.split("agent search --target host:7077 --gpus all --grace 60 --")
    assert (tmp_path / "words").read_text().split("\0")[:-1] == head + WORDS
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_an_agent_that_left_before_the_time_limit_is_queued_again(tmp_path: Path, number: signal.Signals) -> None:
    traps = "trap 'sleep 0.1; exit 138' USR1; trap 'exit 143' TERM"
    agent = f'{traps}; sleep 0.1; touch "$OUT/on"; while :; do sleep 0.05; done'
    job = run(tmp_path, made(), agent)
    wait_until((tmp_path / "on").exists)  # by then the script waits
    job.send_signal(number)
    assert job.wait(SECONDS) == 128 + number  # of the agent, not of the interrupted wait
    requeued = (tmp_path / "requeued").read_text() if number == signal.SIGUSR1 else ""
    assert (tmp_path / "requeued").exists() == bool(requeued)
    assert requeued == ("requeue 7\n" if requeued else "")


def test_the_verb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_TARGET", "host:7077")
    assert main(["search", "-n", "3", "--", "python", "train.py"]) == 0
    assert capsys.readouterr().out == made(workers=3, command=["python", "train.py"])
    monkeypatch.setenv("RUNGWAY_TARGET", " host:7077\n")  # as it comes from a file: every command takes it so
    assert main(["search"]) == 0
    assert capsys.readouterr().out == made(command=[])
    assert main(["Search"]) == 2
    assert "error: experiment: got 'Search'" in capsys.readouterr().err
