"""`rungway simulate`: a whole search in seconds, with recorded or made-up learning curves. Needs no service."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rungway_server.cli.options import Exit, FileArgument, Output, OutputOption

if TYPE_CHECKING:
    from rungway_server.simulation.fleet import Fleet
    from rungway_server.simulation.order import Order, Source

_Choice = TypeVar("_Choice", bound=StrEnum)


RowsOption = Annotated[
    str,
    typer.Option(
        help="Which row of the table a trial is: 'nearest' by hyperparameters, 'dealt' by the seed, 'auto' (nearest"
        " where the search has all of the table's)."
    ),
]
ReportEveryOption = Annotated[
    int | None, typer.Option(min=1, help="Report at every multiple of this length. Default: only at decisions.")
]
StragglerOption = Annotated[
    float, typer.Option(min=0, help="Training takes 1 + |N(0, this)| times as long, drawn per job.")
]
DropProbabilityOption = Annotated[
    float, typer.Option(min=0, max=0.99, help="In each unit of time a job is dropped with this probability.")
]


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
        typer.Option(min=1e-6, help="Seconds per unit of length, instead of those recorded (1 for made-up ones)."),
    ] = None,
    straggler_sd: StragglerOption = 0.0,
    drop_probability: DropProbabilityOption = 0.0,
    drop_form: Annotated[
        str, typer.Option(help="How a drop shows: 'silent' (the lease expires) or 'told' (the worker says so).")
    ] = "silent",
    horizon: Annotated[
        float | None,
        typer.Option(min=0, help="End after this many simulated seconds. Default: when the search is done."),
    ] = None,
    target: Annotated[list[float] | None, typer.Option(help="When is this metric reached? May be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Deals the rows, and draws stragglers and drops.")] = 0,
    csv: Annotated[Path | None, typer.Option(metavar="OUT.csv", help="Write every event.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw the best over time, and the workers.")
    ] = None,
    animate: Annotated[
        Path | None,
        typer.Option(metavar="OUT.gif", help="Draw synchronous beside asynchronous promotion on this ladder."),
    ] = None,
    rows: RowsOption = "auto",
    report_every: ReportEveryOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a search on a simulated clock: every decision by the service's own code, training by recorded curves."""
    import math

    from rungway_server.cli.drawing import FORMATS, check_matplotlib, check_picture
    from rungway_server.simulation.fleet import DropForm, Fleet
    from rungway_server.simulation.order import Source
    from rungway_server.simulation.rows import RowRule

    check_matplotlib(plot, animate)
    for picture, formats in ((plot, FORMATS), (animate, (".gif",))):
        if picture:
            check_picture(picture, formats)
    numbers = {"seconds-per-unit": seconds_per_unit, "straggler-sd": straggler_sd, "horizon": horizon}
    _check_finite(numbers | {"drop-probability": drop_probability}, target or ())
    end = math.inf if horizon is None else horizon
    form = _one_of(DropForm, "--drop-form", drop_form)
    fleet = Fleet(workers, straggler_sd, drop_probability, form, end, seed, report_every or 0)
    source = Source(curves, task, synthetic, seconds_per_unit, _one_of(RowRule, "--rows", rows))
    order = _order(file, source, fleet, animated=animate is not None)
    _run(order, target or [], output, csv, plot)
    if animate:
        _animate(order, animate, output)


def _check_finite(numbers: Mapping[str, float | None], targets: Sequence[float]) -> None:
    import math

    from rungway_server.cli.output import fail

    for option, number in (*numbers.items(), *(("target", target) for target in targets)):
        if number is not None and not math.isfinite(number):
            raise fail(Exit.USAGE, f"--{option}: got {number}, wanted a finite number")


def _one_of(kind: type[_Choice], option: str, text: str) -> _Choice:
    from rungway_server.cli.output import fail

    if text not in list(kind):
        raise fail(Exit.USAGE, f"{option}: got {text!r}, wanted one of {', '.join(kind)}")
    return kind(text)


def _order(file: Path, source: "Source", fleet: "Fleet", *, animated: bool) -> "Order":
    from rungway_server.cli.files import read_document
    from rungway_server.cli.output import errors, fail
    from rungway_server.domain.search.plan import PromotionRule
    from rungway_server.simulation.curves import BadCurves
    from rungway_server.simulation.order import make_order

    with errors():
        try:
            order = make_order(read_document(file), source, fleet)
        except BadCurves as error:
            raise fail(Exit.USAGE, str(error)) from None
    if animated and order.plan.rule is PromotionRule.POPULATION:
        raise fail(Exit.USAGE, "--animate draws promotion rules side by side, and a population has none to choose from")
    if animated and order.plan.objectives:
        problem = "the synchronous one ranks by one metric, not by several or with constraints on outcomes"
        raise fail(Exit.USAGE, f"--animate draws promotion rules side by side, and {problem}")
    return order


def _run(order: "Order", targets: list[float], output: Output, csv: Path | None, plot: Path | None) -> None:
    from rungway_server.cli.drawing import writing
    from rungway_server.cli.output import console, print_json, print_notes
    from rungway_server.simulation import report
    from rungway_server.simulation.order import run_orders
    from rungway_server.simulation.summary import summarise

    with _failing():
        [run] = run_orders([order])
    summary = summarise(run, order.curves, targets, order.config.searcher)
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
    """End the command with one message when Redis is missing or fails."""
    from rungway_server.cli.output import fail
    from rungway_server.domain.errors import RungwayError
    from rungway_server.store.redis.connection.errors import RedisStartError

    try:
        yield
    except (RungwayError, RedisStartError) as error:
        raise fail(Exit.REFUSED, f"the simulation failed: {error}") from None


def _title(order: "Order") -> str:
    from rungway_server.cli.output import many

    return f"{order.config.searcher.name} on {order.curves.name}, {many(order.fleet.workers, 'worker')}"
