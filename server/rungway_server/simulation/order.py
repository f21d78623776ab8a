"""What to simulate: a search, its curves and its workers, from the user's options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.plan import Plan
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.simulation.curves import BadCurves, Curves, check_fit
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.records import Run
from rungway_server.simulation.rows import Dealt, Nearest, RowRule, Rows, lacking
from rungway_server.simulation.stage import run_on_stage, stage
from rungway_server.simulation.synthetic import SHAPES, SyntheticCurves
from rungway_server.simulation.table import Table, TableCurves, read_table

_NEEDS_NEAREST = (
    "pbt changes hyperparameters on the way: it needs --curves with the hyperparameters of its rows, and a search that"
    " has all of these (--rows nearest)"
)
_MODELS_NEED_NEAREST = (
    "models propose hyperparameters: they need --curves with the hyperparameters of its rows, and a search that has all"
    " of these (--rows nearest)"
)
_DRAWS_ALONE = "proposals: random, for models need curves that tell the hyperparameters of their rows"
_CLONES = "clones: as good as if trained with their new hyperparameters from the start; what they inherit does not show"


class _ModelsNeedHyperparameters(BadCurves):
    """The curves do not depend on what models propose."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where curves come from: a table's file, task and rows, or a synthetic shape; how long a unit of length takes."""

    table: Path | None = None
    task: str | None = None
    synthetic: str | None = None
    seconds_per_unit: float | None = None
    rows: RowRule = RowRule.AUTO


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A simulation ready to run; `notes` are for the user."""

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
    try:
        curves, notes = _find_curves(source, planned, fleet.seed)
    except _ModelsNeedHyperparameters:
        section = document["searcher"]
        if "proposals" in section:
            raise
        planned = plan_search({**document, "searcher": {**section, "proposals": "random"}})
        curves, notes = _find_curves(source, planned, fleet.seed)
        notes.append(_DRAWS_ALONE)
    searcher = planned.config.searcher
    check_fit(curves, planned.plan.max_length, searcher.smaller_is_better)
    notes += _idle_notes(planned.plan, fleet)
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


def _find_curves(source: Source, planned: Planned, seed: int) -> tuple[Curves, list[str]]:
    if (source.table is None) == (source.synthetic is None):
        raise BadCurves("name one source of curves: --curves TABLE.npz, or --synthetic with a shape")
    if source.synthetic is None:
        return _recorded(source, planned, seed)
    _check_dealt(planned)
    if further := _further(planned.config.searcher):
        raise BadCurves(
            f"made-up curves have one metric, and not {further[0]!r}: use --curves with a table that has it"
        )
    if source.rows is RowRule.NEAREST:
        raise BadCurves("--rows nearest needs --curves: made-up curves have no hyperparameters")
    if source.synthetic not in SHAPES:
        raise BadCurves(f"no synthetic curves {source.synthetic!r}, there are: {', '.join(SHAPES)}")
    plan, seconds = planned.plan, source.seconds_per_unit
    return SyntheticCurves(source.synthetic, seed, plan.max_length, plan.max_trials, seconds_per_unit=seconds), (
        _without_space(planned)
    )


def _recorded(source: Source, planned: Planned, seed: int) -> tuple[Curves, list[str]]:
    assert source.table is not None
    table = read_table(source.table, source.task)
    _check_unit(planned.plan.unit, table)
    searcher = planned.config.searcher
    table, further = _with_objectives(table, searcher), _further(searcher)
    rows, notes = _find_rows(source.rows, table, planned, seed)
    if source.task is None and len(table.tasks) > 1:
        notes.append(f"curves: task {table.task}, the first of {', '.join(table.tasks)}")
    if table.metric != searcher.metric:
        notes.append(f"curves: the metric is {table.metric!r}, the unit of length {table.unit!r}")
    return TableCurves(table, seed, seconds_per_unit=source.seconds_per_unit, rows=rows, further=further), notes


def _further(searcher: SearcherConfig) -> tuple[str, ...]:
    """The metrics beside the first that a search ranks by."""
    names = [each.name for each in searcher.objectives] + [each.name for each in searcher.outcome_constraints]
    return tuple(dict.fromkeys(name for name in names if name != searcher.metric))


def _with_objectives(table: Table, searcher: SearcherConfig) -> Table:
    """The table with the first objective as its metric, and all others as further ones. Raises BadCurves where it has
    not all that the search ranks by."""
    named = {table.metric: table.values, **table.further}
    for name in _further(searcher):
        if name not in named:
            raise BadCurves(
                f"{table.name} has no metric {name!r}, by which the search ranks: it has {', '.join(named)}"
            )
    table = replace(table, further=named)
    if not searcher.objectives or searcher.metric not in named or searcher.metric == table.metric:
        return table
    smaller = searcher.smaller_is_better
    return replace(table, values=named[searcher.metric], metric=searcher.metric, smaller_is_better=smaller)


def _check_unit(unit: str, table: Table) -> None:
    """Raises BadCurves if search and table have different units of length; a missing unit matches any."""
    ours, theirs = (name.strip().casefold().removesuffix("s") for name in (unit, table.unit))
    if ours and theirs not in ("", "unit", ours):
        raise BadCurves(
            f"the lengths of the search are in {unit!r}, those of {table.name} in {table.unit!r}:"
            f" write max_length and the other lengths in the table's unit"
        )


def _find_rows(rule: RowRule, table: Table, planned: Planned, seed: int) -> tuple[Rows, list[str]]:
    config, number, trials = planned.config, len(table.values), planned.plan.max_trials
    if rule is RowRule.NEAREST and not table.columns:
        raise BadCurves(f"--rows nearest: {table.name} does not tell the hyperparameters of its rows")
    if rule is RowRule.NEAREST or (rule is RowRule.AUTO and table.columns and not lacking(table.columns, config.space)):
        nearest = Nearest(table.columns, table.configs, config.space, config.seed)
        shared = f"rows: of {number}, the nearest by hyperparameters; several trials may share one"
        return nearest, [*planned.notes, shared, *([_CLONES] if config.searcher.population else [])]
    _check_dealt(planned)
    notes = [*_without_space(planned), "rows: dealt by the seed, regardless of a trial's hyperparameters"]
    if trials > number:
        notes.append(f"curves: {trials} trials share {number} rows, so some are trained more than once")
    return Dealt(number, seed), notes


def _check_dealt(planned: Planned) -> None:
    """Raises BadCurves for a search that needs curves which depend on hyperparameters."""
    if planned.config.searcher.population:
        raise BadCurves(_NEEDS_NEAREST)
    if planned.plan.sources:
        raise _ModelsNeedHyperparameters(_MODELS_NEED_NEAREST)


def _without_space(planned: Planned) -> list[str]:
    """The notes without those about the space, which has no effect on curves that do not depend on hyperparameters."""
    return [note for note in planned.notes if not note.startswith("hyperparameters:")]


def _idle_notes(plan: Plan, fleet: Fleet) -> list[str]:
    most = plan.max_concurrent_trials
    if 0 < most < fleet.workers:
        return [f"max_concurrent_trials: {most} keeps {fleet.workers - most} of {fleet.workers} workers waiting"]
    return []
