"""A plan as a picture: the ladder of each bracket, its rungs as wide as the trials that reach them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rungway_server.cli.output import many, unit_name
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.preview import PlanPreview, PreviewRow
from rungway_server.simulation.look import FAINT, INK, LADDER, figure, quiet, rung_colours, titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR = 0.62
"""Height of a rung; the distance between two is 1."""
_ABOVE, _BELOW = 1.2, 0.45
"""Space for the titles and for the names of the brackets (inches)."""
_NARROWEST = 0.012
"""Least width of a rung, as a fraction of the widest."""


def draw_plan(plan: Plan, preview: PlanPreview, title: str, path: Path) -> None:
    """Write a PNG, PDF or SVG, by the file's name, with a column per bracket, the top rung above. Raises OSError."""
    lengths = sorted({rung.length for bracket in plan.brackets for rung in bracket.rungs})
    height = _ABOVE + _BELOW + 0.6 * len(lengths)
    canvas = figure(max(2.0 + 2.1 * len(plan.brackets), 7.5), height, 160)
    axes = canvas.add_axes((0.11, _BELOW / height, 0.86, 1 - (_ABOVE + _BELOW) / height))
    colours = rung_colours(plan)
    for column, bracket in enumerate(preview.brackets):
        _bracket(axes, column, bracket.reaching, [colours[row.length] for row in bracket.rows], lengths)
    _axes(axes, plan, lengths)
    saved = preview.total_length / preview.random_search_length
    cost = f"{preview.total_length:,} {unit_name(plan.unit)} in all, {saved:.1%} of training every trial to the end"
    titles(canvas, 0.11, title, f"{many(plan.max_trials, 'trial')}, {cost}")
    key = f"bars: how many trials train to that many {unit_name(plan.unit)} or further"
    canvas.text(0.11, 1 - 0.95 / height, key, fontsize=9.5, color=INK, va="center")
    canvas.savefig(path, format=path.suffix.lower().removeprefix("."))


def _bracket(
    axes: "Axes", column: int, reaching: Sequence[PreviewRow], colours: Sequence[str], lengths: Sequence[int]
) -> None:
    most = max(row.trials for row in reaching)
    for row, colour in zip(reaching, colours, strict=True):
        width = max(0.8 * row.trials / most, _NARROWEST) if row.trials else 0.0
        y = lengths.index(row.length)
        axes.barh(y, width, height=BAR, left=column - width / 2, color=colour, linewidth=0, zorder=3)
        inside = width > 0.3
        colour_of_text = "white" if inside and colour != LADDER[0] else INK
        axes.text(
            column if inside else column + width / 2 + 0.02, y, f"{row.trials:,}", ha="center" if inside else "left",
            va="center", fontsize=9.5, fontweight="bold", color=colour_of_text, zorder=4,
            bbox=None if inside else {"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip


def _axes(axes: "Axes", plan: Plan, lengths: Sequence[int]) -> None:
    names = [f"Bracket {index}" for index in range(len(plan.brackets))] if len(plan.brackets) > 1 else ["Trials"]
    axes.set_xlim(-0.5, len(plan.brackets) - 0.5)
    axes.set_ylim(-0.5, len(lengths) - 0.5)
    axes.set_xticks(range(len(plan.brackets)), names)
    axes.set_yticks(range(len(lengths)), [f"{length:,}" for length in lengths])
    for y in range(len(lengths)):
        axes.axhline(y, color=FAINT, linewidth=0.6, linestyle=(0, (1, 3)), zorder=1)
    quiet(axes)
