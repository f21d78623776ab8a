"""What each worker trained, and when."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rungway._data.pictures.look import (
    BAD,
    INK,
    LINE,
    SOFT,
    figure,
    many,
    nothing,
    quiet,
    rung_colours,
    short,
    time_axis,
    titles,
)
from rungway._data.search_data import SearchData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 40
"""Rows that are shown."""
_BAR = 0.8
_FAILURES = frozenset({"retry", "failed", "invalid"})
_GOES_ON = ">"


@dataclass(frozen=True, slots=True)
class Bar:
    """A time in which a worker held a trial, in seconds since the first trial began."""

    worker: str
    start: float
    end: float
    length: int
    """Of the rung that it trained towards."""
    how: str
    """The kind of the event with which it ended; "" while it goes on."""


def draw(data: SearchData) -> "tuple[str, Figure]":
    """A row for each worker, a bar for each of its assignments. One that holds several trials at once has several
    rows."""
    bars = _bars(data)
    if not bars:
        return nothing(data, "workers", "no trial was handed out yet")
    lanes = _lanes(bars)
    busiest = sorted(lanes, key=lambda lane: -sum(bar.end - bar.start for bar in lane))[:_MOST]
    shown = [lane for lane in lanes if lane in busiest]
    canvas = figure(10, 1.75 + 0.26 * max(len(shown), 3))
    names = [short(lane[0].worker or "(no name)", 26) for lane in shown]
    left, bottom = min(0.035 + 0.0085 * max(map(len, names)), 0.27), 0.55 / canvas.get_figheight()
    axes = quiet(canvas.add_axes((left, bottom, 0.96 - left, 1 - 1.15 / canvas.get_figheight() - bottom)))
    colours = rung_colours(bar.length for bar in bars)
    end = max(bar.end for bar in bars)
    for row, lane in enumerate(shown):
        _row(axes, row, lane, colours, end)
    labels = [name if row == 0 or names[row - 1] != name else "" for row, name in enumerate(names)]
    axes.set_yticks(range(len(shown)), labels)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    time_axis(axes, end)
    axes.grid(axis="x", color=LINE, linewidth=0.8, alpha=0.7)
    axes.set_axisbelow(True)
    _legend(canvas, colours, data.unit)
    busy = sum(bar.end - bar.start for bar in bars) / (len(lanes) * end) if end else 1.0
    workers = len({bar.worker for bar in bars})
    about = f"{many(workers, 'worker')}, {many(len(bars), 'assignment')}, busy {busy:.0%} of the time"
    about += f"; the {len(shown)} busiest of {len(lanes)} rows" if len(lanes) > len(shown) else ""
    return titles(canvas, f"{data.experiment}: who trained what, and when", about, 0.035), canvas


def _bars(data: SearchData) -> list[Bar]:
    """By their beginning. Those that go on reach to the last event of the search."""
    spans = [(trial, span) for trial in data.trials for span in trial.spans]
    times = [event.time for event in data.events] + [span.start for _, span in spans]
    now, began = max(times, default=data.created), data.began
    found = [
        Bar(
            span.worker,
            (span.start - began).total_seconds(),
            ((span.end or now) - began).total_seconds(),
            data.rungs[trial.bracket][min(span.rung, len(data.rungs[trial.bracket]) - 1)],
            span.how if span.end else _GOES_ON,
        )
        for trial, span in spans
    ]
    return sorted(found, key=lambda bar: (bar.start, bar.end))


def _lanes(bars: Sequence[Bar]) -> list[list[Bar]]:
    """The bars in rows, those of a worker together, without two at once in a row."""
    by_worker: dict[str, list[list[Bar]]] = {}
    for bar in bars:
        lanes = by_worker.setdefault(bar.worker, [])
        free = next((lane for lane in lanes if lane[-1].end <= bar.start), None)
        if free is None:
            lanes.append([bar])
        else:
            free.append(bar)
    return [lane for worker in sorted(by_worker, key=_counted) for lane in by_worker[worker]]


def _counted(name: str) -> list[tuple[int, str]]:
    """A key that sorts gpu-2 before gpu-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _row(axes: "Axes", row: int, lane: Sequence[Bar], colours: dict[int, str], end: float) -> None:
    from matplotlib.collections import PolyCollection

    low, high, gap = row - _BAR / 2, row + _BAR / 2, end * 0.0006
    boxes = [
        [(bar.start, low), (bar.start, high), (right, high), (right, low)]
        for bar in lane
        for right in [max(bar.end - gap, bar.start + gap)]
    ]
    axes.add_collection(PolyCollection(boxes, facecolors=[colours[bar.length] for bar in lane], linewidths=0, zorder=3))
    for bar in lane:
        if bar.how in _FAILURES:
            axes.plot([bar.end], [row], "x", color=BAD, markersize=6, markeredgewidth=1.6, zorder=5, clip_on=False)
        elif bar.how == _GOES_ON:
            axes.plot([bar.end], [row], ">", color=INK, markersize=4, zorder=5, clip_on=False)


def _legend(canvas: "Figure", colours: dict[int, str], unit: str) -> None:
    """What the colours and marks mean, in one line at the right, below the titles."""
    from matplotlib.lines import Line2D

    shown = list(colours.items())[-6:]
    marks = [Line2D([], [], linestyle="", label=f"towards ({short(unit, 16) or 'length'})")]
    marks += [
        Line2D([], [], marker="s", linestyle="", markersize=7, color=colour, label=f"{length:,}")
        for length, colour in shown
    ]
    marks.append(Line2D([], [], marker="x", linestyle="", markersize=6, color=BAD, label="failed"))
    canvas.legend(
        handles=marks,
        loc="center right",
        bbox_to_anchor=(0.97, 1 - 0.9 / canvas.get_figheight()),
        ncols=len(marks),
        frameon=False,
        fontsize=9,
        labelcolor=SOFT,
        handletextpad=0.2,
        columnspacing=1.0,
    )
