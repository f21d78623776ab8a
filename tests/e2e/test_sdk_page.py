"""The snippets of docs/sdk.md and of the README run as they stand there, each against a search of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rungway import Client, ExperimentState, Outcome, TrialState
from tests.support.calls import unique_name
from tests.support.command_line import run
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parents[2]


def snippets(page: str) -> dict[str, list[str]]:
    """The Python blocks of a page, by heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return {
        heading: blocks
        for heading, section in re.findall(r"^##+ (.+?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        if (blocks := re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    }


SNIPPETS = snippets("docs/sdk.md")
SET_UP = "\n".join(SNIPPETS.pop("Set up"))
SNIPPETS |= snippets("README.md")


@dataclass(frozen=True)
class Case:
    """What a snippet does with a search of nine trials."""

    heading: str
    number: int = 0
    before: str = ""
    """Code between the set-up and the snippet."""
    done: bool = True
    """Whether it trains until the search is done."""
    longest: int = 9
    """The length of the trial that trains furthest."""
    says: str = ""


EXTERNAL = """
CONFIG["hyperparameters"]["layers"] = {"type": "int", "minval": 1, "maxval": 4}
CONFIG["searcher"]["proposals"] = "external"
client.delete_experiment()
client.create_experiment("sdk", CONFIG)
for trial in client.trials():
    with trial:
        trial.report(trial.next_decision, 0.5)
        break
"""
TRAINED = "for trial in client.trials():\n    with trial:\n        trial.report(trial.next_decision, 0.5)\n"
TERMINATED = """
import os
_trained = 0
_train = train_one
def train_one(model):
    global _trained
    _trained += 1
    if _trained == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return _train(model)
"""
CASES = [
    Case("Trials: the loop for most training scripts"),
    Case("Trials: the loop for most training scripts", 1, done=False),
    Case("Ask and tell: the loop you control"),
    Case("Batches: many trials in one process"),
    Case("More than one number", says="accuracy of the best: [0."),
    Case("More than one number", 1),
    Case("Checkpoints"),
    Case("Checkpoints", 1, before=TRAINED),
    Case("Early stopping", before="def train_one(model): return 0.5\n", longest=6),
    Case("Preemption", before=TERMINATED, done=False, says="released the trial"),
    Case("Exceptions"),
    Case("Threads", says="assignments by thread: ["),
    Case("Processes and fork"),
    Case("asyncio"),
    Case("Notebooks", done=False),
    Case("Proposals of your own program", before=EXTERNAL, done=False),
    Case("Trials of elsewhere", done=False),
    Case("Look at the results", before=TRAINED, says="done 9"),
    Case("Tables", before=TRAINED, says="trained for "),
    Case("Pictures", before=TRAINED),
    Case("The loop"),
]


def test_every_snippet_has_a_case() -> None:
    found = [(heading, number) for heading, blocks in SNIPPETS.items() for number in range(len(blocks))]
    assert found == [(case.heading, case.number) for case in CASES]


def test_the_preview_of_the_readme_is_what_is_printed() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("`rungway preview examples/digits.yaml`")[1]
    shown = [line.strip() for line in text.split("\n\n")[1].splitlines() if line.strip() != "…"]
    code, printed, _ = run("", "preview", str(ROOT / "examples" / "digits.yaml"))
    assert code == 0
    assert len(shown) > 6
    assert [line for line in shown if line not in printed] == []


def test_the_loop_is_as_short_as_that_of_others() -> None:
    """Lines of code for the same job; those of Rungway are the loop of the README."""
    section = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8").split("## The same loop elsewhere")[1]
    loops = re.findall(r"^```python\n(.*?)^```", section.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    ours, *others = map(code_of, loops)
    assert [ours] == [code_of(snippet) for snippet in SNIPPETS["The loop"]]
    assert len(others) == 2
    assert len(ours) <= min(map(len, others))
    assert "Nine lines: as many as" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert [len(ours), len(others[0]) == 9, len(others[1]) > 9] == [9, True, True]
    for loop in loops:
        compile(loop, "loop", "exec")


def code_of(text: str) -> list[str]:
    """The lines with code, without comments."""
    lines = (line.partition("#")[0].rstrip() for line in text.splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.heading}-{case.number}")
def test_a_snippet_runs(target: str, tmp_path: Path, case: Case) -> None:
    name = unique_name("sdk")
    script = tmp_path / "snippet.py"
    code = "\n".join([SET_UP, case.before, SNIPPETS[case.heading][case.number]])
    code = code.replace('create_experiment("sdk"', f'create_experiment("{name}"')
    code = code.replace('Client("localhost:7077", experiment="digits")', "Client()")
    script.write_text(code, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env=os.environ | {"RUNGWAY_TARGET": target, "RUNGWAY_EXPERIMENT": name},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert case.says in ended.stdout
    with Client(target, experiment=name) as client:
        experiment, trials = client.get_experiment(), client.list_trials()
    assert (experiment.state is ExperimentState.DONE) is case.done
    assert any(trial.length for trial in trials)
    if case.done:
        valid = [trial for trial in trials if trial.state is not TrialState.INVALID]
        assert len(valid) == 9
        assert max(trial.length for trial in valid) == case.longest
    if (case.heading, case.number) == ("Checkpoints", 0):
        assert all(Path(tmp_path, trial.checkpoint).is_file() for trial in trials)
    if case.heading == "Early stopping":
        assert any(trial.outcome is Outcome.FINISHED for trial in trials)
    if case.heading == "Preemption":
        left = max(trials, key=lambda trial: trial.trial)
        assert (left.state, left.restarts) == (TrialState.QUEUED, 0)
        assert left.checkpoint
