"""Output of all commands: tables for people, JSON for programs, errors as one message."""

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from rungway import ConfigDiffers, InvalidArgument, OutcomeUnknown, RungwayError, Unauthenticated, Unavailable
from rungway_server.cli.options import OUTPUT, Exit, Output
from rungway_server.domain.documents.paths import Path, spelled, values_by_path
from rungway_server.domain.documents.text import BadDocument
from rungway_server.domain.errors import InvalidInput

OTHER_NAME = "create another with `--name OTHER`"
"""What to do about an id that is taken."""
SIGN_IN = "put a token that `rungway token create` printed into RUNGWAY_TOKEN"
"""What to do where a token is missing or wrong."""
_NEVER_CONNECTED = ("failed to connect to all addresses", "no connection to ")
"""What gRPC, and the SDK over HTTP, say when they could not send a call."""


class _Console(Console):
    """Lets a table be wider than the screen rather than truncate its numbers."""

    def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
        super().print(*objects, crop=crop, **options)


class _Table(Table):
    """A table whose columns of numbers are never truncated."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*cells, **options)
        for column, cell in zip(self.columns, cells, strict=False):
            if column.no_wrap:
                column.min_width = max(column.min_width or 0, cell_len(str(cell)))


def console(*, stderr: bool = False) -> Console:
    """Standard output or error; 80 columns wide where it is not a terminal, unless COLUMNS says otherwise."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else 80
    return _Console(file=stream, highlight=False, emoji=False, markup=False, width=width)


def fail(code: Exit, message: str, details: Sequence[str] = ()) -> typer.Exit:
    """Print one message to standard error, as JSON where that is wanted; use as `raise fail(...)`."""
    if OUTPUT.get() is Output.JSON:
        found = {"message": message, "exit_code": int(code), "details": list(details)}
        print(as_json({"error": found}, indent=2), file=sys.stderr)
        return typer.Exit(int(code))
    lines = (*f"error: {message}".split("\n"), *(f"  {line}" for line in details))
    print(*(text(line) for line in lines), sep="\n", file=sys.stderr)
    return typer.Exit(int(code))


@contextmanager
def errors(target: str = "") -> Iterator[None]:
    """Turn errors inside a command into one message on standard error and an exit code."""
    try:
        yield
    except BadDocument as error:
        raise fail(Exit.USAGE, str(error)) from None
    except InvalidInput as error:
        raise fail(
            Exit.REFUSED, "the configuration is refused", [f"{v.field}: {v.description}" for v in error.violations]
        ) from None
    except InvalidArgument as error:
        lines = [f"{field}: {description}" for field, description in error.violations]
        raise fail(Exit.REFUSED, "the request is refused" if lines else str(error), lines) from None
    except ConfigDiffers as error:
        found = [f"{field}: {both}" for field, both in error.differences]
        head = f"{error.details.get('experiment', 'the experiment')} is there with another configuration"
        raise fail(Exit.REFUSED, head, [*found, OTHER_NAME]) from None
    except (Unavailable, OutcomeUnknown) as error:
        raise _unreachable(target, error) from None
    except RungwayError as error:
        more = [f"reason: {error.reason}"] if error.reason else []
        if isinstance(error, Unauthenticated):
            more.append(SIGN_IN)
        raise fail(Exit.REFUSED, str(error), more) from None


def _unreachable(target: str, error: RungwayError) -> typer.Exit:
    last = str(error.__cause__ or error)  # the cause is the error of the last attempt
    if any(words in said for words in _NEVER_CONNECTED for said in (last, str(error))):
        return fail(Exit.UNREACHABLE, f'no service answers at {target}: is "rungway serve" running there?', [last])
    doubt = ": it may have been done or not" if isinstance(error, OutcomeUnknown) else ""
    return fail(Exit.UNREACHABLE, f"no answer from the service at {target}{doubt}", [str(error)])


def print_json(value: object) -> None:
    """Any value of the SDK as JSON: times in ISO 8601, NaN and infinities as texts, as in protobuf's JSON."""
    print(as_json(value, indent=2))


def as_json(value: object, indent: int | None = None) -> str:
    """The value as JSON text, with control characters escaped, which a terminal would obey."""
    written = json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in written)


def plain(value: object) -> Any:
    """The value as mappings, lists, texts and finite numbers."""
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
    grid = _Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        right = name.startswith(">")
        title = name.removeprefix(">")
        least = cell_len(title) if right else None
        justify: JustifyMethod = "right" if right else "left"
        grid.add_column(title, justify=justify, no_wrap=right, min_width=least, overflow="fold")
    return grid


def text(value: object) -> Text:
    """Text from a user or a file, with control characters made visible."""
    return Text("".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value)))


def number(value: float | None) -> str:
    """A metric in a table: six significant digits; nothing for None."""
    return "" if value is None else f"{value:.6g}"


def count(value: int) -> str:
    """A count or a length with thousands separated."""
    return f"{value:,}"


def many(number: int, noun: str) -> str:
    """ "1 trial", "1,024 trials"."""
    return f"{number:,} {noun}{'s'[: number != 1]}"


def unit_name(unit: str) -> str:
    """The unit of lengths in a text; a configuration need not name one."""
    return str(text(unit)) or "units"


def share(part: float, whole: float) -> str:
    """Percent; "" when the whole is 0."""
    return f"{part / whole:.1%}" if whole else ""


def settings(hparams: Mapping[str, Any]) -> str:
    """A configuration on one line, as `--set` takes it: `lr=0.001 optimizer.name=adam`."""
    return by_name(values_by_path(hparams))


def by_name(found: Iterable[tuple[Path, Any]]) -> str:
    """Values by their paths, on one line, as `--set` takes them."""
    values = sorted(found, key=lambda item: item[0])
    return " ".join(f"{spelled(*path)}={f'{v:.4g}' if isinstance(v, float) else v}" for path, v in values)


def print_summary(out: Console, summary: Sequence[str]) -> None:
    """Print the summary of a search: lines of text, never truncated."""
    for line in summary:
        out.print(text(line), soft_wrap=True)


def print_notes(out: Console, notes: Sequence[str]) -> None:
    """Print the notes on a configuration: what was changed or ignored."""
    for note in notes:
        out.print(Text("note: ", style="bold") + text(note))
