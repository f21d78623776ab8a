"""`rungway export` and `rungway import`: an experiment to a file, and back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rungway_server.cli.connection import service
from rungway_server.cli.options import Exit, ExportFormat
from rungway_server.cli.output import fail
from rungway_server.cli.redis_store import Place, store_import, with_redis
from rungway_server.cli.tables import check_parquet, read_search, write_tables
from rungway_server.domain.errors import ExperimentExists
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.snapshot.export_file import BadExport, ExportFile, read_export


def export(experiment: str, target: str, form: ExportFormat, out: Path | None) -> None:
    """Write an experiment to a file, standard output, or a folder of tables."""
    if form is not ExportFormat.JSONL and out is None:
        raise fail(Exit.USAGE, "tables need a folder: give --out FOLDER")
    if form is ExportFormat.PARQUET:
        check_parquet()
    try:
        with service(target, experiment) as client:
            if form is not ExportFormat.JSONL and out is not None:
                write_tables(read_search(client.export_experiment()), form, out)
            else:
                lines = _lines(client.export_experiment())
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


async def _import(place: Place, ref: ExperimentRef, export: ExportFile) -> str:
    """Where it is now, unless the user has named the Redis."""
    async with place.router() as router:
        try:
            await store_import(place, router, ref, export)
        except ExperimentExists as error:
            hint = "give what is imported another id with `--as OTHER`"
            raise fail(Exit.REFUSED, str(error), [f"reason: {error.reason}", hint]) from None
    return f", into the data folder {place.folder}" if place.folder else ""


def import_file(file: Path, name: str | None, namespace: str, redis: str | None, data: Path | None) -> None:
    """Rebuild an experiment from a file."""
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", newline="") as stream:
            export = read_export(stream)
        ref = ExperimentRef(namespace, name or export.experiment)
        where = with_redis(redis, data, lambda place: _import(place, ref, export))
    except (BadExport, UnicodeDecodeError) as error:
        raise fail(Exit.USAGE, f"{file}: nothing was imported: {error}") from None
    except OSError as error:
        raise fail(Exit.USAGE, f"cannot read {file}: {error}") from None
    print(f"imported {ref.experiment}: {len(export.trials)} trials, {len(export.events)} events{where}")
