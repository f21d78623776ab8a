"""The space of a study: what the objective asks for, as parameters of Rungway, and what it may ask for."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rungway import space
from rungway._core import requests
from rungway._core.errors import InvalidArgument
from rungway.compat.optuna.exceptions import NotOffered, SpaceDiffers
from rungway.values import plain

Node = dict[str, Any]
"""One parameter as in a configuration file."""
_NOT_COMPARED = ("when", "weights", "count")
_LEAST = -(2**63)
_CALLS = {
    "double": "uniform",
    "int": "randint",
    "log_uniform": "log_uniform",
    "log_int": "log_randint",
    "categorical": "choice",
    "const": "const",
}


def float_node(name: str, low: float, high: float, step: float | None, log: bool) -> Node:
    """The parameter of a `suggest_float`. Raises InvalidArgument."""
    low, high = (_finite(f"{name}.{word}", bound) for word, bound in (("low", low), ("high", high)))
    step = None if step is None else _finite(f"{name}.step", step)
    _check(name, low, high, step, log)
    if low == high:
        return space.const(low)
    if step is not None:
        return space.quantized_uniform(low, high, step)
    return space.log_uniform(low, high) if log else space.uniform(low, high)


def int_node(name: str, low: int, high: int, step: int, log: bool) -> Node:
    """The parameter of a `suggest_int`. Raises InvalidArgument."""
    low, high, step = (
        requests.whole(f"{name}.{word}", given, least=_LEAST)
        for word, given in (("low", low), ("high", high), ("step", step))
    )
    _check(name, low, high, None if step == 1 else step, log)
    if low == high:
        return space.const(low)
    if step != 1:
        return space.quantized_randint(low, high, step)
    return space.log_randint(low, high) if log else space.randint(low, high)


def choice_node(name: str, choices: Sequence[Any]) -> Node:
    """The parameter of a `suggest_categorical`. Raises InvalidArgument, and NotOffered for values that are no plain
    ones."""
    values = [plain(choice) for choice in choices]
    if not values:
        raise InvalidArgument.one(name, "got no choices, wanted at least one")
    for value in values:
        if value is not None and not isinstance(value, bool | int | float | str):
            raise NotOffered(
                f"suggest_categorical({name!r}) with {value!r:.100}",
                "choose among texts, numbers, booleans and None, and look the value up by the choice",
            )
    return space.choice(values)


PARTS = (1 / 2, 1 / 4, 3 / 4)
"""Where in its range the values of a parameter lie that are tried one after the other."""


def value_to_try(node: Mapping[str, Any], turn: int) -> Any:
    """A value of the parameter, by how many were tried before: the middle of its range, a quarter, three quarters; the
    first of its choices, the second, the third, or the last there is."""
    if "val" in node:
        return node["val"]
    if "vals" in node:
        return node["vals"][min(turn, len(node["vals"]) - 1)]
    low, high, part = node["minval"], node["maxval"], PARTS[turn]
    if "step" in node:
        return low + node["step"] * int(int((high - low) / node["step"]) * part)
    if str(node["type"]).startswith("log"):
        found = math.exp(math.log(low) + part * (math.log(high) - math.log(low)))
    else:
        found = low + part * (high - low)
    if str(node["type"]).endswith("int"):
        found = round(found) if str(node["type"]).startswith("log") else math.floor(found)
    return min(max(found, low), high)


def nodes(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The parameters of a stored space, with the names of their groups before their own."""
    for name, node in document.items():
        if isinstance(node.get("type"), str):
            yield (*path, name), node
        else:
            yield from nodes(node, (*path, name))


class Space:
    """What a study may be asked for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """From the hyperparameters of a stored search."""
        self._found = {".".join(path): (path, node) for path, node in nodes(document)}

    def value(self, name: str, asked: Node, hparams: Mapping[str, Any]) -> Any:
        """The value of the parameter in a configuration. Raises SpaceDiffers when it is another one, or not there."""
        if name not in self._found:
            raise SpaceDiffers(
                name,
                f"the objective asks for {name!r}, which is not in the space of its study "
                f"({', '.join(self._found) or 'empty'}). {_how(name, asked)}",
            )
        path, node = self._found[name]
        if _compared(asked) != _compared(node):
            raise SpaceDiffers(
                name,
                f"the objective asks for {name!r} as {_shown(asked)}, and its study has {_shown(node)}. "
                f"{_how(name, asked)}",
            )
        found: Any = hparams
        for step in path:
            if not isinstance(found, Mapping) or step not in found:
                raise SpaceDiffers(
                    name,
                    f"the objective asks for {name!r}, which this trial does not have: in the space it is there "
                    f"only when {node.get('when')}",
                )
            found = found[step]
        return found

    def nested(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration by names as the service takes it: values in their groups."""
        hparams: dict[str, Any] = {}
        for name, value in params.items():
            path, _ = self._found.get(name, ((name,), {}))
            group = hparams
            for step in path[:-1]:
                group = group.setdefault(step, {})
            group[path[-1]] = value
        return hparams

    def missing(self, asked: Mapping[str, Any], hparams: Mapping[str, Any]) -> SpaceDiffers | None:
        """The error when a trial has ended without having asked for all of its parameters, constants apart."""
        for name, (path, node) in self._found.items():
            found: Any = hparams
            for step in path:
                found = found.get(step) if isinstance(found, Mapping) else None
            if name not in asked and node["type"] != "const" and found is not None:
                return SpaceDiffers(
                    name,
                    f"the objective has returned without asking for {name!r}, which the space of its study has. "
                    f"{_how(name, node)}",
                )
        return None


def choice_of(choices: Sequence[Any], value: Any) -> Any:
    """The choice that the value is: 1, 1.0 and True are three."""
    for each in choices:
        if each == value and type(each) is type(value):
            return each
    return value


def _finite(field: str, given: object) -> float:
    number = requests.metric_value(given, field)
    if not math.isfinite(number):
        raise InvalidArgument.one(field, f"got {given!r:.100}, wanted a finite number")
    return number


def _check(name: str, low: float, high: float, step: float | None, log: bool) -> None:
    """Raises InvalidArgument for a range that has no middle."""
    if low > high:
        raise InvalidArgument.one(name, f"got low={low!r}, wanted at most high={high!r}")
    if step is not None and log:
        raise InvalidArgument.one(name, f"got step={step!r} together with log=True, wanted one of them")
    if step is not None and step <= 0:
        raise InvalidArgument.one(f"{name}.step", f"got {step!r}, wanted a number above 0")
    if log and low <= 0:
        raise InvalidArgument.one(f"{name}.low", f"got {low!r} together with log=True, wanted a number above 0")


def _compared(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in _NOT_COMPARED}


def _shown(node: Mapping[str, Any], more: str = "") -> str:
    """As it is written with the functions of `rungway`."""
    name = _CALLS.get(node["type"])
    if name is None:
        return repr(dict(node))
    if "val" in node or "vals" in node:
        words = [repr(node.get("val", node.get("vals")))]
    else:
        name = f"quantized_{name}" if "step" in node and not name.startswith("log") else name
        words = [repr(node[key]) for key in ("minval", "maxval", "step") if key in node]
    return f"rungway.{name}({', '.join([*words, *([more] if more else [])])})"


def _how(name: str, node: Mapping[str, Any]) -> str:
    return (
        "A study has one space; what exists only sometimes has to be said: "
        f"create_study(…, space={{…, {name!r}: {_shown(node, 'when={ANOTHER NAME: ITS VALUES}')}}}), with another "
        "study_name, because the space of a study does not change"
    )
