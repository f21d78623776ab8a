"""Shows a running search: live on a terminal where the package rich is installed, not at all elsewhere."""

import importlib.util
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from rungway._core.enums import ExperimentState
from rungway._core.errors import InvalidArgument
from rungway.models.experiments import Experiment, Plan
from rungway.models.work import Trial


class View:
    """Shows nothing, and prints what is said to `stream`, by default standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def __enter__(self) -> "View":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, file=self._stream or sys.stdout, flush=True)

    def show(self, experiment: Experiment, best: Callable[[], Trial | None]) -> None:
        """Show the current state of the search; `best` reads its best trial, which only some views need."""


class LiveView(View):
    """Progress, rungs and the best result, redrawn in place."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=sys.stderr, highlight=False, emoji=False, markup=False)
        self._live = Live(console=self._console, refresh_per_second=8)
        self._begin = time.monotonic()

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print the line above the rest."""
        self._console.print(line, soft_wrap=True)

    def show(self, experiment: Experiment, best: Callable[[], Trial | None]) -> None:
        """Redraw."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(experiment.experiment, style="bold"),
            ProgressBar(total=1.0, completed=experiment.progress, width=20),
            f"{experiment.progress:.0%}",
            *_counts(experiment),
            f"{time.monotonic() - self._begin:.0f} s",
        )
        line = Text(best_so_far(best()), no_wrap=True, overflow="ellipsis", style="green")
        self._live.update(Group("", head, *([_rungs(experiment.plan)] if experiment.plan else []), line))


def view(live: bool | None = None, stream: TextIO | None = None) -> View:
    """The view for this process: live when asked for or, with None, on a terminal; elsewhere what is said goes to
    `stream`. Raises InvalidArgument when it is asked for and rich is not installed."""
    can = importlib.util.find_spec("rich") is not None
    if live and not can:
        raise InvalidArgument.one("live", "got True, but rich is not installed: pip install 'rungway[local]'")
    return LiveView(stream) if live or (live is None and can and sys.stderr.isatty()) else View(stream)


def best_so_far(best: Trial | None) -> str:
    """The best result in words."""
    if best is None or best.best_metric is None:
        return "best so far: none yet"
    settings = ", ".join(f"{name}={value!r}" for name, value in sorted(best.hparams.items()))
    return f"best so far: {best.best_metric:.6g} (trial {best.trial}, length {best.best_length})  {settings}"


def _counts(experiment: Experiment) -> list[str]:
    trials = experiment.trials
    failed = [f"{trials.failed} failed"] if trials.failed else []
    state = [] if experiment.state is ExperimentState.RUNNING else [str(experiment.state)]
    return [*state, f"{trials.started} trials started", f"{trials.running} running", *failed]


def _rungs(plan: Plan) -> Any:
    """Results of every rung over all brackets, and how many of them were promoted."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    found: dict[int, tuple[int, int]] = {}
    for bracket in plan.brackets:
        for rung in bracket.rungs:
            results, promoted = found.get(rung.length, (0, 0))
            found[rung.length] = (results + rung.results, promoted + rung.promoted)
    for length in sorted(found, reverse=True):
        results, promoted = found[length]
        grid.add_row(f"at {length} {plan.unit}".rstrip(), f"results: {results}", f"promoted: {promoted}")
    return grid
