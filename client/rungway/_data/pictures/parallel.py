"""Parallel coordinates: each trial as a line through its hyperparameters to its best result."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rungway._data.pictures.look import (
    INK,
    LINE,
    SOFT,
    Span,
    better,
    figure,
    is_drawn,
    many,
    nothing,
    number,
    quiet,
    rank_colour,
    short,
    span_of,
    titles,
)
from rungway._data.search_data import SearchData, TrialData, spelled
from rungway.v1 import view_service_pb2
from rungway.values import text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 9
"""Hyperparameters that are shown."""
_MOST_CHOICES = 14
_NONE = -0.08
"""Where a trial without the hyperparameter passes."""
_LOG_TYPES = frozenset({"log", "log_uniform", "log_int", "lognormal"})


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its name, where values stand (0 to 1), and what is written beside it."""

    name: str
    span: Span | None
    """Of numbers; None: the places of choices count."""
    choices: Mapping[str, float] = field(default_factory=dict)
    flipped: bool = False
    whole: bool = False

    def place(self, value: Any) -> float:
        """Where a value stands."""
        if self.span is None:
            return self.choices[text_of(value)]
        return 1 - self.span.place(value) if self.flipped else self.span.place(value)

    def labels(self) -> list[tuple[float, str]]:
        """Texts by their places."""
        if self.span is None:
            step = max(1, math.ceil(len(self.choices) / _MOST_CHOICES))
            return [(place, short(name, 14)) for name, place in list(self.choices.items())[::step]]
        return [(self.place(tick), number(tick)) for tick in self.span.ticks(6, whole=self.whole)]


def draw(data: SearchData, importance: view_service_pb2.GetImportanceResponse) -> "tuple[str, Figure]":
    """The hyperparameters that matter most, if that is known, and else the first ones. Constants, and trials without a
    result, are left out."""
    shown = [
        trial for trial in data.trials if trial.state != "invalid" and trial.best is not None and is_drawn(trial.best)
    ]
    found = {axis.name: axis for axis in _axes(data, shown)}
    if not shown or not found:
        return nothing(data, "parallel coordinates", "no result yet" if found or not shown else "nothing is searched")
    ranked = [each.name for each in importance.parameters if each.name in found]
    names = [*ranked, *(name for name in found if name not in ranked)]
    axes = [found[name] for name in names[:_MOST]]
    best = [trial.best for trial in shown if trial.best is not None]
    axes.append(Axis(data.metric, span_of(best, data.smaller_is_better), flipped=data.smaller_is_better))
    canvas = figure(max(10.0, 1.35 * len(axes)))
    plane = quiet(canvas.add_axes((0.06, 0.06, 0.88, 0.7)))
    _lines(plane, data, shown, axes)
    gaps = [any(axis.name not in trial.hparams for trial in shown) for axis in axes[:-1]]
    for place, axis in enumerate(axes):
        _axis(plane, place, axis, last=place == len(axes) - 1)
        if place < len(gaps) and gaps[place]:
            plane.text(place + 0.04, _NONE - 0.01, "not set", fontsize=8.5, color=SOFT, va="top")
    plane.set_xlim(-0.15, len(axes) - 0.75)
    plane.set_ylim(-0.14 if any(gaps) else -0.03, 1.03)
    plane.set_axis_off()
    left = len(names) - len(axes) + 1
    about = f"{many(len(shown), 'trial')}, the darker the better; {better(data)}, the best on top"
    about += f"; {many(left, 'hyperparameter')} left out" if left else ""
    return titles(canvas, f"{data.experiment}: hyperparameters and {data.metric}", about, 0.04), canvas


def _place(axis: Axis, trial: TrialData) -> float:
    """Where a trial crosses an axis; below it if the trial does not have the hyperparameter."""
    return axis.place(trial.hparams[axis.name]) if axis.name in trial.hparams else _NONE


def _lines(plane: "Axes", data: SearchData, trials: Sequence[TrialData], axes: Sequence[Axis]) -> None:
    from matplotlib.collections import LineCollection

    sign = -1 if data.smaller_is_better else 1
    worst_first = sorted(trials, key=lambda trial: sign * (trial.best or 0.0))
    last = max(len(worst_first) - 1, 1)
    lines = [
        [(at, _place(axis, trial)) for at, axis in enumerate(axes[:-1])] + [(len(axes) - 1, axes[-1].place(trial.best))]
        for trial in worst_first
    ]
    shares = [place / last if len(worst_first) > 1 else 1.0 for place in range(len(worst_first))]
    faint = 0.6 if len(lines) < 150 else 0.15
    plane.add_collection(
        LineCollection(
            lines,
            colors=[rank_colour(share) for share in shares],
            linewidths=[0.7 + 1.1 * share**3 for share in shares],
            alpha=[faint + (0.9 - faint) * share**4 for share in shares],
            zorder=2,
            rasterized=len(lines) > 2000,
        )
    )


def _axis(plane: "Axes", at: int, axis: Axis, *, last: bool) -> None:
    plane.plot([at, at], [0, 1], color=SOFT if last else LINE, linewidth=1.4, zorder=3)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    for place, label in axis.labels():
        plane.text(at + 0.025, place, label, fontsize=8.5, color=INK, va="center", zorder=4, bbox=box)
    weight = "bold" if last else "normal"
    plane.text(
        at,
        1.06 + 0.05 * (at % 2),
        short(axis.name, 22),
        fontsize=9.5,
        color=INK,
        ha="center",
        va="bottom",
        weight=weight,
    )


def _axes(data: SearchData, trials: Sequence[TrialData]) -> Iterator[Axis]:
    """An axis for each hyperparameter that is searched and that one of these trials has."""
    for name, node in _nodes(data.config.get("hyperparameters", {})):
        values = [trial.hparams[name] for trial in trials if name in trial.hparams]
        texts = list(dict.fromkeys(map(text_of, values)))
        if node.get("type") == "const" or not values:
            continue
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if "vals" not in node and len(numbers) == len(values):
            span = _span(node, [value for value in numbers if is_drawn(value)] or [0.0])
            yield Axis(name, span, whole=all(isinstance(value, int) for value in numbers))
        else:
            known = [text_of(value) for value in node.get("vals", ())] or texts
            order = list(dict.fromkeys([*known, *texts]))
            last = max(len(order) - 1, 1)
            yield Axis(name, None, {text: at / last for at, text in enumerate(order)})


def _span(node: Mapping[str, Any], values: Sequence[float]) -> Span:
    """Logarithmic where the hyperparameter is."""
    return span_of(values, logarithmic=node.get("type") in _LOG_TYPES)


def _nodes(space: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The hyperparameters of a stored space by their paths; each has its type."""
    for name, node in space.items():
        if isinstance(node.get("type"), str):
            yield spelled(*above, name), node
        else:
            yield from _nodes(node, (*above, name))
