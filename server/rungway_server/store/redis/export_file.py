"""The export file: an experiment as lines of JSON that people and programs can read, and that rebuild it elsewhere.

docs/export.md describes every line. A metric is the shortest decimal number that reads back as the same float, or the
text "nan", "inf" or "-inf". The last line has the number and the SHA-256 of those before it, so that a file that was
cut off or changed is noticed.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rungway_server.domain.ranking import metric_of
from rungway_server.store.redis.records import NOT_NAMES, TRIAL_FIELDS
from rungway_server.store.redis.stored import Stored, first_proposal, points_of

FORMAT = 1
TRIAL_NAMES = tuple(
    name
    for name in TRIAL_FIELDS
    if name not in {"metric", "best_key", "points", "tail", "request", "print", "verdict", "config"}
)
"""What is exported of a trial record as it is. Metrics are written as numbers, curve and configuration by themselves,
and the answer to a request id not at all."""
SETTINGS = {"window_ms": 600_000, "window_count": 50_000, "most_events": 1_000_000, "pause_after": 0}
"""What is exported of the plan for scripts, which neither plan nor configuration say; and what stands for it in files
without it."""
NUMBERS = ("bracket", "rung", "rank", "size", "quota")
"""Of an event."""
_NO_EXPORT = "the file is not one that `rungway export` wrote"


class BadExport(Exception):
    """The file is no whole export file; the text says where and why."""


@dataclass(slots=True)
class Export:
    """What the lines of a file say, as plain values."""

    experiment: str = ""
    search: dict[str, Any] = field(default_factory=dict)
    trials: list[dict[str, Any]] = field(default_factory=list)
    proposals: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)


def lines_of(stored: Stored) -> Iterator[str]:
    """The lines of the file, each with a line feed at its end."""
    digest, count = hashlib.sha256(), 0
    for record in _records(stored):
        line = json.dumps(record, allow_nan=False) + "\n"
        digest.update(line.encode())
        count += 1
        yield line
    yield json.dumps({"end": count, "sha256": digest.hexdigest()}) + "\n"


def _records(stored: Stored) -> Iterator[dict[str, Any]]:
    tally, meta = stored.tally, stored.meta
    yield {"rungway_export": FORMAT, "experiment": stored.ref.experiment, "revision": tally["revision"]}
    yield {
        "search": {
            "created_ms": stored.created_ms,
            "config": json.loads(meta["config"]),
            "plan": json.loads(meta["plan_json"]),
            "notes": json.loads(meta["notes"]),
            "settings": {name: stored.lua_plan[name] for name in SETTINGS if name in stored.lua_plan},
            "tally": tally,
            "failing": meta.get("failing", b"").decode(errors="replace"),
            "line": stored.line,
            "ready": stored.ready,
            "queue": stored.queue,
        }
    }
    for number in sorted(stored.trials):
        yield _trial(stored, number)
    for number in range(first_proposal(stored), tally["proposed"]):
        yield {"proposal": number, "hparams": stored.proposals[number]}
    for line in stored.log:
        event: dict[str, Any] = {"event": line.id, "kind": line.kind}
        if line.trial >= 0:
            event |= {"trial": line.trial, "reason": line.reason, **{name: getattr(line, name) for name in NUMBERS}}
            event |= {"cutoff": _metric(stored, line.cutoff), "length": line.length}
            event |= {"metric": _metric(stored, line.metric), "worker": line.worker}
            event |= {"parent": line.parent[0]} if line.parent else {}
        elif line.message:
            event["message"] = line.message
        yield event


def _trial(stored: Stored, number: int) -> dict[str, Any]:
    trial = stored.trials[number]
    return {
        "trial": number,
        "hparams": stored.configs[number],
        **{name: getattr(trial, NOT_NAMES.get(name, name)) for name in TRIAL_NAMES},
        "metric": _metric(stored, trial.metric),
        "best_metric": _metric(stored, trial.best_key),
        "curve": [[length, _metric(stored, key)] for length, key in points_of(stored, number)],
    }


def _metric(stored: Stored, key: str) -> float | str:
    """A metric as JSON has it, from its sort key in digits; "" for none."""
    if not key:
        return ""
    assert stored.config is not None
    metric = metric_of(bytes.fromhex(key), stored.config.searcher.smaller_is_better)
    return metric if math.isfinite(metric) else str(metric)


def read_export(lines: Iterable[str]) -> Export:
    """What the file says. Raises BadExport unless it is whole and of a format that is known."""
    export, digest, ended = Export(), hashlib.sha256(), False
    for at, line in enumerate(lines, 1):
        if ended:
            raise BadExport(f"line {at}: there are lines after the end")
        try:
            record = json.loads(line)
            if "end" in record:
                ended = _check_end(record, at, digest.hexdigest())
            else:
                _take(export, record, at)
        except json.JSONDecodeError:
            why = "the file was cut off there or damaged" if at > 1 else _NO_EXPORT
            raise BadExport(f"line {at} is not JSON: {why}") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadExport(f"line {at}: {error}") from None
        digest.update(line.encode())
    if not ended:
        raise BadExport("the file was cut off: its last line is missing")
    if not export.search:
        raise BadExport("the file has no line of the search")
    return export


def _check_end(record: dict[str, Any], at: int, digest: str) -> bool:
    if record["end"] != at - 1 or record["sha256"] != digest:
        raise BadExport(f"line {at}: the lines before are not those that were written: the file was changed or damaged")
    return True


def _take(export: Export, record: dict[str, Any], at: int) -> None:
    if at == 1:
        if "rungway_export" not in record:
            raise BadExport(f"line 1: {_NO_EXPORT}")
        if type(record["rungway_export"]) is not int or record["rungway_export"] != FORMAT:  # true == 1, 1.0 == 1
            raise BadExport(f"line 1: format {record['rungway_export']!r}, this version reads {FORMAT}")
        export.experiment = str(record["experiment"])
    elif "search" in record:
        export.search = dict(record["search"])
    elif "event" in record:
        export.events.append(record)
    elif "proposal" in record:
        export.proposals.append(record)
    elif "trial" in record:
        export.trials.append(record)
    else:
        raise ValueError("neither of a trial, a proposal nor an event")
