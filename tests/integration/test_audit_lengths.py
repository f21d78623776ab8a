"""The trained length when trials end between the reports of one call: the audit must not raise a false alarm."""

import pytest

from rungway_server.domain.engine import Decision, Report, Result
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, halving
from tests.support.audited import assert_sound
from tests.support.searches import ask_for

SHORT = {"num_rungs": 2, "divisor": 2, "max_length": {"epochs": 4}, "stop_once": True}


@pytest.mark.parametrize(
    ("searcher", "told"),
    [
        (SHORT, [(2, 0.9), (3, 0.8)]),  # stopped at its rung, one more report
        (SHORT, [(1, 0.9), (2, 0.9), (3, 0.8), (4, 0.7)]),  # … and two, past the top
        (SHORT | {"target_metric": 0.05}, [(1, 0.04), (3, 0.8)]),  # ended by the target, between rungs
        ({"target_metric": 0.05, "num_rungs": 1}, [(4, 0.01), (6, 0.8), (9, 0.7)]),  # … in the promotion form
    ],
)
async def test_reports_after_the_end_of_a_trial_count(
    searcher: dict[str, object], told: list[tuple[int, float]], store: RedisStore, ref: ExperimentRef, admin_url: str
) -> None:
    await create(store, ref, halving(trials=4, **searcher))
    first, second = await ask_for(store, ref, 2)
    await store.tell(ref, "", [Result(first.lease, [Report(2, 0.1)])])
    result = Result(second.lease, [Report(*each) for each in told])
    assert (await store.tell(ref, "", [result])).replies[0].decision is Decision.STOP
    assert (await store.progress(ref)).trained_length == 2 + told[-1][0]
    await assert_sound(admin_url, ref.experiment)
