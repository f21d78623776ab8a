"""Vectors: what results rank by in a search with several objectives, or with constraints on outcomes."""

import math
from collections.abc import Iterator

from rungway_server.domain.engine import Report
from rungway_server.domain.ranking import metric_of
from rungway_server.store.redis.layout.further import FIELD, Names
from rungway_server.store.redis.layout.vectors import vector_in, vectors_of
from rungway_server.store.redis.snapshot.snapshot import Snapshot, further_of, points_of


def told_by(snapshot: Snapshot, number: int) -> list[bytes]:
    """The vectors of all reports of a trial, in the order in which they were told."""
    assert snapshot.config is not None
    searcher = snapshot.config.searcher
    further = dict(further_of(snapshot, number, Names(snapshot.meta.get(FIELD))))
    metrics = [metric_of(bytes.fromhex(key), searcher.smaller_is_better) for _, key in points_of(snapshot, number)]
    return [vectors_of(searcher, Report(1, metric, further.get(at))) for at, metric in enumerate(metrics)]


def vectors_were_reported(snapshot: Snapshot) -> Iterator[str]:
    """Each vector of a result, and of a record, is that of a report of its trial, or the last of all for a dead one."""
    assert snapshot.plan is not None
    objectives = snapshot.plan.objectives
    of_one = 8 * (1 + objectives)
    for number, trial in snapshot.trials.items():
        told = told_by(snapshot, number)
        if trial.objectives != (told[-1].hex() if told else ""):
            yield f"trial {number} has the vectors {trial.objectives!r}, its last report has others"
        ranked = {each[at : at + of_one] for each in told for at in range(0, len(each), of_one)}
        for k, stamp in enumerate(trial.entries):
            vector = vector_in(stamp, objectives) if stamp else None
            dead = vector and vector.violation == math.inf and trial.state in ("failed", "stopped")
            if vector and not dead and vector.packed() not in ranked:
                yield f"trial {number} never reported its result in rung {trial.bracket}:{k}"
