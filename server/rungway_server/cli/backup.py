"""`rungway export --all` and `rungway import --all`: the searches of namespaces to a folder, and back.

Both work on Redis itself, so that they need no service and find every namespace, and both can be broken off and run
again: what is done is skipped. The folder holds a file for each search, NAMESPACE/EXPERIMENT.jsonl, and a manifest that
names each with its SHA-256.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rungway_server.cli.options import Exit
from rungway_server.cli.output import fail
from rungway_server.cli.redis_store import Place, store_import, with_redis
from rungway_server.domain.errors import ExperimentExists, RungwayError, StoreUnavailable, UnknownExperiment
from rungway_server.domain.names import check_experiment_id, check_namespace
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.keys import EVERY_INDEX, namespace_of
from rungway_server.store.redis.snapshot.export_file import BadExport, ExportFile, read_export

MANIFEST = "manifest.jsonl"
_FORMAT = 1
_PAGE = 1000


class _Broken(Exception):
    """The folder is not a whole backup; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the manifest: a search as it was when it was exported."""

    namespace: str
    experiment: str
    uid: str
    revision: int
    bytes: int
    sha256: str

    @property
    def ref(self) -> ExperimentRef:
        """The search."""
        return ExperimentRef(self.namespace, self.experiment)


def file_of(folder: Path, ref: ExperimentRef) -> Path:
    """The file of a search."""
    return folder / ref.namespace / f"{ref.experiment}.jsonl"


def export_all(folder: Path, namespace: str | None, redis: str | None, data: Path | None) -> None:
    """Export every search of a namespace, or of all; those that have not changed since their file are skipped."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        refused = with_redis(redis, data, lambda place: _export_all(place, folder, namespace))
    except _Broken as error:
        raise fail(Exit.USAGE, str(error)) from None
    except OSError as error:
        raise fail(Exit.USAGE, f"cannot write: {error}") from None
    _finish(refused, "exported")


def import_all(folder: Path, namespace: str | None, redis: str | None, data: Path | None) -> None:
    """Import every search of a folder, or those of one namespace; those that are there already are skipped."""
    try:
        entries = [each for each in read_manifest(folder, whole=True) if namespace in (None, each.namespace)]
        refused = with_redis(redis, data, lambda place: _import_all(place, folder, entries), new=True)
    except _Broken as error:
        raise fail(Exit.USAGE, str(error)) from None
    except OSError as error:
        raise fail(Exit.USAGE, f"cannot read: {error}") from None
    _finish(refused, "imported")


def _finish(refused: list[str], done: str) -> None:
    if refused:
        raise fail(Exit.REFUSED, f"{len(refused)} could not be {done}; all others are", refused)


def read_manifest(folder: Path, *, whole: bool) -> list[Entry]:
    """The entries, the last one of each search. Raises _Broken where it is no manifest, or is to be `whole` and its
    export was broken off."""
    path = folder / MANIFEST
    if not path.exists() and not whole:
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    try:
        records = [json.loads(line) for line in lines if line.endswith(b"\n")]  # the last one may be cut off
        if not records or records[0] != {"rungway_export_all": _FORMAT}:
            raise ValueError("its first line is another")
        ended = records[-1].get("end") == len(records) - 2
        found = [Entry(**record) for record in records[1:] if "end" not in record]
        for each in found:
            check_namespace(each.namespace)
            check_experiment_id(each.experiment)
    except (ValueError, TypeError, AttributeError, RungwayError) as error:
        raise _Broken(f"{path} is not what `rungway export --all` writes: {error}") from None
    if whole and not ended:
        raise _Broken(f"the export into {folder} was broken off: run `rungway export --all {folder}` again")
    return list({each.ref: each for each in found}.values())


def _write_manifest(folder: Path, entries: list[Entry], *, ended: bool) -> None:
    part = folder / f"{MANIFEST}.part"
    records = [{"rungway_export_all": _FORMAT}, *map(asdict, entries), *([{"end": len(entries)}] if ended else [])]
    part.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    part.replace(folder / MANIFEST)


async def _export_all(place: Place, folder: Path, namespace: str | None) -> list[str]:
    """Returns what was refused."""
    if namespace:
        check_namespace(namespace, "--namespace")
    known = {each.ref: each for each in read_manifest(folder, whole=False)}
    _write_manifest(folder, list(known.values()), ended=False)
    entries: list[Entry] = []
    refused: list[str] = []
    async with place.router() as router:
        store = RedisStore(router)
        async for ref in _searches(router, store, namespace):
            try:
                entry = await _export(store, folder, ref, known.get(ref))
            except UnknownExperiment:  # deleted meanwhile
                continue
            except StoreUnavailable:
                raise
            except (RungwayError, BadExport) as error:
                refused.append(f"{ref.namespace}/{ref.experiment}: {error}")
                continue
            entries.append(entry)
            if entry != known.get(ref):
                with (folder / MANIFEST).open("a", encoding="utf-8") as manifest:
                    manifest.write(json.dumps(asdict(entry)) + "\n")
    if namespace:  # those of the others stay
        entries += [each for each in known.values() if each.namespace != namespace]
    _write_manifest(folder, entries, ended=not refused)
    return refused


async def _searches(router: Router, store: RedisStore, namespace: str | None) -> AsyncIterator[ExperimentRef]:
    """Every search of the namespace, or of all."""
    names = [namespace] if namespace else sorted(map(namespace_of, await router.keys(EVERY_INDEX)))
    for name in names:
        after = ""
        while page := await store.experiments(name, after, _PAGE):
            for experiment, token in page:
                yield ExperimentRef(name, experiment)
                after = token


async def _export(store: RedisStore, folder: Path, ref: ExperimentRef, known: Entry | None) -> Entry:
    brief, progress = await store.brief(ref)
    path, uid = file_of(folder, ref), brief.uid
    if known and known.uid == uid and known.revision == progress.revision and _is_same(path, known):
        _say(f"{ref.namespace}/{ref.experiment}: has not changed")
        return known
    path.parent.mkdir(exist_ok=True)
    part, digest, size = path.with_suffix(".part"), hashlib.sha256(), 0
    try:
        with part.open("wb") as out:
            async for text in store.export(ref):
                piece = text.encode()
                out.write(piece)
                digest.update(piece)
                size += len(piece)
        with part.open(encoding="utf-8", newline="") as written:
            revision = int(json.loads(written.readline())["revision"])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _say(f"{ref.namespace}/{ref.experiment}: exported, {size:,} bytes")
    return Entry(ref.namespace, ref.experiment, uid, revision, size, digest.hexdigest())


def _is_same(path: Path, entry: Entry) -> bool:
    """Whether the file is there, as the manifest has it."""
    if not path.is_file() or path.stat().st_size != entry.bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256


async def _import_all(place: Place, folder: Path, entries: list[Entry]) -> list[str]:
    """Returns what was refused."""
    refused = []
    async with place.router() as router:
        store = RedisStore(router)
        for entry in entries:
            try:
                _say(f"{entry.namespace}/{entry.experiment}: {await _import(place, router, store, folder, entry)}")
            except StoreUnavailable:
                raise
            except (RungwayError, BadExport, UnicodeDecodeError) as error:
                refused.append(f"{entry.namespace}/{entry.experiment}: {error}")
    return refused


async def _import(place: Place, router: Router, store: RedisStore, folder: Path, entry: Entry) -> str:
    """Import one; returns what to say. Raises BadExport, ExperimentExists where another search has the name."""
    path = file_of(folder, entry.ref)
    if not _is_same(path, entry):
        raise BadExport(f"{path} is not the file of the manifest: it is missing, was cut off or changed")
    export = _read(path)
    if export.experiment != entry.experiment:
        raise BadExport(f"{path} is an export of {export.experiment!r}")
    with suppress(UnknownExperiment):
        there = await store.definition(entry.ref, fresh=True)
        if there.created_ms != export.search["created_ms"]:
            raise ExperimentExists(entry.experiment)
        return "is there already"
    await store_import(place, router, entry.ref, export)
    return f"imported, {len(export.trials):,} trials"


def _read(path: Path) -> ExportFile:
    with path.open(encoding="utf-8", newline="") as file:
        return read_export(file)


def _say(line: str) -> None:
    print(line, flush=True)
