"""The figures of a simulation: the best over time, targets, lengths, and how the workers spent their time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rungway_server.domain.search.config import SearcherConfig
from rungway_server.simulation.curves import Curves
from rungway_server.simulation.front import Front, Told, front_of, vector_at
from rungway_server.simulation.records import Run

QUANTILES = (0.1, 0.01, 0.001)
"""Default targets: these quantiles of the final results of all curves that the search could have drawn."""


@dataclass(frozen=True, slots=True)
class Point:
    """A new best at this time (simulated seconds), by this trial at this length."""

    time: float
    metric: float
    trial: int
    length: int


@dataclass(frozen=True, slots=True)
class Target:
    """When a metric was first reached (simulated seconds, None = never), at any length and at the full length."""

    name: str
    metric: float
    any_length: float | None
    full_length: float | None


@dataclass(frozen=True, slots=True)
class LengthRow:
    """How many trials ended at this length."""

    length: int
    trials: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run. Times are simulated seconds, lengths in the plan's unit; shares are of the workers' time.

    `busy` + `lost` + `waiting` = 1; lost went into jobs that were dropped, or not finished at the end. `full_times`
    are when trials were trained to the end, `finished` counts those that ended by themselves before. `failing`: the
    error after which the search paused itself (see `Run`). Where results rank by several objectives, `best` and the
    targets are of the first one, by results that meet the constraints; `front` is of all.
    """

    end: float
    done: bool
    trials: int
    trained_length: int
    lengths: tuple[LengthRow, ...]
    full_times: tuple[float, ...]
    drops: int
    busy: float
    lost: float
    waiting: float
    targets: tuple[Target, ...]
    best: tuple[Point, ...]
    best_full: tuple[Point, ...]
    finished: int = 0
    failing: str | None = None
    front: Front | None = None

    @property
    def full(self) -> int:
        """How many trials were trained to the end."""
        return len(self.full_times)

    @property
    def first_full(self) -> float | None:
        """When the first trial was trained to the end."""
        return self.full_times[0] if self.full_times else None


def summarise(
    run: Run, curves: Curves, targets: Sequence[float] = (), searcher: SearcherConfig | None = None
) -> Summary:
    """The figures of a run; `targets` are metrics (QUANTILES of the curves when there are none). `searcher` says what
    results rank by where that is not the metric alone."""
    told = sorted((job for job in run.jobs if job.told), key=lambda job: (job.ended, job.worker))
    results = [Point(job.ended, curves.metric(job.trial, job.end), job.trial, job.end) for job in told]
    longest, front, fit = run.plan.max_length, None, results
    full = [point for point in results if point.length == longest]
    if searcher and run.plan.objectives:
        vectors = [vector_at(curves, searcher, point.trial, point.length) for point in results]
        fit = [point for point, vector in zip(results, vectors, strict=True) if vector.violation == 0]
        both = zip(results, vectors, strict=True)
        front = front_of([Told(p.time, p.trial, v) for p, v in both if p.length == longest], curves, searcher)
    best = _improvements(fit, curves.smaller_is_better)
    best_full = _improvements([point for point in fit if point.length == longest], curves.smaller_is_better)
    reached: dict[int, int] = {}
    for point in results:
        reached[point.trial] = max(point.length, reached.get(point.trial, 0))
    time = run.fleet.workers * run.end
    spent = [sum(job.ended - job.began for job in run.jobs if job.told is good) for good in (True, False)]
    busy, lost = ((part / time if time else 0.0) for part in spent)
    return Summary(
        end=run.end,
        done=run.done,
        trials=len({job.trial for job in run.jobs}),
        trained_length=sum(job.end - job.start for job in told),
        lengths=tuple(LengthRow(length, trials) for length, trials in sorted(Counter(reached.values()).items())),
        full_times=tuple(point.time for point in full),
        drops=run.drops,
        busy=busy,
        lost=lost,
        waiting=max(1.0 - busy - lost, 0.0),
        targets=tuple(_targets(curves, targets, best, best_full)),
        best=best,
        best_full=best_full,
        finished=run.finished,
        failing=run.failing,
        front=front,
    )


def _improvements(points: Sequence[Point], smaller: bool) -> tuple[Point, ...]:
    best: list[Point] = []
    for point in points:
        if not best or (point.metric < best[-1].metric if smaller else point.metric > best[-1].metric):
            best.append(point)
    return tuple(best)


def _targets(curves: Curves, asked: Sequence[float], best: Sequence[Point], full: Sequence[Point]) -> list[Target]:
    named = [(f"{metric:g}", metric) for metric in asked]
    if not asked:
        finals = sorted(curves.finals(), reverse=not curves.smaller_is_better)
        named = [
            (f"best {100 * part:g}% of the curves", finals[int(part * len(finals))])
            for part in QUANTILES
            if part * len(finals) >= 1
        ]
    return [
        Target(name, metric, *(_first(points, metric, curves.smaller_is_better) for points in (best, full)))
        for name, metric in named
    ]


def _first(points: Sequence[Point], metric: float, smaller: bool) -> float | None:
    return next((p.time for p in points if (p.metric <= metric if smaller else p.metric >= metric)), None)
