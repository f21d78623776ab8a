"""`rungway export` and `rungway import`: an experiment to a file, and back."""

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from rungway_server.cli.connection import service
from rungway_server.cli.options import Exit, ExportFormat
from rungway_server.cli.output import fail
from rungway_server.cli.redis_store import Place, store_import, with_redis
from rungway_server.domain.documents.paths import spelled, values_by_path
from rungway_server.domain.engine import Further
from rungway_server.domain.errors import ExperimentExists
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.snapshot.export_file import BadExport, ExportFile, read_export

_EVENT_COLUMNS = (
    *("event", "kind", "trial", "reason", "bracket", "rung", "rank", "size", "quota", "cutoff"),
    *("length", "metric", "worker", "message"),
)


_NO_COLUMNS = ("hparams", "curve", "metrics", "entries", "log")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a text that a spreadsheet would run as a formula."""


def export(experiment: str, target: str, form: ExportFormat, out: Path | None) -> None:
    """Write an experiment to a file, standard output, or a folder of tables."""
    if form is ExportFormat.CSV and out is None:
        raise fail(Exit.USAGE, "tables need a folder: give --out FOLDER")
    try:
        with service(target, experiment) as client:
            lines = _lines(client.export_experiment())
            if form is ExportFormat.CSV and out is not None:
                _write_tables(read_export(lines), out)
            else:
                with _opened(out) as stream:
                    read_export(_written(lines, stream), keep=False)  # also checks that the file is complete
    except BadExport as error:
        raise fail(Exit.UNREACHABLE, f"the export did not come whole: {error}") from None
    except OSError as error:
        raise fail(Exit.USAGE, f"cannot write: {error}") from None


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that gets its name only once it is complete."""
    if out is None or str(out) == "-":
        yield sys.stdout
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (f"{line}\n" for line in lines)
    if rest:
        yield rest


def _written(lines: Iterator[str], stream: TextIO) -> Iterator[str]:
    for line in lines:
        stream.write(line)
        yield line


def _write_tables(export: ExportFile, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({name for trial in export.trials for name in _flat(trial["hparams"])})
    columns = [name for name in (export.trials or [{"trial": 0}])[0] if name not in _NO_COLUMNS]
    with ExitStack() as stack:

        def table(name: str, header: list[str]) -> Any:
            stream = stack.enter_context((folder / name).open("w", encoding="utf-8", newline=""))
            writer = csv.writer(stream)
            writer.writerow(map(_cell, header))
            return writer

        trials = table("trials.csv", [*columns, *(f"hparams.{name}" for name in names)])
        told = [further for trial in export.trials for _, further in trial["metrics"]]
        more = sorted({name for further in told for name in further.metrics})
        costs = any(further.cost is not None for further in told)
        header = ["trial", "length", "metric", *["cost"] * costs, *(f"metrics.{name}" for name in more)]
        curves = table("curves.csv", header)
        for trial in export.trials:
            hparams = _flat(trial["hparams"])
            cells = (*(trial[name] for name in columns), *(hparams.get(name, "") for name in names))
            trials.writerow(map(_cell, cells))
            curves.writerows(map(_cell, (trial["trial"], *point)) for point in _points(trial, more, costs))
        events = table("events.csv", list(_EVENT_COLUMNS))
        events.writerows((_cell(each.get(name, "")) for name in _EVENT_COLUMNS) for each in export.events)


def _points(trial: dict[str, Any], names: list[str], costs: bool) -> Iterator[tuple[object, ...]]:
    """The points of a curve with their further metrics, of which a report need not have any."""
    further = dict(trial["metrics"])
    for place, point in enumerate(trial["curve"]):
        told = further.get(place, Further({}))
        cost = ("" if told.cost is None else told.cost,) if costs else ()
        yield (*point, *cost, *(told.metrics.get(name, "") for name in names))


def _cell(value: object) -> object:
    """A value for a table: a text that begins like a formula is prefixed with an apostrophe; numbers stay."""
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)  # -Infinity is written as a text
    except ValueError:
        return f"'{value}"
    return value


def _flat(hparams: Mapping[str, Any]) -> dict[str, object]:
    """The values by the names of their columns; an empty group has no column."""
    found = ((spelled(*path), value) for path, value in values_by_path(hparams) if value != {})
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in found}


async def _import(place: Place, ref: ExperimentRef, export: ExportFile) -> None:
    async with place.router() as router:
        try:
            await store_import(place, router, ref, export)
        except ExperimentExists as error:
            hint = "give what is imported another id with `--as OTHER`"
            raise fail(Exit.REFUSED, str(error), [f"reason: {error.reason}", hint]) from None


def import_file(file: Path, name: str | None, namespace: str, redis: str | None, data: Path | None) -> None:
    """Rebuild an experiment from a file."""
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", newline="") as stream:
            export = read_export(stream)
        ref = ExperimentRef(namespace, name or export.experiment)
        with_redis(redis, data, lambda place: _import(place, ref, export))
    except (BadExport, UnicodeDecodeError) as error:
        raise fail(Exit.USAGE, f"{file}: nothing was imported: {error}") from None
    except OSError as error:
        raise fail(Exit.USAGE, f"cannot read {file}: {error}") from None
    print(f"imported {ref.experiment}: {len(export.trials)} trials, {len(export.events)} events")
