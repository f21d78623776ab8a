"""Checks that several use cases share. Each returns the violations, an empty list if there are none."""

import json
import math
from collections.abc import Sequence

from rungway_server.domain.engine import Further, Lease
from rungway_server.domain.errors import InvalidInput, Violation


def check_text(field: str, text: str, longest: int) -> list[Violation]:
    """At most `longest` bytes of UTF-8."""
    if len(text) <= longest // 4 or len(text.encode()) <= longest:
        return []
    return [Violation(field, f"got {len(text.encode())} bytes, wanted at most {longest}")]


def check_count(field: str, count: int, most: int, what: str = "") -> list[Violation]:
    """Between one and `most` of something."""
    if 1 <= count <= most:
        return []
    return [Violation(field, f"got {count}{what and f' {what}'}, wanted 1 to {most}")]


MOST_METRICS, LONGEST_METRIC, MOST_FURTHER = 32, 128, 4_096
"""Further metrics of a report, bytes of the name of one, and values of a call, where each report that has any counts
one more."""


def check_further(field: str, further: Further, metric: str) -> list[Violation]:
    """The further metrics of the report in this field of a request; `metric` is the name of the searcher's metric."""
    if wrong := check_count(f"{field}.metrics", len(further.metrics) or 1, MOST_METRICS, "further metrics"):
        return wrong  # and not each of them
    for name in further.metrics:
        if name != metric and 1 <= len(name.encode()) <= LONGEST_METRIC:
            continue
        at = f"{field}.metrics[{json.dumps(name[:LONGEST_METRIC], ensure_ascii=False)}]"
        if name == metric:
            wrong.append(Violation(at, "has the name of the searcher's metric, wanted another: that one is told alone"))
        else:
            wrong.append(Violation(at, f"got a name of {len(name.encode())} bytes, wanted 1 to {LONGEST_METRIC}"))
    if further.cost is not None and not 0 <= further.cost < math.inf:
        wrong.append(Violation(f"{field}.cost", f"got {further.cost}, wanted 0 or more seconds"))
    return wrong


def check_lease(field: str, lease: Lease) -> list[Violation]:
    """The lease must have numbers that an assignment can have."""
    if lease.well_formed:
        return []
    found = f"got trial {lease.trial} and fencing token {lease.fencing_token}"
    return [Violation(field, f"{found}, wanted the lease of an assignment")]


def check_leases(field: str, leases: Sequence[Lease], most: int, *, inside: str = ".lease") -> list[Violation]:
    """Between one and `most` leases, of different trials; `inside` is the path of the lease in an item of `field`."""
    if wrong := check_count(field, len(leases), most):
        return wrong
    wrong = [
        violation
        for i, lease in enumerate(leases)
        if not lease.well_formed  # the name of the field is built only for a violation
        for violation in check_lease(f"{field}[{i}]{inside}", lease)
    ]
    if len({lease.trial for lease in leases}) < len(leases):
        wrong.append(Violation(field, "the same trial comes more than once; wanted one entry per lease"))
    return wrong


def page_size(asked: int) -> int:
    """The size of a page: 0 means 100, more than 1,000 means 1,000. Raises InvalidInput."""
    if asked < 0:
        raise InvalidInput.one("page_size", f"got {asked}, wanted 0 (= 100) to 1,000")
    return min(asked or 100, 1_000)


def check_token(is_good: bool) -> None:
    """Raises InvalidInput unless the page token has the form of those that this service returns."""
    if not is_good:
        raise InvalidInput.one("page_token", "wanted the next_page_token of an earlier answer")


def page_of(asked: int, token: str) -> tuple[int, int]:
    """The first number of a page, and its size. Raises InvalidInput."""
    size = page_size(asked)
    check_token(not token or (token.isascii() and token.isdigit() and len(token) < 16))
    return int(token or 0), size
