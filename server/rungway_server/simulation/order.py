"""What is to be simulated: a search, its curves and its workers, put together from what the user named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rungway_server.domain.config import ExperimentConfig
from rungway_server.domain.plan import Plan
from rungway_server.service.experiments import plan_search
from rungway_server.simulation.curves import BadCurves, Curves, check_fit
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.records import Run
from rungway_server.simulation.stage import run_on_stage, stage
from rungway_server.simulation.synthetic import SHAPES, SyntheticCurves
from rungway_server.simulation.table import TableCurves, read_table

_NO_CURVES_OF_THEIR_OWN = ("pbt",)


@dataclass(frozen=True, slots=True)
class Source:
    """Where curves come from: a table's file and task, or a synthetic shape; and how long a unit of length takes."""

    table: Path | None = None
    task: str | None = None
    synthetic: str | None = None
    seconds_per_unit: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A simulation that can be run; `notes` are for the user."""

    config: ExperimentConfig
    plan: Plan
    curves: Curves
    fleet: Fleet
    notes: tuple[str, ...]


def make_order(document: Mapping[str, Any], source: Source, fleet: Fleet) -> Order:
    """Read a search and find its curves.

    Raises InvalidInput for a wrong configuration, and BadCurves for curves that cannot be read or do not fit.
    """
    planned = plan_search(document)
    searcher = planned.config.searcher
    if searcher.name in _NO_CURVES_OF_THEIR_OWN:
        raise BadCurves(f"{searcher.name} changes hyperparameters on the way: no recorded curve shows what comes of it")
    curves, notes = _find_curves(source, planned.plan, fleet.seed, searcher.metric)
    check_fit(curves, planned.plan.max_length, searcher.smaller_is_better)
    notes = [*planned.notes, *notes, *_idle_notes(planned.plan, fleet)]
    return Order(planned.config, planned.plan, curves, fleet, tuple(notes))


def run_orders(orders: Sequence[Order]) -> list[Run]:
    """Run them one after the other. Raises RedisStartError and StoreUnavailable."""

    async def run_all() -> list[Run]:
        async with stage() as store:
            return [await simulate(store, o.config, o.plan, o.curves, o.fleet) for o in orders]

    return run_on_stage(run_all())


def with_plan(order: Order, plan: Plan) -> Order:
    """The same search under another plan."""
    return replace(order, plan=plan)


def _find_curves(source: Source, plan: Plan, seed: int, metric: str) -> tuple[Curves, list[str]]:
    if (source.table is None) == (source.synthetic is None):
        raise BadCurves("name one source of curves: --curves TABLE.npz, or --synthetic with a shape")
    if source.synthetic is not None:
        if source.synthetic not in SHAPES:
            raise BadCurves(f"no synthetic curves {source.synthetic!r}, there are: {', '.join(SHAPES)}")
        return SyntheticCurves(
            source.synthetic, seed, plan.max_length, plan.max_trials, seconds_per_unit=source.seconds_per_unit
        ), []
    assert source.table is not None
    table = read_table(source.table, source.task)
    curves, notes = TableCurves(table, seed, seconds_per_unit=source.seconds_per_unit), []
    rows = len(table.values)
    if source.task is None and len(table.tasks) > 1:
        notes.append(f"curves: task {table.task}, the first of {', '.join(table.tasks)}")
    if plan.max_trials > rows:
        notes.append(f"curves: {plan.max_trials} trials share {rows} rows, so some are trained more than once")
    if table.metric != metric:
        notes.append(f"curves: the metric is {table.metric!r}, the unit of length {table.unit!r}")
    return curves, notes


def _idle_notes(plan: Plan, fleet: Fleet) -> list[str]:
    most = plan.max_concurrent_trials
    if 0 < most < fleet.workers:
        return [f"max_concurrent_trials: {most} keeps {fleet.workers - most} of {fleet.workers} workers waiting"]
    return []
