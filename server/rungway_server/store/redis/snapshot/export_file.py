"""The export file: an experiment as lines of JSON that people and programs can read, and that rebuild it elsewhere.

docs/export.md describes every line. A metric is the shortest decimal number that reads back as the same float, or the
text "nan", "inf" or "-inf". The last line has the number and the SHA-256 of those before it, so that a file that was
cut off or changed is noticed.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from rungway_server.domain.documents.fields import shown
from rungway_server.domain.ranking import metric_of
from rungway_server.store.redis.layout.records import NOT_NAMES, TRIAL_FIELDS, LogLine, TrialRecord, order_of
from rungway_server.store.redis.snapshot import import_checks as checks
from rungway_server.store.redis.snapshot.field_checks import BadField, curve
from rungway_server.store.redis.snapshot.stored import Stored

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
_SIGN, _ALL = 1 << 63, (1 << 64) - 1
_NO_EXPORT = "the file is not one that `rungway export` wrote"


class BadExport(Exception):
    """The file is no whole export file; the text says where and why."""


@dataclass(slots=True)
class Export:
    """What the lines of a file say, as plain values."""

    experiment: str = ""
    search: dict[str, Any] = field(default_factory=dict)
    trials: list[dict[str, Any]] = field(default_factory=list)
    suggestions: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    last: tuple[int, ...] = (0, 0)
    """Of the events, the id of the last."""


def line_of(record: dict[str, Any]) -> str:
    """A line of the file."""
    return json.dumps(record, allow_nan=False) + "\n"


def head_of(stored: Stored) -> Iterator[dict[str, Any]]:
    """The lines before those of trials."""
    progress, meta = stored.progress, stored.meta
    yield {"rungway_export": FORMAT, "experiment": stored.ref.experiment, "revision": progress["revision"]}
    yield {
        "search": {
            "created_ms": stored.created_ms,
            "config": json.loads(meta["config"]),
            "plan": json.loads(meta["plan_json"]),
            "notes": json.loads(meta["notes"]),
            "settings": {name: stored.lua_plan[name] for name in SETTINGS if name in stored.lua_plan},
            "tally": progress,
            "failing": meta.get("failing", b"").decode(errors="replace"),
            "line": stored.line,
            "ready": stored.ready,
            "queue": stored.queue,
        }
    }


def trial_of(number: int, trial: TrialRecord, hparams: Mapping[str, object], smaller_is_better: bool) -> dict[str, Any]:
    """The line of a trial, but for its curve, which comes last."""
    return {
        "trial": number,
        "hparams": hparams,
        **{name: getattr(trial, NOT_NAMES.get(name, name)) for name in TRIAL_NAMES},
        "metric": _metric(trial.metric, smaller_is_better),
        "best_metric": _metric(trial.best_key, smaller_is_better),
    }


def points_text(packed: bytes, smaller_is_better: bool) -> str:
    """Points of a curve as JSON, with commas between them."""
    words = struct.unpack(f">{len(packed) // 8}Q", packed)
    keys = words[1::2]
    bits = struct.pack(f">{len(keys)}Q", *(key ^ _SIGN if key & _SIGN else key ^ _ALL for key in keys))
    scores = struct.unpack(f">{len(keys)}d", bits)
    metrics = scores if smaller_is_better else [-score for score in scores]
    return ", ".join(
        f"[{length}, {metric!r}]" if isfinite(metric) else f'[{length}, "{metric}"]'
        for length, metric in zip(words[::2], metrics, strict=True)
    )


def suggestion_of(number: int, hparams: Mapping[str, object]) -> dict[str, Any]:
    """The line of a configuration that is drawn for a trial to come."""
    return {"proposal": number, "hparams": hparams}


def event_of(line: LogLine, smaller_is_better: bool) -> dict[str, Any]:
    """The line of an event."""
    event: dict[str, Any] = {"event": line.id, "kind": line.kind}
    if line.trial >= 0:
        event |= {"trial": line.trial, "reason": line.reason, **{name: getattr(line, name) for name in NUMBERS}}
        event |= {"cutoff": _metric(line.cutoff, smaller_is_better), "length": line.length}
        event |= {"metric": _metric(line.metric, smaller_is_better), "worker": line.worker}
        event |= {"parent": line.parent[0]} if line.parent else {}
    elif line.message:
        event["message"] = line.message
    return event


def _metric(key: str, smaller_is_better: bool) -> float | str:
    """A metric as JSON has it, from its sort key in digits; "" for none."""
    if not key:
        return ""
    metric = metric_of(bytes.fromhex(key), smaller_is_better)
    return metric if isfinite(metric) else str(metric)


def read_export(lines: Iterable[str], *, keep: bool = True) -> Export:
    """What the file says; without `keep` it is only checked, and trials and events are left out.

    Raises BadExport, with the line and the field, unless it is whole, of a format that is known, and each value is
    within the limits of the wire.
    """
    export, digest, ended = Export(), hashlib.sha256(), False
    for at, line in enumerate(lines, 1):
        if ended:
            raise BadExport(f"line {at}: there are lines after the end")
        try:
            record = json.loads(line, parse_constant=_no_number)
            if not isinstance(record, dict):
                raise ValueError(f"got {shown(record)}, wanted an object")
            if "end" in record:
                ended = _check_end(record, at, digest.hexdigest())
            else:
                _take(export, record, at, keep)
            digest.update(line.encode())
        except json.JSONDecodeError:
            why = "the file was cut off there or damaged" if at > 1 else _NO_EXPORT
            raise BadExport(f"line {at} is not JSON: {why}") from None
        except RecursionError:
            raise BadExport(f"line {at}: it is nested too deeply") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadExport(f"line {at}: {error}") from None
    if not ended:
        raise BadExport("the file was cut off: its last line is missing")
    if not export.search:
        raise BadExport("the file has no line of the search")
    return export


def _no_number(word: str) -> None:
    raise ValueError(f'got {word}, which JSON does not have: metrics that are no numbers are texts ("nan", "inf")')


def _check_end(record: dict[str, Any], at: int, digest: str) -> bool:
    if record["end"] != at - 1 or record.get("sha256") != digest:
        raise BadExport(f"line {at}: the lines before are not those that were written: the file was changed or damaged")
    return True


def _take(export: Export, record: dict[str, Any], at: int, keep: bool) -> None:
    if at == 1:
        _check_head(record)
        export.experiment = str(record["experiment"])
    elif "search" in record:
        if export.search:
            raise BadExport(f"line {at}: a second line of the search")
        checks.SEARCH("search", record["search"])
        export.search = record["search"]
    elif "event" in record:
        (checks.EVENT if "trial" in record else checks.EVENT_OF_SEARCH)("", record)
        _check_order(export, record["event"])
        export.events += [record] if keep else []
    elif "proposal" in record:
        checks.SUGGESTION("", record)
        export.suggestions.append(record)
    elif "trial" in record:
        checks.TRIAL("", record)
        record["curve"] = curve("curve", record.get("curve"))
        export.trials += [record] if keep else []
    else:
        raise ValueError("neither of a trial, a proposal nor an event")


def _check_head(record: dict[str, Any]) -> None:
    if "rungway_export" not in record:
        raise BadExport(f"line 1: {_NO_EXPORT}")
    if type(record["rungway_export"]) is not int or record["rungway_export"] != FORMAT:  # true == 1, 1.0 == 1
        raise BadExport(f"line 1: format {shown(record['rungway_export'])}, this version reads {FORMAT}")
    checks.HEADER("", record)


def _check_order(export: Export, event: str) -> None:
    """The event log has its lines in order, and Redis takes them in no other."""
    order = order_of(event)
    if order <= export.last:
        raise BadField("event", event, "the id of a later event than the one before")
    export.last = order
