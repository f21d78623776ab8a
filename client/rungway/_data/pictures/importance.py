"""How much each hyperparameter matters: the shares that the service works out (PED-ANOVA, Watanabe et al., 2023)."""

from typing import TYPE_CHECKING

from rungway._data.pictures.look import INK, figure, many, nothing, panel, short, titles
from rungway._data.search_data import SearchData
from rungway.v1 import view_service_pb2

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 20
"""Hyperparameters that are shown."""
_BAR = "#2f74b8"


def draw(data: SearchData, importance: view_service_pb2.GetImportanceResponse) -> "tuple[str, Figure]":
    """A bar for each hyperparameter, the most important on top."""
    if importance.too_early or not importance.parameters:
        return nothing(data, "importance", f"too early to say: {importance.too_early or 'there are no results'}")
    shown = importance.parameters[:_MOST]
    canvas = figure(10, 1.7 + 0.42 * len(shown))
    names = [short(each.name, 34) for each in shown]
    axes = panel(canvas, left=min(0.03 + 0.0098 * max(map(len, names)), 0.42), bottom=0.25 / canvas.get_figheight())
    places = range(len(shown))
    axes.barh(places, [each.importance for each in shown], height=0.62, color=_BAR, linewidth=0, zorder=3)
    for place, each in zip(places, shown, strict=True):
        axes.text(each.importance + 0.01, place, f"{each.importance:.1%}", va="center", fontsize=9.5, color=INK)
    axes.set_yticks(places, names)
    axes.set_xticks([])
    axes.set_xlim(0, max(each.importance for each in shown) * 1.12 or 1)
    axes.set_ylim(len(shown) - 0.5, -0.6)
    left = len(importance.parameters) - len(shown)
    about = f"how much the best tenth differs from all {many(importance.trials, 'trial')} that began"
    about += f"; {left} that matter less are left out" if left else ""
    return titles(canvas, f"{data.experiment}: which hyperparameters matter for {data.metric}", about, 0.03), canvas
