"""How good the searches are on recorded tables, beside bars: the production decisions on a simulated clock.

`python -m rungway_server.simulation.quality` (or `make quality`) prints the tables of docs/quality.md. Times are in
full trainings (R): the mean time of a row of the table. A search may use each row once (a pool), or rows are drawn
without end (a stream).
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median_high
from typing import TYPE_CHECKING, Any

from rungway_server.service.experiments import plan_search
from rungway_server.simulation.cases import (
    CASES,
    DECEPTIVE_CASES,
    FASHION,
    FOLDER,
    GRU,
    KC1,
    MODEL_CASES,
    Case,
    file_of,
    misled,
    named,
)
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.pool import Pool, space_of
from rungway_server.simulation.records import Job
from rungway_server.simulation.stage import run_on_stage, stage
from rungway_server.simulation.table import Table, TableCurves, read_table

if TYPE_CHECKING:
    from rungway_server.simulation.rows import Rows

HALVING = {"name": "async_halving", "min_length": 1, "divisor": 3}
DRAWS = "auto, draws"
SEARCHES: Mapping[str, Mapping[str, object]] = {
    "random": {"name": "random"},
    "Ray's rule": HALVING | {"stop_once": True},
    "ASHA": HALVING,
    DRAWS: {"name": "auto", "proposals": "random"},
    "auto": {"name": "auto"},
    "forest": {"name": "auto", "proposals": "forest"},
    "kde": HALVING | {"proposals": "kde"},
    "bohb": {"name": "bohb", "min_length": 1, "divisor": 3},
}
"""What is compared. Ray Tune's rule is played by the stopping form of async_halving, which is nearest to it. kde is
`ASHA` with the proposals of BOHB; bohb has those and the brackets of Hyperband, once."""
WITH_MODELS = (DRAWS, "auto", "forest", "kde", "bohb")
"""What is compared where models are (`--models`), on `MODEL_CASES`."""
BUDGET, MODEL_BUDGET, LEAST_TIME = 100, 40, 3
"""Full trainings of all workers together, the same where models are compared, and the least time (R)."""
WITHOUT_END = 200_000
"""Trials of a stream: more than any search starts."""
SHORT, LONG = 3, 20
"""Seeds of the short and of the long form."""
_BEST, _TOP = 0.01, 0.001
_FIRST_TOP = {GRU: 3.7, FASHION: 4.2}
"""Bars of the time until one of the best 0.1 % was there (R)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A search on a case with one seed: when a result of the best hundredth was there (R; infinite: never), and of the
    best thousandth, the rank of the best that was trained to the end, its distance from the best of the table, the busy
    share, and the processor time of those who propose (milliseconds per trial)."""

    first_best: float
    first_top: float
    rank: int
    regret: float
    busy: float
    cpu_ms: float = field(default=0.0, compare=False)


class _Stream:
    """Rows drawn with replacement."""

    def __init__(self, rows: int, seed: int) -> None:
        import numpy as np

        self._rows = np.random.default_rng([seed, 17]).integers(0, rows, WITHOUT_END).tolist()

    def __getitem__(self, trial: int) -> int:
        return int(self._rows[trial])


def play(case: Case, file: Path, workers: int, budget: int, searches: Sequence[str], seed: int) -> dict[str, Figures]:
    """These searches on a case, whose table is in `file`, with one seed."""
    return run_on_stage(measure(misled(read_table(file, case.task), case), case, workers, budget, seed, searches))


def _threshold(finals: Sequence[float], share: float) -> float:
    return finals[max(math.ceil(share * len(finals)) - 1, 0)]


def _first(final: Sequence[tuple[float, float]], most: float) -> float:
    return min((ended for ended, metric in final if metric <= most), default=math.inf)


class _Models:
    """Lets the models of one search after the other propose rows of the table; `cpu`: seconds that they took."""

    pool: Pool | None = None
    cpu: float = 0.0

    async def __call__(self, namespace: str, work: Callable[..., Any], *args: Any) -> Any:
        """See `Pool.compute`."""
        assert self.pool is not None
        began = time.process_time()
        found = await self.pool.compute(namespace, work, *args)
        self.cpu += time.process_time() - began
        return found


async def measure(
    table: Table, case: Case, workers: int, budget: int, seed: int, searches: Sequence[str] = tuple(SEARCHES)
) -> dict[str, Figures]:
    """These searches on this table, with one seed: `budget` full trainings shared by the workers."""
    horizon = horizon_of(table, workers, budget)
    rows: Rows | None = _Stream(len(table.values), seed) if case.stream else None
    found, models = dict[str, Figures](), _Models()
    async with stage(compute=models) as store:
        for name in searches:
            planned = plan_search(_document(table, case, SEARCHES[name], seed))
            models.pool, models.cpu = Pool(table, planned.config, rows) if planned.plan.sources else None, 0.0
            curves = TableCurves(table, seed, rows=models.pool or rows)
            fleet = Fleet(workers, horizon=horizon, seed=seed)
            run = await simulate(store, planned.config, planned.plan, curves, fleet, keep_steps=False)
            found[name] = figures_of(table, curves, run.jobs, workers * horizon, models.cpu)
    return found


def horizon_of(table: Table, workers: int, budget: int) -> float:
    """When a search ends (simulated seconds)."""
    return max(budget / workers, LEAST_TIME) * float(table.elapsed[:, -1].mean())


def figures_of(table: Table, curves: TableCurves, jobs: Sequence[Job], seconds: float, cpu: float) -> Figures:
    """What a search came to. `seconds`: the simulated time of all workers; `cpu`: seconds of those who propose."""
    full, longest = float(table.elapsed[:, -1].mean()), table.values.shape[1]
    sign = 1 if table.smaller_is_better else -1
    finals = sorted((sign * table.values[:, -1]).tolist())
    final = [
        (job.ended, sign * curves.metric(job.trial, job.end))
        for job in jobs
        if job.told and job.end >= min(longest, curves.ends(job.trial))
    ]
    best = min((metric for _, metric in final), default=math.inf)
    return Figures(
        first_best=_first(final, _threshold(finals, _BEST)) / full,
        first_top=_first(final, _threshold(finals, _TOP)) / full,
        rank=1 + sum(other < best for other in finals),
        regret=float(min(best, finals[-1]) - finals[0]),
        busy=sum(job.ended - job.began for job in jobs) / seconds,
        cpu_ms=1e3 * cpu / max(len({job.trial for job in jobs}), 1),
    )


def _document(table: Table, case: Case, search: Mapping[str, object], seed: int) -> dict[str, object]:
    section = _section(table, case, search)
    return {"hyperparameters": space_of(table.columns), "searcher": section, "seed": seed, "lease_seconds": 86_400}


def _section(table: Table, case: Case, search: Mapping[str, object]) -> dict[str, object]:
    rows, longest = table.values.shape
    section = {"metric": table.metric, "smaller_is_better": table.smaller_is_better, "max_length": longest}
    section |= {"unit": table.unit, "max_concurrent_trials": 0}
    if search["name"] != "bohb":
        section["max_trials"] = WITHOUT_END if case.stream else rows
    bound = {"budget": 10**9} if search["name"] == "auto" else {}  # it lets trials go on, and ends nothing
    return {**section, **search, **bound}


@dataclass(frozen=True, slots=True)
class Row:
    """A search on a case, over all seeds."""

    first_best: float
    hits: int
    first_top: float
    rank: float
    regret: float
    busy: float
    cpu_ms: float = 0.0

    @classmethod
    def of(cls, runs: Sequence[Figures]) -> "Row":
        """The median of the times, the geometric mean of the ranks, and means."""
        return cls(
            first_best=median_high(run.first_best for run in runs),
            hits=sum(math.isfinite(run.first_best) for run in runs),
            first_top=median_high(run.first_top for run in runs),
            rank=geometric(run.rank for run in runs),
            regret=fmean(run.regret for run in runs),
            busy=fmean(run.busy for run in runs),
            cpu_ms=fmean(run.cpu_ms for run in runs),
        )


def geometric(values: Iterable[float]) -> float:
    """The geometric mean."""
    return math.exp(fmean(map(math.log, values)))


@dataclass(frozen=True, slots=True)
class Bar:
    """What is wanted, and what was measured: met when that is not more."""

    what: str
    most: float
    measured: float

    def line(self) -> str:
        """As a row of a table."""
        return (
            f"| {self.what} | {self.most:g} | {self.measured:.3g} | {'yes' if self.measured <= self.most else 'no'} |"
        )


def bars(found: Mapping[Case, Mapping[str, Row]], workers: int) -> list[Bar]:
    """The bars of all cases that were played. Those of the times are narrower for many workers."""
    mean, most = (1.06, 1.12) if workers >= 64 else (1.10, 1.25)
    easy = {case: rows for case, rows in found.items() if case.easy}
    times = [
        rows["auto"].first_best / min(rows[n].first_best for n in ("Ray's rule", "ASHA")) for rows in easy.values()
    ]
    times = [ratio for ratio in times if math.isfinite(ratio)]
    wanted = (
        [
            Bar(
                "time to the best 1 %, auto to the better of Ray's rule and ASHA: geometric mean",
                mean,
                geometric(times),
            ),
            Bar("the same: worst table", most, max(times)),
            Bar(
                "rank at the end, auto to ASHA: worst table",
                1.3,
                max(r["auto"].rank / r["ASHA"].rank for r in easy.values()),
            ),
        ]
        if times
        else []
    )
    for case, rows in found.items():
        if case.stream:
            ratio = rows["auto"].rank / rows["random"].rank
            wanted.append(Bar(f"rank at the end, auto to random: {case.name}", 1.0, ratio))
        elif not case.easy:
            ratio = rows["auto"].regret / max(rows["random"].regret, 1e-12)
            wanted.append(Bar(f"mean regret, auto to random: {case.name}", 1.1, ratio))
            wanted.append(Bar(f"share of the workers' time that is idle: {case.name}", 0.01, 1 - rows["auto"].busy))
    return wanted


def ratios(found: Mapping[Case, Mapping[str, Sequence[Figures]]], horizon: float) -> dict[Case, tuple[float, float]]:
    """Of each case time and rank of `auto` to those with draws alone, seed by seed."""
    of_each = {}
    for case, runs in found.items():
        pairs = [*zip(runs["auto"], runs[DRAWS], strict=True)]
        times = (min(a.first_best, 2 * horizon) / min(b.first_best, 2 * horizon) for a, b in pairs)
        of_each[case] = geometric(times), geometric(a.rank / b.rank for a, b in pairs)
    return of_each


def ratio_lines(found: Mapping[Case, Mapping[str, Sequence[Figures]]], horizon: float) -> Iterable[str]:
    """The ratios as rows of a table."""
    for case, (time_ratio, rank) in ratios(found, horizon).items():
        yield f"| {case.name} | {time_ratio:.2f} | {rank:.2f} |"


def model_bars(found: Mapping[Case, Mapping[str, Sequence[Figures]]], horizon: float) -> list[Bar]:
    """The bars of `auto` beside the same with draws alone. Ratios are taken seed by seed, with "never" as twice the
    time that there was: `horizon` (R)."""
    times = {case: time for case, (time, _) in ratios(found, horizon).items()}
    ranks = {case: rank for case, (_, rank) in ratios(found, horizon).items()}
    if all(case.moved for case in found):
        return [Bar("time to the best 1 %, auto to draws: worst deceptive table", 1.7, max(times.values()))]
    wanted = [
        Bar("time to the best 1 %, auto to draws: geometric mean", 0.9, geometric(times.values())),
        Bar("the same: worst table", 1.15, max(times.values())),
        Bar("rank at the end, auto to draws: geometric mean", 0.7, geometric(ranks.values())),
        Bar("the same: worst table", 1.25, max(ranks.values())),
    ]
    for case, runs in found.items():
        row = Row.of(runs["auto"])
        if case.task in _FIRST_TOP:
            wanted.append(Bar(f"time to the best 0.1 %: {case.name}", _FIRST_TOP[case.task], row.first_top))
        if case.task == KC1:
            wanted.append(Bar(f"rank at the end: {case.name}", 4, row.rank))
            missed = 1 - row.hits / len(runs["auto"])
            wanted.append(Bar(f"share of the seeds without the best 1 %: {case.name}", 0.1, missed))
    return wanted


def lines(found: Mapping[Case, Mapping[str, Row]]) -> Iterable[str]:
    """The figures as a table."""
    of = "mean regret | workers busy | CPU of proposals (ms per trial)"
    yield f"| table | search | time to the best 1 % (R) | seeds | to the best 0.1 % (R) | rank at the end | {of} |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for case, rows in found.items():
        for name, row in rows.items():
            first, top = (f"{t:.2f}" if math.isfinite(t) else "never" for t in (row.first_best, row.first_top))
            figures = f"{row.rank:.1f} | {row.regret:.3g} | {row.busy:.0%} | {row.cpu_ms:.1f}"
            yield f"| {case.name} | {name} | {first} | {row.hits} | {top} | {figures} |"


def main() -> None:
    """Print the figures and the bars; to standard error, how long it took."""
    parser = argparse.ArgumentParser(description="Print the tables of docs/quality.md.")
    parser.add_argument("--curves", type=Path, action="append", help=f"a folder of more tables beside {FOLDER}")
    parser.add_argument("--long", action="store_true", help=f"{LONG} seeds instead of {SHORT}")
    parser.add_argument("--seeds", type=int, help="how many, instead of either")
    parser.add_argument("--workers", type=int, default=8, help="that train at the same time")
    parser.add_argument("--budget", type=int, help="full trainings of all workers together")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--models", action="store_true", help=f"{', '.join(WITH_MODELS)} on {len(MODEL_CASES)} tables")
    parser.add_argument("--deceptive", action="store_true", help="--models on tables that deceive them")
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), help="these alone")
    chosen = parser.parse_args()
    chosen.models |= chosen.deceptive
    began, seeds = time.perf_counter(), chosen.seeds or (LONG if chosen.long else SHORT)
    searches = chosen.searches or (WITH_MODELS if chosen.models else [*SEARCHES])
    budget = chosen.budget or (MODEL_BUDGET if chosen.models else BUDGET)
    tables = DECEPTIVE_CASES if chosen.deceptive else MODEL_CASES if chosen.models else CASES
    try:
        cases = named(tables, [chosen.only])
    except LookupError as error:
        parser.error(f"--only: {error.args[0]}")
    files = {case: file_of(case, [FOLDER, *(chosen.curves or ())]) for case in cases}
    found: dict[Case, dict[str, list[Figures]]] = {}
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        for case, file in files.items():
            if file:
                runs = list(pool.map(partial(play, case, file, chosen.workers, budget, searches), range(seeds)))
                found[case] = {name: [run[name] for run in runs] for name in searches}
                print(f"{case.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    rows = {case: {name: Row.of(runs) for name, runs in by_name.items()} for case, by_name in found.items()}
    print(*lines(rows), "", sep="\n")
    wanted = bars(rows, chosen.workers) if len(searches) == len(SEARCHES) else []
    if found and chosen.models and {"auto", DRAWS} <= set(searches):
        horizon = max(budget / chosen.workers, LEAST_TIME)
        wanted += model_bars(found, horizon)
        print("| table | time, auto to draws | rank, auto to draws |", "|---|---:|---:|", sep="\n")
        print(*ratio_lines(found, horizon), "", sep="\n")
    if wanted:
        print("| bar | wanted at most | measured | met |", "|---|---:|---:|---|", sep="\n")
        print(*(bar.line() for bar in wanted), sep="\n")
    absent = sorted({case.name for case, file in files.items() if not file})
    print(f"\n{chosen.workers} workers, {budget} R, {seeds} seeds. Not at hand: {'; '.join(absent) or 'nothing'}.")


if __name__ == "__main__":
    main()
