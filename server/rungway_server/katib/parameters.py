"""Katib's parameters as hyperparameters, and values as the texts that Katib hands on."""

import math
from collections.abc import Mapping

from rungway_server.domain.errors import Violation
from rungway_server.katib.wire import api_pb2 as pb

_SCALES = {pb.DISTRIBUTION_UNSPECIFIED: False, pb.UNIFORM: False, pb.LOG_UNIFORM: True}
"""The distributions that there are here, with whether they are logarithmic."""


def hyperparameter(parameter: pb.ParameterSpec, wrong: list[Violation]) -> Mapping[str, object]:
    """The section of a hyperparameter; what is wrong is noted."""
    field, space = f"parameters[{parameter.name}]", parameter.feasible_space
    if parameter.parameter_type in (pb.CATEGORICAL, pb.DISCRETE):
        if not space.list:
            wrong.append(Violation(f"{field}.list", "missing, wanted the values"))
        return {"type": "categorical", "vals": list(space.list) or [""]}
    if parameter.parameter_type not in (pb.DOUBLE, pb.INT):
        wrong.append(Violation(field, "has no type, wanted double, int, discrete or categorical"))
        return {"type": "const", "val": ""}
    if space.distribution not in _SCALES:
        name = pb.Distribution.Name(space.distribution) if space.distribution in pb.Distribution.values() else "?"
        wrong.append(Violation(f"{field}.distribution", f"got {name}, wanted uniform or logUniform"))
    read = whole_number if parameter.parameter_type == pb.INT else number
    low, high = read(space.min, f"{field}.min", wrong), read(space.max, f"{field}.max", wrong)
    if low == high:
        return {"type": "const", "val": low}
    section: dict[str, object] = {"minval": low, "maxval": high}
    if space.step:
        section["step"] = read(space.step, f"{field}.step", wrong)
    kind = "int" if parameter.parameter_type == pb.INT else "double"
    return {"type": kind, "log": _SCALES.get(space.distribution, False), **section}


def whole_number(text: str, field: str, wrong: list[Violation]) -> int:
    """The integer that a text is; 1, with a violation, if it is none."""
    found = number(text, field, wrong)
    if found == int(found):
        return int(text) if text.strip().lstrip("+-").isdecimal() else int(found)
    wrong.append(Violation(field, f"got {text!r}, wanted an integer"))
    return 1


def number(text: str, field: str, wrong: list[Violation]) -> float:
    """The finite number that a text is; 1, with a violation, if it is none."""
    found = parsed(text)
    if found is not None:
        return found
    wrong.append(Violation(field, f"got {text!r}, wanted a number" if text else "missing, wanted a number"))
    return 1


def parsed(text: str) -> float | None:
    """The finite number that a text is; None if it is none."""
    try:
        found = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def shown(value: object) -> str:
    """A value as Katib hands it on: numbers so that they read back equal, texts unchanged."""
    return value if isinstance(value, str) else repr(value)
