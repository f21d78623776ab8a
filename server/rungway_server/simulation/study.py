"""The study of docs/simulation.md: what stragglers, drops and many workers do to synchronous and asynchronous halving.

`python -m rungway_server.simulation.study` (or `make study`) prints its two tables. The set-up follows Li et al. 2020,
"A System for Massively Parallel Hyperparameter Tuning" (arXiv 1810.05934), section 4 and appendix A.1, with recorded
curves and with dropped jobs that come back when their lease lapses.
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from statistics import median

from rungway_server.domain.plan import Plan
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.service.port import Store
from rungway_server.simulation.curves import Curves
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.stage import run_on_stage, stage
from rungway_server.simulation.summary import Summary, summarise
from rungway_server.simulation.table import Table, TableCurves, read_table
from rungway_server.simulation.twin import synchronous

TABLE = Path("examples/curves/digits_mlp.npz")
WORKERS = (1, 8, 64, 500)
TROUBLES = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.01), (2.0, 0.01))
"""Standard deviation of the stragglers, probability of a drop per unit of time."""
WINDOW, WINDOW_WORKERS = 3, 64
"""Trials trained to the end are counted for so many times as long as one takes without trouble; with fewer workers than
these, for as much longer."""
BEST_PART = 0.01
SPEED_UP_WORKERS = (1, 2, 4, 8, 16, 32, 64)
LEASE_SECONDS = 5.0
"""Five units of time: so long a dropped job stays unnoticed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row: the same search under both rules, a summary per seed."""

    fleet: Fleet
    asynchronous: tuple[Summary, ...]
    synchronous: tuple[Summary, ...]


def halving(table: Table) -> Planned:
    """Successive halving over a whole table: every row a trial, rungs from 1 to its end by 3."""
    rows, longest = table.values.shape
    return _planned(table, name="async_halving", max_trials=rows, max_length=longest, min_length=1)


def adaptive(table: Table) -> Planned:
    """Adaptive ASHA over a whole table, with the defaults but for the divisor."""
    rows, longest = table.values.shape
    return _planned(table, name="adaptive_asha", max_trials=rows, max_length=longest)


def target_of(table: Table, part: float) -> float:
    """What the best part of the rows come to in the end."""
    finals = sorted(table.values[:, -1].tolist(), reverse=not table.smaller_is_better)
    return float(finals[int(part * len(finals))])


def _planned(table: Table, **searcher: object) -> Planned:
    searcher |= {"metric": table.metric, "smaller_is_better": table.smaller_is_better, "divisor": 3}
    return plan_search(
        {"searcher": {**searcher, "unit": table.unit, "max_concurrent_trials": 0}, "lease_seconds": LEASE_SECONDS}
    )


async def straggler_cases(table: Table, workers: Iterable[int], seeds: int) -> list[Case]:
    """Every number of workers with every trouble. A unit of length takes one second, stragglers aside."""
    planned, cases = halving(table), []
    curves = [TableCurves(table, seed, seconds_per_unit=1.0) for seed in range(seeds)]
    async with stage() as store:
        for number in workers:
            for sd, drop in TROUBLES:
                fleet = Fleet(number, sd, drop)
                both = [
                    await _summaries(store, planned, plan, curves, fleet)
                    for plan in (planned.plan, synchronous(planned.plan))
                ]
                cases.append(Case(fleet, *both))
    return cases


async def speed_up_cases(table: Table, workers: Iterable[int], seeds: int) -> list[tuple[int, tuple[Summary, ...]]]:
    """Adaptive ASHA by the number of workers; the target is what the best hundredth of the rows come to in the end.

    A unit of length takes one second.
    """
    planned = adaptive(table)
    target = target_of(table, BEST_PART)
    curves = [TableCurves(table, seed, seconds_per_unit=1.0) for seed in range(seeds)]
    async with stage() as store:
        return [
            (number, await _summaries(store, planned, planned.plan, curves, Fleet(number), [target]))
            for number in workers
        ]


async def _summaries(
    store: Store,
    planned: Planned,
    plan: Plan,
    curves: Sequence[Curves],
    fleet: Fleet,
    targets: Sequence[float] = (),
) -> tuple[Summary, ...]:
    runs = []
    for seed, curve in enumerate(curves):
        mine = Fleet(fleet.workers, fleet.straggler_sd, fleet.drop_probability, seed=seed)
        run = await simulate(store, planned.config, plan, curve, mine, keep_steps=False)
        runs.append(summarise(run, curve, targets))
    return tuple(runs)


def straggler_table(cases: Sequence[Case], longest: int) -> str:
    """The first table, in Markdown: medians over the seeds; `longest` is the length of a full training."""
    lines = [
        "| | | | first trained to the end | | trained to the end | | workers waiting | | search over | |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| **workers** | **stragglers** | **drops** |" + " **async** | **sync** |" * 4,
    ]
    for case in cases:
        window = WINDOW * longest * max(WINDOW_WORKERS / case.fleet.workers, 1)
        cells = [f"{case.fleet.workers}", f"{case.fleet.straggler_sd:g}", f"{case.fleet.drop_probability:g}"]
        for figure in (_first_text, partial(_within, window), _waiting, _over):
            cells += [figure(case.asynchronous), figure(case.synchronous)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def speed_up_table(cases: Sequence[tuple[int, tuple[Summary, ...]]]) -> str:
    """The second table, in Markdown: medians over the seeds."""
    lines = [
        "| workers | a target reached after | speed-up | search over after | speed-up | workers busy |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    base: list[float] = []
    for workers, summaries in cases:
        times = [median(_reached(s) for s in summaries), median(s.end for s in summaries)]
        base = base or times
        cells = " | ".join(f"{t:,.0f} | {one / t:.1f}" for t, one in zip(times, base, strict=True))
        lines.append(f"| {workers} | {cells} | {median(s.busy for s in summaries):.0%} |")
    return "\n".join(lines)


def _first_text(rule: Sequence[Summary]) -> str:
    return f"{median(inf if s.first_full is None else s.first_full for s in rule):.0f}"


def _within(window: float, rule: Sequence[Summary]) -> str:
    return f"{median(sum(time <= window for time in s.full_times) for s in rule):g}"


def _waiting(rule: Sequence[Summary]) -> str:
    return f"{median(s.waiting for s in rule):.0%}"


def _over(rule: Sequence[Summary]) -> str:
    return f"{median(s.end for s in rule):.0f}"


def _reached(summary: Summary) -> float:
    reached = summary.targets[0].any_length
    return inf if reached is None else reached


def main() -> None:
    """Print both tables and how long they took."""
    parser = argparse.ArgumentParser(description="Print the tables of docs/simulation.md.")
    parser.add_argument("--curves", type=Path, default=TABLE, help="a table of recorded curves")
    parser.add_argument("--task", help="which task of the table")
    parser.add_argument("--seeds", type=int, default=3, help="how many, for the medians")
    chosen = parser.parse_args()
    began = time.perf_counter()
    table = read_table(chosen.curves, chosen.task)
    longest = table.values.shape[1]
    print(straggler_table(run_on_stage(straggler_cases(table, WORKERS, chosen.seeds)), longest), flush=True)
    print()
    print(f"The target is {target_of(table, BEST_PART):.4g} ({table.metric}), what the best 1 % end at.\n")
    print(speed_up_table(run_on_stage(speed_up_cases(table, SPEED_UP_WORKERS, chosen.seeds))))
    print(f"\n{table.title}, medians of {chosen.seeds} seeds; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
