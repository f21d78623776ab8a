"""Shows the running demo: live on a terminal, as plain lines elsewhere."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rungway import Experiment, Trial
from rungway_server.cli.ladder import ladder
from rungway_server.cli.output import count, settings, table
from rungway_server.demo.floor import Desk

PLAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The search at one moment; times in seconds, epochs over all trials."""

    experiment: Experiment
    best: Trial | None
    desks: Iterable[Desk]
    elapsed: float


class View(Protocol):
    """The interface by which the demo shows its progress."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; lines that were shown stay on the screen."""

    def say(self, line: str) -> None:
        """Show an event as a line."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the current state of the search."""


class PlainView:
    """One line per event, and one every few seconds with the progress."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, line: str) -> None:
        """Print the line."""
        self._console.print(line, soft_wrap=True)

    def show(self, snapshot: Snapshot) -> None:
        """Print a line if the last one is a few seconds old."""
        if snapshot.elapsed < self._next:
            return
        self._next = snapshot.elapsed + PLAIN_SECONDS
        experiment, trials = snapshot.experiment, snapshot.experiment.trials
        self.say(
            f"{snapshot.elapsed:3.0f} s  {experiment.progress:4.0%}  {trials.started:3} trials started, "
            f"{trials.running} running, {count(experiment.trained_length)} epochs trained, "
            f"best {_best_error(snapshot.best)}"
        )


class LiveView:
    """The ladder, the workers and the last events, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8)
        self._begin = time.monotonic()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print the line above the tables."""
        stamp = Text(f"{time.monotonic() - self._begin:3.0f} s  ", style="dim")
        self._console.print(stamp + Text(line, style="yellow" if "kill" in line or "resumed" in line else ""))

    def show(self, snapshot: Snapshot) -> None:
        """Redraw."""
        self._live.update(self._screen(snapshot))

    def _screen(self, snapshot: Snapshot) -> RenderableType:
        plan = snapshot.experiment.plan
        ladders = list(ladder(plan)) if plan else []
        return Group("", _headline(snapshot), "", *ladders, "", _desks(snapshot.desks), "", _best(snapshot.best))


def view(console: Console) -> View:
    """The view for this console: live on a terminal, otherwise lines."""
    return LiveView(console) if console.is_terminal and not console.is_dumb_terminal else PlainView(console)


def _headline(snapshot: Snapshot) -> RenderableType:
    experiment = snapshot.experiment
    started, total = experiment.trials.started, experiment.config["searcher"]["max_trials"]
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        Text("Adaptive ASHA on digits", style="bold"),
        ProgressBar(total=1.0, completed=experiment.progress, width=20),
        Text(f"{experiment.progress:.0%}"),
        Text(f"{started} of {total} trials"),
        Text(f"{snapshot.elapsed:.0f} s"),
    )
    return grid


def _best(best: Trial | None) -> RenderableType:
    line = Text("best so far: ", style="bold") + Text(_best_error(best), style="green bold")
    if best is not None:
        line += Text(f"  {settings(best.hparams)}", style="dim")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _best_error(best: Trial | None) -> str:
    if best is None or best.best_metric is None:
        return "none yet"
    return f"{best.best_metric:.2%} (trial {best.trial}, epoch {best.best_length})"


def _desks(desks: Iterable[Desk]) -> RenderableType:
    grid = table(">Worker", ">Trial", ">Epoch", ">Error", "")
    for desk in desks:
        if desk.state == "training" and desk.trial is not None:
            bar = ProgressBar(total=max(desk.until, 1), completed=desk.epoch, width=18)
            error = "" if desk.error is None else f"{desk.error:.1%}"
            grid.add_row(str(desk.number), str(desk.trial), f"{desk.epoch}/{desk.until}", error, bar)
        else:
            style = "red" if desk.state in ("killed", "dead") else "dim"
            grid.add_row(str(desk.number), "", "", "", Text(desk.state, style=style))
    return grid
