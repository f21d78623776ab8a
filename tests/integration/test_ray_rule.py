"""The example in docs/searchers.md that compares Ray Tune's rule with ours."""

from typing import Any

import numpy as np
import pytest

from rungway_server.domain.engine import Decision, Report, Result
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create
from tests.support.calls import config
from tests.support.searches import ask_for


@pytest.mark.parametrize(("stop_once", "decision"), [(False, Decision.PAUSE), (True, Decision.STOP)])
async def test_the_example_of_the_page(
    stop_once: bool, decision: Decision, store: RedisStore, ref: ExperimentRef
) -> None:
    before, newcomer, divisor = [0.1, 0.3], 0.15, 2
    cutoff = -np.percentile([-loss for loss in before], (1 - 1 / divisor) * 100)  # Ray Tune's, of the results before
    assert cutoff == pytest.approx(0.2)
    assert newcomer < cutoff
    document: dict[str, Any] = config("async_halving", max_trials=9, stop_once=stop_once, max_length=None)
    ray = {"time_attr": "epochs", "grace_period": 1, "max_t": 2, "reduction_factor": divisor}
    await create(store, ref, document | {"searcher": document["searcher"] | ray})
    for given, loss in zip(await ask_for(store, ref, 3), (*before, newcomer), strict=True):
        told = await store.tell(ref, "", [Result(given.lease, [Report(1, loss)])])
    (reply,) = told.replies
    assert (reply.decision, reply.explanation.rank, reply.explanation.quota) == (decision, 1, 1)
