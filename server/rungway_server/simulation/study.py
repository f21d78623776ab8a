"""The study of docs/simulation.md: what stragglers, drops and many workers do to synchronous and asynchronous halving.

`python -m rungway_server.simulation.study` (or `make study`) prints its table. The set-up follows Li et al. 2020, "A
System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934), section 4 and appendix A.1, with recorded
curves and with dropped jobs that come back when their lease expires.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from statistics import median, quantiles

from rungway_server.service.experiments import Planned, plan_search
from rungway_server.service.port import Store
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.stage import run_on_stage, stage
from rungway_server.simulation.summary import Summary, summarise
from rungway_server.simulation.table import Table, TableCurves, read_table
from rungway_server.simulation.twin import synchronous

TABLE = Path("examples/curves/digits_mlp.npz")
SEEDS = 5
WORKERS = (1, 8, 64, 500)
TROUBLES = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.01), (2.0, 0.01))
"""Standard deviation of the stragglers, probability of a drop per unit of time."""
FLEETS = tuple(Fleet(workers, sd, drop) for workers in WORKERS for sd, drop in TROUBLES)
WINDOW, WINDOW_WORKERS = 3, 64
"""Fully trained trials are counted for this many times as long as one takes without trouble; with fewer workers than
WINDOW_WORKERS, proportionally longer."""
BEST_PART = 0.01
LEASE_SECONDS = 5.0
"""Five units of time: how long a dropped job goes unnoticed."""


@dataclass(frozen=True, slots=True)
class Trio:
    """Three searches of the same table with the same fleet and seed."""

    asynchronous: Summary
    synchronous: Summary
    adaptive: Summary


def halving(table: Table) -> Planned:
    """Successive halving over a whole table: every row a trial, rungs from 1 to its end by 3."""
    rows, longest = table.values.shape
    return _planned(table, name="async_halving", max_trials=rows, max_length=longest, min_length=1)


def adaptive(table: Table) -> Planned:
    """Adaptive ASHA over a whole table, with the defaults except for the divisor."""
    rows, longest = table.values.shape
    return _planned(table, name="adaptive_asha", max_trials=rows, max_length=longest)


def target_of(table: Table) -> float:
    """The final metric that the best hundredth of the rows reach."""
    finals = sorted(table.values[:, -1].tolist(), reverse=not table.smaller_is_better)
    return float(finals[int(BEST_PART * len(finals))])


def _planned(table: Table, **searcher: object) -> Planned:
    searcher |= {"metric": table.metric, "smaller_is_better": table.smaller_is_better, "divisor": 3}
    return plan_search(
        {"searcher": {**searcher, "unit": table.unit, "max_concurrent_trials": 0}, "lease_seconds": LEASE_SECONDS}
    )


async def trios(table: Table, fleets: Sequence[Fleet], seed: int) -> list[Trio]:
    """The searches with each fleet. A unit of length takes one second, except for stragglers."""
    one, several = halving(table), adaptive(table)
    searches = (one, replace(one, plan=synchronous(one.plan)), several)
    async with stage() as store:
        return [
            Trio(*[await _summary(store, search, table, replace(fleet, seed=seed)) for search in searches])
            for fleet in fleets
        ]


async def _summary(store: Store, search: Planned, table: Table, fleet: Fleet) -> Summary:
    curves = TableCurves(table, fleet.seed, seconds_per_unit=1.0)
    run = await simulate(store, search.config, search.plan, curves, fleet, keep_steps=False)
    return summarise(run, curves, [target_of(table)])


def rows(table: Table, fleets: Sequence[Fleet], seeds: int, processes: int = 1) -> list[str]:
    """A line of the table for each fleet: medians over the seeds, which `processes` share."""
    work = partial(_one_seed, table, fleets)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            found = list(pool.map(work, range(seeds)))
    else:
        found = [work(seed) for seed in range(seeds)]
    by_fleet = list(zip(*found, strict=True))
    alone = {
        (f.straggler_sd, f.drop_probability): each for f, each in zip(fleets, by_fleet, strict=True) if f.workers == 1
    }
    return [
        _row(fleet, each, alone.get((fleet.straggler_sd, fleet.drop_probability), each), table.values.shape[1])
        for fleet, each in zip(fleets, by_fleet, strict=True)
    ]


def _one_seed(table: Table, fleets: Sequence[Fleet], seed: int) -> list[Trio]:
    return run_on_stage(trios(table, fleets, seed))


HEADINGS = (
    "| | | | first trained to the end | | trained to the end | | workers waiting | | search over | | adaptive ASHA | |",
    "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    f"| **workers** | **stragglers** | **drops** |{' **async** | **sync** |' * 4} **target** | **over** |",
)


def _row(fleet: Fleet, trios: Sequence[Trio], alone: Sequence[Trio], longest: int) -> str:
    """One line; `alone` is the same trouble with one worker, `longest` the length of a full training."""
    window = WINDOW * longest * max(WINDOW_WORKERS / fleet.workers, 1)
    both = [[trio.asynchronous for trio in trios], [trio.synchronous for trio in trios]]
    cells = [f"{fleet.workers}", f"{fleet.straggler_sd:g}", f"{fleet.drop_probability:g}"]
    for figure in (_first, partial(_within, window), _waiting, _over):
        cells += [figure(summaries) for summaries in both]
    cells += [_speed_up(time, trios, alone) for time in (_reached, _end)]
    return f"| {' | '.join(cells)} |"


def _first(runs: Sequence[Summary]) -> str:
    return _time(median(inf if run.first_full is None else run.first_full for run in runs))


def _within(window: float, runs: Sequence[Summary]) -> str:
    """The median with the quartiles, where they differ."""
    numbers = [sum(time <= window for time in run.full_times) for run in runs]
    low, middle, high = quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    return f"{middle:g}" if low == high else f"{middle:g} ({low:g} to {high:g})"


def _waiting(runs: Sequence[Summary]) -> str:
    return f"{median(run.waiting for run in runs):.0%}"


def _over(runs: Sequence[Summary]) -> str:
    return _time(median(run.end for run in runs))


def _reached(trio: Trio) -> float:
    reached = trio.adaptive.targets[0].any_length
    return inf if reached is None else reached


def _end(trio: Trio) -> float:
    return trio.adaptive.end


def _speed_up(time_of: Callable[[Trio], float], trios: Sequence[Trio], alone: Sequence[Trio]) -> str:
    """A time, and how many times as long one worker takes: medians, the second one of each seed's ratio."""
    times = [time_of(trio) for trio in trios]
    ratios = [time_of(one) / time for one, time in zip(alone, times, strict=True)]
    return f"{_time(median(times))} (x{median(ratios):.1f})"


def _time(seconds: float) -> str:
    return f"{seconds:,.0f}"


def main() -> None:
    """Print the table; to standard error, how long it took."""
    import sys

    parser = argparse.ArgumentParser(description="Print the table of docs/simulation.md.")
    parser.add_argument("--curves", type=Path, default=TABLE, help="a table of recorded curves")
    parser.add_argument("--task", help="which task of the table")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many, for the medians")
    chosen = parser.parse_args()
    began = time.perf_counter()
    table = read_table(chosen.curves, chosen.task)
    print(*HEADINGS, *rows(table, FLEETS, chosen.seeds, os.cpu_count() or 1), sep="\n")
    print(f"\n{table.title}, medians of {chosen.seeds} seeds; the target is {target_of(table):.4g} ({table.metric}).")
    print(f"({time.perf_counter() - began:.0f} s)", file=sys.stderr)


if __name__ == "__main__":
    main()
