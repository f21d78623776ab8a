"""`rungway simulate`: a whole search in seconds, with recorded or made-up learning curves. Needs no service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rungway_server.cli.options import Exit, FileArgument, Output, OutputOption

if TYPE_CHECKING:
    from rungway_server.simulation.fleet import DropForm, Fleet
    from rungway_server.simulation.order import Order, Source


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

    from rungway_server.cli.drawing import check_matplotlib
    from rungway_server.simulation.fleet import Fleet
    from rungway_server.simulation.order import Source

    check_matplotlib(plot, animate)
    _check_finite(seconds_per_unit, straggler_sd, drop_probability, horizon)
    end = math.inf if horizon is None else horizon
    fleet = Fleet(workers, straggler_sd, drop_probability, _drop_form(drop_form), end, seed)
    order = _order(file, Source(curves, task, synthetic, seconds_per_unit), fleet)
    _run(order, target or [], output, csv, plot)
    if animate:
        _animate(order, animate, output)


def _check_finite(*numbers: float | None) -> None:
    import math

    from rungway_server.cli.output import fail

    if wrong := [number for number in numbers if number is not None and not math.isfinite(number)]:
        raise fail(Exit.USAGE, f"got {wrong[0]}, wanted a finite number")


def _drop_form(text: str) -> "DropForm":
    from rungway_server.cli.output import fail
    from rungway_server.simulation.fleet import DropForm

    if text not in list(DropForm):
        raise fail(Exit.USAGE, f"--drop-form: got {text!r}, wanted one of {', '.join(DropForm)}")
    return DropForm(text)


def _order(file: Path, source: "Source", fleet: "Fleet") -> "Order":
    from rungway_server.cli.files import read_document
    from rungway_server.cli.output import errors, fail
    from rungway_server.simulation.curves import BadCurves
    from rungway_server.simulation.order import make_order

    with errors():
        try:
            return make_order(read_document(file), source, fleet)
        except BadCurves as error:
            raise fail(Exit.USAGE, str(error)) from None


def _run(order: "Order", targets: list[float], output: Output, csv: Path | None, plot: Path | None) -> None:
    from rungway_server.cli.drawing import writing
    from rungway_server.cli.output import console, print_json, print_notes
    from rungway_server.simulation import report
    from rungway_server.simulation.order import run_orders
    from rungway_server.simulation.summary import summarise

    with _failing():
        [run] = run_orders([order])
    summary = summarise(run, order.curves, targets)
    if csv:
        with writing(csv):
            report.write_csv(run.steps, csv)
    if plot:
        from rungway_server.simulation.picture import draw

        with writing(plot):
            draw(run, summary, _title(order), order.config.searcher.metric, plot)
    if output is Output.JSON:
        print_json(report.document(run, summary, order.curves.name, order.notes))
        return
    out = console()
    report.print_report(out, run, summary, _title(order))
    print_notes(out, order.notes)
    for path in (csv, plot):
        if path:
            out.print(f"Written: {path}", soft_wrap=True)


def _animate(order: "Order", path: Path, output: Output) -> None:
    from rungway_server.cli.drawing import writing
    from rungway_server.cli.output import console
    from rungway_server.simulation.animation import animate

    with _failing(), writing(path):
        animate(order, path)
    if output is Output.TABLE:
        console().print(f"Written: {path}", soft_wrap=True)


@contextmanager
def _failing() -> Iterator[None]:
    """End the command in one block when there is no Redis, or it gives up."""
    from rungway_server.cli.output import fail
    from rungway_server.domain.errors import RungwayError
    from rungway_server.store.redis.errors import RedisStartError

    try:
        yield
    except (RungwayError, RedisStartError) as error:
        raise fail(Exit.REFUSED, f"the simulation failed: {error}") from None


def _title(order: "Order") -> str:
    return f"{order.config.searcher.name} on {order.curves.name}, {order.fleet.workers:,} workers"
