"""`export --all` and `import --all`: searches of all namespaces to a folder and back, with interruptions."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rungway_server.domain.engine import Report, Result
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from tests.integration.live_searches import create, halving
from tests.support.audited import assert_sound
from tests.support.command_line import on_redis, run
from tests.support.moving import exported
from tests.support.redis_server import redis_on_socket
from tests.support.waiting import wait_while_it_runs

REFS = [ExperimentRef(namespace, f"search-{number}") for namespace in ("audio", "vision") for number in range(3)]


@pytest.fixture
def source() -> Iterator[str]:
    with redis_on_socket() as url:
        asyncio.run(fill(url))
        yield url


@pytest.fixture
def target() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


async def fill(url: str) -> None:
    async with connect(url, timeout_seconds=60) as router:
        store = RedisStore(router)
        for number, ref in enumerate(REFS):
            await create(store, ref, halving(20))
            await advance(store, ref, number + 1)


async def advance(store: RedisStore, ref: ExperimentRef, trials: int) -> None:
    for assignment in (await store.ask(ref, "", trials, "w")).assignments:
        report = Report(assignment.next_decision_length, assignment.lease.trial / 100)
        await store.tell(ref, "", [Result(assignment.lease, [report], "c")])


def command(url: str, *words: str, code: int = 0) -> str:
    return "".join(on_redis(url, *words, code=code))


def contents(url: str, ref: ExperimentRef) -> list[str]:
    """What an export says of the trials and events of a search."""

    async def read() -> str:
        async with connect(url, timeout_seconds=60) as router:
            return await exported(RedisStore(router), ref)

    return asyncio.run(read()).splitlines()[2:-1]


def files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("search-*.jsonl")}


def test_all_namespaces_there_and_back(source: str, target: str, tmp_path: Path) -> None:
    assert "audio/search-0: exported" in command(source, "export", "--all", str(tmp_path))
    assert sorted(files(tmp_path)) == sorted(f"{ref.namespace}/{ref.experiment}.jsonl" for ref in REFS)
    assert "vision/search-2: imported, 6 trials" in command(target, "import", "--all", str(tmp_path))
    for ref in REFS:
        assert contents(target, ref) == contents(source, ref)
        asyncio.run(assert_sound(target, ref.experiment, ref.namespace))
    again = command(target, "import", "--all", str(tmp_path))
    assert again.count("is there already") == len(REFS)


def test_one_namespace_only(source: str, target: str, tmp_path: Path) -> None:
    command(source, "export", "--all", str(tmp_path), "--namespace", "vision")
    assert {name.partition("/")[0] for name in files(tmp_path)} == {"vision"}
    command(source, "export", "--all", str(tmp_path))
    out = command(target, "import", "--all", str(tmp_path), "--namespace", "audio")
    assert out.count("imported") == 3
    assert "vision" not in out


def test_a_second_export_writes_what_has_changed(source: str, tmp_path: Path) -> None:
    command(source, "export", "--all", str(tmp_path))
    before = files(tmp_path)
    changed, gone = REFS[1], REFS[2]

    async def change() -> None:
        async with connect(source, timeout_seconds=60) as router:
            await advance(RedisStore(router), changed, 1)
            await RedisStore(router).delete(gone)

    asyncio.run(change())
    out = command(source, "export", "--all", str(tmp_path))
    assert out.count("has not changed") == len(REFS) - 2
    written = {name for name, time in files(tmp_path).items() if time != before[name]}
    assert written == {"audio/search-1.jsonl"}
    manifest = (tmp_path / "manifest.jsonl").read_text()
    assert manifest.count('"experiment"') == len(REFS) - 1
    assert json.loads(manifest.splitlines()[-1]) == {"end": len(REFS) - 1}


@pytest.mark.parametrize("what", ["export", "import"])
def test_broken_off_and_run_again(what: str, source: str, target: str, tmp_path: Path) -> None:
    """Killed after the first search, it goes on from there; a folder that is not whole is not imported."""
    if what == "import":
        command(source, "export", "--all", str(tmp_path))
    url = {"export": source, "import": target}[what]
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "rungway", what, "--all", str(tmp_path)],
            env=os.environ | {"RUNGWAY_REDIS_URL": url, "PYTHONUNBUFFERED": "1"},
            stdout=output,
        )
    wait_while_it_runs(process, lambda: b"\n" in said.read_bytes())
    process.kill()
    process.wait()
    done = said.read_text().count("\n")
    if what == "export" and done < len(REFS):
        assert "was broken off" in command(target, "import", "--all", str(tmp_path), code=2)
    out = command(url, what, "--all", str(tmp_path))
    skipped = out.count("has not changed" if what == "export" else "is there already")
    assert done - 1 <= skipped <= len(REFS)
    if what == "export":
        command(target, "import", "--all", str(tmp_path))
    for ref in REFS:
        assert contents(target, ref) == contents(source, ref)


def test_what_is_damaged_or_taken_is_named_and_the_rest_is_imported(source: str, target: str, tmp_path: Path) -> None:
    command(source, "export", "--all", str(tmp_path))
    (tmp_path / "audio" / "search-1.jsonl").write_text("{}")

    async def take() -> None:
        async with connect(target, timeout_seconds=60) as router:
            await create(RedisStore(router), REFS[5], halving(9))

    asyncio.run(take())
    out = command(target, "import", "--all", str(tmp_path), code=1)
    assert "error: 2 could not be imported; all others are" in out
    assert "audio/search-1: " in out
    assert "is not the file of the manifest" in out
    assert "vision/search-2: there is already an experiment" in out
    assert out.count(": imported") == 4


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        (None, "No such file"),
        ("", "is not what"),
        ('{"rungway_export_all": 2}\n', "is not what"),
        ('{"rungway_export_all": 1}\n{"end": 1}\n', "was broken off"),
        ('{"rungway_export_all": 1}\n{"namespace": "../x"}\n{"end": 1}\n', "is not what"),
        (
            '{"rungway_export_all": 1}\n{"namespace": "../x", "experiment": "e", "uid": "u", "revision": 1, '
            '"bytes": 1, "sha256": ""}\n{"end": 1}\n',
            "is not what",
        ),
    ],
)
def test_other_folders_are_refused(manifest: str | None, text: str, target: str, tmp_path: Path) -> None:
    if manifest is not None:
        (tmp_path / "manifest.jsonl").write_text(manifest)
    assert text in command(target, "import", "--all", str(tmp_path), code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("export",),
        ("export", "e", "--namespace", "vision"),
        ("export", "--all", "x", "--out", "y"),
        ("export", "--all", "x", "--format", "csv"),
        ("import",),
        ("import", "e.jsonl", "--all", "x"),
        ("import", "--all", "x", "--as", "y"),
    ],
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    assert run("", *words)[0] == 2
