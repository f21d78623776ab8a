"""Bars: the required value of a figure, the measured one, and whether it is met."""

from dataclasses import dataclass

_NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in its own unit. A figure that is only shown beside one has "-" for `wanted` and `met`; in the note is
    what it was measured with, or why it was not."""

    test: str
    bar: str
    wanted: str
    measured: str
    met: str
    note: str = ""


def at_least(test: str, bar: str, wanted: float, measured: float | None, note: str = "") -> Bar:
    """A bar that is met by this value or more; None = not measured."""
    met = _NOT_MEASURED if measured is None else "yes" if measured >= wanted else "no"
    return Bar(test, bar, f">= {wanted:g}", _figure(measured), met, note)


def at_most(test: str, bar: str, wanted: float, measured: float, note: str = "") -> Bar:
    """A bar that is met by this value or less."""
    return Bar(test, bar, f"<= {wanted:g}", _figure(measured), "yes" if measured <= wanted else "no", note)


def no_bar(test: str, figure: str, measured: float | None, note: str = "") -> Bar:
    """A figure without a bar."""
    return Bar(test, figure, "-", _figure(measured), "-" if measured is not None else _NOT_MEASURED, note)


def _figure(measured: float | None) -> str:
    if measured is None:
        return "-"
    return f"{measured:,.0f}" if measured >= 100 else f"{measured:.2f}"
