"""What every command shares: tables for people, JSON for programs, errors in one block."""

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rungway import InvalidArgument, OutcomeUnknown, RungwayError, Unavailable
from rungway_server.cli.files import BadFile
from rungway_server.cli.options import Exit
from rungway_server.domain.errors import InvalidInput


def console(*, stderr: bool = False) -> Console:
    """Standard output or error; 80 columns wide where it is not a terminal, unless COLUMNS says otherwise."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else 80
    return Console(file=stream, highlight=False, emoji=False, markup=False, width=width)


def fail(code: Exit, message: str, details: Sequence[str] = ()) -> typer.Exit:
    """Print one block to standard error: `raise fail(...)`."""
    print(f"error: {message}", *(f"  {line}" for line in details), sep="\n", file=sys.stderr)
    return typer.Exit(int(code))


@contextmanager
def errors(target: str = "") -> Iterator[None]:
    """Turn what may go wrong in a command into one block on standard error and an exit code."""
    try:
        yield
    except BadFile as error:
        raise fail(Exit.USAGE, str(error)) from None
    except InvalidInput as error:
        raise fail(
            Exit.REFUSED, "the configuration is refused", [f"{v.field}: {v.description}" for v in error.violations]
        ) from None
    except InvalidArgument as error:
        lines = [f"{field}: {description}" for field, description in error.violations]
        raise fail(Exit.REFUSED, "the request is refused" if lines else str(error), lines) from None
    except Unavailable as error:
        raise fail(Exit.UNREACHABLE, f"no answer from the service at {target}", [str(error)]) from None
    except OutcomeUnknown as error:
        raise fail(
            Exit.UNREACHABLE, f"no answer from the service at {target}: it may have been done or not", [str(error)]
        ) from None
    except RungwayError as error:
        raise fail(Exit.REFUSED, str(error), [f"reason: {error.reason}"] if error.reason else []) from None


def print_json(value: object) -> None:
    """Any value of the SDK as JSON: times in ISO 8601, NaN and infinities as texts, as in protobuf's JSON."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: object) -> Any:
    """The same value in mappings, lists, texts and finite numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in sorted(value.items())}  # maps come over the wire in any order
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def table(*columns: str) -> Table:
    """An empty table; a column whose name starts with ">" is for numbers, right-aligned and never cut."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        right = name.startswith(">")
        grid.add_column(name.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    return grid


def text(value: object) -> Text:
    """Text from a user or a file: printed as it is, control characters made visible."""
    return Text("".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value)))


def number(value: float | None) -> str:
    """A metric in a table: six significant digits; nothing for None."""
    return "" if value is None else f"{value:.6g}"


def count(value: int) -> str:
    """A count or a length with thousands separated."""
    return f"{value:,}"


def share(part: float, whole: float) -> str:
    """Percent; nothing when there is no whole."""
    return f"{part / whole:.1%}" if whole else ""


def settings(hparams: Mapping[str, Any]) -> str:
    """A configuration on one line, nested groups dotted: `lr=0.001 optimizer.name=adam`."""
    return " ".join(f"{name}={value}" for name, value in _flat(hparams, ""))


def _flat(mapping: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in sorted(mapping.items()):
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)


def print_notes(out: Console, notes: Sequence[str]) -> None:
    """What the service changed in a configuration, or ignores of it."""
    for note in notes:
        out.print(Text("note: ", style="bold") + text(note))
