"""Every learning curve, coloured by the rung it reached."""

import bisect
import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from rungway._data.pictures.look import (
    BEST,
    SOFT,
    better,
    figure,
    is_drawn,
    length_axis,
    many,
    metric_axis,
    nothing,
    number,
    panel,
    rung_colours,
    span_of,
    titles,
)
from rungway._data.search_data import SearchData, TrialData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[int, float]]
_MOST_POINTS = 256
"""Of one curve; of longer ones some points are left out."""
_MANY_POINTS = 20_000
"""From so many on, the lines are pixels also in a file of vectors."""


def draw(data: SearchData) -> "tuple[str, Figure]":
    """A line for each trial; the best one stands out."""
    curves = {trial.number: _drawn(trial.curve) for trial in data.trials if trial.curve}
    finite = [metric for curve in curves.values() for _, metric in curve if is_drawn(metric)]
    if not finite:
        return nothing(data, "learning curves", "no result yet")
    rungs = sorted({length for bracket in data.rungs for length in bracket})
    canvas = figure()
    axes = panel(canvas, right=0.88)
    span = span_of(finite, data.smaller_is_better)
    best = _best(data)
    lengths = [length for curve in curves.values() for length, _ in curve]
    length_axis(axes, min(lengths), max([*lengths, *(rungs if len(rungs) > 1 else ())]), data.unit, rungs)
    metric_axis(axes, span, data.metric)
    colours = rung_colours(rungs)
    reached = {trial: _reached(curve[-1][0], rungs) for trial, curve in curves.items()}
    _lines(axes, curves, {trial: colours[length] for trial, length in reached.items()}, best)
    if len(rungs) > 1:
        _rungs(axes, rungs, Counter(reached.values()), colours)
    if best:
        _mark(axes, best, curves[best.number])
    strange = sum(any(not is_drawn(metric) for _, metric in curve) for curve in curves.values())
    hidden = sum(any(span.place(metric) in (0, 1) for _, metric in curve) for curve in curves.values())
    return titles(canvas, f"{data.experiment}: learning curves", _about(data, len(curves), strange, hidden)), canvas


def _about(data: SearchData, count: int, strange: int, hidden: int) -> str:
    words = [many(count, "trial"), better(data)]
    words += ["above each rung how many came no further"] if len({*chain(*data.rungs)}) > 1 else []
    words += [f"{strange:,} with NaN or infinite results"] if strange else []
    words += [f"{hidden:,} leave the picture"] if hidden else []
    return ", ".join(words)


def _best(data: SearchData) -> TrialData | None:
    trials = (trial for trial in data.trials if trial.curve and trial.state != "invalid")
    found = [trial for trial in trials if trial.best is not None and is_drawn(trial.best)]
    sign = 1 if data.smaller_is_better else -1
    return min(found, key=lambda trial: sign * (trial.best or 0.0), default=None)


def _drawn(curve: Points) -> Points:
    """With a gap where there is no number; of a long one points at equal distances, and the last."""
    if len(curve) > _MOST_POINTS:
        step = len(curve) / (_MOST_POINTS - 1)
        curve = [*(curve[int(at * step)] for at in range(_MOST_POINTS - 1)), curve[-1]]
    return [(at, metric if is_drawn(metric) else math.nan) for at, metric in curve]


def _reached(length: int, rungs: Sequence[int]) -> int:
    """The highest rung that is no longer than this; the lowest for one that did not get there."""
    return rungs[max(bisect.bisect_right(rungs, length) - 1, 0)]


def _lines(axes: "Axes", curves: dict[int, Points], colours: dict[int, str], best: TrialData | None) -> None:
    from matplotlib.collections import LineCollection

    order = sorted((curve[-1][0], trial) for trial, curve in curves.items())  # what trained far lies above
    others = [trial for _, trial in order if best is None or trial != best.number]
    as_pixels = sum(map(len, curves.values())) > _MANY_POINTS
    alpha = 0.8 if len(others) < 150 else 0.45 if len(others) < 600 else 0.25
    axes.add_collection(
        LineCollection(
            [curves[trial] for trial in others],
            colors=[colours[trial] for trial in others],
            linewidths=1.0,
            alpha=alpha,
            zorder=2,
            rasterized=as_pixels,
        )
    )
    ends = [_last_finite(curves[trial]) for trial in others]
    axes.scatter(
        [end[0] for end in ends],
        [end[1] for end in ends],
        s=9,
        c=[colours[trial] for trial in others] or None,
        alpha=min(alpha + 0.15, 1),
        linewidths=0,
        zorder=2.5,
        rasterized=as_pixels,
    )
    if best:
        points = curves[best.number]
        axes.plot([at for at, _ in points], [metric for _, metric in points], color=BEST, linewidth=2.2, zorder=4)


def _last_finite(curve: Points) -> tuple[float, float]:
    return next(((at, metric) for at, metric in reversed(curve) if is_drawn(metric)), (curve[-1][0], math.nan))


def _rungs(axes: "Axes", rungs: Sequence[int], ended: Counter[int], colours: dict[int, str]) -> None:
    """A dotted line at each rung, with how many trials came no further."""
    for at, rung in enumerate(rungs):
        axes.axvline(rung, color=SOFT, linewidth=0.9, linestyle=(0, (1, 3)), zorder=1)
        place = "right" if at == len(rungs) - 1 else "left" if at == 0 else "center"
        axes.annotate(
            f"{ended[rung]:,}",
            (rung, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha=place,
            color=colours[rung] if at else SOFT,
            fontsize=9.5,
            fontweight="bold",
        )


def _mark(axes: "Axes", best: TrialData, curve: Points) -> None:
    assert best.best is not None
    axes.plot([best.best_length], [best.best], "o", color=BEST, markersize=7, markeredgecolor="white", zorder=5)
    axes.annotate(
        f"trial {best.number}\n{number(best.best)}\nat {best.best_length:,}",
        _last_finite(curve),
        xytext=(10, 0),
        textcoords="offset points",
        va="center",
        color=BEST,
        fontsize=9.5,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        annotation_clip=False,
        zorder=6,
    )
