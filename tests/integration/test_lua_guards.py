"""The Lua scripts alone: a damaged key never leaves half a decision."""

import asyncio
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from redis import Redis, ResponseError

from rungway_server.domain.engine import Assignment, Lease, Outcome, Release, Report, Result
from rungway_server.domain.experiment import to_document
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.plan_codec import plan_for_lua
from rungway_server.store.redis.scripts import LEDGER_NAMES, NAMES, Script, load_scripts
from tests.support.redis_server import find_redis_server, redis_on_socket, servers_at_hand
from tests.support.searches import config_of, create_planned
from tests.support.snapshot import Content, Snapshot, differences, restore, snapshot

REF = ExperimentRef("default", "guarded")
PLAN = Plan(
    brackets=(
        Bracket((Rung(1), Rung(3), Rung(9)), 20, 4),
        Bracket((Rung(3), Rung(9)), 20, 4),
    ),
    rule=PromotionRule.ASYNC,
    form=DecisionForm.PROMOTE,
    divisor=3.0,
    max_concurrent_trials=0,
    unit="epochs",
)
STOPPING = Plan(PLAN.brackets, PLAN.rule, DecisionForm.STOP, PLAN.divisor, PLAN.max_concurrent_trials, PLAN.unit)
LEASE_MS = 60_000


@dataclass(frozen=True)
class Scene:
    """A stored experiment with something of every kind, and calls of each script that use all of it."""

    content: Snapshot
    keys: list[str]
    calls: dict[str, list[list[str | bytes | int]]]


async def play(url: str, plan: Plan, points: int = 0) -> tuple[str, int, list[Lease]]:
    """Make an experiment with expired and live leases, requeued and promotable trials, enqueued configurations, best
    trials, request ids and, where its points are counted, uses of them.

    Returns its uid, a time at which the first leases of both brackets have expired, and the live leases.
    """
    async with connect(url, timeout_seconds=5) as client:
        store = RedisStore(client)
        definition = await create_planned(
            store, REF, plan, lease_seconds=LEASE_MS / 1000, max_restarts=0, points=points
        )
        start = definition.created_ms
        await store.ask(REF, "", 4, "w", now_ms=start)  # two of each bracket, never told
        answer = await store.ask(REF, "a", 16, "w", now_ms=start + 30_000)
        asked = list(answer.assignments)
        for metric in (0.5, 0.6, 0.9):  # three results make the best promotable
            for assignment in (asked.pop(0), asked.pop(0)):
                await tell(store, assignment, metric, start + 31_000)
        answer = await store.ask(REF, "", 2, "w", now_ms=start + 32_000)
        for assignment in answer.assignments:
            await tell(store, assignment, 0.3, start + 33_000)
        for metric in (0.55, 0.95, 0.96):  # promotable once more, until the next ask
            for assignment in (asked.pop(0), asked.pop(0)):
                await tell(store, assignment, metric, start + 34_000)
        leases = [assignment.lease for assignment in asked]
        used = {trial.hparams["x"] for trial in await store.trials(REF, list(range(40)))}
        free = next(x for x in range(1, points + 1) if x not in used) if points else 0.5
        await store.enqueue(REF, "e", {"x": free}, now_ms=start + 35_000)
        await store.release(REF, "r", [Release(leases.pop())], now_ms=start + 35_000)
    return definition.uid, start + LEASE_MS + 1, leases


async def tell(store: RedisStore, assignment: Assignment, metric: float, now: int) -> None:
    """Tell the result at the next decision."""
    report = Report(assignment.next_decision_length, metric)
    await store.tell(REF, f"t{assignment.lease.fencing_token}", [Result(assignment.lease, [report], "c")], now_ms=now)


def calls_of(
    plan: Plan, points: int, uid: str, now: int, leases: list[Lease]
) -> dict[str, list[list[str | bytes | int]]]:
    """For each script, arguments of calls that change or read as much as one call can."""
    tell: list[str | bytes | int] = [uid, now, "q", "", len(leases)]
    release: list[str | bytes | int] = [uid, now, "q", ""]
    for lease in leases:
        tell += [lease.trial, lease.fencing_token, "c", "", 1, 9, bytes([0] * 7 + [lease.trial])]
        release += [lease.trial, lease.fencing_token, "", 0]
    first = leases[0]
    config = json.dumps(to_document(config_of(plan, lease_seconds=LEASE_MS / 1000, max_restarts=0, points=points)))
    suggestions = [f'{{"x":{number}}}' for number in range(40, 60)]
    return {
        "create": [
            ["other", now, "q", "print", lua_plan(plan, 0), "{}", "{}", "[]", 1, "{}", points, 0, 2, *suggestions]
        ],
        "ask": [[uid, now, "q", 20, "w", "1", "", ""], [uid, now, "q", 64, "w", "1", 40, "", *suggestions]],
        "available": [[uid, now, "1", "q", "again"]],
        "tell": [tell],
        "heartbeat": [[uid, now, *(n for lease in leases for n in (lease.trial, lease.fencing_token))]],
        "release": [release],
        "fail": [
            [uid, now, "q", first.trial, first.fencing_token, outcome.value, "why"]
            for outcome in Outcome
            if outcome is not Outcome.FINISHED
        ],
        "enqueue": [[uid, now, "q", '{"x":1}']],
        "enqueue_known": [[uid, now, "k", '{"x":1}', 1, "12345678"]],
        "change_state": [[uid, now, "paused"], [uid, now, "stopped"]],
        "change_plan": [[uid, now, lua_plan(plan, more), "{}", "{}", config, 3, "[]"] for more in (0, 5)],
        "change_about": [[uid, now, "", "{}"]],
        "progress": [[uid]],
        "changes": [[uid, now, "", 100, 0, 100], [uid, now, "1-0", 100, 0, 100]],
        "trials": [[uid, 1000, *range(20)], [uid, 1, *range(20)]],
        "best": [[uid, 10]],
        "propose": [[uid, now, 2, 0, 1, 1, 256, '{"x":1}', '{"x":2}']],
        "observe": [[uid, now, 0, 0, 0, 10, 0, 1, 0, 10]],
        "read": [[uid, "HLEN", 2], [uid, "LRANGE", 5, 0, -1]],
        "records": [[uid, 1000, *range(20)]],
        "snapshot_mark": [[uid, now, 0]],
        "snapshot_changes": [[uid, "", 0, 0, 0, 0, "", "", 500, 1_000_000, whole, ""] for whole in ("", "1")],
        "delete": [[uid]],
        "explain": [[uid, number, 0, 100] for number in range(20)],
        "events": [[uid, "", 100]],
    }


def lua_plan(plan: Plan, more: int) -> str:
    """The plan with `more` trials added to each bracket, as scripts read it."""
    brackets = tuple(replace(bracket, max_trials=bracket.max_trials + more) for bracket in plan.brackets)
    config = config_of(plan, lease_seconds=LEASE_MS / 1000, max_restarts=0)
    kept = replace(config, retention_days=1 / 86_400)
    limits = {"pause_after": 0, "window_ms": 600_000, "window_count": 50_000, "most_events": 9}
    return plan_for_lua(replace(plan, brackets=brackets), kept, **limits)


@pytest.fixture(scope="module", params=[(PLAN, 0), (STOPPING, 0), (PLAN, 200)], ids=["promote", "stop", "counted"])
def scene(request: pytest.FixtureRequest, redis_url: str, client: Redis) -> Scene:
    client.flushall()
    plan, points = request.param
    uid, now, leases = asyncio.run(play(redis_url, plan, points))
    keys = experiment_keys(REF, POINTS if points else "")
    return Scene(snapshot(client), keys, calls_of(plan, points, uid, now, leases))


OTHERS = [
    pytest.param(path, id=name, marks=pytest.mark.long)
    for name, path in servers_at_hand().items()
    if path != find_redis_server()
]
"""Major versions that are installed beside the one of all tests; `make versions` has them, too."""


@pytest.fixture(scope="module", params=[pytest.param(find_redis_server(), id="default"), *OTHERS])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis that these tests may flush."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.redis_server.find_redis_server", lambda: request.param)
        with redis_on_socket() as url:
            yield url


@pytest.fixture(scope="module")
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@functools.cache
def sources(client: Redis) -> dict[str, Script]:
    """The scripts in the form that this Redis accepts."""
    return load_scripts(shebang=int(str(client.info("server")["redis_version"]).split(".")[0]) >= 7)


def run(client: Redis, script: str, keys: list[str], args: list[str | bytes | int]) -> object:
    """The reply of the script, None if it raises."""
    try:
        return client.eval(sources(client)[script].source, len(keys), *keys, *args)
    except ResponseError:
        return None


def test_the_scene_has_something_of_everything(scene: Scene) -> None:
    empty = {key.rpartition("}:")[2] for key in scene.keys if key.encode() not in scene.content}
    assert empty <= {"requests:1", "ready", "curves"}


@pytest.mark.parametrize("script", [name for name in NAMES if name not in {"unlist", *LEDGER_NAMES}])
def test_a_key_of_a_wrong_type_leaves_no_half_decision(script: str, scene: Scene, client: Redis) -> None:
    """The script fails and changes nothing, or it does not use that key and replies as usual."""
    failures, broken = [], 0
    content = {} if script == "create" else scene.content
    for args in scene.calls[script]:
        restore(client, content)
        whole = run(client, script, scene.keys, args)
        assert whole is not None, "the call is good where no key is damaged"
        for key in scene.keys:
            restore(client, content)
            client.delete(key)
            client.set(key, "a text")
            before = content | {key.encode(): Content(b"a text", b"")}
            answer = run(client, script, scene.keys, args)
            changed = differences(before, snapshot(client))
            broken += answer is None
            if answer is None and changed:
                failures.append(f"{args[2:6]} with {key}: failed and yet changed {changed}")
            elif answer is not None and answer != whole:
                failures.append(f"{args[2:6]} with {key}: answered {answer}, not {whole}")
    assert failures == []
    assert broken, "no key mattered at all"


@pytest.mark.parametrize(
    ("script", "args"),
    [("reserve", ["e", 2, 1, 9, 9, 9, ""]), ("replace_claim", ["e", 2, 1, "", 0, ""])],
    ids=LEDGER_NAMES,
)
def test_a_ledger_of_a_wrong_type_stays_as_it_is(script: str, args: list[str | int], client: Redis) -> None:
    key = "rungway:{guarded}:ledger"
    client.delete(key)
    assert client.eval(sources(client)[script].source, 1, key, *args)
    client.delete(key)
    client.set(key, "a text")
    with pytest.raises(ResponseError):
        client.eval(sources(client)[script].source, 1, key, *args)
    assert client.get(key) == b"a text"
    client.delete(key)


def test_scripts_load_on_this_redis(client: Redis) -> None:
    """Redis names them by the hash that the service computes; 7 and newer take them with their first line."""
    loaded = {script.name: client.script_load(script.source) for script in sources(client).values()}
    assert loaded == {script.name: script.sha for script in sources(client).values()}
    major = int(str(client.info("server")["redis_version"]).split(".")[0])
    assert {script.source.startswith("#!lua") for script in sources(client).values()} == {major >= 7}
