"""The ladder of each bracket: the results at each rung, and who went on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rungway._data.pictures.look import (
    BAD,
    INK,
    PANEL,
    SOFT,
    Span,
    better,
    figure,
    is_drawn,
    many,
    metric_axis,
    nothing,
    quiet,
    rung_colours,
    short,
    span_of,
    titles,
)
from rungway._data.search_data import SearchData, TrialData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRIP = 0.36
"""Height of a strip; the distance between two is 1."""
_ROWS = 7
"""In which dots of a full strip stand above each other."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The results of one rung: pairs of the metric (NaN: none) and whether the trial went on."""

    results: Sequence[tuple[float, bool]]
    failed: int
    top: bool

    @property
    def passed(self) -> int:
        """How many went on."""
        return sum(went for _, went in self.results)

    def words(self) -> str:
        """What happened there."""
        on = "the top" if self.top else f"{self.passed:,} went on"
        return f"{many(len(self.results), 'result')} · {on}" + (f" · {self.failed:,} failed" if self.failed else "")


def draw(data: SearchData) -> "tuple[str, Figure]":
    """A column for each bracket, a strip for each rung, the longest on top."""
    strips = [[_strip(data, at, rung) for rung in range(len(rungs))] for at, rungs in enumerate(data.rungs)]
    finite = [metric for each in strips for strip in each for metric, _ in strip.results if is_drawn(metric)]
    if not finite:
        return nothing(data, "ladder", "no result yet")
    lengths = sorted({length for bracket in data.rungs for length in bracket})
    count = len(data.rungs)
    canvas = figure(min(max(3.6 * count + 1, 8), 18), 2.7 + 0.9 * len(lengths))
    bottom, height = 0.6 / canvas.get_figheight(), 1 - 1.95 / canvas.get_figheight()
    left = 0.9 / canvas.get_figwidth()
    width = (0.97 - left) / count
    span, colours = span_of(finite, data.smaller_is_better), rung_colours(lengths)
    for bracket, column in enumerate(strips):
        axes = quiet(canvas.add_axes((left + width * bracket, bottom, width * 0.92, height)))
        started = sum(trial.bracket == bracket and trial.state != "invalid" for trial in data.trials)
        axes.set_title(
            f"bracket {bracket}: {many(started, 'trial')}" if count > 1 else many(started, "trial"),
            fontsize=10, color=INK, fontweight="bold", loc="left", pad=16,
        )  # fmt: skip
        for rung, strip in enumerate(column):
            length = data.rungs[bracket][rung]
            _draw_strip(axes, lengths.index(length), strip, span, colours[length])
        metric_axis(axes, span, data.metric, across=True)
        axes.grid(visible=False)
        axes.set_ylim(-0.5, len(lengths) - 0.15)
        axes.set_yticks(range(len(lengths)), [f"{length:,}" for length in lengths] if bracket == 0 else [])
        if bracket == 0:
            axes.set_ylabel(f"{short(data.unit, 40) or 'length'} trained", color=INK, fontsize=10)
    side = "left" if data.smaller_is_better else "right"
    about = f"filled: went on, or at the top; hollow: did not; cross: no number; {better(data)}, the best on the {side}"
    return titles(canvas, f"{data.experiment}: the ladder of its rungs", about, left), canvas


def _strip(data: SearchData, bracket: int, rung: int) -> Strip:
    length, top = data.rungs[bracket][rung], rung == len(data.rungs[bracket]) - 1
    there = [trial for trial in data.trials if trial.bracket == bracket and trial.state != "invalid"]
    failed = {trial.number for trial in there if trial.state == "failed" and trial.rung == rung}
    results = [
        (_metric_at(trial, length), trial.rung > rung or top)
        for trial in there
        if rung in trial.results and trial.number not in failed
    ]
    return Strip(results, len(failed), top)


def _metric_at(trial: TrialData, length: int) -> float:
    """The last result up to this length."""
    return next((metric for at, metric in reversed(trial.curve) if at <= length), math.nan)


def _draw_strip(axes: "Axes", y: int, strip: Strip, span: Span, colour: str) -> None:
    axes.axhspan(y - _STRIP, y + _STRIP, color=PANEL, linewidth=0, zorder=0)
    axes.annotate(
        strip.words(), (0, y + _STRIP), xycoords=("axes fraction", "data"), xytext=(2, 3),
        textcoords="offset points", fontsize=8.5, color=SOFT,
    )  # fmt: skip
    order = sorted((each for each in strip.results if is_drawn(each[0])), key=lambda each: each[0])
    rows = 1 if len(order) < 8 else 3 if len(order) < 40 else _ROWS
    step = 1.5 * _STRIP / _ROWS
    size = 30 if len(order) < 60 else 14 if len(order) < 300 else 6
    for went in (False, True):
        some = [(metric, y + step * _lane(at, rows)) for at, (metric, on) in enumerate(order) if on is went]
        axes.scatter(
            [min(max(metric, span.low), span.high) for metric, _ in some],
            [place for _, place in some],
            s=size,
            facecolors=colour if went else "none",
            edgecolors=colour if went else SOFT,
            linewidths=0.8,
            alpha=0.9 if len(order) < 300 else 0.6,
            zorder=3 + went,
            rasterized=len(order) > 3000,
        )
    strange = len(strip.results) - len(order)
    if strange:
        end = span.high * 0.999 if span.high > 0 else span.high
        axes.plot([end] * strange, [y] * strange, "x", color=BAD, markersize=5, zorder=4, clip_on=False)


def _lane(at: int, rows: int) -> int:
    """0, 1, -1, 2, -2 …: neighbours in order stand above each other."""
    lane = at % rows
    return (lane + 1) // 2 * (1 if lane % 2 else -1)
