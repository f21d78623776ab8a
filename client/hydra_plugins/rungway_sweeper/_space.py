"""The space of a sweep: overrides of Hydra as parameters of Rungway, and their values as overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, Quote, QuotedString, RangeSweep, Transformer

from rungway import InvalidArgument, space


@dataclass(frozen=True, slots=True)
class Searched:
    """One hyperparameter."""

    node: Mapping[str, Any]
    """As in a configuration of Rungway."""
    texts: Sequence[tuple[Any, str]] = ()
    """The choices, and each as it is written in an override."""

    def written(self, value: object) -> str:
        """A value as it is written in an override."""
        for choice, text in self.texts:
            if choice == value and type(choice) is type(value):
                return text
        return _written(value)

    def example(self) -> object:
        """Some value."""
        node = self.node
        if "vals" in node:
            return node["vals"][0]
        return node["val"] if "val" in node else node.get("minval", node.get("mu"))


def searched(override: Override) -> Searched:
    """The parameter of an override that sweeps. Raises InvalidArgument for one that has no counterpart."""
    key, value = override.get_key_element(), override.value()
    if unknown := sorted({*(getattr(value, "tags", None) or ())} - {"log"}):
        raise InvalidArgument.one(key, f"got the tag {unknown[0]!r}, wanted log or none")
    if isinstance(value, RangeSweep):
        return _range(key, value)
    if isinstance(value, IntervalSweep):
        return _interval(key, value)
    pairs = list(zip(override.sweep_iterator(_plain), override.sweep_string_iterator(), strict=True))
    return Searched(space.choice([choice for choice, _ in pairs]), pairs)


def _range(key: str, sweep: RangeSweep) -> Searched:
    values = list(sweep.range())
    if not values:
        raise InvalidArgument.one(key, "got an empty range")
    if len(values) == 1 or sweep.step <= 0:
        return Searched(space.choice(values))
    low, high, step, log = values[0], values[-1], sweep.step, "log" in sweep.tags
    if not all(isinstance(value, int) for value in values):
        low, high, step = float(low), float(high), float(step)
        return Searched(space.log_uniform(low, high, step=step) if log else space.quantized_uniform(low, high, step))
    if log:
        return Searched(space.log_randint(low, high, step=step))
    return Searched(space.randint(low, high) if step == 1 else space.quantized_randint(low, high, step))


def _interval(key: str, sweep: IntervalSweep) -> Searched:
    low, high, log = sweep.start, sweep.end, "log" in sweep.tags
    if low is None or high is None:
        raise InvalidArgument.one(key, "got an interval without an end")
    if isinstance(low, int) and isinstance(high, int):  # int(interval(…)): the end is included
        return Searched(space.log_randint(low, high) if log else space.randint(low, high))
    return Searched(space.log_uniform(low, high) if log else space.uniform(low, high))


def _plain(element: Any) -> Any:
    """A choice as a plain value; lists and mappings as they are written."""
    if isinstance(element, QuotedString):
        return element.text
    return element if element is None else Transformer.encode(element)


def _written(value: object) -> str:
    if isinstance(value, str):
        return str(QuotedString(value, Quote.single).with_quotes())
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_written(key)}:{_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
