"""`rungway simulate`: a whole search in seconds, with recorded or made-up learning curves. Needs no service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rungway_server.cli.options import Exit, FileArgument, Output, OutputOption

if TYPE_CHECKING:
    from rungway_server.simulation.order import Order
    from rungway_server.simulation.records import Run
    from rungway_server.simulation.summary import Summary


def simulate(
    file: FileArgument,
    *,
    workers: Annotated[int, typer.Option(min=1, max=100_000, help="Workers that train at the same time.")],
    curves: Annotated[
        Path | None, typer.Option(metavar="TABLE.npz", help="Recorded learning curves (docs/simulation.md).")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Which task of the table. Default: its first.")] = None,
    synthetic: Annotated[
        str | None, typer.Option(metavar="SHAPE", help="Made-up curves instead: power, crossing, random.")
    ] = None,
    seconds_per_unit: Annotated[
        float | None,
        typer.Option(min=1e-6, help="What a unit of length takes, instead of what was recorded (1 for made-up ones)."),
    ] = None,
    straggler_sd: Annotated[
        float, typer.Option(min=0, help="Training takes 1 + |N(0, this)| times as long, drawn per job.")
    ] = 0.0,
    drop_probability: Annotated[
        float, typer.Option(min=0, max=0.99, help="In each unit of time a job is dropped with this probability.")
    ] = 0.0,
    drop_form: Annotated[
        str, typer.Option(help="How a drop shows: 'silent' (the lease lapses) or 'told' (the worker says so).")
    ] = "silent",
    horizon: Annotated[
        float | None, typer.Option(min=0, help="End after so many simulated seconds. Default: when the search is done.")
    ] = None,
    target: Annotated[list[float] | None, typer.Option(help="When is this metric reached? May be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Deals the rows, and draws stragglers and drops.")] = 0,
    csv: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="Write every event.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Draw the best over time, the workers.")] = None,
    animate: Annotated[
        Path | None,
        typer.Option(metavar="OUT.gif", help="Draw synchronous beside asynchronous promotion on this ladder."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a search on a simulated clock: every decision by the service's own code, training by recorded curves."""
    import math

    from rungway_server.cli.files import read_document
    from rungway_server.cli.output import errors, fail
    from rungway_server.simulation.curves import BadCurves
    from rungway_server.simulation.fleet import DropForm, Fleet
    from rungway_server.simulation.order import Source, make_order

    if drop_form not in list(DropForm):
        raise fail(Exit.USAGE, f"--drop-form: got {drop_form!r}, wanted one of {', '.join(DropForm)}")
    _check_drawing(plot, animate)
    fleet = Fleet(
        workers, straggler_sd, drop_probability, DropForm(drop_form), math.inf if horizon is None else horizon, seed
    )
    with errors():
        try:
            order = make_order(read_document(file), Source(curves, task, synthetic, seconds_per_unit), fleet)
        except BadCurves as error:
            raise fail(Exit.USAGE, str(error)) from None
    _run(order, target or [], output, csv, plot)
    if animate:
        _animate(order, animate, output)


def _check_drawing(*paths: Path | None) -> None:
    import importlib.util

    from rungway_server.cli.output import fail

    if any(paths) and importlib.util.find_spec("matplotlib") is None:
        raise fail(Exit.USAGE, "pictures need matplotlib: pip install 'rungway[demo]'")


def _run(order: "Order", targets: list[float], output: Output, csv: Path | None, plot: Path | None) -> None:
    from rungway_server.cli.output import console, fail, print_json, print_notes
    from rungway_server.domain.errors import RungwayError
    from rungway_server.simulation import report
    from rungway_server.simulation.order import run_orders
    from rungway_server.simulation.summary import summarise
    from rungway_server.store.redis.errors import RedisStartError

    try:
        [run] = run_orders([order])
        summary = summarise(run, order.curves, targets)
        if csv:
            report.write_csv(run.steps, csv)
        if plot:
            _plot(order, run, summary, plot)
    except (RungwayError, RedisStartError) as error:
        raise fail(Exit.REFUSED, f"the simulation failed: {error}") from None
    except OSError as error:
        raise fail(Exit.USAGE, f"{error.filename}: cannot be written: {error.strerror}") from None
    if output is Output.JSON:
        print_json(report.document(run, summary, order.curves.name, order.notes))
        return
    out = console()
    report.print_report(out, run, summary, _title(order))
    print_notes(out, order.notes)
    for path in (csv, plot):
        if path:
            out.print(f"Written: {path}", soft_wrap=True)


def _plot(order: "Order", run: "Run", summary: "Summary", path: Path) -> None:
    from rungway_server.simulation.picture import draw

    draw(run, summary, _title(order), order.config.searcher.metric, path)


def _animate(order: "Order", path: Path, output: Output) -> None:
    from rungway_server.cli.output import console, fail
    from rungway_server.simulation.animation import animate

    try:
        animate(order, path)
    except OSError as error:
        raise fail(Exit.USAGE, f"{error.filename}: cannot be written: {error.strerror}") from None
    if output is Output.TABLE:
        console().print(f"Written: {path}", soft_wrap=True)


def _title(order: "Order") -> str:
    return f"{order.config.searcher.name} on {order.curves.name}, {order.fleet.workers:,} workers"
