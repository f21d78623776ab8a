"""What is said to work is run by a test: README and docs/integrations.md name the examples, and only tested ones."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = {path.name for folder in ("frameworks", "engines") for path in (ROOT / "examples" / folder).glob("*.py")} - {
    "record.py"
}


@pytest.mark.parametrize("page", ["README.md", "docs/integrations.md"])
def test_each_row_links_a_tested_example(page: str) -> None:
    named = set(
        re.findall(
            r"\]\((?:\.\./)?examples/(?:frameworks|engines)/(\w+\.py)\)", (ROOT / page).read_text(encoding="utf-8")
        )
    )
    assert named == EXAMPLES


def test_each_example_has_a_test() -> None:
    folders = [ROOT / "tests" / folder for folder in ("frameworks", "engines")]
    files = [path for folder in folders for path in folder.glob("test_*.py")]
    files.append(ROOT / "tests" / "e2e" / "test_managed_loop.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert [name for name in sorted(EXAMPLES) if f'"{name}' not in text] == []
