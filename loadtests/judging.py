"""Bars: what is required of a figure, what was measured and how, and whether it is met."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_NOT_MEASURED = "not measured"
_AGREED = 0.1
"""How far two runs on one machine may be apart, as a share of the first."""


class By(StrEnum):
    """What a figure was measured in. All but the clock hold on a machine that has other work."""

    CPU = "CPU"
    """CPU time of processes."""
    SCRIPT = "script time"
    """Time that Redis reports of its scripts."""
    BYTES = "bytes"
    COUNT = "count"
    CLOCK = "clock"
    """Latencies, rates, and other times by the clock."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in its own unit. A figure without a bar has "-" for `required` and `met`. The note says how it was
    measured, or why it was not."""

    test: str
    bar: str
    by: By
    required: str
    measured: float | None
    met: str
    note: str = ""


def at_least(test: str, bar: str, by: By, required: float, measured: float | None, note: str = "") -> Bar:
    """A bar that `required` or more meets; `measured` None = it could not be measured."""
    met = _NOT_MEASURED if measured is None else "yes" if measured >= required else "no"
    return Bar(test, bar, by, f">= {required:g}", measured, met, note)


def at_most(test: str, bar: str, by: By, required: float, measured: float | None, note: str = "") -> Bar:
    """A bar that `required` or less meets; `measured` None = it could not be measured."""
    met = _NOT_MEASURED if measured is None else "yes" if measured <= required else "no"
    return Bar(test, bar, by, f"<= {required:g}", measured, met, note)


def no_bar(test: str, figure: str, by: By, measured: float | None, note: str = "") -> Bar:
    """A figure that is only shown."""
    return Bar(test, figure, by, "-", measured, "-" if measured is not None else _NOT_MEASURED, note)


@dataclass(frozen=True, slots=True)
class Compared:
    """A judged figure of two runs, and by how much (%) the second differs from the first."""

    test: str
    bar: str
    by: By
    required: str
    first: float
    second: float
    difference: float
    agrees: str


def compare(first: list[Bar], second: list[Bar]) -> list[Compared]:
    """Each figure with a bar that both runs measured, in the order of the second."""
    before = {(one.test, one.bar): one.measured for one in first}
    found = []
    for one in second:
        was = before.get((one.test, one.bar))
        if one.required == "-" or one.measured is None or was is None:
            continue
        difference = (one.measured - was) / was if was else float(one.measured != was)
        agrees = "yes" if abs(difference) <= _AGREED else "no"
        found.append(Compared(one.test, one.bar, one.by, one.required, was, one.measured, 100 * difference, agrees))
    return found


def agreement(compared: list[Compared]) -> str:
    """How many of the judged figures agree, by what they were measured in."""
    parts = []
    for by in By:
        of = [one.agrees == "yes" for one in compared if one.by is by]
        if of:
            parts.append(f"{by} {sum(of)} of {len(of)}")
    return f"within {_AGREED:.0%} of the other run: {', '.join(parts) or 'nothing that both measured'}"


def read_bars(path: Path) -> list[Bar]:
    """The bars of an earlier run, from its JSON file. Raises ValueError if it is not one."""
    try:
        rows = json.loads(path.read_text())["results"]
        return [Bar(**{**row, "by": By(row["by"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not the JSON file of a run of `bars`: {error}") from error
