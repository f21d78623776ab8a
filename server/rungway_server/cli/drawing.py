"""What commands that draw or write files share."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rungway_server.cli.options import Exit
from rungway_server.cli.output import fail


def check_matplotlib(*pictures: Path | None) -> None:
    """End the command when a picture is asked for that cannot be drawn."""
    if any(pictures) and importlib.util.find_spec("matplotlib") is None:
        raise fail(Exit.USAGE, "pictures need matplotlib: pip install 'rungway[demo]'")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """End the command in one block when the file cannot be written."""
    try:
        yield
    except OSError as error:
        raise fail(Exit.USAGE, f"{error.filename or path}: cannot be written: {error.strerror or error}") from None
