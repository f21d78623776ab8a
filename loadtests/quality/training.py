"""Searches beside each other by real training, with as many epochs: `make quality QUALITY_ARGS=--train`.

Each search is one of small networks on handwritten digits (`trained`), whose learning rate follows a schedule that is
searched, too. The decisions are those of the service, on a simulated clock on which an epoch takes a second. All have
as many epochs as one pass of BOHB's brackets takes; what comes after these does not count. All validate every third
epoch, and where something is decided: who looks more often finds a better one by chance. A search is judged by the best
validation error, and by the error of that network, as it was then, on images that no search sees.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

from loadtests.quality.picture import draw
from loadtests.quality.trained import COLUMNS, FIXED, TrainedCurves
from rungway_server.domain.sampling.sampling import propose
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.pool import space_of
from rungway_server.simulation.records import Job
from rungway_server.simulation.stage import run_on_stage, stage

LONGEST, BUDGET = 81, 1404
"""Epochs of a full training, and of a search: one pass of Hyperband's brackets over 1, 3, … 81."""
WORKERS, SEEDS, REPORT_EVERY = 8, 5, 3
_BOUND = {"max_length": {"epochs": LONGEST}, "max_trials": "unlimited", "budget": {"epochs": BUDGET}}
SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "random": {"name": "random", **_BOUND},
    "adaptive_asha": {"name": "adaptive_asha", "divisor": 3, **_BOUND},
    "auto": {"name": "auto", "divisor": 3, "proposals": "random", **_BOUND},
    "auto, mixture": {"name": "auto", "divisor": 3, "proposals": "mixture", **_BOUND},
    "bohb": {"name": "bohb", "divisor": 3, "min_length": 1, "max_length": {"epochs": LONGEST}},
    "pbt": {"name": "pbt", "population_size": 17, "num_rounds": 27, "length_per_round": {"epochs": 3}},
}
"""17 trials of 81 epochs are what a population can have of the budget, and random search trains as many."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A search with one seed: each improvement as epochs of all trials until then and the best validation error (a
    share); the error of the best on images that were not seen; what was trained."""

    search: str
    seed: int
    improvements: Sequence[tuple[int, float]]
    unseen: float
    epochs: int
    trials: int
    full: int

    @property
    def validation(self) -> float:
        """The best validation error."""
        return self.improvements[-1][1]

    def after(self, epochs: int) -> float:
        """The best validation error after so many epochs of all trials; that of chance before the first result."""
        return next((error for when, error in reversed(self.improvements) if when <= epochs), 0.9)


def planned(search: str, seed: int) -> Planned:
    """The search as the service plans it."""
    section = {"metric": "validation_error", "max_concurrent_trials": 0, **SEARCHES[search]}
    return plan_search(
        {"hyperparameters": {**space_of(COLUMNS), **FIXED}, "searcher": section, "seed": seed, "lease_seconds": 86_400}
    )


def search(name: str, seed: int) -> Outcome:
    """One search from its first ask to its end."""
    return run_on_stage(_search(name, seed))


async def _search(name: str, seed: int) -> Outcome:
    found = planned(name, seed)
    curves = TrainedCurves(partial(propose, found.config.space, found.config.seed), seed, LONGEST)
    async with stage(compute=_here) as store:
        run = await simulate(store, found.config, found.plan, curves, Fleet(WORKERS, report_every=REPORT_EVERY), keep_steps=False)
    return outcome(name, seed, run.jobs, curves)


async def _here(_: str, work: Callable[..., Any], *args: Any) -> Any:
    """Models propose in this process: nothing else waits for it."""
    return work(*args)


def outcome(name: str, seed: int, jobs: Iterable[Job], curves: TrainedCurves) -> Outcome:
    """What a search came to, from its jobs in the order of their results."""
    epochs, best, improvements, unseen = 0, float("inf"), list[tuple[int, float]](), 1.0
    counted = list[Job]()
    for job in jobs:
        if not job.told or epochs + job.end - job.start > BUDGET:
            continue
        counted.append(job)
        epochs += job.end - job.start
        errors = curves.errors(job.trial, job.end)
        if errors.validation < best:
            best, unseen = errors.validation, errors.unseen
            improvements.append((epochs, best))
    full = sum(job.end == LONGEST for job in counted)
    return Outcome(name, seed, improvements, unseen, epochs, len({job.trial for job in counted}), full)


def lines(found: Mapping[str, Sequence[Outcome]]) -> Iterable[str]:
    """The outcomes as a table; errors in percent."""
    yield "| search | validation error, median (least to most) | of each seed | unseen images, median (least to most) |" \
        " after a third of the epochs | epochs | trials | to the end |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    for name, outcomes in found.items():
        each = ", ".join(f"{100 * one.validation:.2f}" for one in outcomes)
        early = median(one.after(BUDGET // 3) for one in outcomes)
        counts = [fmean(getattr(one, what) for one in outcomes) for what in ("epochs", "trials", "full")]
        yield (
            f"| {name} | {_spread([one.validation for one in outcomes])} | {each} |"
            f" {_spread([one.unseen for one in outcomes])} | {100 * early:.2f} |"
            f" {' | '.join(f'{count:,.0f}' for count in counts)} |"
        )


def _spread(errors: Sequence[float]) -> str:
    return f"{100 * median(errors):.2f} ({100 * min(errors):.2f} to {100 * max(errors):.2f})"


def main(arguments: Sequence[str]) -> None:
    """Print the table; to standard error, how far it is."""
    parser = argparse.ArgumentParser(prog="make quality QUALITY_ARGS=--train …", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each (%(default)s)")
    parser.add_argument("--searches", nargs="+", choices=list(SEARCHES), default=list(SEARCHES), help="these alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at the same time (%(default)s)")
    parser.add_argument("--picture", type=Path, help="where to draw the errors over the epochs, as PNG or SVG")
    parser.add_argument("--json", type=Path, help="where to write every outcome")
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    found: dict[str, list[Outcome]] = {}
    with ProcessPoolExecutor(chosen.processes) as pool:
        for name in chosen.searches:
            found[name] = list(pool.map(partial(search, name), range(chosen.seeds)))
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(*lines(found), sep="\n")
    print(f"\n{chosen.seeds} seeds, {WORKERS} workers.")
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(one) for outcomes in found.values() for one in outcomes]) + "\n")
    if chosen.picture:
        draw(found, BUDGET, chosen.picture)
