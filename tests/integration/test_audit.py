"""The audit: sound searches pass, and each invariant is named when a test breaks it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
from redis import Redis

from rungway_server.domain.engine import TrialState
from rungway_server.domain.search.plan import Plan
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.layout.records import BINARY, TRIAL_FIELDS, unpack
from rungway_server.store.redis.snapshot.audit import INVARIANTS, Report
from tests.integration.test_audit_bounded import DAMAGES as BOUNDED
from tests.integration.test_audit_sources import DAMAGES as OF_SOURCES
from tests.integration.test_cost_aware import DAMAGES as OF_COSTS
from tests.integration.test_lua_guards import PLAN, REF, STOPPING, play
from tests.support import forked
from tests.support.audited import report_of
from tests.support.redis_server import redis_on_socket
from tests.support.searches import create_planned
from tests.support.snapshot import Snapshot, restore, snapshot
from tests.support.waiting import SECONDS

BASE = "rungway:{default/guarded}"


def packb(value: object) -> bytes:
    """MessagePack as Lua writes it; texts may be bytes."""
    packed: bytes = msgpack.packb(value, unicode_errors=BINARY)
    return packed


def entry(key: str, running: int, number: int) -> bytes:
    """An entry of a rung; the sort key is in hexadecimal digits."""
    return bytes.fromhex(key) + running.to_bytes(4, "big") + number.to_bytes(4, "big")


@dataclass
class Scene:
    """A sound search in Redis with leases, requeued and promotable trials, enqueued configurations and request ids."""

    redis: Redis
    url: str

    def key(self, name: str) -> str:
        return f"{BASE}:{name}"

    def progress(self, field: str = "tally") -> dict[str, Any]:
        return dict(unpack(self.redis.hget(self.key("meta"), field)))  # type: ignore[arg-type]  # the stubs allow an awaitable

    def set_progress(self, **changes: object) -> None:
        self.redis.hset(self.key("meta"), "tally", packb(self.progress() | changes))

    def set_counts(self, **changes: object) -> None:
        self.redis.hset(self.key("meta"), "counts", packb(self.progress("counts") | changes))

    def set_points(self, **changes: object) -> None:
        self.set_counts(points=self.progress("counts")["points"] | changes)

    def trial(self, number: int) -> dict[str, Any]:
        packed: Any = self.redis.hget(self.key("trials"), str(number))
        values = dict(zip(TRIAL_FIELDS, unpack(packed), strict=True))
        return values | {"state": next(state for state in TrialState if state[0] == values["state"])}

    def set_trial(self, number: int, **changes: object) -> None:
        values = self.trial(number) | {name.rstrip("_"): value for name, value in changes.items()}
        values["state"] = values["state"][0]
        self.redis.hset(self.key("trials"), str(number), packb([values[name] for name in TRIAL_FIELDS]))

    def add_to_record(self, number: int, best_checkpoint: str, **changes: object) -> None:
        """Give a trial a best checkpoint of its own."""
        self.set_trial(number, **changes)
        packed: Any = self.redis.hget(self.key("trials"), str(number))
        values = unpack(packed)[: len(TRIAL_FIELDS)]
        self.redis.hset(self.key("trials"), str(number), packb([*values, False, best_checkpoint]))

    def replaced(self, counted: list[int], fields: dict[str, list[object]]) -> None:
        """Remember these replaced checkpoints, and say that there are so many."""
        self.set_progress(superseded=counted)
        for name, values in fields.items():
            self.redis.hset(self.key("curves"), name, packb(values))

    def now(self) -> int:
        """The time of Redis (ms)."""
        found: Any = self.redis.time()
        return 1000 * int(found[0])

    def first(self, state: str) -> int:
        """The first trial in this state."""
        return next(number for number in range(self.progress()["next_trial"]) if self.trial(number)["state"] == state)

    def log(self, kind: str, trial: int, reason: str, *numbers: int) -> None:
        """Add an event to the log; `numbers` are those of the explanation."""
        self.redis.xadd(self.key("events"), {"e": packb([kind, trial, 1, "", "w", reason, *numbers, ""])})

    def report(self) -> Report:
        return asyncio.run(report_of(self.url, REF))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def saved(url: str) -> Snapshot:
    asyncio.run(play(url, PLAN, points=200))
    with closing(Redis.from_url(url)) as client:
        return snapshot(client)


@pytest.fixture
def scene(url: str, saved: Snapshot) -> Iterator[Scene]:
    with closing(Redis.from_url(url)) as client:
        restore(client, saved)
        yield Scene(client, url)


def unlisted(scene: Scene) -> None:
    scene.redis.zpopmin(scene.key("best"))


def add_rung_member(scene: Scene) -> None:
    scene.redis.zadd(scene.key("rungs"), {b"\0\1" + entry("8" * 16, 0, 0): 0})


def requests_overflow(scene: Scene) -> None:
    plan = unpack(scene.redis.hget(scene.key("meta"), "plan"))  # type: ignore[arg-type]  # as above
    scene.redis.hset(scene.key("meta"), "plan", packb(plan | {"window_count": 2}))


def plan_differs(scene: Scene) -> None:
    plan = unpack(scene.redis.hget(scene.key("meta"), "plan"))  # type: ignore[arg-type]  # as above
    scene.redis.hset(scene.key("meta"), "plan", packb(plan | {"divisor": 4}))


def in_line_and_leased(scene: Scene) -> None:
    scene.redis.rpush(scene.key("line"), scene.first("running"))


def lower_cap(scene: Scene) -> None:
    plan = json.loads(scene.redis.hget(scene.key("meta"), "plan_json"))  # type: ignore[arg-type]  # as above
    scene.redis.hset(scene.key("meta"), "plan_json", json.dumps(plan | {"max_concurrent_trials": 2}))


def fewer_trials(scene: Scene) -> None:
    plan = json.loads(scene.redis.hget(scene.key("meta"), "plan_json"))  # type: ignore[arg-type]  # as above
    for bracket in plan["brackets"]:
        bracket["max_trials"] = 3
    scene.redis.hset(scene.key("meta"), "plan_json", json.dumps(plan))


def shrink_plan_to_started(scene: Scene) -> None:
    """Nothing is left to start, promote, run or assign again, yet the search is still running."""
    plan = json.loads(scene.redis.hget(scene.key("meta"), "plan_json"))  # type: ignore[arg-type]  # as above
    for bracket, started in zip(plan["brackets"], scene.progress("counts")["started"], strict=True):
        bracket["max_trials"] = started
    scene.redis.hset(scene.key("meta"), "plan_json", json.dumps(plan))
    scene.redis.delete(scene.key("leases"), scene.key("line"), scene.key("ready"))


DAMAGES: dict[str, list[Callable[[Scene], object]]] = {
    "about_is_in_range": [
        lambda s: s.redis.hset(s.key("meta"), "about", '{"labels": {"a b": ""}, "owner": "", "comment": ""}')
    ],
    "everything_is_readable": [
        lambda s: s.redis.hset(s.key("trials"), "0", b"\xc1"),
        lambda s: s.redis.hset(s.key("meta"), "plan_json", "{"),
        lambda s: s.redis.hset(s.key("meta"), "config", "{}"),
        lambda s: (s.redis.delete(s.key("leases")), s.redis.set(s.key("leases"), "x")),
        lambda s: s.redis.hset(s.key("configs"), str(s.progress()["next_trial"]), packb([0, 0])),
        lambda s: s.set_trial(s.first("paused"), state="asleep"),
        lambda s: s.set_trial(0, config=""),
        lambda s: s.redis.rpush(s.key("queue"), "{"),
        lambda s: s.redis.xadd(s.key("events"), {"e": "assign 0"}),
        lambda s: s.set_trial(0, rung="one"),
    ],
    "trials_are_numbered_without_gaps": [
        lambda s: s.redis.hdel(s.key("trials"), "3"),
        lambda s: s.set_progress(next_trial=4),
    ],
    "running_trials_hold_leases": [
        lambda s: s.redis.zpopmin(s.key("leases")),
        lambda s: s.redis.zadd(s.key("leases"), {str(s.first("paused")): 1e12}),
        lambda s: s.redis.zadd(s.key("leases"), {str(s.first("running")): 0}),
        lambda s: s.redis.zadd(s.key("leases"), {"999": 1e12}),
    ],
    "requeued_trials_wait_once": [
        lambda s: s.redis.delete(s.key("line")),
        lambda s: s.redis.rpush(s.key("line"), s.first("queued")),
        lambda s: s.redis.rpush(s.key("line"), 999),
    ],
    "no_trial_is_in_two_places": [in_line_and_leased],
    "fencing_tokens_are_unique": [
        lambda s: s.set_trial(0, fence=s.trial(1)["fence"]),
        lambda s: s.set_progress(next_fence=s.progress()["next_fence"] - 1),
        lambda s: s.set_trial(0, fence=7),
    ],
    "states_fit_the_results": [
        lambda s: s.set_trial(s.first("paused"), entries=[]),
        lambda s: s.set_trial(s.first("paused"), state="invalid"),
        lambda s: s.set_trial(s.first("paused"), rung=9),
    ],
    "lengths_are_within_the_assignment": [
        lambda s: s.set_trial(s.first("running"), length=8, to=3),
        lambda s: s.set_trial(s.first("paused"), length=10),
    ],
    "configurations_belong_to_trials": [
        lambda s: s.redis.hdel(s.key("configs"), str(s.progress()["next_trial"])),
        lambda s: s.redis.hset(s.key("configs"), "5000", packb({})),
    ],
    "rung_members_are_well_formed": [
        lambda s: s.redis.zadd(s.key("rungs"), {b"\0\0" + entry("8" * 16, 0, 999): 0}),
        lambda s: s.redis.zadd(s.key("rungs"), {b"\0\0" + entry("8" * 16, 0x88888888, 0): 0}),
    ],
    "sizes_are_counted": [
        lambda s: s.redis.zpopmin(s.key("rungs")),
        lambda s: s.set_counts(sizes=[99, *s.progress("counts")["sizes"][1:]]),
    ],
    "rungs_hold_the_results_of_trials": [add_rung_member, lambda s: s.redis.zpopmin(s.key("rungs"))],
    "results_were_reported": [lambda s: s.set_trial(s.first("paused"), points=0, tail="", metric="")],
    "promotable_results_are_listed": [
        lambda s: s.redis.delete(s.key("ready")),
        lambda s: s.redis.zadd(s.key("ready"), {b"\0\xff" + entry("8" * 16, 0x88888888, 0): 0}),
    ],
    "promotions_are_counted": [
        lambda s: s.set_counts(passed=[9, 0, 0, 0, 0]),
        lambda s: s.set_trial(s.first("paused"), rung=s.trial(s.first("paused"))["rung"] + 1),
    ],
    "clones_come_from_the_best": [
        lambda s: s.set_trial(s.first("running"), parent=["0", 0, 9, "", 0]),
        lambda s: s.set_trial(s.first("running"), parent=["99", 0, 0, "", 0]),
    ],
    "no_rung_promotes_beyond_its_quota": [
        lambda s: s.log("assign", 0, "promoted", 0, 0, 1, 3, 1),
        lambda s: s.log("assign", 0, "promoted", 0, 0, 0, 3, 2),
        lambda s: s.log("pause", 0, "not_promoted", 0, 0, 0, 3, 1),
    ],
    "started_are_the_valid_trials": [lambda s: s.set_counts(started=[1, 1])],
    "live_are_the_running_trials": [lambda s: s.set_counts(live=[0, 0])],
    "states_are_counted": [lambda s: s.set_counts(states={"running": 1})],
    "there_are_enough_suggestions": [lambda s: s.set_progress(proposed=2)],
    "no_bracket_starts_too_many": [fewer_trials],
    "no_more_leases_than_allowed": [lower_cap],
    "enqueued_configurations_fit": [
        lambda s: s.redis.rpush(s.key("queue"), *[packb({})] * 50),
    ],
    "a_search_is_done_when_nothing_is_left": [
        lambda s: s.set_progress(state="done"),
        lambda s: s.set_progress(state="asleep"),
        shrink_plan_to_started,
    ],
    "points_are_counted": [
        lambda s: s.redis.delete(s.key("points")),
        lambda s: s.redis.hset(s.key("points"), s.trial(0)["config"].encode(errors=BINARY), "invalid"),
        lambda s: s.redis.hset(s.key("points"), packb([9_999]), "1"),
        lambda s: s.set_counts(points=None),
    ],
    "no_point_is_repeated_before_all_were_used": [
        lambda s: s.set_points(left=0),
        lambda s: s.set_points(passes=1),
        lambda s: s.set_points(invalid=1),
        lambda s: s.set_points(at=200),
        lambda s: s.redis.rpush(s.key("queue"), *s.redis.lrange(s.key("queue"), 0, 0)),
    ],
    "lost_trials_are_those_of_invalid_points": [lambda s: s.set_points(lost=1)],
    "both_forms_of_the_plan_agree": [plan_differs],
    "remembered_answers_are_bounded": [
        requests_overflow,
        lambda s: s.redis.hset(s.key("requests:0"), "x", packb("answer")),
        lambda s: s.set_progress(generation=2),
    ],
    "curves_have_the_points_counted": [
        lambda s: s.set_trial(s.first("paused"), points=7),
        lambda s: s.set_trial(s.first("paused"), metric="8 bytes!"),
    ],
    "curves_belong_to_trials": [
        lambda s: s.redis.hset(s.key("curves"), "999.0", "16 bytes" * 32),
        lambda s: s.redis.hset(s.key("curves"), f"{s.first('running')}.4", "16 bytes" * 32),
    ],
    "best_metrics_are_those_of_the_curves": [lambda s: s.set_trial(s.first("paused"), best_key="\0" * 8)],
    "further_metrics_belong_to_reports": [
        lambda s: s.redis.hset(s.key("curves"), "m9999", bytes(8)),
        lambda s: s.redis.hset(s.key("curves"), "m0.0", bytes(8)),
        lambda s: s.set_progress(further=1),
    ],
    "best_checkpoints_have_results": [
        lambda s: s.add_to_record(s.first("paused"), "own"),
        lambda s: s.add_to_record(s.first("running"), "own", best_key=""),
    ],
    "replaced_checkpoints_are_those_counted": [
        lambda s: s.set_progress(superseded=[0, 1, 20]),
        lambda s: s.replaced([2, 3, 30], {"s2": [s.now(), 0, "old"]}),
        lambda s: s.replaced([0, 2, 30], {"s0": [s.now(), 0, "old"]}),
        lambda s: s.replaced([2, 2, 0], {"s1": [s.now(), 0, "old"]}),
        lambda s: s.replaced([0, 1, 15], {"s0": [s.now(), 999, "old"]}),
    ],
    "the_list_of_the_best_is_right": [
        unlisted,
        lambda s: s.redis.zadd(s.key("best"), {b"\0" * 11 + b"\1": 0}),
    ],
    "events_are_of_trials": [
        lambda s: s.log("assign", 999, "new_trial", 0, -1, 0, 0, 0),
        lambda s: s.log("assign", 0, "new_trial", 1, -1, 0, 0, 0),
        lambda s: s.log("elected", 0, "new_trial", 0, -1, 0, 0, 0),
    ],
    "trials_remember_their_events": [
        lambda s: s.set_trial(0, log=[]),
        lambda s: s.set_trial(0, log=[-s.trial(0)["created"], len(s.trial(0)["log"]) // 2 - 1]),  # too few are counted
        lambda s: s.set_trial(0, log=[*s.trial(0)["log"], -s.trial(0)["created"], 1]),  # too many
        lambda s: s.set_trial(0, log=[0, 1, *s.trial(0)["log"][2:]]),
    ],
    "trials_stand_where_the_log_says": [lambda s: s.log("pause", s.first("running"), "promoted", 0, -1, 0, 0, 0)],
    "the_log_has_one_assignment_per_lease": [
        lambda s: s.log("assign", 0, "requeued", 0, -1, 0, 0, 0),
        lambda s: s.log("release", 0, "preempted", 0, -1, 0, 0, 0),
    ],
    "the_trained_length_is_what_leases_trained": [lambda s: s.set_progress(trained=1)],
    "records_are_in_range": [
        lambda s: s.set_trial(s.first("paused"), restarts=-1),
        lambda s: s.set_trial(s.first("paused"), returns=10**14),
        lambda s: s.set_trial(s.first("paused"), bracket=100),
        lambda s: s.set_trial(s.first("running"), worker="w" * 257),
        lambda s: s.set_trial(s.first("paused"), reached=-3),
    ],
    "curves_are_in_range": [
        lambda s: s.set_trial(s.first("paused"), tail="\0" * 7 + "\0" + "\x40" * 8, points=1),
        lambda s: s.set_trial(s.first("paused"), tail="\x7f" * 16, points=1),
    ],
    "events_are_in_range": [
        lambda s: s.log("assign", 0, "new_trial", 0, 100, 0, 0, 0),
        lambda s: s.log("assign", 0, "new_trial", 0, -1, -1, 0, 0),
        lambda s: s.log("assign", 2**32, "new_trial", 0, -1, 0, 0, 0),
    ],
    "counters_are_in_range": [
        lambda s: s.set_progress(next_entry=2**32),
        lambda s: s.set_progress(next_fence=-1),
        lambda s: s.set_progress(revision=0),
    ],
    "the_revision_grew": [lambda s: s.set_progress(revision=1)],
}
"""Ways to break each invariant, by its name."""


def test_a_sound_search_passes(scene: Scene) -> None:
    report = scene.report()
    assert report.violated == {}
    assert report.ok
    assert all(finding.checked for finding in report.findings)
    assert report.revision == scene.progress()["revision"]


@pytest.mark.parametrize("plan", [PLAN, STOPPING], ids=["promote", "stop"])
def test_a_sound_search_of_an_uncounted_space_passes(plan: Plan) -> None:
    with redis_on_socket() as url:
        asyncio.run(play(url, plan))
        assert asyncio.run(report_of(url, REF)).violated == {}


def test_every_invariant_is_broken_below() -> None:
    assert {"everything_is_readable", *(each.__name__ for each in INVARIANTS)} == {
        *(name for some in (DAMAGES, BOUNDED, OF_SOURCES, OF_COSTS) for name in some)
    }
    assert all(len(finding.__doc__ or "") > 20 for finding in INVARIANTS)


@pytest.mark.parametrize(("name", "which"), [(name, i) for name in DAMAGES for i in range(len(DAMAGES[name]))])
def test_what_is_broken_is_named(scene: Scene, name: str, which: int) -> None:
    DAMAGES[name][which](scene)
    report = scene.report()
    assert name in report.violated
    assert all(report.violated[name])


def audit(*arguments: str) -> forked.Ended:
    return forked.run("audit", *arguments, timeout=SECONDS)


def test_the_command_says_what_is_violated_and_how_it_ended(scene: Scene) -> None:
    sound = audit("guarded", "--redis", scene.url)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "VIOLATED" not in sound.stdout
    assert sound.stdout.count("ok ") >= len(INVARIANTS)
    scene.redis.zpopmin(scene.key("leases"))
    broken = audit("guarded", "--redis", scene.url, "--output", "json")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["violated"] == [
        "running_trials_hold_leases",
        "the_log_has_one_assignment_per_lease",
    ]
    assert "is running without a lease" in audit("guarded", "--redis", scene.url).stdout


def test_the_command_refuses_what_is_not_there(scene: Scene, tmp_path: Path) -> None:
    unknown = audit("nothing", "--redis", scene.url)
    assert (unknown.returncode, "EXPERIMENT_NOT_FOUND" in unknown.stderr) == (1, True)
    scene.redis.hset(scene.key("meta"), "schema", 99)
    newer = audit("guarded", "--redis", scene.url)
    assert (newer.returncode, "NEWER_SCHEMA" in newer.stderr) == (1, True)
    scene.redis.hset(scene.key("meta"), "schema", 0)
    older = audit("guarded", "--redis", scene.url)
    assert (older.returncode, "OLDER_SCHEMA" in older.stderr) == (1, True)
    assert audit("guarded", "--data", str(tmp_path / "none")).returncode == 2
    assert audit("guarded", "--redis", f"unix://{tmp_path}/none.sock").returncode == 3


async def test_the_command_finds_the_embedded_store(tmp_path: Path) -> None:
    async with (
        EmbeddedRedis(tmp_path) as embedded,
        connect(embedded.url, timeout_seconds=5) as client,
    ):
        await create_planned(RedisStore(client), REF, PLAN)
        beside = await asyncio.to_thread(audit, "guarded", "--data", str(tmp_path))
        assert (beside.returncode, beside.stderr) == (0, "")
    alone = await asyncio.to_thread(audit, "guarded", "--data", str(tmp_path))
    assert (alone.returncode, alone.stderr) == (0, "")
