"""The examples of docs/quickstart.md run as they stand there, each in a folder of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rungway import Client, ExperimentState
from tests.support.agents import running
from tests.support.console import is_as_printed, printed, sections
from tests.support.redis_server import embedded_binary
from tests.support.waiting import SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|yaml)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
FUNCTIONS = [code for kind, code in BLOCKS if kind == "python" and "rungway.minimize" in code]
FILES = {found[1]: code for _, code in BLOCKS if (found := re.match(r"# (\S+)\n", code))}
BY_THE_SDK = next(code for _, code in BLOCKS if "current_trial" in code)
SAYS = [r"0\.\d+ \{'[xy]': ", r"\d\.\d\d\S* after 9 epochs\n"]


def environment(folder: Path) -> dict[str, str]:
    """A new user: no search yet, and the commands of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"XDG_DATA_HOME": str(folder / "home"), "PATH": path} | embedded_binary()


def test_every_example_is_run() -> None:
    assert len(FUNCTIONS) == len(SAYS)
    assert set(FILES) == {"search.yaml", "train.py"}
    assert len(BLOCKS) == len(FUNCTIONS) + len(FILES) + 1
    assert set(sections(PAGE)) == {"A script"}


@pytest.mark.parametrize(("code", "says"), [*zip(FUNCTIONS, SAYS, strict=True)], ids=["a function", "that trains"])
def test_a_function_is_searched(tmp_path: Path, code: str, says: str) -> None:
    (tmp_path / "search.py").write_text(code)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
    done = subprocess.run(
        [sys.executable, "search.py"],
        cwd=tmp_path,
        env=inherited | environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(says, done.stdout), done.stdout
    assert not (tmp_path / "home").exists()  # without a name nothing is kept


def test_a_script_is_tuned(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    commands = sections(PAGE)["A script"]
    outputs = printed([typed.command for typed in commands], tmp_path, environment(tmp_path))
    for typed, output in zip(commands, outputs, strict=True):
        assert is_as_printed(typed.output, output), output + (tmp_path / "log").read_text()


def test_the_agent_of_another_host_and_the_script_by_the_sdk(tmp_path: Path, target: str) -> None:
    """The command of the page, and then another script for a search of the same file."""
    (line,) = re.findall(r"^    (rungway agent search .*)$", TEXT, re.MULTILINE)
    arguments = line.split()[1:]
    for name, text in {**FILES, "sdk.py": BY_THE_SDK}.items():
        (tmp_path / name).write_text(text)
    created = printed(["rungway create search.yaml"], tmp_path, environment(tmp_path) | {"RUNGWAY_TARGET": target})
    assert "created search" in created[0]
    arguments[arguments.index("host:7077")] = target
    with running(tmp_path, *arguments, environment=environment(tmp_path)) as process:
        assert process.wait() == 0, process.said()
    command = ["run", "search.yaml", "--name", "by-the-sdk", "--target", target, "--", "python", "sdk.py"]
    with running(tmp_path, *command, environment=environment(tmp_path)) as process:
        assert process.wait() == 0, process.said()
    with Client(target) as client:
        for name in ("search", "by-the-sdk"):
            assert client.get_experiment(name).state is ExperimentState.DONE
            assert client.get_experiment(name).trials.failed == 0
