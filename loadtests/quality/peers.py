"""Rungway and other libraries on the same recorded tables: `make quality QUALITY_ARGS=--peers`.

The other libraries decide by their own code, in environments of their own (`loadtests.peers.environments`), about the
same rows on the same simulated clock. What a library suggests becomes the recorded configuration nearest to it that
was not used yet, as with the models of Rungway; the library learns from that one. It is told results at lengths 1, 3,
9, … and at the end; divisors are 3. A library that cannot be installed is left out, and named at the end.
"""

import argparse
import asyncio
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from loadtests.peers.entrants import AdapterFailed
from loadtests.peers.environments import NotInstalled
from loadtests.quality.libraries import LIBRARIES, library, play
from rungway_server.service.experiments import plan_search
from rungway_server.simulation import quality
from rungway_server.simulation.cases import CASES, FOLDER, Case, file_of, named
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.pool import Pool, space_of
from rungway_server.simulation.quality import SEARCHES, Bar, Figures, Row, geometric
from rungway_server.simulation.table import Table, TableCurves, read_table

BUDGET, SEEDS = 40, 3
"""Full trainings of all workers together; searches of each."""
PLAYED = [name for name in LIBRARIES if name != "Vizier"]
"""Vizier takes seconds for a proposal, and a search on a table hundreds of proposals."""
_JUDGED = "auto"


async def figures(name: str, table: Table, workers: int, budget: int, seeds: Sequence[int]) -> list[Figures]:
    """A library on a table, with each seed. Raises NotInstalled, and AdapterFailed."""
    horizon, found = quality.horizon_of(table, workers, budget), list[Figures]()
    searcher = {"name": "random", "metric": table.metric, "max_trials": 1, "max_length": 1}
    async with library(name, table.columns) as playing:
        for seed in seeds:
            document = {"hyperparameters": space_of(table.columns), "searcher": searcher, "seed": seed}
            pool = Pool(table, plan_search(document).config)
            curves = TableCurves(table, seed, rows=pool)
            await playing.begin(curves.max_length, seed)
            jobs = await play(playing, curves, pool.give, Fleet(workers, horizon=horizon))
            found.append(quality.figures_of(table, curves, jobs, workers * horizon, playing.cpu))
    return found


def bars(found: Mapping[Case, Mapping[str, Row]], horizon: float) -> list[Bar]:
    """How `auto` does beside the best of the libraries on each table; a time that never came counts as twice the
    horizon (R)."""
    times, ranks = list[float](), list[float]()
    for rows in found.values():
        others = [rows[name] for name in LIBRARIES if name in rows]
        if others and _JUDGED in rows:
            ours, best = rows[_JUDGED], min(_time(row, horizon) for row in others)
            times.append(_time(ours, horizon) / best)
            ranks.append(ours.rank / min(row.rank for row in others))
    if not times:
        return []
    return [
        Bar(
            f"time to the best 1 %, {_JUDGED} to the best other library of each table: geometric mean",
            1,
            geometric(times),
        ),
        Bar("the same: worst table", 1.25, max(times)),
        Bar(f"rank at the end, {_JUDGED} to the best other library of each table: geometric mean", 1, geometric(ranks)),
        Bar("the same: worst table", 1.25, max(ranks)),
    ]


def _time(row: Row, horizon: float) -> float:
    return row.first_best if math.isfinite(row.first_best) else 2 * horizon


def main(arguments: Sequence[str]) -> None:
    """Print the figures and the bars; to standard error, how far it is."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        cases = named([case for case in CASES if not case.stream], chosen.only)
    except LookupError as error:
        parser.error(f"--only: {error.args[0]}")
    seeds, began = range(chosen.seeds), time.perf_counter()
    found, absent = dict[Case, dict[str, Row]](), dict[str, str]()
    print(*list(quality.lines({}))[:2], sep="\n", flush=True)
    with ProcessPoolExecutor(chosen.processes) as processes:
        for case in cases:
            file = file_of(case, [FOLDER, *(chosen.curves or ())])
            if not file:
                absent[case.file] = "not at hand"
                continue
            ours = partial(quality.play, case, file, chosen.workers, chosen.budget, chosen.searches)
            runs = list(processes.map(ours, seeds)) if chosen.searches else []
            found[case] = {name: Row.of([run[name] for run in runs]) for name in chosen.searches}
            for name in chosen.libraries:
                table = read_table(file, case.task)
                try:
                    played = asyncio.run(figures(name, table, chosen.workers, chosen.budget, seeds))
                    found[case][name] = Row.of(played)
                except (NotInstalled, AdapterFailed) as failure:
                    absent[name] = str(failure)
                print(f"{case.name}, {name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            print(*list(quality.lines({case: found[case]}))[2:], sep="\n", flush=True)
    horizon = max(chosen.budget / chosen.workers, quality.LEAST_TIME)
    if judged := bars(found, horizon):
        print("\n| bar | wanted at most | measured | met |", "|---|---:|---:|---|", sep="\n")
        print(*(bar.line() for bar in judged), sep="\n")
    print(f"\n{chosen.workers} workers, {chosen.budget} R, {chosen.seeds} seeds.", *_told(absent))


def _told(absent: Mapping[str, str]) -> list[str]:
    return [f"Left out: {name}: {why}." for name, why in absent.items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make quality QUALITY_ARGS=--peers …", description=__doc__)
    parser.add_argument("--curves", type=Path, action="append", help=f"a folder of more tables beside {FOLDER}")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each (%(default)s)")
    parser.add_argument("--workers", type=int, default=8, help="that train at the same time (%(default)s)")
    parser.add_argument("--budget", type=int, default=BUDGET, help="full trainings of all together (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="cases with one of these in their name")
    parser.add_argument("--searches", nargs="*", choices=list(SEARCHES), default=list(SEARCHES), help="of Rungway")
    parser.add_argument("--libraries", nargs="*", choices=list(LIBRARIES), default=PLAYED, help="of others")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="for Rungway's (%(default)s)")
    return parser
