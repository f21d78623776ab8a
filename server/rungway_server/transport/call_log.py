"""The log lines of calls: one for each that is refused or fails, and at the level debug one for each that is served.

A line says which call it was: rpc, caller, namespace, experiment, trial, request id. Refusals are limited to a few
lines for each reason and second, so that no caller can flood the log.
"""

from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from itertools import islice
from typing import Any, NamedTuple

import structlog

from rungway_server import logs
from rungway_server.domain import errors
from rungway_server.domain.engine import ExpiredLease
from rungway_server.few_lines import FewLines
from rungway_server.service.port import ExperimentRef
from rungway_server.transport import requests

_LONGEST_NAME, _LONGEST_REASON = 100, 300
_MOST_TRIALS = 16
"""Trials that a line names of a call about more."""
_ERRORS = (errors.StoreUnavailable,)
_WARNINGS = (
    errors.Unauthenticated,
    errors.PermissionDenied,
    errors.CrossSite,
    errors.UnknownHost,
    errors.QuotaExceeded,
    errors.Overloaded,
    errors.NewerSchema,
    errors.OlderSchema,
)
"""What whoever runs the service should know; the rest is a matter of the caller."""

_log = structlog.get_logger()

HTTP_CALLER: ContextVar[tuple[str, int] | None] = ContextVar("http_caller", default=None)
"""Host and port of the caller of the HTTP request being served."""


class Caller(NamedTuple):
    """Where a call came from, and the namespace that it named ("" = none)."""

    transport: str = ""
    peer: str = ""
    namespace: str = ""


def caller_of(context: Any, namespace: str = "") -> Caller:
    """The caller of a call that is served in this context: of grpc.aio or of the HTTP port."""
    if hasattr(context, "invocation_metadata"):
        return Caller("grpc", _host(context.peer()), namespace)
    return http_caller(namespace)


def http_caller(namespace: str = "") -> Caller:
    """The caller of the HTTP request being served."""
    found = HTTP_CALLER.get()
    return Caller("http", found[0] if found else "", namespace)


def _host(peer: str) -> str:
    """The address in gRPC's name of a peer: `ipv4:127.0.0.1:41234`, `ipv6:%5B::1%5D:41234`."""
    kind, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0] if kind in ("ipv4", "ipv6") else rest
    return host.replace("%5B", "").replace("%5D", "").strip("[]")


def refused(error: errors.RungwayError, rpc: str, caller: Caller, request: Any = None) -> None:
    """Write the line of a call that is refused with this error."""
    if not _refusals.allow(error.reason):
        return
    write = _log.info
    if isinstance(error, _ERRORS):
        write = _log.error
    elif isinstance(error, _WARNINGS):
        write = _log.warning
    about = subject(rpc, caller, request)
    if "trial" not in about and "trial" in error.details:
        about["trial"] = int(error.details["trial"])
    write("call_refused", reason=error.reason, **about, why=logs.shown(str(error), _LONGEST_REASON))


def not_served(reason: str, path: str, why: str) -> None:
    """Write the line of an HTTP request that is no call, or whose time is over."""
    if _refusals.allow(reason):
        _log.info("call_refused", reason=reason, **subject(path, http_caller()), why=logs.shown(why, _LONGEST_REASON))


def served(rpc: str, caller: Caller, request: Any, response: Any, seconds: float) -> None:
    """Write the line of a call that was served, with what was decided for which trial."""
    about = subject(rpc, caller, request)
    decided = [*_decisions(response)]
    if decided:
        about.pop("trials", None)
        about |= {"trial": decided[0]["trial"]} if len(decided) == 1 else {}
        about["decisions"] = decided
    _log.debug("call", **about, ms=round(1000 * seconds, 3))


def subject(rpc: str, caller: Caller, request: Any = None) -> dict[str, Any]:
    """What a call is about, without what it does not name."""
    found = {
        "rpc": logs.shown(rpc.rpartition("/")[2] if rpc.startswith(("rungway.", "/rungway.", "grpc.")) else rpc, 100),
        "transport": caller.transport,
        "peer": caller.peer,
        "namespace": requests.NAMESPACE.get("") or caller.namespace,
        "experiment": getattr(request, "experiment", ""),
        "worker": getattr(request, "worker", ""),
        "request_id": getattr(request, "request_id", ""),
    }
    about: dict[str, Any] = {name: logs.shown(text, _LONGEST_NAME) for name, text in found.items() if text}
    trials = list(islice(_trials(request), _MOST_TRIALS))
    if trials:
        about |= {"trial": trials[0]} if len(trials) == 1 else {"trials": trials}
    return about


def _trials(request: Any) -> Iterator[int]:
    """The numbers of the trials that a request names."""
    fields = getattr(request, "DESCRIPTOR", None)
    names = fields.fields_by_name if fields else {}
    if "trial" in names:
        yield request.trial
    if "lease" in names:
        yield request.lease.trial
    for each in getattr(request, "leases", ()):
        yield each.trial
    for name in ("results", "releases"):
        for each in getattr(request, name, ()):
            yield each.lease.trial


def _decisions(response: Any) -> Iterator[dict[str, Any]]:
    """What an answer says about each trial."""
    answers: Iterable[Any] = (
        *getattr(response, "assignments", ()),
        *getattr(response, "verdicts", ()),
        *([response.verdict] if hasattr(response, "verdict") else ()),
    )
    for each in islice(answers, _MOST_TRIALS):
        decision = each.DESCRIPTOR.fields_by_name.get("decision")
        word = decision.enum_type.values_by_number[each.decision].name.removeprefix("DECISION_") if decision else "RUN"
        yield {"trial": each.lease.trial, "decision": word, "reason": _reason(each.explanation)}


def _reason(explanation: Any) -> str:
    reasons = explanation.DESCRIPTOR.fields_by_name["reason"].enum_type.values_by_number
    name: str = reasons[explanation.reason].name
    return name.removeprefix("REASON_")


def leases_expired(ref: ExperimentRef, expired: Iterable[ExpiredLease]) -> None:
    """Write a line for each lease that an ask took back: its worker was not heard of until the deadline."""
    for lease in expired:
        if _leases.allow(ref.namespace):
            _log.warning("lease_expired", **ref._asdict(), **_readable(lease._asdict()))


def new_best(ref: ExperimentRef, trial: int, length: int, metric: float) -> None:
    """Write the line of a result that is the best of its search so far."""
    if _bests.allow("/".join(ref)):
        _log.info("new_best", **ref._asdict(), trial=trial, length=length, metric=metric)


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    return {name: logs.shown(each, _LONGEST_NAME) if isinstance(each, str) else each for name, each in values.items()}


_refusals = FewLines(lambda reason, count: _log.warning("call_refused_more", reason=reason, left_out=count))
_leases = FewLines(lambda namespace, count: _log.warning("lease_expired_more", namespace=namespace, left_out=count))
_bests = FewLines(lambda experiment, count: _log.info("new_best_more", experiment=experiment, left_out=count), most=1)
