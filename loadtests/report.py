"""Results as tables for people and as JSON for programs."""

import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol

RESULTS = Path(__file__).parent / "results"
"""The default folder of results; git ignores it."""


class Row(Protocol):
    """A dataclass; its fields are the columns."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def print_rows(rows: Sequence[Row], markdown: bool = False) -> None:
    """Print a table; columns are right-aligned, and their heads are the names of the fields.

    A last column of notes is left-aligned. In Markdown, for the documents, nothing is aligned.
    """
    texts = [[field.name.replace("_", " ") for field in fields(rows[0])]]
    texts += [[_text(cell) for cell in astuple(row)] for row in rows]
    if markdown:
        for row in (texts[0], ["---"] * len(texts[0]), *texts[1:]):
            print(f"| {' | '.join(row)} |")
        return
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    if texts[0][-1] == "note":
        widths[-1] = 0
    for row in texts:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def write_json(path: Path | None, test: str, rows: Sequence[Row]) -> Path:
    """Write results with a description of the machine; returns the path of the file."""
    file = path or RESULTS / f"{test}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        **{name: version(name) for name in ("grpcio", "redis", "rungway")},
    }
    file.write_text(
        json.dumps({"test": test, "machine": machine, "results": [asdict(row) for row in rows]}, indent=2) + "\n"
    )
    return file


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.2f}" if abs(cell) < 10 else f"{cell:.1f}"
