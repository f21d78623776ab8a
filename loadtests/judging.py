"""Bars: what is required of a figure, what was measured, and whether it is met."""

from dataclasses import dataclass

_NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in its own unit. A figure without a bar has "-" for `required` and `met`. The note says how it was
    measured, or why it was not."""

    test: str
    bar: str
    required: str
    measured: str
    met: str
    note: str = ""


def at_least(test: str, bar: str, required: float, measured: float | None, note: str = "") -> Bar:
    """A bar that `required` or more meets; `measured` None = it could not be measured."""
    met = _NOT_MEASURED if measured is None else "yes" if measured >= required else "no"
    return Bar(test, bar, f">= {required:g}", _figure(measured), met, note)


def at_most(test: str, bar: str, required: float, measured: float, note: str = "") -> Bar:
    """A bar that `required` or less meets."""
    return Bar(test, bar, f"<= {required:g}", _figure(measured), "yes" if measured <= required else "no", note)


def no_bar(test: str, figure: str, measured: float | None, note: str = "") -> Bar:
    """A figure that is only shown."""
    return Bar(test, figure, "-", _figure(measured), "-" if measured is not None else _NOT_MEASURED, note)


def _figure(measured: float | None) -> str:
    if measured is None:
        return "-"
    return f"{measured:,.0f}" if measured >= 100 else f"{measured:.2f}"
