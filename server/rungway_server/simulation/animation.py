"""Synchronous beside asynchronous promotion, as a moving picture: the workers over time, coloured by rung.

Both charts are drawn once, finished and empty; a frame uncovers the finished one up to its moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rungway_server.cli.output import many
from rungway_server.simulation.look import (
    BEST,
    FAINT,
    GRID,
    INK,
    figure,
    gantt,
    legend,
    quiet,
    rung_colours,
    time_axis,
)
from rungway_server.simulation.order import Order, run_orders, with_plan
from rungway_server.simulation.records import Run
from rungway_server.simulation.twin import asynchronous, synchronous

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

WIDTH, HEIGHT, DPI = 1200, 580, 120
FRAMES, FRAME_MS, LAST_FRAME_MS = 150, 80, 3000
"""Twelve seconds of motion and three of rest; milliseconds per frame."""
_COLOURS, _CLOSE = 64, 16
_CHARTS = ((0.03, 0.17, 0.455, 0.55), (0.515, 0.17, 0.455, 0.55))
_WORDS = ("Synchronous: a rung waits for its last result", "Asynchronous: a trial in the top-k is promoted")


def animate(order: Order, path: Path) -> None:
    """Simulate the ladder of a search under both rules and write a GIF. Raises OSError and what `run_orders` raises."""
    runs = run_orders([with_plan(order, synchronous(order.plan)), with_plan(order, asynchronous(order.plan))])
    frames = _frames(runs, order)
    frames[0].save(
        path, format="GIF", save_all=True, append_images=frames[1:], loop=0, optimize=False,
        duration=[FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Panel:
    """One run, and the position of its chart in pixels."""

    run: Run
    left: int
    top: int
    right: int
    bottom: int
    end: float

    def x(self, time: float) -> int:
        return self.left + round((self.right - self.left) * min(time, self.run.end) / (self.end * 1.002))


def _frames(runs: Sequence[Run], order: Order) -> "list[Image]":
    from PIL.Image import Dither

    end = max(run.end for run in runs)
    empty, full = (_chart(runs, order, end, jobs=jobs) for jobs in (False, True))
    panels = [_panel(run, place, end) for run, place in zip(runs, _CHARTS, strict=True)]
    frames = [_frame(empty, full, panels, end * index / FRAMES) for index in range(1, FRAMES + 1)]
    palette = _palette(frames[-1])
    return [frame.quantize(palette=palette, dither=Dither.NONE) for frame in frames]


def _chart(runs: Sequence[Run], order: Order, end: float, *, jobs: bool) -> "Image":
    """Both charts with everything that does not move; with or without their bars."""
    canvas = figure(WIDTH / DPI, HEIGHT / DPI, DPI)
    colours = rung_colours(order.plan)
    for run, place, words in zip(runs, _CHARTS, _WORDS, strict=True):
        axes = canvas.add_axes(place)
        if jobs:
            gantt(axes, run.jobs, colours, end / 450)
        _axes(axes, run.fleet.workers, end)
        canvas.text(place[0], 0.815, words, fontsize=11, fontweight="bold", color=INK, va="center")
    _words(canvas, order, runs, colours)
    return _image(canvas)


def _axes(axes: "Axes", workers: int, end: float) -> None:
    for worker in range(workers):
        axes.axhline(worker, color=GRID, linewidth=0.7, zorder=1)
    axes.set_ylim(workers - 0.5, -0.5)
    axes.set_yticks([])
    quiet(axes)
    time_axis(axes, end)


def _words(canvas: "Figure", order: Order, runs: Sequence[Run], colours: dict[int, str]) -> None:
    left, fleet = _CHARTS[0][0], order.fleet
    title = f"The same {many(order.plan.max_trials, 'trial')} on {many(fleet.workers, 'worker')}, promoted in two ways"
    canvas.text(left, 0.945, title, fontsize=14.5, fontweight="bold", color=INK, va="center")
    parts = [f"recorded learning curves: {order.curves.name}", "a row is a worker"]
    if fleet.straggler_sd:
        parts.append("some jobs are slow by chance")
    if fleet.drop_probability:
        parts.append("some are lost and done again")
    canvas.text(left, 0.885, ", ".join(parts), fontsize=9, color=FAINT, va="center")
    lost = any(not job.told for run in runs for job in run.jobs)
    legend(canvas, _CHARTS[1][0] + _CHARTS[1][2], 0.04, order.plan.unit, colours, lost)


def _image(canvas: "Figure") -> "Image":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    agg = FigureCanvasAgg(canvas)
    agg.draw()  # type: ignore[no-untyped-call]
    pixels = agg.buffer_rgba()  # type: ignore[no-untyped-call]
    return Image.frombuffer("RGBA", (WIDTH, HEIGHT), pixels, "raw", "RGBA", 0, 1).convert("RGB")


def _palette(frame: "Image") -> "Image":
    """The colours that the picture uses most: white and those of the bars exactly, the edges of letters nearly."""
    from PIL import Image

    chosen: list[tuple[int, ...]] = []
    for _, colour in sorted(frame.getcolors(WIDTH * HEIGHT) or (), reverse=True):
        assert isinstance(colour, tuple)
        # Pillow picks roughly: where two colours are close, white might become the other one.
        if all(max(abs(a - b) for a, b in zip(colour, other, strict=True)) > _CLOSE for other in chosen):
            chosen.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in chosen[:_COLOURS] for part in colour])
    return palette


def _panel(run: Run, place: tuple[float, float, float, float], end: float) -> _Panel:
    left, bottom, width, height = place
    return _Panel(
        run=run,
        left=round(left * WIDTH),
        top=round((1 - bottom - height) * HEIGHT),
        right=round((left + width) * WIDTH),
        bottom=round((1 - bottom) * HEIGHT),
        end=end,
    )


def _frame(empty: "Image", full: "Image", panels: Sequence[_Panel], now: float) -> "Image":
    from PIL.ImageDraw import Draw

    frame = empty.copy()
    drawing = Draw(frame)
    for panel in panels:
        x = panel.x(now)
        box = (panel.left, panel.top, x, panel.bottom)
        frame.paste(full.crop(box), box)
        drawing.line([(x, panel.top), (x, panel.bottom)], fill=BEST, width=2)
        y = round(0.245 * HEIGHT)
        drawing.text((panel.left, y), _counts(panel.run, now), font=_font(15, bold=False), fill=INK, anchor="lm")
        if now >= panel.run.end:
            done = f"done: {panel.run.end:.0f} s"
            drawing.text((panel.right, y), done, font=_font(15, bold=True), fill=BEST, anchor="rm")
    return frame


def _counts(run: Run, now: float) -> str:
    """The figures of a moment."""
    done = sum(job.told and job.ended <= now and job.end == run.plan.max_length for job in run.jobs)
    until = min(now, run.end)
    busy = sum(min(job.ended, until) - job.began for job in run.jobs if job.began < until)
    return f"{done} trained to the end     workers at work {busy / (until * run.fleet.workers):.0%}"


def _font(size: int, *, bold: bool) -> "FreeTypeFont":
    """The font of matplotlib, which brings it along."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)
