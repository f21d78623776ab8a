"""The best result so far over time, and every result on the way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rungway._data.pictures.look import (
    BEST,
    better,
    figure,
    is_drawn,
    many,
    metric_axis,
    nothing,
    number,
    panel,
    rung_colours,
    short,
    span_of,
    time_axis,
    time_text,
    titles,
)
from rungway._data.search_data import SearchData

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Result:
    """A result, when the service decided about it."""

    seconds: float
    """Since the first trial began."""
    metric: float
    trial: int
    length: int


def draw(data: SearchData) -> "tuple[str, Figure]":
    """A dot for each decision, and the best so far as a line."""
    found = sorted(results(data), key=lambda result: result.seconds)
    if not found:
        return nothing(data, "best so far", "no result yet")
    steps = _improvements(found, data.smaller_is_better)
    canvas = figure()
    axes = panel(canvas)
    colours = rung_colours(result.length for result in found)
    axes.scatter(
        [result.seconds for result in found],
        [result.metric for result in found],
        s=14 if len(found) < 2000 else 5,
        c=[colours[result.length] for result in found],
        alpha=0.75,
        linewidths=0,
        zorder=2,
        rasterized=len(found) > 5000,
    )
    end = max(found[-1].seconds, 1e-3)
    line = [*steps, Result(end, steps[-1].metric, steps[-1].trial, steps[-1].length)]
    axes.step(
        [step.seconds for step in line],
        [step.metric for step in line],
        where="post",
        color=BEST,
        linewidth=2,
        zorder=3,
    )
    axes.plot(
        [step.seconds for step in steps], [step.metric for step in steps], "o", color=BEST, markersize=4, zorder=4
    )
    metric_axis(axes, span_of([result.metric for result in found], data.smaller_is_better), data.metric)
    time_axis(axes, end)
    best = steps[-1]
    unit = short(data.unit, 20) or "units"
    said = f"{number(best.metric)} of trial {best.trial} at {best.length:,} {unit}, after {time_text(best.seconds)}"
    about = f"dots: {many(len(found), 'result')}, the darker the longer trained; {better(data)}"
    return titles(canvas, f"{data.experiment}: best {data.metric} so far", f"{said}; {about}"), canvas


def results(data: SearchData) -> Iterator[Result]:
    """The best finite result that was reported between two decisions about a trial, at the time of the second. Curves
    have no times, events have; reports after the last event are as late as the last one of all."""
    curves = {trial.number: (trial.curve, 0) for trial in data.trials if trial.state != "invalid"}
    began = data.began
    latest = max((event.time for event in data.events), default=data.created)
    for event in data.events:
        if event.number in curves:
            curve, at = curves[event.number]
            after = at
            while after < len(curve) and curve[after][0] <= event.fields["length"]:
                after += 1
            curves[event.number] = curve, after
            yield from _best_of(data, event.number, curve[at:after], (event.time - began).total_seconds())
    for number_, (curve, at) in curves.items():
        yield from _best_of(data, number_, curve[at:], (latest - began).total_seconds())


def _best_of(data: SearchData, trial: int, points: Sequence[tuple[int, float]], seconds: float) -> Iterator[Result]:
    finite = [(metric, length) for length, metric in points if is_drawn(metric)]
    if finite:
        metric, length = (min if data.smaller_is_better else max)(finite)
        yield Result(max(seconds, 0.0), metric, trial, length)


def _improvements(found: Sequence[Result], smaller_is_better: bool) -> list[Result]:
    steps = [found[0]]
    for result in found:
        if (result.metric < steps[-1].metric) if smaller_is_better else (result.metric > steps[-1].metric):
            steps.append(result)
    return steps
