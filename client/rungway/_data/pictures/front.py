"""The results of a search with several objectives by two of them, with the front of those that none dominates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rungway._core.errors import InvalidArgument
from rungway._data.objectives import Objective, Standing, objectives_of, standings
from rungway._data.pictures.look import (
    BAD,
    BEST,
    SOFT,
    figure,
    is_drawn,
    many,
    metric_axis,
    nothing,
    panel,
    span_of,
    titles,
)
from rungway._data.search_data import SearchData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Places = list[tuple[float, float]]
_OTHERS = "#2f74b8"


def draw(data: SearchData, axes: Sequence[str]) -> "tuple[str, Figure]":
    """A dot for each trial by its last result, as far as that has both objectives."""
    objectives, standing = objectives_of(data.config.get("searcher", {})), standings(data)
    if standing is None or len(objectives) < 2:
        return nothing(data, "front", "the search has one objective")
    chosen = _chosen(objectives, axes)
    across, up = (each.name for each in chosen)
    shown = [each for each in standing.values() if _is_drawn(each, across, up)]
    if not shown:
        return nothing(data, "front", "no result with all objectives yet")
    canvas = figure()
    plane = panel(canvas)
    for of, each in zip((True, False), chosen, strict=True):
        span = span_of([result.values[each.name] for result in shown], each.smaller_is_better)
        metric_axis(plane, span, f"{each.name} ({_goal(each)})", across=of)
    front = [each for each in shown if each.on_front]
    violating = [each for each in shown if each.violation]
    others = [each for each in shown if not each.on_front and not each.violation]
    _dots(plane, _places(others, across, up), _OTHERS, "o", "dominated, or not trained to the end")
    _dots(plane, _places(violating, across, up), BAD, "x", "violates a constraint")
    places = sorted(_places(front, across, up))
    if len(objectives) == 2 and places:
        plane.plot(*zip(*places, strict=True), color=BEST, linewidth=1.2, drawstyle=_steps(chosen[0]), zorder=3)
    _dots(plane, places, BEST, "o", "on the front", size=46)
    canvas.legend(
        loc="upper right", bbox_to_anchor=(0.93, 0.905), ncols=3, frameon=False, fontsize=9, labelcolor=SOFT,
        handletextpad=0.1, columnspacing=1.2, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    return titles(canvas, f"{data.experiment}: {across} and {up}", many(len(shown), "trial")), canvas


def _chosen(objectives: Sequence[Objective], axes: Sequence[str]) -> list[Objective]:
    """Two objectives, the first two unless named. Raises InvalidArgument."""
    named = {each.name: each for each in objectives}
    wanted = f"wanted two of {', '.join(map(repr, named))}"
    if not axes:
        return [*objectives[:2]]
    if len(axes) != 2 or axes[0] == axes[1] or not all(name in named for name in axes):
        raise InvalidArgument.one("axes", f"got {', '.join(map(repr, axes)):.200}, {wanted}")
    return [named[name] for name in axes]


def _is_drawn(standing: Standing, *names: str) -> bool:
    return all(name in standing.values and is_drawn(standing.values[name]) for name in names)


def _goal(objective: Objective) -> str:
    return "smaller is better" if objective.smaller_is_better else "larger is better"


def _steps(across: Objective) -> str:
    """How steps lead from one result of a front to the next, so that what lies behind them is dominated."""
    return "steps-post" if across.smaller_is_better else "steps-pre"


def _places(standings: Sequence[Standing], across: str, up: str) -> Places:
    return [(each.values[across], each.values[up]) for each in standings]


def _dots(plane: "Axes", places: Places, colour: str, marker: str, label: str, *, size: float = 26) -> None:
    if places:
        x, y = zip(*places, strict=True)
        plane.scatter(
            x,
            y,
            s=size,
            c=colour,
            marker=marker,
            linewidths=0 if marker == "o" else 1.2,
            label=f"{label}: {len(places):,}",
            zorder=4,
        )
