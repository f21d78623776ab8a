"""Results that a training command prints: lines like `rungway: epochs=3 error=0.12 checkpoint=/shared/3.pt`."""

import difflib
import re
import shlex
from dataclasses import dataclass, field

from rungway._core.errors import InvalidArgument

PREFIX = "rungway:"
LENGTH, METRIC, CHECKPOINT, COST = "length", "metric", "checkpoint", "cost"
"""Keys that every search understands, beside its own words."""
_OTHER_LENGTHS = frozenset(
    ("step", "global_step", "training_step", "epoch", "iteration", "training_iteration", "iter", "batch", "round")
)
"""What other tools call a length, in the singular."""


class BadLine(ValueError):
    """A line with the prefix that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One result."""

    metric: float
    length: int | None
    """None: the length that the command was told to train to."""
    checkpoint: str = ""
    """Where the state was saved; empty for nowhere."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Further metrics: all other keys with a number."""
    cost: float | None = None
    """What the training since the line before took, in seconds."""
    unknown: tuple[str, ...] = ()
    """Keys without a number, which mean nothing here."""


class Reader:
    """Reads the lines of one search."""

    def __init__(self, unit: str, metric: str, pattern: str | None = None) -> None:
        """`pattern` is a regular expression for lines without the prefix; its named groups are the keys. Raises
        InvalidArgument (metric-regex) unless it has one for the length and one for the metric."""
        self._metric = metric
        self._length = unit or LENGTH
        self._lengths = {LENGTH, *([unit, _singular(unit)] if unit else [])} - {metric, ""}
        self.wanted = f"{PREFIX} {self._length}=N {metric}=X"
        """What a line should look like."""
        self._pattern = None if pattern is None else self._compiled(pattern)

    def wants(self, text: str) -> bool:
        """Whether a line may be a result."""
        return PREFIX in text or (self._pattern is not None and self._pattern.search(_shown(text)) is not None)

    def read(self, text: str) -> Line | None:
        """The result in a line; None in one that has none. Raises BadLine."""
        shown = _shown(text)
        if shown.startswith(PREFIX):
            return self._line(self._pairs(shown))
        if self._pattern and (found := self._pattern.search(shown)):
            return self._line({key: value.strip() for key, value in found.groupdict().items() if value is not None})
        return None

    def _compiled(self, pattern: str) -> re.Pattern[str]:
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise InvalidArgument.one(
                "metric-regex", f"got {pattern!r}, which is no regular expression: {error}"
            ) from None
        for wanted, keys in ((LENGTH, self._lengths), (METRIC, {METRIC, self._metric})):
            if not compiled.groupindex.keys() & keys:
                raise InvalidArgument.one(
                    "metric-regex",
                    f"got {pattern!r}, which has no group for the {wanted}, wanted one named "
                    f"{' or '.join(sorted(keys))}, as in 'epoch (?P<length>\\d+): error (?P<metric>\\S+)'",
                )
        return compiled

    def _keys(self, given: dict[str, str]) -> tuple[list[str], list[str]]:
        """The keys of the length and of the metric."""
        lengths = [key for key in given if key in self._lengths]
        return lengths, [key for key in given if key == self._metric or (key == METRIC and self._metric not in given)]

    def _line(self, given: dict[str, str]) -> Line:
        length_keys, metric_keys = self._keys(given)
        if len(length_keys) > 1:
            raise BadLine(f"it has two lengths, {length_keys[0]} and {length_keys[1]}")
        if not metric_keys:
            raise BadLine(f"it has no {self._metric}")
        length = _whole(length_keys[0], given[length_keys[0]]) if length_keys else None
        known = {*length_keys, *metric_keys, CHECKPOINT, COST}
        others = {key: value for key, value in given.items() if key not in known}
        for key in others if length is None else ():
            if near := difflib.get_close_matches(key, self._lengths, 1):
                raise BadLine(f"it has no length, but {key}: {near[0]} is meant?")
            if _singular(key.lower()) in _OTHER_LENGTHS:
                raise BadLine(f"it has no length, but {key}: lengths of this search are called {self._length}")
        metrics = {key: float(value) for key, value in others.items() if _is_number(value)}
        return Line(
            _number(metric_keys[0], given[metric_keys[0]]),
            length,
            given.get(CHECKPOINT, ""),
            metrics,
            _number(COST, given[COST]) if COST in given and COST not in metric_keys else None,
            tuple(key for key in others if key not in metrics),
        )

    def _pairs(self, shown: str) -> dict[str, str]:
        given: dict[str, str] = {}
        try:
            words = shlex.split(shown.removeprefix(PREFIX))
        except ValueError as error:
            raise BadLine(str(error).lower()) from None
        for word in words:
            key, equals, value = word.partition("=")
            if not key or not equals:
                raise BadLine(f"got {word!r}, wanted key=value")
            if key in given:
                raise BadLine(f"it has {key} twice")
            given[key] = value
        return given


def _shown(text: str) -> str:
    """A line as it stands on a terminal: a progress bar may have been there before."""
    return text.strip().rpartition("\r")[2].strip()


def _singular(unit: str) -> str:
    return unit.removesuffix("es") if unit.endswith("ches") else unit.removesuffix("s")


def _whole(key: str, text: str) -> int:
    number = _number(key, text)
    if not (number.is_integer() and 0 < number < 2**53):
        raise BadLine(f"{key}: got {text!r}, wanted an integer of at least 1")
    return int(number)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadLine(f"{key}: got {text!r}, wanted a number") from None
