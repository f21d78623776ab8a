"""The audit: does everything that Redis holds of an experiment fit together?

`invariants` says what must be true at any moment between two decisions, whatever happened before: one small function
each, its first line the sentence that `rungway audit` prints. Nothing is written and no service is needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.snapshot.audit import counters, curves, event_log, in_range, places, points, rungs
from rungway_server.store.redis.snapshot.read_stored import read_stored
from rungway_server.store.redis.snapshot.stored import Stored

Invariant = Callable[[Stored], Iterator[str]]
"""Gives one text per violation."""

_MOST_SHOWN = 20
"""Violations kept of each invariant."""


def everything_is_readable(stored: Stored) -> Iterator[str]:
    """Every key has its type, and every record in it its form."""
    yield from stored.problems


INVARIANTS: tuple[Invariant, ...] = (
    *places.INVARIANTS,
    *rungs.INVARIANTS,
    *counters.INVARIANTS,
    *points.INVARIANTS,
    *curves.INVARIANTS,
    *event_log.INVARIANTS,
    *in_range.INVARIANTS,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one invariant came to: ok without violations. `checked` is False when what it needs could not be read."""

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
    """Check an experiment, as of one moment. Raises what `read_stored` raises."""
    return check(await read_stored(router, ref))


def check(stored: Stored) -> Report:
    """Check what was read. What cannot be read is all that is said then: the rest would only repeat it."""
    findings = [_find(everything_is_readable, stored)]
    findings += [_skip(each) if stored.problems else _find(each, stored) for each in INVARIANTS]
    return Report(stored.ref.experiment, int(stored.progress.get("revision", 0)), tuple(findings))


def _find(invariant: Invariant, stored: Stored) -> Finding:
    try:
        violations = tuple(islice(invariant(stored), _MOST_SHOWN))
    except (KeyError, IndexError, ValueError, TypeError) as error:  # state so odd that the check itself stumbled
        violations = (f"cannot be checked: {type(error).__name__} {error}",)
    return Finding(_name(invariant), _sentence(invariant), violations)


def _skip(invariant: Invariant) -> Finding:
    return Finding(_name(invariant), _sentence(invariant), (), checked=False)


def _name(invariant: Invariant) -> str:
    return str(getattr(invariant, "__name__", ""))


def _sentence(invariant: Invariant) -> str:
    return (invariant.__doc__ or "").strip().splitlines()[0]
