"""`rungway demo`: a whole search on this machine."""

import importlib.util
import os
import sys
from pathlib import Path

import typer

from rungway import RungwayError
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import console, fail, print_json

NEEDED = {"numpy": "numpy", "sklearn": "scikit-learn", "matplotlib": "matplotlib", "redis": "redis"}
LEAST_WORKERS = 4
INTERRUPTED = 130


def demo(out: Path, *, trials: int, epochs: int, workers: int, seed: int, output: Output) -> None:
    """Run the demo and print its report."""
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise fail(Exit.USAGE, f"the demo needs {', '.join(missing)}: pip install 'rungway[all]'")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported: threads here would slow the workers
    from rungway_server.demo import report
    from rungway_server.demo.processes import ServiceFailed
    from rungway_server.demo.run import DemoFailed, Order, run
    from rungway_server.demo.view import PlainView, view

    screen = console()
    order = Order(trials, epochs, workers or max(os.cpu_count() or 1, LEAST_WORKERS), seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail(Exit.USAGE, f"{out}: cannot be made: {error.strerror}") from None
    try:
        outcome = run(order, view(screen) if output is Output.TABLE else PlainView(console(stderr=True)))
        picture = report.write_picture(outcome, out)
    except KeyboardInterrupt:
        print("interrupted: all processes were ended, all files removed", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except (DemoFailed, ServiceFailed, RungwayError, OSError) as error:
        raise fail(Exit.REFUSED, f"the demo failed: {error}") from None
    if output is Output.JSON:
        print_json(report.document(outcome, picture))
    else:
        report.print_report(outcome, picture, screen)
    if outcome.accident and not outcome.taken_over:
        raise typer.Exit(int(Exit.REFUSED))
