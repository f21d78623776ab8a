"""Vectors: what results rank by in a search with several objectives, or with constraints on outcomes."""

import math
from collections.abc import Iterator

from rungway_server.domain.engine import Report
from rungway_server.domain.ranking import metric_of
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.store.redis.layout.further import FIELD, Names
from rungway_server.store.redis.layout.vectors import vector_in, vectors_of
from rungway_server.store.redis.snapshot.snapshot import Snapshot, further_of, points_of


def vectors_were_reported(snapshot: Snapshot) -> Iterator[str]:
    """Each vector of a result, and of a record, is that of a report of its trial, or the last of all for a dead one."""
    assert snapshot.config is not None
    assert snapshot.plan is not None
    searcher, objectives = snapshot.config.searcher, snapshot.plan.objectives
    names = Names(snapshot.meta.get(FIELD))
    for number, trial in snapshot.trials.items():
        told = _told(snapshot, number, names, searcher)
        if trial.objectives != (told[-1].hex() if told else ""):
            yield f"trial {number} has the vectors {trial.objectives!r}, its last report has others"
        ranked = {
            each[at : at + 8 * (1 + objectives)] for each in told for at in range(0, len(each), 8 * (1 + objectives))
        }
        for k, stamp in enumerate(trial.entries):
            vector = vector_in(stamp, objectives) if stamp else None
            dead = vector and vector.violation == math.inf and trial.state in ("failed", "stopped")
            if vector and not dead and vector.packed() not in ranked:
                yield f"trial {number} never reported its result in rung {trial.bracket}:{k}"


def _told(snapshot: Snapshot, number: int, names: Names, searcher: SearcherConfig) -> list[bytes]:
    """The vectors of all reports of a trial."""
    further = dict(further_of(snapshot, number, names))
    metrics = [metric_of(bytes.fromhex(key), searcher.smaller_is_better) for _, key in points_of(snapshot, number)]
    return [vectors_of(searcher, Report(1, metric, further.get(at))) for at, metric in enumerate(metrics)]
