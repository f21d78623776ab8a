"""How reports rank in a search with several objectives, or with constraints on outcomes: as the script of a tell takes
it (lua/include/vectors.lua), and as records have it."""

import json
import math
from collections.abc import Sequence

from rungway_server.domain.engine import Objectives, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.objectives import At
from rungway_server.domain.search.vectors import Missing, Vector, has_final, objectives_of, vector_of
from rungway_server.store.redis.layout.records import BINARY, packed


def vectors_of(searcher: SearcherConfig, report: Report) -> bytes:
    """What a report ranks by: below the top rung and, where that may differ, at the top rung; without what lacks an
    objective."""
    found = b""
    for final in (False, True) if has_final(searcher) else (False,):
        try:
            found += vector_of(searcher, report, final=final).packed()
        except Missing:
            break
    return found


def told_vectors(searcher: SearcherConfig, results: Sequence[Result]) -> bytes:
    """The argument of the script for these results."""
    vectors = [vectors_of(searcher, report) for each in results for report in each.reports]
    return packed([[each.decode(errors=BINARY) for each in vectors], [is_fit(searcher, each) for each in vectors]])


def is_fit(searcher: SearcherConfig, vectors: bytes) -> bool:
    """Whether a report with these vectors may be the best of its trial: it has what results rank by, and meets the
    constraints."""
    of_one = 8 * (1 + len(objectives_of(searcher)))
    return len(vectors) >= of_one and Vector.unpacked(vectors[-of_one:]).violation == 0


def vector_in(stamp: str, objectives: int) -> Vector:
    """The vector of a result in a rung, from its stamp in digits."""
    return Vector.unpacked(bytes.fromhex(stamp)[-8 * (1 + objectives) :])


def shown_objectives(stored: bytes, searcher: SearcherConfig) -> Objectives | None:
    """How the last report of a record ranks, at the top rung where that is known; None without a vector."""
    objectives = objectives_of(searcher)
    of_one, final = 8 * (1 + len(objectives)), has_final(searcher)
    if len(stored) < of_one:
        return None
    vector = Vector.unpacked(stored[-of_one:])
    if vector.violation == math.inf:
        return Objectives({}, math.inf)
    whole = not final or len(stored) > of_one
    named = zip(objectives, vector.values, strict=True)
    values = {
        each.name: (value if each.smaller_is_better else -value) + 0.0
        for each, value in named
        if whole or each.at is At.ANY
    }
    return Objectives(values, vector.violation)


def lacks_objective(searcher: SearcherConfig, result: Result, index: int, report: int, final: bool) -> InvalidInput:
    """The refusal of a report without a metric that its decision needs; `report` -1: of the one told before."""
    at = f"results[{index}]"
    if report < 0:
        named = {each.name: None for each in objectives_of(searcher)}
        named |= {each.name: None for each in searcher.outcome_constraints}
        names = ", ".join(name for name in named if name != searcher.metric)
        return InvalidInput.one(
            f"{at}.finished",
            f"got true, but the last report lacks what results rank by, wanted one with the further metrics {names}",
            reason="OBJECTIVE_MISSING",
        )
    try:
        vector_of(searcher, result.reports[report], final=final)
    except Missing as missing:
        name = missing.name
    where = "at the top rung" if final else "at a rung"
    return InvalidInput.one(
        f"{at}.reports[{report}].metrics[{json.dumps(name, ensure_ascii=False)}]",
        f"missing, wanted a value: results {where} rank by it, and this report is one",
        reason="OBJECTIVE_MISSING",
    )
