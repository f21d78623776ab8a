"""The look that all pictures of simulations share: colours by length, bars of jobs, titles, quiet axes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rungway_server.cli.output import unit_name
from rungway_server.demo.picture import BEST, FAINT, GRID, INK, KILLED, LADDER
from rungway_server.domain.search.plan import Plan
from rungway_server.simulation.records import Job

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BEST", "FAINT", "GRID", "INK", "KILLED", "LADDER"]

LOST = "#efc9a4"
"""The colour of dropped jobs."""
BAR = 0.84
"""Height of a worker's bar; the distance between two workers is 1."""


def figure(width: float, height: float, dpi: int) -> "Figure":
    """An empty white figure (inches) that needs no display."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, facecolor="white")


def rung_colours(plan: Plan) -> dict[int, str]:
    """A colour for every rung length of a plan: pale for the lowest, dark for the top."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    lengths = sorted({rung.length for bracket in plan.brackets for rung in bracket.rungs})
    if len(lengths) == 1:
        return {lengths[0]: LADDER[-1]}
    shades = LinearSegmentedColormap.from_list("ladder", LADDER)
    return {length: to_hex(shades(index / (len(lengths) - 1))) for index, length in enumerate(lengths)}


def colour_of(job: Job, colours: dict[int, str]) -> str:
    """The colour of the rung a job trains towards."""
    return next(colour for length, colour in colours.items() if job.goal <= length)


def whole(jobs: Sequence[Job]) -> list[Job]:
    """The jobs of each worker, with those between two decisions merged."""
    found: list[Job] = []
    for job in sorted(jobs, key=lambda job: (job.worker, job.began)):
        last = found[-1] if found else None
        if last and job.told and _leads_to(last, job):
            found[-1] = replace(last, end=job.end, ended=job.ended)
        else:
            found.append(job)
    return found


def _leads_to(one: Job, other: Job) -> bool:
    """Whether a job continues another one on the same worker without a decision."""
    return (one.worker, one.trial, one.goal, one.end, one.ended) == (
        *(other.worker, other.trial, other.goal, other.start, other.began),
    )


def gantt(axes: "Axes", jobs: Sequence[Job], colours: dict[int, str], gap: float) -> None:
    """Draw jobs as bars over time, a row per worker, the first on top; `gap` (simulated seconds) parts two jobs."""
    from matplotlib.collections import PolyCollection

    bars: dict[str, list[list[tuple[float, float]]]] = {}
    for job in whole(jobs):
        colour = colour_of(job, colours) if job.told else LOST
        left, right = job.began, max(job.ended - gap, job.began + gap / 2)
        low, high = job.worker - BAR / 2, job.worker + BAR / 2
        bars.setdefault(colour, []).append([(left, low), (left, high), (right, high), (right, low)])
    for colour, boxes in bars.items():
        axes.add_collection(PolyCollection(boxes, facecolors=colour, linewidths=0, zorder=3))


def quiet(axes: "Axes") -> None:
    """No frame, no tick marks, small dark labels."""
    axes.tick_params(length=0, labelcolor=INK, labelsize=9)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def titles(figure: "Figure", left: float, title: str, subtitle: str) -> None:
    """A bold title with a quiet line below, in the topmost 0.8 inches."""
    height = figure.get_figheight()
    figure.text(left, 1 - 0.35 / height, title, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(left, 1 - 0.65 / height, subtitle, fontsize=9.5, color=FAINT, va="center")


def legend(figure: "Figure", right: float, y: float, unit: str, colours: dict[int, str], lost: bool) -> None:
    """Name the colours in one line that ends at `right` (figure fractions)."""
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], marker="s", linestyle="", markersize=7, color=colour, label=f"{length:,}")
        for length, colour in colours.items()
    ]
    if lost:
        marks.append(Line2D([], [], marker="s", linestyle="", markersize=7, color=LOST, label="lost"))
    marks.append(
        Line2D(
            [],
            [],
            marker="s",
            linestyle="",
            markersize=7,
            markerfacecolor="white",
            markeredgecolor=FAINT,
            label="waiting",
        )
    )
    marks.insert(0, Line2D([], [], linestyle="", label=f"training to ({unit_name(unit)})"))
    figure.legend(
        handles=marks, loc="center right", bbox_to_anchor=(right, y), ncols=len(marks), frameon=False, fontsize=9,
        labelcolor=INK, handletextpad=0.2, columnspacing=1.1, borderpad=0, borderaxespad=0,
    )  # fmt: skip


def time_axis(axes: "Axes", end: float) -> None:
    """Label the time from 0 to `end` (simulated seconds) in a unit that suits it."""
    size, unit = next(
        ((size, unit) for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")) if end >= 5 * size),
        (1, "seconds"),
    )
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(0, end * 1.002 or 1)
    ticks = [tick * size for tick in MaxNLocator(8).tick_values(0, end / size) if 0 <= tick <= end / size]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds / size:g}"))
    axes.set_xlabel(f"simulated {unit}", color=INK, fontsize=9.5)
