"""The look that all pictures share: colours (those of the page of the service), titles, axes of metrics and of time."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rungway._data.search_data import SearchData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, PANEL = "#1c2128", "#57606a", "#d0d7de", "#f3f5f8"
BEST, BAD = "#d1495b", "#b3261e"
_RUNGS = ("#9fb6c3", "#3f9e96", "#2f74b8", "#2b3a8c")
_RANKS = ("#d3c7e0", "#9fb0d9", "#4f97c9", "#1f7a8c", "#0b4f57")
LEFT, TOP = 0.095, 0.8
"""Where the axes of a picture begin, in figure fractions."""
_LOG_FROM = 20.0
"""An axis is logarithmic where the largest value is so many times the smallest, and none is 0 or less."""


def figure(width: float = 10.0, height: float = 6.0) -> "Figure":
    """An empty white figure (inches) that needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white")


def panel(canvas: "Figure", *, left: float = LEFT, bottom: float = 0.115, right: float = 0.93) -> "Axes":
    """Axes that fill a figure below its titles."""
    top = 1 - 1.0 / canvas.get_figheight()
    return quiet(canvas.add_axes((left, bottom, right - left, top - bottom)))


def quiet(axes: "Axes") -> "Axes":
    """No frame and no tick marks."""
    axes.tick_params(length=0, labelcolor=INK, labelsize=9.5)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    return axes


def titles(canvas: "Figure", title: str, subtitle: str, left: float = LEFT) -> str:
    """A bold title with a quiet line below; returns the title."""
    height = canvas.get_figheight()
    canvas.text(left, 1 - 0.34 / height, short(title, 80), fontsize=14.5, fontweight="bold", color=INK, va="center")
    canvas.text(left, 1 - 0.66 / height, short(subtitle, 130), fontsize=9.5, color=SOFT, va="center")
    return title


def nothing(data: SearchData, what: str, why: str) -> "tuple[str, Figure]":
    """A picture that says why there is none yet."""
    canvas = figure(8, 2.2)
    title = titles(canvas, f"{data.experiment}: {what}", f"{many(len(data.trials), 'trial')} so far")
    canvas.text(0.5, 0.3, why, ha="center", va="center", fontsize=11, color=SOFT)
    return title, canvas


def rung_colours(lengths: Iterable[int]) -> dict[int, str]:
    """A colour for each length: pale for the lowest, dark for the top."""
    known = sorted(set(lengths))
    return {length: scale(_RUNGS, at / (len(known) - 1) if len(known) > 1 else 1) for at, length in enumerate(known)}


def rank_colour(share: float) -> str:
    """Pale for the worst (0), dark for the best (1)."""
    return scale(_RANKS, share)


def scale(stops: Sequence[str], share: float) -> str:
    """A colour between the stops of a scale."""
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    below = min(int(place), len(stops) - 2)
    part = place - below
    mixed = [
        round(int(stops[below][at : at + 2], 16) * (1 - part) + int(stops[below + 1][at : at + 2], 16) * part)
        for at in (1, 3, 5)
    ]
    return "#" + "".join(f"{each:02x}" for each in mixed)


_LARGEST, _SMALLEST = 1e100, 1e-100


def is_drawn(value: float) -> bool:
    """Whether a number has a place on an axis: sums and squares of larger ones overflow."""
    return abs(value) < _LARGEST  # neither NaN nor infinite


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a scale that is shown."""

    low: float
    high: float
    log: bool

    def place(self, value: float) -> float:
        """Where a value stands, 0 to 1; what lies beyond the ends stands at them."""
        low, high = (math.log(each) if self.log else each for each in (self.low, self.high))
        at = math.log(value) if self.log and value > 0 else value
        at = low if self.log and value <= 0 else at
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def ticks(self, most: int = 7, *, whole: bool = False) -> list[float]:
        """Round values within it; `whole`: integers."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        if not self.log:
            found = MaxNLocator(most, integer=whole).tick_values(self.low, self.high)
        else:
            decades = math.log10(self.high / self.low)
            subs = (1.0, 2.0, 5.0) if decades < most / 2.5 else (1.0,)
            found = LogLocator(subs=subs, numticks=most).tick_values(self.low, self.high)
        return [float(tick) for tick in found if self.low <= tick <= self.high]


def span_of(values: Sequence[float], smaller_is_better: bool | None = None, logarithmic: bool | None = None) -> Span:
    """The scale for these values, of which each is drawn; logarithmic if they are far apart, unless that is said.

    With a direction, what lies far on the worse side of most is beyond its end, so that some bad trials do not flatten
    all others; None = all are shown.
    """
    low, high = min(values), max(values)
    log = low > _SMALLEST and (high / low >= _LOG_FROM if logarithmic is None else logarithmic)
    if smaller_is_better is not None and len(values) > 4:
        low, high = _without_outliers(sorted(values), smaller_is_better, log)
        log = log and high / low >= _LOG_FROM
    if high - low <= max(abs(low), abs(high)) * 1e-9 or high - low < _SMALLEST:
        pad = abs(low) * 0.1 if abs(low) > _SMALLEST else 1.0
        return Span(low - pad, high + pad, False)
    if log:
        pad = (high / low) ** 0.04
        return Span(low / pad, high * pad, True)
    pad = (high - low) * 0.04
    return Span(low - pad, high + pad, False)


def _without_outliers(values: Sequence[float], smaller_is_better: bool, log: bool) -> tuple[float, float]:
    """The range that is shown: from the best value to three quarters of them, and some way beyond."""
    low, high = values[0], values[-1]
    if smaller_is_better:
        most = values[int(len(values) * 0.75)]
        far = most * (most / low) ** 0.75 if log else most + 2 * (most - low)
        return low, min(high, far) if far > low else high
    most = values[int(len(values) * 0.25)]
    far = most * (most / high) ** 0.75 if log else most - 2 * (high - most)
    return max(low, far) if far < high else low, high


def metric_axis(axes: "Axes", span: Span, name: str, *, across: bool = False) -> None:
    """Label an axis of metrics, with a line at each tick; `across`: the horizontal one."""
    from matplotlib.ticker import NullFormatter, NullLocator

    axis = axes.xaxis if across else axes.yaxis
    (axes.set_xscale if across else axes.set_yscale)("log" if span.log else "linear")
    (axes.set_xlim if across else axes.set_ylim)(span.low, span.high)
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    ticks = span.ticks()
    axis.set_ticks(ticks, [number(tick) for tick in ticks])
    axis.set_label_text(short(name, 60), color=INK, fontsize=10)
    axes.grid(axis="x" if across else "y", color=LINE, linewidth=0.8, alpha=0.7, zorder=0)
    axes.set_axisbelow(True)


def length_axis(axes: "Axes", least: int, most: int, unit: str, rungs: Sequence[int]) -> None:
    """Label the horizontal axis of lengths, from 1 on: logarithmic where rungs multiply."""
    from matplotlib.ticker import NullFormatter, NullLocator

    log = most >= 10 * least and len(rungs) > 1
    axes.set_xscale("log" if log else "linear")
    pad = (most / least) ** 0.025 if log else (most - least) * 0.03 or 0.5
    axes.set_xlim(*((least / pad, most * pad) if log else (least - pad, most + pad)))
    ticks = _apart([*rungs] if len(rungs) > 1 else _even(least, most), log, least, most)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel(f"{short(unit, 40) or 'length'} trained", color=INK, fontsize=10)


def _even(least: int, most: int) -> list[int]:
    from matplotlib.ticker import MaxNLocator

    return [int(tick) for tick in MaxNLocator(8, integer=True).tick_values(least, most) if least <= tick <= most]


def _apart(ticks: Sequence[int], log: bool, least: int, most: int) -> list[int]:
    """Those that are far enough from the one before to be read; the last always."""
    span = Span(least, most, log) if most > least else None
    found: list[int] = []
    for tick in reversed(ticks):
        if not found or (span and span.place(found[-1]) - span.place(tick) > 0.045):
            found.append(tick)
    return found[::-1]


def time_axis(axes: "Axes", seconds: float) -> None:
    """Label the horizontal axis, which has so many seconds, in a unit that suits it."""
    from matplotlib.ticker import MaxNLocator

    seconds = max(seconds, 1e-3)
    size, unit = time_unit(seconds)
    axes.set_xlim(-0.01 * seconds, 1.01 * seconds)
    ticks = [tick for tick in MaxNLocator(8).tick_values(0, seconds / size) if 0 <= tick <= 1.01 * seconds / size]
    axes.set_xticks([tick * size for tick in ticks], [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(f"{unit} since the first trial began", color=INK, fontsize=10)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit in which people say such a time: its size in seconds, and its name."""
    units = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))
    return next(((size, unit) for size, unit in units if seconds >= 3 * size), (1.0, "seconds"))


def time_text(seconds: float) -> str:
    """A time in words."""
    size, unit = time_unit(seconds)
    return f"{seconds / size:.3g} {unit}"


def number(value: float) -> str:
    """A number as people read it, with four significant digits or more."""
    return f"{value:,.0f}" if 10_000 <= abs(value) < 10_000_000 else f"{value:.4g}"


def many(count: int, noun: str) -> str:
    """ "1 trial", "1,024 trials"."""
    return f"{count:,} {noun}{'s'[: count != 1]}"


def short(text: str, most: int) -> str:
    """A text of the user, on one line, cut where it is too long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def better(data: SearchData) -> str:
    """Which way the metric ranks, in words."""
    return f"{'smaller' if data.smaller_is_better else 'larger'} is better"
