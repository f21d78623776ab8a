"""The learning curves of a search as one picture."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BEST, KILLED = "#d1495b", "#b87900"
LADDER = ("#b8c2cc", "#4db6ac", "#4a90d9", "#2b3a8c")
FLOOR = 0.5 / 899  # half an image: where an error of zero is drawn on a logarithmic axis


@dataclass(frozen=True, slots=True)
class Curve:
    """One trial: its reports as (epoch, error), and the epoch at which it ended."""

    trial: int
    reports: Sequence[tuple[int, float]]

    @property
    def reached(self) -> int:
        """The last epoch it reported, 0 when there was none."""
        return self.reports[-1][0] if self.reports else 0


@dataclass(frozen=True, slots=True)
class Story:
    """The texts of the picture, and the trial whose worker was killed as (trial, epoch), if any."""

    title: str
    subtitle: str
    best: int | None
    killed: tuple[int, int] | None = None


def draw(curves: Sequence[Curve], rungs: Sequence[int], story: Story, path: Path) -> None:
    """Write a PNG: one line per trial, coloured by the highest rung it reached; `rungs` are lengths, lowest first."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.2), dpi=160, facecolor="white")
    axes = figure.add_axes((0.075, 0.1, 0.84, 0.72))
    colours = dict(zip(rungs, _colours(len(rungs)), strict=True))
    for curve in sorted(curves, key=lambda curve: curve.reached):
        _line(axes, curve, colours[_rung(curve, rungs)], curve.trial == story.best)
    _axes(axes, curves, rungs)
    _rungs(axes, curves, rungs, colours)
    _mark(axes, curves, story)
    figure.text(0.075, 0.945, story.title, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(0.075, 0.905, story.subtitle, fontsize=9.5, color=FAINT, va="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _colours(count: int) -> list[str]:
    """Pale for the trials that ended first, dark for those at the top."""
    if count == 1:
        return [LADDER[-2]]
    return [LADDER[round(index * (len(LADDER) - 1) / (count - 1))] for index in range(count)]


def _rung(curve: Curve, rungs: Sequence[int]) -> int:
    return max((rung for rung in rungs if rung <= curve.reached), default=rungs[0])


def _line(axes: "Axes", curve: Curve, colour: str, best: bool) -> None:
    epochs = [epoch for epoch, _ in curve.reports]
    errors = [max(error, FLOOR) for _, error in curve.reports]
    style: dict[str, Any] = {"color": colour, "linewidth": 1.0, "alpha": 0.8, "zorder": 2 + curve.reached / 100}
    if best:
        style = {"color": BEST, "linewidth": 2.2, "zorder": 6}
    axes.plot(epochs, errors, solid_capstyle="round", **style)
    axes.plot(epochs[-1:], errors[-1:], "o", markersize=4.5 if best else 2.6, **style | {"linewidth": 0})


def _axes(axes: "Axes", curves: Sequence[Curve], rungs: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(list(rungs), [str(rung) for rung in rungs], color=INK, fontsize=10)
    lowest = min((error for curve in curves for _, error in curve.reports), default=0.01)
    ticks = [tick for tick in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if tick >= lowest / 2]
    axes.set_yticks(ticks, [f"{tick:.1%}" if tick < 0.01 else f"{tick:.0%}" for tick in ticks], color=INK, fontsize=10)
    axes.minorticks_off()
    axes.set_xlim(rungs[0] * 0.93, rungs[-1] * 1.04)
    axes.set_ylim(max(lowest, FLOOR) * 0.8, 1.05)
    axes.set_xlabel("epochs trained (a rung at each number)", color=INK, fontsize=10.5)
    axes.set_ylabel("validation error", color=INK, fontsize=10.5)
    axes.grid(axis="y", color=GRID, linewidth=0.8, zorder=0)
    axes.tick_params(length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _rungs(axes: "Axes", curves: Sequence[Curve], rungs: Sequence[int], colours: dict[int, str]) -> None:
    ended = Counter(_rung(curve, rungs) for curve in curves if curve.reports)
    for index, rung in enumerate(rungs):
        axes.axvline(rung, color=FAINT, linewidth=0.9, linestyle=(0, (1, 3)), zorder=1)
        what = "reach the top" if index == len(rungs) - 1 else "end here"
        place = "right" if index == len(rungs) - 1 else "left" if index == 0 else "center"
        axes.annotate(
            f"{ended[rung]} trials {what}", (rung, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 6),
            textcoords="offset points", ha=place, color=colours[rung] if index else FAINT, fontsize=9.5,
            fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _mark(axes: "Axes", curves: Sequence[Curve], story: Story) -> None:
    """Name the best trial at its end, and the point at which a killed worker left its trial."""
    by_trial = {curve.trial: curve for curve in curves}
    if story.best is not None:
        reports = by_trial[story.best].reports
        best_epoch, best_error = min(reports, key=lambda report: report[1])
        axes.plot(
            [best_epoch], [max(best_error, FLOOR)], "o", color=BEST, markersize=7, markeredgecolor="white", zorder=7
        )
        axes.annotate(
            f"trial {story.best}\n{best_error:.2%}", (reports[-1][0], max(reports[-1][1], FLOOR)), xytext=(9, 0),
            textcoords="offset points", va="center", color=BEST, fontsize=9.5, fontweight="bold",
        )  # fmt: skip
    if story.killed is not None and (at := dict(by_trial[story.killed[0]].reports).get(story.killed[1])) is not None:
        place = (story.killed[1], max(at, FLOOR))
        axes.plot(*place, "X", color=KILLED, markersize=10, markeredgecolor="white", zorder=7)
        axes.annotate(
            f"a worker is killed here,\nanother goes on with trial {story.killed[0]}", place, xytext=(0.965, 0.8),
            textcoords="axes fraction", ha="right", va="center", color=KILLED, fontsize=9.5, zorder=7,
            arrowprops={"arrowstyle": "-", "color": KILLED, "linewidth": 0.8, "shrinkB": 6},
        )  # fmt: skip
