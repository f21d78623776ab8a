"""Requests from plain values. Types are checked here; every limit is checked by the service."""

import math
import os
import uuid
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from rungway import values
from rungway._core.config import ClientConfig
from rungway._core.enums import BestBy, Outcome
from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway.models.work import Checkpoint, Lease, Report, Result
from rungway.v1 import experiment_pb2, experiment_service_pb2, search_service_pb2, trial_pb2, value_pb2

Config: TypeAlias = Mapping[str, object] | str | os.PathLike[str]
"""A configuration: a mapping, the path of a file, or a text in YAML or JSON (several lines, or one in braces)."""
MAX_CONFIG_TEXT = 1 << 20
"""Longest text of a configuration, in characters."""

_MESSAGE_BYTES = 4096
MOST_METRICS = 32
"""Further metrics of a report."""
_METRIC_BYTES = 128
_INT32 = 2**31 - 1
_INT64 = 2**63 - 1
_LONGEST_SECONDS = 315_576_000_000
"""Longest time that a message can carry."""


def new_request_id() -> str:
    """A new id for a logical call: a random UUID."""
    return str(uuid.uuid4())


def experiment_of(config: ClientConfig, experiment: str | None) -> str:
    """The experiment that a call means. Raises InvalidArgument when none is named anywhere."""
    name = config.experiment if experiment is None else experiment
    if not isinstance(name, str) or not name:
        raise InvalidArgument.one(
            "experiment", "no experiment is named: name it in the call, in the client, or set RUNGWAY_EXPERIMENT"
        )
    return name


def metric_value(metric: object, field: str = "metric") -> float:
    """A metric as a float; NaN and infinities are allowed. Raises InvalidArgument for anything but a real number."""
    if type(metric) is float:  # nearly always
        return metric
    number = values.plain(metric)
    if not isinstance(number, bool) and getattr(number, "ndim", 0) == 0 and hasattr(number, "__float__"):
        try:
            return float(number)
        except (TypeError, ValueError, OverflowError):
            pass
    raise InvalidArgument.one(field, f"got {metric!r:.100}, wanted a real number")


def whole(field: str, value: object, least: int = 0, most: int = _INT64) -> int:
    """An integer, also one written as 3.0. Raises InvalidArgument for anything else and for what is out of range."""
    number = values.plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
        return number
    raise InvalidArgument.one(field, f"got {value!r:.100}, wanted an integer of at least {least}")


def not_negative(field: str, value: object) -> float:
    """A finite number of at least 0. Raises InvalidArgument."""
    number = values.plain(value)
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < math.inf:
        return float(number)
    raise InvalidArgument.one(field, f"got {value!r:.100}, wanted a number of at least 0")


def duration(field: str, value: object) -> int:
    """Microseconds of a number of seconds that the wire can carry. Raises InvalidArgument."""
    seconds = not_negative(field, value)
    if seconds > _LONGEST_SECONDS:
        raise InvalidArgument.one(field, f"got {value!r:.100}, wanted at most {_LONGEST_SECONDS}")
    return round(1e6 * seconds)


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, at least 1."""
    return max(int(seconds * 1000), 1)


def small(field: str, value: object) -> int:
    """An integer of at least 1 that fits into 32 bits. Raises InvalidArgument."""
    return whole(field, value, 1, _INT32)


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """A checkpoint as a string, empty for None. Raises InvalidArgument."""
    if checkpoint is None:
        return ""
    text = os.fspath(checkpoint) if isinstance(checkpoint, str | os.PathLike) else checkpoint
    if not isinstance(text, str):
        raise InvalidArgument.one("checkpoint", f"got {type(checkpoint).__name__}, wanted a string or a path")
    return _encodable("checkpoint", text)


def _encodable(field: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidArgument.one(field, f"got {text!r:.100}, wanted a string that UTF-8 can encode") from None
    return text


def report(length: object, metric: object, metrics: object = None, cost: object = None) -> Report:
    """A report with a length of at least 1 and a metric. Raises InvalidArgument."""
    at, value = whole("length", length, 1), metric_value(metric)
    if metrics is None and cost is None:
        return Report(at, value)
    return Report(at, value, further_metrics(metrics), None if cost is None else not_negative("cost", cost))


def known_result(metric: object, length: object) -> experiment_service_pb2.KnownResult | None:
    """The result of a trial of elsewhere, None where there is none. Raises InvalidArgument for a half of one."""
    if metric is None and length is None:
        return None
    if metric is None or length is None:
        missing = "metric" if metric is None else "length"
        raise InvalidArgument.one(missing, "got None, wanted both metric and length, or none of them")
    return experiment_service_pb2.KnownResult(metric=metric_value(metric), length=whole("length", length, 1))


class _Checked(dict[str, float]):
    """Further metrics that were checked when their report was made: they are not looked at again when it is sent."""


def further_metrics(metrics: object) -> dict[str, float]:
    """Further metrics by name, none for None. Their limits are checked here, too, because a report may be held back: a
    refusal of the service would come late, and of all reports in the call. Raises InvalidArgument."""
    if isinstance(metrics, _Checked):
        return metrics
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise InvalidArgument.one("metrics", f"got {metrics!r:.100}, wanted a mapping of names to real numbers")
    if len(metrics) > MOST_METRICS:
        raise InvalidArgument.one("metrics", f"got {len(metrics)} further metrics, wanted at most {MOST_METRICS}")
    for name in metrics:
        if not isinstance(name, str) or not 1 <= len(name.encode(errors="replace")) <= _METRIC_BYTES:
            raise InvalidArgument.one("metrics", f"got the name {name!r:.200}, wanted a string of 1 to 128 bytes")
    return _Checked({name: _further(name, value) for name, value in metrics.items()})


def _further(name: str, value: object) -> float:
    return value if type(value) is float else metric_value(value, f"metrics[{name!r}]")


def best_by(by: str) -> experiment_service_pb2.BestBy.ValueType:
    """Which result of a trial counts, as on the wire: 0 for the best, as services from before `by` have it. Raises
    InvalidArgument."""
    try:
        which = BestBy(by)
    except ValueError:
        known = ", ".join(repr(str(each)) for each in BestBy)
        raise InvalidArgument.one("by", f"got {by!r:.100}, wanted one of {known}") from None
    return experiment_service_pb2.BestBy.Value(f"BEST_BY_{which.name if which is not BestBy.BEST else 'UNSPECIFIED'}")


def searcher_metric(experiment: experiment_pb2.Experiment) -> str:
    """The name of the searcher's metric. Raises FailedPrecondition (METRIC_UNKNOWN) if the service does not say it."""
    searcher = values.from_map(experiment.config).get("searcher")
    name = searcher.get("metric") if isinstance(searcher, dict) else None
    if not isinstance(name, str) or not name:
        problem = "the service does not say what the searcher's metric is called: give `metric` as a number alone"
        raise FailedPrecondition(problem, reason="METRIC_UNKNOWN")
    return name


def add_config(
    request: experiment_service_pb2.CreateExperimentRequest | experiment_service_pb2.PreviewSearchRequest,
    config: Config,
) -> None:
    """Add a configuration to a request: a mapping as a message, a file or text as its text, which the service reads.
    Raises InvalidArgument."""
    if isinstance(config, Mapping):
        request.config.CopyFrom(configuration(config))
    elif isinstance(config, str) and is_document(config):
        request.config_text = _encodable("config", config)
    elif isinstance(config, str | os.PathLike):
        request.config_text = _file_text(config)
    else:
        wanted = "wanted a mapping, the path of a file, or a text in YAML or JSON"
        raise InvalidArgument.one("config", f"got {type(config).__name__}, {wanted}")


def is_document(text: str) -> bool:
    """Whether a text is a configuration rather than the path of a file: it has several lines, or begins with "{"."""
    return "\n" in text or text.lstrip().startswith("{")


def _file_text(path: str | os.PathLike[str]) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(MAX_CONFIG_TEXT + 1)
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path with a null character
        why = error.strerror or error if isinstance(error, OSError) else error
        raise InvalidArgument.one(
            "config", f"got {os.fspath(path)!r:.300}, a file that cannot be read: {why}"
        ) from None
    if not text.strip() or len(text) > MAX_CONFIG_TEXT:
        found = "is empty" if not text.strip() else f"has more than {MAX_CONFIG_TEXT:,} characters"
        raise InvalidArgument.one("config", f"got {os.fspath(path)!r:.300}, a file that {found}")
    return text


def configuration(config: Mapping[str, object], field: str = "config") -> value_pb2.MapValue:
    """A configuration as a message. Raises InvalidArgument that names the wrong entry."""
    try:
        return values.to_map(config)
    except values.InvalidValue as error:
        raise InvalidArgument.one(error.path or field, error.problem) from None


def lease_message(lease: Lease) -> trial_pb2.Lease:
    """A lease as a message."""
    return trial_pb2.Lease(trial=lease.trial, fence=lease.fencing_token)


def tell(experiment: str, request_id: str, results: Iterable[Result]) -> search_service_pb2.TellRequest:
    """The request for some results."""
    return search_service_pb2.TellRequest(
        experiment=experiment,
        request_id=request_id,
        results=[
            trial_pb2.Result(
                lease=lease_message(result.assignment.lease),
                reports=[_report_message(each) for each in result.reports],
                checkpoint=checkpoint_text(result.checkpoint),
                finished=result.finished,
            )
            for result in results
        ],
    )


def _report_message(each: Report) -> trial_pb2.Report:
    if not each.metrics and each.cost is None:
        return trial_pb2.Report(length=each.length, metric=each.metric)
    return trial_pb2.Report(
        length=each.length, metric=each.metric, metrics=further_metrics(each.metrics), cost=each.cost
    )


def release(
    experiment: str, request_id: str, lease: Lease, checkpoint: Checkpoint, length: int | None
) -> search_service_pb2.ReleaseRequest:
    """The request that releases a trial. Raises InvalidArgument for a checkpoint without its length."""
    text = checkpoint_text(checkpoint)
    if text and length is None:
        raise InvalidArgument.one("length", "a checkpoint needs its length")
    item = search_service_pb2.Release(lease=lease_message(lease), checkpoint=text)
    if text:
        item.checkpoint_length = whole("length", length)
    return search_service_pb2.ReleaseRequest(experiment=experiment, request_id=request_id, releases=[item])


def fail(
    experiment: str, request_id: str, lease: Lease, outcome: Outcome, message: str
) -> search_service_pb2.FailRequest:
    """The request that says how a trial failed. Raises InvalidArgument for anything but an Outcome."""
    try:
        number = trial_pb2.Outcome.Value(f"OUTCOME_{Outcome(outcome).name}")
    except ValueError:
        known = ", ".join(word for word in Outcome if word not in (Outcome.UNKNOWN, Outcome.FINISHED))
        raise InvalidArgument.one("outcome", f"got {outcome!r}, wanted one of {known}") from None
    return search_service_pb2.FailRequest(
        experiment=experiment,
        request_id=request_id,
        lease=lease_message(lease),
        outcome=number,
        message=shortened(message),
    )


def shortened(message: str) -> str:
    """The first 4,096 bytes of a message: as much as may be sent."""
    return message.encode(errors="replace")[:_MESSAGE_BYTES].decode(errors="ignore")
