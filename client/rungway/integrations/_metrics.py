"""The results that a library hands to its callbacks, as what a report takes."""

from collections.abc import Mapping
from typing import Any

from rungway._core.errors import InvalidArgument
from rungway._core.requests import MOST_METRICS


def split(found: Mapping[str, Any], metric: str, taken: str) -> tuple[float, dict[str, float]]:
    """The value of `metric`, and the others that are single numbers, as far as a report takes them. One that has by
    chance the name of the searcher's metric, `taken`, is called "logged …". Raises InvalidArgument when the metric is
    not among them."""
    if metric not in found:
        names = ", ".join(sorted(map(str, found))) or "nothing"
        raise InvalidArgument.one("metric", f"got {names:.300}, wanted {metric!r} too")
    numbers = {str(name): real for name, value in found.items() if (real := number(value)) is not None}
    value = numbers.pop(metric, None)
    if value is None:
        raise InvalidArgument.one("metric", f"got {found[metric]!r:.100} for {metric!r}, wanted a real number")
    if taken in numbers:
        numbers[f"logged {taken}"] = numbers.pop(taken)
    return value, dict(sorted(numbers.items())[:MOST_METRICS])


def number(value: Any) -> float | None:
    """Tensors and arrays of one number included."""
    if isinstance(value, bool | str) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
