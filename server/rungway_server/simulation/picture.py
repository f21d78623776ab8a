"""One simulation as a picture: the best over time above, what the workers did below."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rungway_server.cli.output import many, number, unit_name
from rungway_server.simulation.front import Front
from rungway_server.simulation.look import (
    BEST,
    FAINT,
    GRID,
    INK,
    LOST,
    colour_of,
    figure,
    gantt,
    legend,
    quiet,
    rung_colours,
    time_axis,
    titles,
)
from rungway_server.simulation.records import Job, Run
from rungway_server.simulation.summary import Point, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 48
"""Above this, the number of busy workers is drawn instead of a row for each."""
_SAMPLES = 600


def draw(run: Run, summary: Summary, title: str, metric: str, path: Path) -> None:
    """Write a PNG, PDF or SVG, by the file's name. Raises OSError."""
    canvas = figure(10, 7, 160)
    above = canvas.add_axes((0.085, 0.555, 0.885, 0.295))
    below = canvas.add_axes((0.085, 0.085, 0.885, 0.36))
    colours = rung_colours(run.plan)
    lost = any(not job.told for job in run.jobs)
    if summary.front:
        _volume(above, run, summary.front)
    else:
        _best(above, run, summary, metric)
    _workers(below, run, colours)
    for axes in (above, below):
        quiet(axes)
        time_axis(axes, run.end)
    above.set_xlabel("")
    legend(canvas, 0.97, 0.48, run.plan.unit, colours, lost)
    canvas.text(0.085, 0.48, f"Workers: {summary.busy:.0%} busy", color=INK, fontsize=10.5, va="center", weight="bold")
    titles(canvas, 0.085, title, _subtitle(run, summary))
    canvas.savefig(path, format=path.suffix.lower().removeprefix("."))


def _subtitle(run: Run, summary: Summary) -> str:
    parts = [many(summary.trials, "trial"), f"{summary.trained_length:,} {unit_name(run.plan.unit)} trained"]
    parts.append(f"{summary.full:,} trained to the end")
    if summary.drops:
        parts.append(f"{many(summary.drops, 'job')} dropped")
    return ", ".join(parts)


def _best(axes: "Axes", run: Run, summary: Summary, metric: str) -> None:
    _steps(axes, summary.best, run.end, FAINT, "best so far, at any length")
    _steps(
        axes,
        summary.best_full,
        run.end,
        BEST,
        f"best trained to the end ({run.plan.max_length:,} {unit_name(run.plan.unit)})",
    )
    values = [point.metric for point in (*summary.best, *summary.best_full)]
    if values and min(values) > 0 and max(values) > 4 * min(values):
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=GRID, linewidth=0.8, zorder=0)
    axes.set_ylabel(metric, color=INK, fontsize=9.5)
    if values:
        axes.legend(frameon=False, fontsize=9, labelcolor="linecolor", handlelength=1.4)


def _volume(axes: "Axes", run: Run, front: Front) -> None:
    times = [0.0, *(point.time for point in front.hypervolume)]
    shares = [0.0, *(point.share for point in front.hypervolume)]
    name = f"hypervolume of {many(len(front.members), 'trial')} on the front: {front.share:.1%}"
    axes.step([*times, run.end], [*shares, shares[-1]], where="post", color=BEST, linewidth=2, label=name, zorder=3)
    axes.plot(times[1:], shares[1:], "o", color=BEST, markersize=3.5, zorder=4)
    axes.set_ylim(0, 1.02)
    axes.grid(axis="y", color=GRID, linewidth=0.8, zorder=0)
    axes.set_ylabel("hypervolume (all curves: 1)", color=INK, fontsize=9.5)
    axes.legend(frameon=False, fontsize=9, labelcolor="linecolor", handlelength=1.4, loc="lower right")


def _steps(axes: "Axes", points: Sequence[Point], end: float, colour: str, label: str) -> None:
    if points:
        times, values = [point.time for point in points], [point.metric for point in points]
        name = f"{label}: {number(values[-1])}"
        axes.step([*times, end], [*values, values[-1]], where="post", color=colour, linewidth=2, label=name, zorder=3)
        axes.plot(times, values, "o", color=colour, markersize=3.5, zorder=4)


def _workers(axes: "Axes", run: Run, colours: dict[int, str]) -> None:
    if run.fleet.workers <= MOST_ROWS:
        gantt(axes, run.jobs, colours, run.end / 1500)
        axes.set_ylim(run.fleet.workers - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_ylabel(
            f"{many(run.fleet.workers, 'worker')}, a row each" if run.fleet.workers > 1 else "", color=INK, fontsize=9.5
        )
        return
    times = [run.end * index / _SAMPLES for index in range(_SAMPLES + 1)]
    kinds = [*reversed(colours.values()), LOST]
    layers = {colour: _running([j for j in run.jobs if _colour(j, colours) == colour], times) for colour in kinds}
    axes.stackplot(times, *layers.values(), colors=list(layers), linewidth=0, zorder=3)
    axes.set_ylim(0, run.fleet.workers)
    axes.grid(axis="y", color=GRID, linewidth=0.8, zorder=0)
    axes.set_ylabel(f"busy of {run.fleet.workers:,} workers", color=INK, fontsize=9.5)


def _colour(job: Job, colours: dict[int, str]) -> str:
    return colour_of(job, colours) if job.told else LOST


def _running(jobs: Sequence[Job], times: Sequence[float]) -> list[int]:
    """How many of the jobs are running at each time."""
    from bisect import bisect_right

    began, ended = sorted(job.began for job in jobs), sorted(job.ended for job in jobs)
    return [bisect_right(began, time) - bisect_right(ended, time) for time in times]
