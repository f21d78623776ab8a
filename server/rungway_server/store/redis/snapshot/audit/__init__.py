"""The audit: do all keys of an experiment in Redis fit together?

Each invariant is a small function; the first line of its docstring is the sentence that `rungway audit` prints. It must
be true at any moment between two decisions, whatever happened before. The audit writes nothing and needs no service.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.snapshot.audit import (
    bounded,
    checkpoints,
    costs,
    counters,
    curves,
    event_log,
    in_range,
    points,
    rungs,
    sources,
    trials,
)
from rungway_server.store.redis.snapshot.read_snapshot import read_snapshot
from rungway_server.store.redis.snapshot.snapshot import Snapshot

Invariant = Callable[[Snapshot], Iterator[str]]
"""Gives one text per violation."""

_MOST_SHOWN = 20
"""Violations kept of each invariant."""


def everything_is_readable(snapshot: Snapshot) -> Iterator[str]:
    """Every key has its type, and every record in it its form."""
    yield from snapshot.problems


INVARIANTS: tuple[Invariant, ...] = (
    *trials.INVARIANTS,
    *rungs.INVARIANTS,
    *counters.INVARIANTS,
    *points.INVARIANTS,
    *bounded.INVARIANTS,
    *sources.INVARIANTS,
    *costs.INVARIANTS,
    *curves.INVARIANTS,
    *checkpoints.INVARIANTS,
    *event_log.INVARIANTS,
    *in_range.INVARIANTS,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one invariant: ok without violations. `checked` is False when what it needs could not be read."""

    invariant: str
    sentence: str
    violations: tuple[str, ...]
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """The audit of one experiment at one revision."""

    experiment: str
    revision: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no invariant is violated."""
        return not self.violated

    @property
    def violated(self) -> dict[str, tuple[str, ...]]:
        """Violations by the name of their invariant."""
        return {finding.invariant: finding.violations for finding in self.findings if finding.violations}


async def audit(router: Router, ref: ExperimentRef) -> Report:
    """Check an experiment, as of one moment. Raises what `read_snapshot` raises."""
    return check(await read_snapshot(router, ref))


def check(snapshot: Snapshot) -> Report:
    """Check a snapshot. If something could not be read, only that is reported: other invariants would repeat it."""
    findings = [_find(everything_is_readable, snapshot)]
    findings += [_skip(each) if snapshot.problems else _find(each, snapshot) for each in INVARIANTS]
    return Report(snapshot.ref.experiment, int(snapshot.progress.get("revision", 0)), tuple(findings))


def _find(invariant: Invariant, snapshot: Snapshot) -> Finding:
    try:
        violations = tuple(islice(invariant(snapshot), _MOST_SHOWN))
    except (KeyError, IndexError, ValueError, TypeError) as error:  # the state is so wrong that the check fails
        violations = (f"cannot be checked: {type(error).__name__} {error}",)
    return Finding(_name(invariant), _sentence(invariant), violations)


def _skip(invariant: Invariant) -> Finding:
    return Finding(_name(invariant), _sentence(invariant), (), checked=False)


def _name(invariant: Invariant) -> str:
    return str(getattr(invariant, "__name__", ""))


def _sentence(invariant: Invariant) -> str:
    return (invariant.__doc__ or "").strip().splitlines()[0]
