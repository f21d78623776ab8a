"""Asks that find nothing are held: who is woken by what, in which order, and who is not held."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from rungway_server.domain.engine import (
    AskAnswer,
    AskStatus,
    ExperimentState,
    Lease,
    Outcome,
    Reason,
    Release,
    Report,
    Result,
)
from rungway_server.domain.errors import PermissionDenied, UnknownExperiment
from rungway_server.service import held_asks
from rungway_server.service.access import CHECK_AGAIN
from rungway_server.service.admission import Admission
from rungway_server.service.held_asks import MOST_OF_A_CONNECTION, Hold, Returns
from rungway_server.service.port import ExperimentRef
from rungway_server.service.search import SearchUseCases
from rungway_server.service.waiting_line import AT_ONCE
from rungway_server.store.redis import RedisStore
from tests.support.searches import ask_for, config_of, create_planned, plan
from tests.support.waiting import happens

LONG = Hold(29.0)
"""No test lasts so long."""
ONE = plan((1, 9), trials=4, cap=1)
"""One trial at a time."""


class Floor:
    """Workers of one search: each asks at a server, and waits."""

    def __init__(self, stores: list[RedisStore], ref: ExperimentRef) -> None:
        self.stopping = asyncio.Event()
        self.servers = [SearchUseCases(store, Admission(1_000), self.stopping) for store in stores]
        self.ref = ref
        self.tasks: list[asyncio.Task[AskAnswer]] = []
        self.served: list[str] = []
        self.leases: list[Lease] = []

    async def wait(
        self, name: str = "w", hold: Hold = LONG, *, server: int = 0, request_id: str = "", count: int = 1
    ) -> "asyncio.Task[AskAnswer]":
        """A worker that is held, or answered, when this returns."""
        held = self.servers[server]._held
        before = held.count

        async def ask() -> AskAnswer:
            answer, _ = await self.servers[server].ask(self.ref, request_id, count, name, hold)
            self.served += [name] * len(answer.assignments)
            self.leases += [each.lease for each in answer.assignments]
            return answer

        task = asyncio.create_task(ask())
        self.tasks.append(task)
        await happens(lambda: held.count > before or task.done())
        return task


@pytest.fixture
async def floor(stores: list[RedisStore], ref: ExperimentRef) -> AsyncIterator[Floor]:
    floor = Floor(stores, ref)
    yield floor
    for task in floor.tasks:
        task.cancel()
    await asyncio.gather(*floor.tasks, return_exceptions=True)
    assert [server._held.count for server in floor.servers] == [0, 0], "a place was not given back"


async def _tells(store: RedisStore, ref: ExperimentRef, lease: Lease) -> None:
    await store.tell(ref, "", [Result(lease, [Report(1, 0.5)])])


async def _releases(store: RedisStore, ref: ExperimentRef, lease: Lease) -> None:
    await store.release(ref, "", [Release(lease)])


async def _fails(store: RedisStore, ref: ExperimentRef, lease: Lease) -> None:
    await store.fail(ref, "", lease, Outcome.TRANSIENT, "lost")


async def _raises_the_cap(store: RedisStore, ref: ExperimentRef, _: Lease) -> None:
    seen = await store.definition(ref, fresh=True)
    changed = replace(seen.plan, max_concurrent_trials=2)
    assert await store.change_plan(ref, seen, seen.config, changed)


async def _resumes(store: RedisStore, ref: ExperimentRef, lease: Lease) -> None:
    await store.set_state(ref, ExperimentState.RUNNING)


@pytest.mark.parametrize("change", [_tells, _releases, _fails, _raises_the_cap])
async def test_work_of_any_kind_wakes_one_who_waits_at_another_server(
    change: Callable[[RedisStore, ExperimentRef, Lease], Awaitable[None]],
    floor: Floor,
    stores: list[RedisStore],
    ref: ExperimentRef,
) -> None:
    await create_planned(stores[0], ref, ONE)
    (given,) = await ask_for(stores[0], ref)
    waits = await floor.wait(server=1)
    await change(stores[0], ref, given.lease)
    assert (await waits).status is AskStatus.ASSIGNED


async def test_more_trials_wake_those_who_wait(floor: Floor, stores: list[RedisStore], ref: ExperimentRef) -> None:
    few = plan((1, 9), trials=1)
    await create_planned(stores[0], ref, few)
    await ask_for(stores[0], ref)
    waits = await floor.wait(server=1)
    seen = await stores[0].definition(ref)
    more = plan((1, 9), trials=2)
    assert await stores[0].change_plan(ref, seen, config_of(more), more)
    assert (await waits).status is AskStatus.ASSIGNED


async def test_an_expired_lease_wakes_one_and_is_told(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, ONE, lease_seconds=0.3)
    (given,) = await ask_for(store, ref)
    answer = await (await floor.wait())
    assert [each.lease.trial for each in answer.assignments] == [given.lease.trial]
    assert [each.trial for each in answer.expired] == [given.lease.trial]


async def test_all_are_told_of_a_pause_and_held_until_the_search_goes_on(
    floor: Floor, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, ONE)
    (given,) = await ask_for(store, ref)
    waits = [await floor.wait(str(n)) for n in range(3)]
    await store.set_state(ref, ExperimentState.PAUSED)
    told = await asyncio.gather(*waits)
    assert {(answer.status, answer.reason) for answer in told} == {(AskStatus.WAIT, Reason.EXPERIMENT_PAUSED)}
    assert all(answer.retry_after_ms >= 5_000 for answer in told)
    waits = [await floor.wait(str(n)) for n in range(3)]
    await _tells(store, ref, given.lease)
    assert not any(each.done() for each in waits)
    await store.set_state(ref, ExperimentState.RUNNING)
    await happens(lambda: sum(each.done() for each in waits) == 1)


async def test_all_are_told_of_the_end(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, ONE)
    await ask_for(store, ref)
    waits = [await floor.wait(str(n), server=n % 2) for n in range(6)]
    await store.set_state(ref, ExperimentState.STOPPED)
    assert {answer.status for answer in await asyncio.gather(*waits)} == {AskStatus.DONE}


async def test_nobody_is_woken_for_work_beyond_the_budget(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, replace(plan((1, 9), trials=4), budget=2))
    before = await store.available(ref, [])
    await ask_for(store, ref, 2)
    after = await store.available(ref, [])
    assert before.work == 4
    assert (after.work, after.answer.reason) == (0, Reason.BUDGET_SPENT)


async def test_all_are_told_that_it_was_deleted(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, ONE)
    await ask_for(store, ref)
    waits = [await floor.wait(str(n), server=n % 2) for n in range(6)]
    await store.delete(ref)
    ends = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(end) for end in ends} == {UnknownExperiment}


async def test_a_search_that_paused_itself_holds_nobody(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan(trials=4, cap=1), pause_after=1)
    (given,) = await ask_for(store, ref)
    waits = await floor.wait()
    await store.fail(ref, "", given.lease, Outcome.ERROR, "no such file")
    assert (await waits).reason is Reason.FAILING
    answer = await (await floor.wait())
    assert (answer.reason, answer.message) == (Reason.FAILING, "no such file")


async def test_who_has_waited_longest_is_served_first(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    """However long ago it asked, and those who come while there is work do not go before."""
    await create_planned(store, ref, plan((1,), trials=9, cap=1))
    (given,) = await ask_for(store, ref)
    for name, waited in (("c", 2), ("a", 9), ("d", 0), ("b", 5)):
        await floor.wait(name, Hold(29, waited))

    def served(n: int) -> bool:
        return len(floor.served) > n

    for n in range(4):
        await _tells(store, ref, floor.leases[-1] if floor.leases else given.lease)
        await happens(partial(served, n))
    assert floor.served == ["a", "b", "c", "d"]


@pytest.mark.parametrize("count", [1, 2])
async def test_as_many_ask_again_as_there_is_work(
    count: int, floor: Floor, stores: list[RedisStore], ref: ExperimentRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All others keep their places. Of two servers each may try in vain with as many as ask at once."""
    await create_planned(stores[0], ref, plan((1, 9), trials=99, cap=12))
    given = await ask_for(stores[0], ref, 12)
    asks = []
    for store in stores:
        original = store.ask

        async def counted(*args: object, ask: Callable[..., Awaitable[AskAnswer]] = original) -> AskAnswer:
            asks.append(args)
            return await ask(*args)

        monkeypatch.setattr(store, "ask", counted)
    for n in range(30):
        await floor.wait(str(n), server=n % count)
    asks.clear()
    await stores[0].release(ref, "", [Release(each.lease) for each in given])
    await happens(lambda: len(floor.served) == 12)
    assert floor.served == [str(n) for n in range(12)] if count == 1 else len(floor.served) == 12
    assert len(asks) == 12 if count == 1 else 12 <= len(asks) <= 12 + 2 * AT_ONCE
    assert sum(task.done() for task in floor.tasks) == 12


async def test_who_leaves_gives_its_turn_to_the_next(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, ONE)
    (given,) = await ask_for(store, ref)
    first, second = await floor.wait("first"), await floor.wait("second")
    first.cancel()
    await _tells(store, ref, given.lease)
    assert (await second).status is AskStatus.ASSIGNED
    assert floor.served == ["second"]


async def test_a_repeated_request_has_its_answer_though_others_wait(
    floor: Floor, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, ONE)
    answered = await store.ask(ref, "lost", 1, "w")
    await floor.wait("first")
    again = await (await floor.wait("w", request_id="lost"))
    assert again.assignments == answered.assignments


async def test_the_time_is_over_and_one_may_ask_again_at_once(
    floor: Floor, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, ONE)
    await ask_for(store, ref)
    answer = await (await floor.wait(hold=Hold(0.1)))
    assert (answer.status, answer.reason, answer.retry_after_ms) == (AskStatus.WAIT, Reason.CONCURRENCY_LIMIT, 0)


async def test_a_connection_keeps_room_for_other_calls(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, ONE)
    await ask_for(store, ref)
    hold = LONG._replace(connection="ipv4:10.0.0.1:5")
    for n in range(MOST_OF_A_CONNECTION):
        await floor.wait(str(n), hold)
    answer = await (await floor.wait("one more", hold))
    assert (answer.status, answer.retry_after_ms) == (AskStatus.WAIT, 1_000)
    assert not any(task.done() for task in floor.tasks[:-1])


async def test_a_namespace_has_its_share(
    floor: Floor, store: RedisStore, ref: ExperimentRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_asks, "_TO_ADMITTED", 1)
    floor.servers[0] = SearchUseCases(store, Admission(6), floor.stopping)
    await create_planned(store, ref, ONE)
    await ask_for(store, ref)
    for n in range(4):
        await floor.wait(str(n))
    assert [task.done() for task in floor.tasks] == [False, False, False, True]


def test_who_is_not_held_comes_back_the_later_the_more_wait() -> None:
    now = 100.5
    returns = Returns(lambda: now)
    told = [returns.after_ms(1_000) for _ in range(20_000)]
    assert told[:251] == [1_000] * 251
    assert (told[499], told[4_999], told[-1]) == (1_996, 19_996, 30_000)
    now += 60
    assert returns.after_ms(1_000) == 1_000
    assert returns.after_ms(5_000) == 5_000


async def test_a_server_that_stops_sends_them_away(floor: Floor, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, ONE)
    await ask_for(store, ref)
    waits = [await floor.wait(str(n)) for n in range(3)]
    floor.stopping.set()
    told = await asyncio.gather(*waits)
    assert {(answer.status, answer.retry_after_ms) for answer in told} == {(AskStatus.WAIT, 1_000)}
    assert (await (await floor.wait())).status is AskStatus.WAIT


async def test_a_token_is_checked_again_before_work_is_handed_out(
    floor: Floor, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, ONE)
    (given,) = await ask_for(store, ref)

    async def revoked() -> None:
        raise PermissionDenied("revoked")

    context = contextvars.copy_context()
    context.run(CHECK_AGAIN.set, revoked)
    first = asyncio.create_task(floor.wait("revoked"), context=context)
    waits, second = await first, await floor.wait("second")
    await _tells(store, ref, given.lease)
    with pytest.raises(PermissionDenied):
        await waits
    assert (await second).status is AskStatus.ASSIGNED
