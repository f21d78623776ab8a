"""What the experiments of the store add up to, on any topology of Redis."""

from collections.abc import Iterator

import pytest

from rungway_server.domain.engine import ExperimentState, Outcome
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.totals import read_totals
from tests.integration.live_searches import create, halving, report
from tests.support.calls import unique_name
from tests.support.redis_topology import Topology, redis_of


@pytest.fixture(scope="module")
def redis_url(topology: Topology | None) -> Iterator[str]:
    """A Redis in which no other test has left a damaged experiment."""
    with redis_of(topology) as url:
        yield url


async def test_all_namespaces_are_counted(store: RedisStore, router: Router) -> None:
    mine, theirs = unique_name("mine"), unique_name("theirs")
    refs = [ExperimentRef(mine, f"e-{number}") for number in range(60)] + [ExperimentRef(theirs, "alone")]
    for ref in refs:
        await create(store, ref, halving())
    first, second = (await store.ask(refs[0], "", 2, "w")).assignments
    await report(store, refs[0], first, 0.5)
    await store.fail(refs[0], "", second.lease, Outcome.ERROR, "broken")
    assert (await store.ask(refs[-1], "", 3, "w")).assignments
    await store.set_state(refs[1], ExperimentState.PAUSED)
    totals = await read_totals(router)
    found = totals.namespaces[mine]
    assert found.experiments == {"running": 59, "paused": 1}
    states = (await store.progress(refs[0])).trial_states
    assert +found.trials == {state.value: count for state, count in states.items() if count}
    assert found.leases == sum((await store.progress(refs[0])).running)
    assert totals.namespaces[theirs].leases == 3
    running = {ref for _, ref in totals.running}
    assert refs[0] in running
    assert refs[1] not in running
