"""Writes the table of settings in docs/limits.md from the settings, so that the two always agree.

`make format` runs it. With `--check` it changes nothing and fails if the page is out of date (`make lint`).
"""

import sys
from pathlib import Path

from annotated_types import Ge, Le

from rungway._core.environment import PREFIX
from rungway_server.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "limits.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"


def _range(name: str) -> str:
    bounds: dict[type, object] = {type(each): each for each in Settings.model_fields[name].metadata}
    least, most = bounds.get(Ge), bounds.get(Le)
    low = f"{least.ge:,}" if isinstance(least, Ge) else ""
    high = f"{most.le:,}" if isinstance(most, Le) else ""
    return f"{low} to {high}" if high else f"at least {low}"


def table() -> str:
    """One row per setting that is a number: its variable, default, range and meaning."""
    lines = ["| setting | default | range | what it bounds |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        if field.annotation not in (int, float):
            continue
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{PREFIX}{name.upper()}` | {field.default:,} | {_range(name)} | {meaning} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with a new table."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def main() -> int:
    """Write the page; with `--check`, only report whether it is out of date."""
    text = PAGE.read_text()
    made = page(text)
    if made == text:
        return 0
    if "--check" in sys.argv:
        print("docs/limits.md is out of date: make format")
        return 1
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
