"""Whatever an export file holds, an import loads all of it, or refuses it with one clear error and stores nothing."""

import asyncio
import copy
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.snapshot import import_file
from rungway_server.store.redis.snapshot.export_file import BadExport, read_export
from rungway_server.store.redis.snapshot.import_file import import_experiment
from tests.integration.test_reading_in_pieces import Player, made
from tests.support import forked
from tests.support.moving import exported, with_end
from tests.support.redis_server import redis_on_socket

Line = dict[str, Any]
REF = ExperimentRef("default", "e")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    async with plain_client(url, timeout_seconds=5) as client:
        await client.flushall()
        yield client


async def exported_search(name: str) -> str:
    """An export with something of everything."""
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=5) as router:
            store = RedisStore(router)
            await made(store, REF, name)
            player = Player(store, REF, random.Random(4))
            await player.play(130)
            await player.ask()
            return await exported(store, REF)


@pytest.fixture(scope="module")
def searches() -> dict[str, list[Line]]:
    """The lines of an export with clones and of one with suggestions (full populations have none), without the last."""
    texts = {name: asyncio.run(exported_search(name)) for name in ("population", "promotion")}
    return {name: [json.loads(line) for line in text.splitlines()[:-1]] for name, text in texts.items()}


@pytest.fixture
def lines(searches: dict[str, list[Line]]) -> list[Line]:
    """Those of the first."""
    return searches["population"]


def file_of(lines: list[Line], raw: Callable[[str], str] = lambda text: text) -> list[str]:
    """A whole file of these lines, with an end that fits."""
    return with_end(raw("".join(json.dumps(line) + "\n" for line in lines)).splitlines(keepends=True))


async def refused(redis: Redis, file: list[str]) -> str:
    """How it was refused ("" when it was not); nothing is left then."""
    try:
        await import_experiment(redis, REF, read_export(file))
    except BadExport as error:
        assert await redis.keys("*") == []
        return str(error)
    await redis.flushall()
    return ""


def one_of_each(lines: list[Line]) -> list[int]:
    """The first line of each kind, and of trials one with a result in a rung and a clone."""
    kinds: list[Callable[[Line], object]] = [
        lambda line: "rungway_export" in line,
        lambda line: "search" in line,
        lambda line: any(line.get("entries", ())) and line["curve"],
        lambda line: line.get("trial") is not None and line.get("parent") and "state" in line,
        lambda line: "proposal" in line,
        lambda line: line.get("rung", -1) >= 0 and "event" in line,
    ]
    return [at for kind in kinds for at in [at for at, line in enumerate(lines) if kind(line)][:1]]


def scalars(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values that are neither lists nor objects, a few of each list."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from scalars(item, (*path, name))
    elif isinstance(value, list):
        for at, item in enumerate(value[:2]):
            yield from scalars(item, (*path, at))
    else:
        yield path


def changed(lines: list[Line], at: int, path: tuple[Any, ...], value: object) -> list[Line]:
    line: Any = copy.deepcopy(lines[at])
    holder = line
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return [*lines[:at], line, *lines[at + 1 :]]


WRONG: list[object] = [
    -1,
    2**31,
    2**32,
    2**53 + 1,
    2**63,
    10**30,
    1e308,
    0.5,
    "x" * 50_000,
    "\ud800",
    "",
    None,
    True,
    [],
    {},
]
PLAIN = {"remembered", "generation", "since", "config", "notes", "failing", "hparams", "unit", "experiment", "queue"}
"""Fields that an import ignores, texts of users, and configurations, which have tests of their own."""


@pytest.mark.parametrize("search", ["population", "promotion"])
async def test_a_bad_value_of_any_field_is_at_most_refused(
    search: str, searches: dict[str, list[Line]], redis: Redis
) -> None:
    """Every field of every kind of line, each with every value that it cannot have."""
    seen, lines = set(), searches[search]
    assert len(one_of_each(lines)) == 5
    for at in one_of_each(lines):
        for path in scalars(lines[at]):
            for value in WRONG:
                why = await refused(redis, file_of(changed(lines, at, path, value)))
                seen.add(why.partition(":")[0])
                if not PLAIN & set(path) and (value is None or isinstance(value, dict)):
                    assert why, (at, path, value)
    assert any(each.startswith("line ") for each in seen)


FIELDS: list[tuple[str, tuple[Any, ...], object, str]] = [
    ("search", ("tally", "next_entry"), 2**32, "search.tally.next_entry"),
    ("search", ("tally", "trained"), -1, "search.tally.trained"),
    ("search", ("tally", "next_fence"), 2**60, "search.tally.next_fence"),
    ("search", ("plan", "brackets", 0, "rungs", 0, 0), 0, "search.plan.brackets[0].rungs[0][0]"),
    ("search", ("plan", "brackets", 0, "max_trials"), 10**9, "search.plan.brackets[0].max_trials"),
    ("search", ("plan", "divisor"), 1, "search.plan.divisor"),
    ("search", ("plan", "brackets"), [], "search.plan.brackets"),
    ("search", ("settings", "most_events"), 0, "search.settings.most_events"),
    ("search", ("ready",), ["zz"], "search.ready[0]"),
    ("search", ("line",), [2**40], "search.line[0]"),
    ("trial", ("restarts",), -1, "restarts"),
    ("trial", ("fence",), 1.0, "fence"),
    ("trial", ("length",), 10**13, "length"),
    ("trial", ("worker",), "w" * 257, "worker"),
    ("trial", ("checkpoint",), "c" * 4_097, "checkpoint"),
    ("trial", ("entries",), ["00" * 11], "entries[0]"),
    ("trial", ("log",), ["1-2-3"], "log[0]"),
    ("trial", ("curve",), [[0, 0.5]], "curve[0][0]"),
    ("trial", ("curve",), [[1, "Infinity"]], "curve[0][1]"),
    ("trial", ("curve",), [[1, True]], "curve[0][1]"),
    ("trial", ("outcome",), "won", "outcome"),
    ("trial", ("state",), "asleep", "state"),
    ("trial", ("parent",), [7, 0, 0, "", 0], "parent[0]"),
    ("trial", ("hparams",), {"rate": 2**64}, "hparams.rate"),
    ("trial", ("hparams",), {"rate": "x" * 50_000}, "hparams.rate"),
    ("event", ("rung",), 100, "rung"),
    ("event", ("event",), "5", "event"),
    ("event", ("event",), "1-1", "event"),
    ("event", ("length",), -1, "length"),
    ("event", ("worker",), "w" * 257, "worker"),
    ("proposal", ("proposal",), -1, "proposal"),
]


@pytest.mark.parametrize(("kind", "path", "value", "field"), FIELDS)
async def test_the_error_names_line_and_field(
    kind: str, path: tuple[Any, ...], value: object, field: str, searches: dict[str, list[Line]], redis: Redis
) -> None:
    lines = searches["promotion" if kind == "proposal" else "population"]
    last = max(at for at, line in enumerate(lines) if kind in line and (kind == "event" or "event" not in line))
    inside = ("search", *path) if kind == "search" else path
    why = await refused(redis, file_of(changed(lines, last, inside, value)))
    assert why.startswith(f"line {last + 1}: {field}: got ")
    assert ", wanted " in why
    assert len(why) < 400


def deep(text: str) -> str:
    return text.replace('"notes": [', '"notes": ' + "[" * 100_000, 1)


RAW: dict[str, Callable[[str], str]] = {
    "nested without end": deep,
    "values nested too deeply": lambda text: text.replace(
        '"hparams": {', '"hparams": {"a": ' + "[" * 40 + "]" * 40 + ", ", 1
    ),
    "NaN": lambda text: re.sub(r'"best_metric": [^,]*', '"best_metric": NaN', text, count=1),
    "Infinity": lambda text: re.sub(r'"curve": \[\[(\d+), [^\]]*', r'"curve": [[\1, -Infinity', text, count=1),
    "a number of a million digits": lambda text: text.replace('"restarts": 0', '"restarts": ' + "9" * 10**6, 1),
    "a float beyond all": lambda text: re.sub(r'"best_metric": [^,]*', '"best_metric": 1e999', text, count=1),
    "lists for objects": lambda text: text.replace('{"trial": 0', '["trial", 0], {"trial": 0', 1),
    "a list": lambda text: "[1]\n" + text,
    "a text": lambda text: text + '"x"\n',
    "a second search": lambda text: text + text.splitlines()[1] + "\n",
    "the same trial twice": lambda text: text + next(line for line in text.splitlines() if '"entries"' in line) + "\n",
    "an event again": lambda text: text + text.splitlines()[-1] + "\n",
    "binary": lambda text: text + "\0\1\2\n",
}


@pytest.mark.parametrize("name", RAW)
async def test_files_of_an_odd_shape(name: str, lines: list[Line], redis: Redis) -> None:
    assert await refused(redis, file_of(lines, RAW[name]))


def test_the_command_prints_one_line(lines: list[Line], url: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile"
    file.write_text("".join(file_of(changed(lines, 1, ("search", "tally", "next_entry"), 10**20))))
    ended = forked.run("import", file, "--redis", url, timeout=60)
    assert (ended.returncode, ended.stdout, "Traceback" in ended.stderr) == (2, "", False)
    assert "nothing was imported: line 2: search.tally.next_entry: got 100000000000000000000, wanted" in " ".join(
        ended.stderr.split()
    )


async def test_an_import_that_is_cut_off_is_never_seen(
    lines: list[Line], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is stored under the name, and the keys written so far expire even if nothing deletes them."""
    write, seen = import_file.write_part, []

    async def failing(client: Any, position: int, key: str, part: Any) -> None:
        await write(client, position, key, part)
        seen.append([await redis.pttl(name) for name in await redis.keys("*")])
        assert await redis.exists(f"rungway:{{default/{REF.experiment}}}:meta") == 0
        if len(seen) == 5:
            raise RedisConnectionError

    monkeypatch.setattr(import_file, "write_part", failing)
    with pytest.raises(RedisConnectionError):
        await import_experiment(redis, REF, read_export(file_of(lines)))
    assert await redis.keys("*") == []
    assert all(ttl > 0 for times in seen for ttl in times)
