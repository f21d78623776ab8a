"""Checks for commands that draw pictures or write files."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rungway_server.cli.options import Exit
from rungway_server.cli.output import fail

FORMATS = (".png", ".pdf", ".svg")


def check_matplotlib(*pictures: Path | None, extra: str = "demo") -> None:
    """End the command if a picture is wanted and matplotlib is missing, which this extra brings."""
    if any(pictures) and importlib.util.find_spec("matplotlib") is None:
        raise fail(Exit.USAGE, f"pictures need matplotlib: pip install 'rungway[{extra}]'")


def check_picture(path: Path, formats: Sequence[str] = FORMATS) -> None:
    """End the command if the picture cannot be written, before any work is done for it."""
    if path.suffix.lower() not in formats:
        raise fail(Exit.USAGE, f"{path}: wanted a file name that ends in {', '.join(formats)}")
    if not path.parent.is_dir():
        raise fail(Exit.USAGE, f"{path}: cannot be written: there is no folder {path.parent}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """End the command with one message if the file cannot be written."""
    try:
        yield
    except OSError as error:
        raise fail(Exit.USAGE, f"{error.filename or path}: cannot be written: {error.strerror or error}") from None
