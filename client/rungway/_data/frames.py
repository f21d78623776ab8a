"""Tables as data frames of the library that the caller has: pandas, polars or pyarrow, through narwhals."""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway._data.tables import Column, Kind, Table

Backend = Literal["pandas", "polars", "pyarrow"]
BACKENDS: tuple[Backend, ...] = ("pandas", "polars", "pyarrow")
"""In the order in which they are taken."""


def frame(table: Table, backend: str | None) -> Any:
    """A native data frame. In pandas a column of integers with missing values has floats and NaN. Raises as `check`."""
    library = check(backend)
    import narwhals

    schema = {column.name: _dtype(column, library) for column in table}
    data = {column.name: column.values for column in table}
    return narwhals.from_dict(data, schema, backend=library).to_native()


def check(backend: str | None) -> Backend:
    """The library to use; None = the first that is installed. Raises InvalidArgument for one that is not known, and
    FailedPrecondition (NOT_INSTALLED) when it, or narwhals, is not installed."""
    if backend is not None and backend not in BACKENDS:
        raise InvalidArgument.one("backend", f"got {backend!r:.100}, wanted one of {', '.join(BACKENDS)}")
    found = [each for each in BACKENDS if backend in (None, each) and _is_installed(each)]
    if found and _is_installed("narwhals"):
        return found[0]
    missing = "narwhals" if found else backend or "pandas"
    more = " polars" if missing == "polars" else ""
    raise FailedPrecondition(
        f"data frames need {missing}, which is not installed: pip install 'rungway[data]'{more}", reason="NOT_INSTALLED"
    )


def write_parquet(table: Table, path: str | os.PathLike[str]) -> None:
    """Write a table as Parquet. Raises FailedPrecondition (NOT_INSTALLED) without the extra, and OSError."""
    native = frame(table, "pyarrow")
    import narwhals

    narwhals.from_native(native, eager_only=True).write_parquet(Path(path))


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _dtype(column: Column, backend: str) -> Any:
    import narwhals

    of_kind = {
        Kind.INTEGER: narwhals.Int64(),
        Kind.REAL: narwhals.Float64(),
        Kind.FLAG: narwhals.Boolean(),
        Kind.TEXT: narwhals.String(),
        Kind.TIME: narwhals.Datetime("us", "UTC"),
    }
    if backend == "pandas" and _has_gaps(column.values):
        of_kind |= {Kind.INTEGER: narwhals.Float64(), Kind.FLAG: narwhals.Object()}
    return of_kind[column.kind]


def _has_gaps(values: Sequence[Any]) -> bool:
    return any(value is None for value in values)
