"""`rungway demo`: a whole search on this machine."""

import importlib.util
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import typer

from rungway import RungwayError
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import console, fail, print_json

NEEDED = {"numpy": "numpy", "sklearn": "scikit-learn", "matplotlib": "matplotlib", "redis": "redis"}
LEAST_WORKERS = 4
INTERRUPTED = 130


def demo(out: Path, *, trials: int, epochs: int, workers: int, seed: int, stay: bool, output: Output) -> None:
    """Run the demo and print its report."""
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise fail(Exit.USAGE, f"the demo needs {', '.join(missing)}: pip install 'rungway[all]'")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: threads here would slow the workers
    from rungway_server.demo import report
    from rungway_server.demo.run import DemoFailed, Order, Outcome, run
    from rungway_server.demo.view import PlainView, view

    screen = console()
    order = Order(trials, epochs, workers or max(os.cpu_count() or 1, LEAST_WORKERS), seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail(Exit.USAGE, f"{out}: cannot be made: {error.strerror}") from None

    def finish(outcome: Outcome) -> None:
        picture = report.write_picture(outcome, out)
        if output is Output.JSON:
            print_json(report.document(outcome, picture))
        else:
            report.print_report(outcome, picture, screen)
        if stay:
            sys.stdout.flush()
            _stay(outcome.page)

    try:
        outcome = run(order, view(screen) if output is Output.TABLE else PlainView(console(stderr=True)), finish)
    except KeyboardInterrupt:
        print("interrupted: all processes were ended, all files removed", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except (DemoFailed, RungwayError, OSError) as error:
        raise fail(Exit.REFUSED, f"the demo failed: {error}") from None
    if outcome.accident and not outcome.taken_over:
        raise typer.Exit(int(Exit.REFUSED))


def _stay(page: str) -> None:
    """Wait for Ctrl-C, or a signal that ends the demo."""
    print(f"the page stays at {page} until Ctrl-C", file=sys.stderr, flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()
