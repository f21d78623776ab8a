"""The results of a search that ranks by fronts: those that its best trials are chosen from."""

import math

from rungway_server.domain.search.vectors import Vector
from rungway_server.service.port import ExperimentRef, ExperimentStore
from rungway_server.service.reading import Reading

_AT_ONCE = 1_000


async def results_at_top(
    store: ExperimentStore, reading: Reading, ref: ExperimentRef, *, only_top: bool
) -> list[tuple[int, Vector]]:
    """Trials and vectors of the results at the longest length that has any (`only_top`: at the full length), in the
    order in which they were told; without those that rank last. The caller was admitted."""
    plan, progress = (await store.definition(ref)).plan, await store.progress(ref)
    rungs = [
        (rung.length, b, k)
        for b, bracket in enumerate(plan.brackets)
        for k, rung in enumerate(bracket.rungs)
        if progress.rung_results[b][k] and (not only_top or k + 1 == len(bracket.rungs))
    ]
    found: list[tuple[int, Vector]] = []
    longest = max(rungs, default=(0, 0, 0))[0]
    for _, b, k in (each for each in rungs if each[0] == longest):
        await reading.pay(ref.namespace, progress.rung_results[b][k])
        after = b""
        while True:
            async with reading.turn(ref.namespace):
                page, after = await store.outcomes(ref, b, k, after, _AT_ONCE)
            found += (each for each in page if each[1].violation < math.inf)
            if not after:
                break
    return found
