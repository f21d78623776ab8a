"""Searches beside each other by real training, with as many epochs: `make quality QUALITY_ARGS=--train`.

Each search is one of small networks on handwritten digits (`trained`), whose learning rate follows a schedule that is
searched, too. The decisions are those of the service, on a simulated clock on which an epoch takes a second. All have
as many epochs as one pass of BOHB's brackets takes; what comes after these does not count. All validate 27 times on the
way, and where something is decided: who looks more often finds a better one by chance. A search is judged by the best
validation error, and by the error of that network, as it was then, on images that no search sees.
"""

import argparse
import asyncio
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

from loadtests.peers.entrants import AdapterFailed
from loadtests.peers.environments import NotInstalled
from loadtests.quality.libraries import LIBRARIES, library, play
from loadtests.quality.picture import draw
from loadtests.quality.trained import COLUMNS, FIXED, TrainedCurves
from rungway_server.domain.sampling.sampling import propose
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.pool import space_of
from rungway_server.simulation.quality import DRAWS
from rungway_server.simulation.records import Job
from rungway_server.simulation.stage import run_on_stage, stage

WORKERS, SEEDS = 8, 5
ROUNDS = 27
"""Of a population; all searches validate as often."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Epochs of a full training, and of a search: one pass of BOHB's brackets."""

    longest: int
    budget: int

    @property
    def step(self) -> int:
        """Epochs from one validation to the next."""
        return self.longest // ROUNDS


SHORT, LONG = Terms(27, 357), Terms(81, 1404)


def searches(terms: Terms) -> Mapping[str, Mapping[str, Any]]:
    """The searcher section of each. A population has as many trials as random search trains to the end."""
    full = {"max_length": {"epochs": terms.longest}, "divisor": 3}
    bound = {"max_trials": "unlimited", "budget": {"epochs": terms.budget}}
    rounds = {"num_rounds": ROUNDS, "length_per_round": {"epochs": terms.step}}
    return {
        "random": {"name": "random", "max_length": full["max_length"], **bound},
        "adaptive_asha": {"name": "adaptive_asha", **full, **bound},
        DRAWS: {"name": "auto", "proposals": "random", "min_length": 1, **full, **bound},
        "auto": {"name": "auto", "min_length": 1, **full, **bound},
        "bohb": {"name": "bohb", "min_length": 1, **full},
        "pbt": {"name": "pbt", "population_size": terms.budget // terms.longest, **rounds},
    }


SEARCHES = list(searches(SHORT))
PLAYED = [*SEARCHES, "Optuna TPE, Hyperband", "Syne Tune ASHABORE", "Vizier"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A search of trainings of `longest` epochs with one seed: each improvement as epochs of all trials until then and
    the best validation error (a share); the error of the best on images that were not seen; what was trained."""

    search: str
    longest: int
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


def planned(search: str, terms: Terms, seed: int) -> Planned:
    """The search as the service plans it."""
    section = {"metric": "validation_error", "max_concurrent_trials": 0, **searches(terms)[search]}
    return plan_search(
        {"hyperparameters": {**space_of(COLUMNS), **FIXED}, "searcher": section, "seed": seed, "lease_seconds": 86_400}
    )


def search(name: str, terms: Terms, seed: int) -> Outcome:
    """One search from its first ask to its end. Raises NotInstalled, and AdapterFailed, of a library."""
    return asyncio.run(_library(name, terms, seed)) if name in LIBRARIES else run_on_stage(_search(name, terms, seed))


async def _library(name: str, terms: Terms, seed: int) -> Outcome:
    curves = TrainedCurves(lambda trial: {}, seed, terms.longest)

    def place(trial: int, hparams: Mapping[str, object]) -> Mapping[str, object]:
        curves.configured(trial, {**FIXED, **hparams})
        return hparams

    async with library(name, COLUMNS) as playing:
        await playing.begin(terms.longest, seed)
        jobs = await play(playing, curves, place, Fleet(WORKERS, report_every=terms.step), most=terms.budget)
    return outcome(name, terms, seed, jobs, curves)


async def _search(name: str, terms: Terms, seed: int) -> Outcome:
    found = planned(name, terms, seed)
    curves = TrainedCurves(partial(propose, found.config.space, found.config.seed), seed, terms.longest)
    async with stage(compute=_here) as store:
        run = await simulate(
            store, found.config, found.plan, curves, Fleet(WORKERS, report_every=terms.step), keep_steps=False
        )
    return outcome(name, terms, seed, run.jobs, curves)


async def _here(_: str, work: Callable[..., Any], *args: Any) -> Any:
    """Models propose in this process: nothing else waits for it."""
    return work(*args)


def outcome(name: str, terms: Terms, seed: int, jobs: Iterable[Job], curves: TrainedCurves) -> Outcome:
    """What a search came to, from its jobs in the order of their results."""
    epochs, best, improvements, unseen = 0, float("inf"), list[tuple[int, float]](), 1.0
    counted = list[Job]()
    for job in jobs:
        if not job.told or epochs + job.end - job.start > terms.budget:
            continue
        counted.append(job)
        epochs += job.end - job.start
        errors = curves.errors(job.trial, job.end)
        if errors.validation < best:
            best, unseen = errors.validation, errors.unseen
            improvements.append((epochs, best))
    full = sum(job.end == terms.longest for job in counted)
    return Outcome(name, terms.longest, seed, improvements, unseen, epochs, len({job.trial for job in counted}), full)


def lines(found: Mapping[str, Sequence[Outcome]], terms: Terms) -> Iterable[str]:
    """The outcomes as a table; errors in percent."""
    yield (
        "| search | validation error, median (least to most) | of each seed | unseen images, median (least to most) |"
        " after a third of the epochs | epochs | trials | to the end |"
    )
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    for name, outcomes in found.items():
        each = ", ".join(f"{100 * one.validation:.2f}" for one in outcomes)
        early = median(one.after(terms.budget // 3) for one in outcomes)
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
    chosen = _parser().parse_args(arguments)
    began, absent, terms = time.perf_counter(), list[str](), LONG if chosen.long else SHORT
    kept = _read(chosen.keep) if chosen.keep and chosen.keep.exists() else {}
    with ProcessPoolExecutor(chosen.processes) as processes:
        for name in chosen.searches:
            missing = [seed for seed in range(chosen.seeds) if (name, terms.longest, seed) not in kept]
            try:
                played = list(processes.map(partial(search, name, terms), missing))
            except (NotInstalled, AdapterFailed) as failure:
                absent.append(f"Left out: {name}: {failure}.")
                continue
            kept |= {(name, terms.longest, one.seed): one for one in played}
            if chosen.keep:
                chosen.keep.write_text(json.dumps([asdict(one) for one in kept.values()]) + "\n")
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    seeds = range(chosen.seeds)
    shown = {
        name: [kept[name, terms.longest, seed] for seed in seeds]
        for name in chosen.searches
        if all((name, terms.longest, seed) in kept for seed in seeds)
    }
    print(*lines(shown, terms), sep="\n")
    print(f"\n{chosen.seeds} seeds, {WORKERS} workers, {terms.longest} epochs, {terms.budget:,} a search.", *absent)
    if chosen.picture:
        draw(shown, terms.budget, chosen.picture)


def _read(file: Path) -> dict[tuple[str, int, int], Outcome]:
    """Outcomes by search, epochs of a full training, and seed."""
    outcomes = [Outcome(**each) for each in json.loads(file.read_text())]
    return {(one.search, one.longest, one.seed): one for one in outcomes}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make quality QUALITY_ARGS=--train …", description=__doc__)
    parser.add_argument("--long", action="store_true", help="81 epochs, and 1,404 a search, in place of 27 and 357")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="searches of each (%(default)s)")
    parser.add_argument("--searches", nargs="+", choices=[*SEARCHES, *LIBRARIES], default=PLAYED, help="these alone")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at the same time (%(default)s)")
    parser.add_argument("--picture", type=Path, help="where to draw the errors over the epochs, as PNG or SVG")
    parser.add_argument("--keep", type=Path, help="a file of outcomes (JSON): those in it are not played again")
    return parser
