"""The searches of `training` as one picture: errors over the epochs, and of each seed at the end."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Protocol

from rungway_server.simulation.look import FAINT, GRID, INK, figure, quiet, titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (
    *("#7b8794", "#4a90d9", "#d1495b", "#b87900", "#2b3a8c", "#3a9d6e"),
    *("#8e5bb5", "#c2185b", "#00838f", "#795548", "#1b1b1b"),
)

_MOST = 20
"""The largest error that is shown, in percent: all are above it at first."""


class Searched(Protocol):
    """A search with one seed."""

    @property
    def validation(self) -> float:
        """The best validation error at the end."""
        ...

    def after(self, epochs: int) -> float:
        """The best validation error after so many epochs."""
        ...


def draw(found: Mapping[str, Sequence[Searched]], budget: int, path: Path) -> None:
    """Write a PNG or SVG, by the name of the file. Raises OSError."""
    canvas = figure(10, 5, 160)
    left, right = canvas.add_axes((0.075, 0.12, 0.44, 0.64)), canvas.add_axes((0.72, 0.12, 0.255, 0.64))
    colours = dict(zip(found, cycle(_COLOURS), strict=False))
    _over_epochs(left, found, budget, colours)
    _each_seed(right, found, colours)
    for axes in (left, right):
        quiet(axes)
    seeds = max(len(each) for each in found.values())
    titles(canvas, 0.075, "Searches of networks that are really trained", f"validation error in percent, {seeds} seeds")
    canvas.savefig(path)


def _over_epochs(
    axes: "Axes", found: Mapping[str, Sequence[Searched]], budget: int, colours: Mapping[str, str]
) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    epochs = range(1, budget + 1)
    for name, each in found.items():
        middle = [(when, 100 * median(one.after(when) for one in each)) for when in epochs]
        axes.step(*zip(*middle, strict=True), where="post", color=colours[name], linewidth=1.8, label=name, zorder=3)
    axes.set_yscale("log")
    axes.set_yticks([2, 3, 4, 5, 7, 10, 20, 50])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0, budget)
    axes.set_ylim(90 * min(one.validation for each in found.values() for one in each), _MOST)
    axes.grid(axis="y", color=GRID, linewidth=0.8, zorder=0)
    axes.set_xlabel("epochs of all trials together", color=INK, fontsize=9.5)
    axes.set_title("median of the best so far", color=FAINT, fontsize=9.5, loc="left")
    axes.legend(frameon=False, fontsize=9, labelcolor="linecolor", handlelength=1.4)


def _each_seed(axes: "Axes", found: Mapping[str, Sequence[Searched]], colours: Mapping[str, str]) -> None:
    for row, (name, each) in enumerate(found.items()):
        errors = [100 * one.validation for one in each]
        axes.plot(errors, [row] * len(errors), "o", color=colours[name], markersize=5, alpha=0.6, zorder=3)
        axes.plot([median(errors)] * 2, [row - 0.3, row + 0.3], color=colours[name], linewidth=2.2, zorder=4)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(axis="x", color=GRID, linewidth=0.8, zorder=0)
    axes.set_title("each seed at the end, and the median", color=FAINT, fontsize=9.5, loc="left")
