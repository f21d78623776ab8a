"""The console blocks of a page: what is typed there, and what it is said to print."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import SECONDS

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_NEXT = "\x1e"
_CHANGING = (
    (re.compile(r"\b\d{13}-\d+\b"), "<event>"),
    (re.compile(r"\b\d{16}\b"), "<fence>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\b[0-9a-f]{24,64}\b"), "<hash>"),
)
"""What is another in each run."""


@dataclass(frozen=True)
class Typed:
    """A command after `$ `, its further lines after `> `, and what it prints; `…` stands for anything in a line."""

    command: str
    output: str


def sections(page: Path) -> dict[str, list[Typed]]:
    """The commands below each heading that has some."""
    found = {
        heading: [typed for block in _BLOCK.findall(section) for typed in _typed(block)]
        for heading, section in _SECTION.findall(page.read_text(encoding="utf-8"))
    }
    return {heading: commands for heading, commands in found.items() if commands}


def _typed(block: str) -> list[Typed]:
    commands: list[list[str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append([line[2:], ""])
        elif line.startswith("> "):
            commands[-1][0] += "\n" + line[2:]
        else:
            commands[-1][1] += line + "\n"
    return [Typed(command, output) for command, output in commands]


def printed(commands: Sequence[str], folder: Path, variables: Mapping[str, str]) -> list[str]:
    """What each of these commands prints, typed one after the other in one shell."""
    script = "".join(f"{command}\nprintf '\\036'\n" for command in commands)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")} | dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    outputs = done.stdout.split(_NEXT)
    assert len(outputs) == len(commands) + 1, done.stdout
    return outputs[:-1]


def is_as_printed(expected: str, output: str) -> bool:
    """Whether an output is that of the page, but for fences, ids and times."""
    pattern = "[^\n]*".join(re.escape(part) for part in _settled(expected).split("…"))
    return re.fullmatch(pattern, _settled(output)) is not None


def _settled(text: str) -> str:
    for changing, name in _CHANGING:
        text = changing.sub(name, text)
    return text.rstrip("\n").replace("\r", "")
