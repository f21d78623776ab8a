"""Tables of a search for people and their tools: CSV and Parquet, with the columns of the SDK's data frames."""

import sys
from collections.abc import Iterable
from pathlib import Path

from rungway import FailedPrecondition
from rungway._data import frames
from rungway._data.search_data import ExportReader, SearchData
from rungway._data.tables import Table, curves_table, events_table, trials_table, write_csv
from rungway_server.cli.options import Exit, ExportFormat
from rungway_server.cli.output import fail


def check_parquet() -> None:
    """End the command if Parquet cannot be written here."""
    try:
        frames.check("pyarrow")
    except FailedPrecondition as error:
        raise fail(Exit.USAGE, f"Parquet cannot be written: {error}") from None


def read_search(pieces: Iterable[str]) -> SearchData:
    """The search in the text of an export. Raises as ExportReader."""
    reader = ExportReader(curves=True, events=True)
    for piece in pieces:
        reader.feed(piece)
    return reader.done()


def write_tables(data: SearchData, form: ExportFormat, folder: Path) -> None:
    """Write the tables trials, curves and events into a folder, which is created if it is missing. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"trials": trials_table(data), "curves": curves_table(data), "events": events_table(data)}
    for name, table in tables.items():
        path = folder / f"{name}.{form}"
        if form is ExportFormat.PARQUET:
            frames.write_parquet(table, path)
        else:
            with path.open("w", encoding="utf-8", newline="") as stream:
                write_csv(table, stream)


def print_csv(table: Table) -> None:
    """Write a table to standard output."""
    write_csv(table, sys.stdout)
