"""Simulations on a real Redis: worked out by hand, deterministic, by the rules of the search, and fast enough."""

import json
from collections.abc import AsyncIterator, Mapping
from csv import DictReader
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL.GifImagePlugin import GifImageFile
from typer.testing import CliRunner, Result

from rungway_server.cli.app import app
from rungway_server.domain.search.preview import preview
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.service.port import Store
from rungway_server.simulation.curves import Curves
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import DropForm, Fleet
from rungway_server.simulation.hypervolume import hypervolume
from rungway_server.simulation.records import Run
from rungway_server.simulation.stage import stage
from rungway_server.simulation.study import FLEETS, HEADINGS, SEEDS, halving, rows
from rungway_server.simulation.summary import summarise
from rungway_server.simulation.synthetic import SyntheticCurves
from rungway_server.simulation.table import read_table
from rungway_server.simulation.twin import synchronous
from tests.support.curves import SteadyCurves

EXAMPLES = Path(__file__).parents[2] / "examples"
TABLE = EXAMPLES / "curves" / "digits_mlp.npz"
STRAGGLER = str(EXAMPLES / "straggler.yaml")
HALVING: dict[str, Any] = {"name": "async_halving", "max_trials": 81, "max_length": 27, "num_rungs": 4, "divisor": 3}
SEARCHERS: dict[str, dict[str, Any]] = {
    "single": {"max_length": 27},
    "random": {"max_trials": 20, "max_length": 27},
    "async_halving": {**HALVING},
    "async_halving stopping": {**HALVING, "stop_once": True},
    "async_halving brackets": {**HALVING, "num_rungs": None, "min_length": 1, "brackets": 2},
    "sync_halving": {**HALVING},
    "hyperband": {"max_length": 27, "divisor": 3},
    "adaptive": {"max_trials": 90, "max_length": 27, "divisor": 3},
    "adaptive_asha": {"max_trials": 90, "max_length": 27, "divisor": 3},
    "adaptive_asha stopping": {"max_trials": 90, "max_length": 27, "divisor": 3, "stop_once": True},
}


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with stage() as store:
        yield store


def planned(lease_seconds: float = 5.0, **searcher: Any) -> Planned:
    section = {"metric": "error", "unit": "epochs", **searcher}
    if section["name"] != "single":
        section.setdefault("max_concurrent_trials", 0)
    section = {key: value for key, value in section.items() if value is not None}
    return plan_search({"searcher": section, "lease_seconds": lease_seconds, "seed": 1})


async def run(store: Store, search: Planned, fleet: Fleet, curves: Curves | None = None) -> Run:
    plan = search.plan
    curves = curves or SyntheticCurves("power", fleet.seed, plan.max_length, plan.max_trials)
    return await simulate(store, search.config, plan, curves, fleet)


class Ordered(SteadyCurves):
    """Trial n is better than trial n + 1 at every length; a unit of length takes a second."""

    name, max_length = "ordered", 9

    def metric(self, trial: int, length: int) -> float:
        return trial / 10 + 1 / length

    def finals(self) -> list[float]:
        return [0.1]


LADDER: dict[str, Any] = {"max_trials": 9, "max_length": 9, "num_rungs": 3, "divisor": 3}


async def test_a_synchronous_search_by_hand(store: Store) -> None:
    done = await run(store, planned(name="sync_halving", **LADDER), Fleet(2), Ordered())
    # Rung 0 has 9 results and 3 slots: the seventh result, that of trial 6, makes one promotion certain, and so on.
    jobs = [(job.worker, job.trial, job.start, job.end, job.began, job.ended) for job in done.jobs]
    assert jobs[:6] == [(n % 2, n, 0, 1, n // 2, n // 2 + 1) for n in range(6)]
    assert sorted((trial, end) for _, trial, _, end, _, _ in jobs if end > 1) == [(0, 3), (0, 9), (1, 3), (2, 3)]
    first_promoted = next(began for _, trial, _, end, began, _ in jobs if end == 3)
    assert first_promoted == 4.0
    assert (jobs[-1][1], jobs[-1][5], done.end, done.done) == (0, done.end, done.end, True)


async def test_an_asynchronous_search_by_hand(store: Store) -> None:
    done = await run(store, planned(name="async_halving", **LADDER), Fleet(1), Ordered())
    told = [(job.trial, job.end, job.ended) for job in done.jobs]
    # Three results make the best promotable. It is not the trial of the worker, so the worker asks and gets trial 0.
    assert told[:4] == [(0, 1, 1.0), (1, 1, 2.0), (2, 1, 3.0), (0, 3, 5.0)]
    assert done.end == 9 * 1 + 3 * 2 + 1 * 6
    assert [step.decision for step in done.steps[:2]] == ["assigned", "pause"]
    assert done.cost.tells == len(done.jobs) == 13


class Ending(Ordered):
    """Trial 0 is by far the best, and its training ends at length 2; that of trial 8 ends at 1."""

    def metric(self, trial: int, length: int) -> float:
        return super().metric(trial, length) - (trial == 0)

    def ends(self, trial: int) -> int:
        return {0: 2, 8: 1}.get(trial, 9)


@pytest.mark.parametrize("name", ["async_halving", "sync_halving"])
async def test_a_training_that_ends_by_itself(store: Store, name: str) -> None:
    """The best is promoted to the top without training. The worst ends where it was."""
    done = await run(store, planned(name=name, **LADDER), Fleet(1), Ending())
    assert done.done
    own = [(job.start, job.end, job.goal, job.over) for job in done.jobs if job.trial == 0]
    assert own == [(0, 1, 1, False), (1, 2, 3, True)]
    assert [(job.end, job.over) for job in done.jobs if job.trial == 8] == [(1, False)]
    last = [(step.decision, step.reason) for step in done.steps if step.trial == 0][-1]
    assert last == ("stop", "finished")
    summary = summarise(done, Ending())
    assert (summary.finished, summary.full, summary.best[-1].length) == (1, 0, 2)
    assert summary.trained_length == sum(job.end - job.start for job in done.jobs)


async def test_one_that_had_ended_where_it_paused_has_nothing_to_train(store: Store) -> None:
    class Over(Ordered):
        def ends(self, trial: int) -> int:
            return 1

    done = await run(store, planned(name="async_halving", **LADDER), Fleet(2), Over())
    assert done.done
    idle = [(job.start, job.end, job.began == job.ended) for job in done.jobs if job.over]
    assert idle == [(1, 1, True)] * done.finished
    assert (done.finished, summarise(done, Over()).trained_length) == (3, 9)


@pytest.mark.parametrize("report_every", [0, 2])
async def test_in_the_stopping_form_too(store: Store, report_every: int) -> None:
    search = planned(name="async_halving", **LADDER, stop_once=True)
    done = await run(store, search, Fleet(3, report_every=report_every), Ending())
    assert done.done
    own = [(job.end, job.over) for job in done.jobs if job.trial == 0]
    assert own[-1] == (2, True)


@pytest.mark.parametrize("form", DropForm)
async def test_a_search_of_which_all_is_dropped_pauses_itself(store: Store, form: DropForm) -> None:
    search = planned(name="random", max_trials=50, max_length=27)
    done = await run(store, search, Fleet(3, drop_probability=0.99, drop_form=form, seed=1))
    assert (done.done, done.failing) == (False, "dropped" if form is DropForm.TOLD else "lease expired")
    assert done.drops >= 10
    assert not [job for job in done.jobs if job.told]


@pytest.mark.parametrize("name", SEARCHERS)
async def test_every_searcher_runs_to_its_end(store: Store, name: str) -> None:
    search = planned(**{**SEARCHERS[name], "name": name.partition(" ")[0]})
    fleet = Fleet(7, 0.5, 0.01, seed=3)
    done = await run(store, search, fleet)
    plan = search.plan
    summary = summarise(done, SyntheticCurves("power", 3, plan.max_length, plan.max_trials))
    assert done.done
    assert summary.trials == plan.max_trials
    assert summary.full >= 1
    assert {row.length for row in summary.lengths} <= {rung.length for b in plan.brackets for rung in b.rungs}
    assert not any(step.decision == "superseded" for step in done.steps)
    check_workers(done)


def check_workers(done: Run) -> None:
    """No worker does two jobs at a time, and no trial is trained by two workers at a time."""
    for key in ("worker", "trial"):
        jobs = sorted(done.jobs, key=lambda job: (getattr(job, key), job.began, job.ended))
        for one, following in pairwise(jobs):
            if getattr(one, key) == getattr(following, key):
                assert one.ended <= following.began


@pytest.mark.parametrize("name", ["sync_halving", "hyperband", "adaptive"])
async def test_a_synchronous_search_trains_what_its_preview_says(store: Store, name: str) -> None:
    search = planned(**{**SEARCHERS[name], "name": name})
    done = await run(store, search, Fleet(8, 1.0))
    summary = summarise(done, SyntheticCurves("power", 0, 27, 1))
    rows = [(row.length, row.trials) for row in preview(search.plan).total if row.trials]
    assert [(row.length, row.trials) for row in summary.lengths] == rows


async def test_the_same_seed_gives_the_same_run(store: Store) -> None:
    search = planned(name="adaptive_asha", max_trials=60, max_length=27, divisor=3)
    fleet = Fleet(5, 0.7, 0.02, seed=9)
    first, second = [await run(store, search, fleet) for _ in range(2)]
    assert first.steps == second.steps
    assert first.jobs == second.jobs
    other = await run(store, search, replace(fleet, seed=10))
    assert other.steps != first.steps


async def test_a_silent_drop_comes_back_when_its_lease_expires(store: Store) -> None:
    done = await run(store, planned(4.0, **HALVING), Fleet(6, 0.5, 0.03, seed=2))
    again = check_drops(done)
    assert len(again) >= 5
    assert min(again) == pytest.approx(4.0, abs=0.001)  # the store counts in milliseconds


async def test_a_told_drop_comes_back_at_once(store: Store) -> None:
    done = await run(store, planned(4.0, **HALVING), Fleet(6, 0.5, 0.03, DropForm.TOLD, seed=2))
    again = check_drops(done)
    assert len(again) >= 5
    assert min(again) == 0.0


def check_drops(done: Run) -> list[float]:
    """How long each dropped trial was away until it was assigned again; it must resume from its last result."""
    again = []
    for index, drop in enumerate(done.steps):
        if drop.decision == "dropped":
            later = [s for s in done.steps[index + 1 :] if s.trial == drop.trial and s.decision == "assigned"]
            if later and later[0].reason == "requeued":
                assert later[0].start == drop.start
                again.append(later[0].time - drop.time)
    assert done.drops == sum(step.decision == "dropped" for step in done.steps)
    return again


async def test_reports_on_the_way_change_no_decision(store: Store) -> None:
    search = planned(name="adaptive_asha", max_trials=60, max_length=27, divisor=3)
    fleet = Fleet(5, 0.7, seed=9)
    rare, often = [await run(store, search, each) for each in (fleet, replace(fleet, report_every=2))]
    decided = [step for step in often.steps if step.reason != "between_rungs"]
    assert [(step.worker, step.trial, step.decision, step.rung) for step in decided] == [
        (step.worker, step.trial, step.decision, step.rung) for step in rare.steps
    ]
    assert often.end == pytest.approx(rare.end)
    lengths = {rung.length for bracket in search.plan.brackets for rung in bracket.rungs}
    assert {job.end for job in often.jobs} == {*range(2, 27, 2), *lengths}


async def test_reports_on_the_way_save_what_was_trained(store: Store) -> None:
    fleet = Fleet(6, 0.5, 0.03, DropForm.TOLD, seed=2, report_every=1)
    done = await run(store, planned(4.0, **HALVING), fleet)
    check_drops(done)
    check_workers(done)
    rungs = {rung.length for rung in planned(4.0, **HALVING).plan.brackets[0].rungs}
    assert any(step.decision == "dropped" and step.start not in {0, *rungs} for step in done.steps)


async def test_leases_of_live_workers_never_expire(store: Store) -> None:
    search = planned(0.5, **HALVING)
    curves = SyntheticCurves("power", 0, 27, 81, seconds_per_unit=60.0)  # 120 leases long
    done = await run(store, search, Fleet(4), curves)
    assert done.done
    assert {step.reason for step in done.steps if step.decision == "assigned"} == {"new_trial", "promoted"}
    assert [job.trial for job in done.jobs] == [job.trial for job in (await run(store, search, Fleet(4))).jobs]


async def test_the_cap_holds_back_workers(store: Store) -> None:
    done = await run(store, planned(**HALVING, max_concurrent_trials=3), Fleet(8, 1.0))
    moments = sorted(job.began for job in done.jobs)
    assert max(sum(job.began <= now < job.ended for job in done.jobs) for now in moments) == 3


async def test_the_horizon_cuts_jobs_off(store: Store) -> None:
    done = await run(store, planned(**HALVING), Fleet(4, 0.5, horizon=20.0))
    assert (done.end, done.done, done.drops) == (20.0, False, 0)
    unfinished = [job for job in done.jobs if not job.told]
    assert len(unfinished) == 4
    assert {job.ended for job in unfinished} == {20.0}


async def test_asynchronous_promotion_trains_the_first_to_the_end_earlier(store: Store) -> None:
    search, fleet = halving(read_table(TABLE)), Fleet(16, 1.0, 0.01)
    small = replace(search.plan, brackets=(replace(search.plan.brackets[0], max_trials=243),))
    curves = SyntheticCurves("power", 1, 81, 243)
    first = []
    for plan in (small, synchronous(small)):
        done = await simulate(store, search.config, plan, curves, fleet)
        first.append(summarise(done, curves).first_full or 0.0)
    assert 0 < first[0] < 0.8 * first[1]


def test_the_study_prints_its_table() -> None:
    table = read_table(TABLE)
    small = replace(table, values=table.values[:60, :9], elapsed=table.elapsed[:60, :10])
    lines = [*HEADINGS, *rows(small, (Fleet(1), Fleet(4, 1.0, 0.01), Fleet(4)), seeds=2)]
    assert len({line.count("|") for line in lines}) == 1
    assert lines[3].startswith("| 1 | 0 | 0 | ")
    assert lines[3].endswith("(x1.0) |")  # as fast as itself


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_documented_table_is_what_the_study_prints() -> None:
    """Only the row that is simulated fastest: 500 workers without drops."""
    fleets = [fleet for fleet in FLEETS if fleet.workers == 500 and fleet.straggler_sd == 0]
    (line,) = rows(read_table(TABLE), fleets, SEEDS)
    documented = (EXAMPLES.parent / "docs" / "simulation.md").read_text(encoding="utf-8")
    *figures, _, _ = line.split(" | ")  # the speedup needs the row of one worker
    assert f"\n{' | '.join(figures)} | " in documented
    assert all(f"\n{heading}\n" in documented for heading in HEADINGS)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


def test_the_command_prints_figures_and_writes_files(tmp_path: Path) -> None:
    csv, png = tmp_path / "events.csv", tmp_path / "picture.png"
    result = invoke(
        *(STRAGGLER, "--curves", str(TABLE), "--workers", "16", "--seconds-per-unit", "1", "--straggler-sd", "1"),
        *("--drop-probability", "0.01", "--seed", "4", "--target", "0.05", "--csv", str(csv), "--plot", str(png)),
    )
    assert result.exit_code == 0, result.output
    for words in ("243 of 243", "workers waiting", "Best so far", "0.05", "decisions", "a second"):
        assert words in result.output
    lines = csv.read_text().splitlines()
    assert lines[0] == "time,worker,trial,from,to,metric,decision,reason,bracket,rung"
    assert lines[1] == "0.000000,0,0,0,1,,assigned,new_trial,0,0"
    assert len(lines) > 600
    assert png.read_bytes().startswith(b"\x89PNG")


def test_the_command_says_that_the_search_paused_itself(tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    section = {"name": "random", "metric": "error", "max_trials": 50, "max_length": 27, "unit": "epochs"}
    file.write_text(json.dumps({"searcher": section}))
    arguments = ("--synthetic", "power", "--workers", "4", "--drop-probability", "0.99", "--drop-form", "told")
    out = " ".join(invoke(str(file), *arguments).output.split())
    assert "the search has paused itself" in out
    assert "Its first tries all failed, the last by: dropped" in out
    assert timeless(invoke(str(file), *arguments, "--output", "json"))["failing"] == "dropped"
    file.write_text(json.dumps({"searcher": section, "pause_after_failures": 0}))
    found = timeless(invoke(str(file), *arguments, "--output", "json"))
    assert (found["done"], found["failing"], found["trials"]) == (True, None, 50)


def test_the_command_counts_trainings_that_ended_by_themselves(tmp_path: Path) -> None:
    with np.load(TABLE) as table:
        arrays = dict(table)
    np.savez(tmp_path / "short.npz", **arrays, n_done=np.full((1, 2000), 20))
    search = (STRAGGLER, "--curves", str(tmp_path / "short.npz"), "--workers", "16", "--seconds-per-unit", "1")
    found = timeless(invoke(*search, "--output", "json"))
    assert found["finished"] > 0
    assert max(row["length"] for row in found["lengths"]) == 20
    assert "ended by themselves before" in invoke(*search).output


def test_the_same_command_gives_the_same_json() -> None:
    arguments = (STRAGGLER, "--synthetic", "power", "--workers", "60", "--straggler-sd", "1", "--output", "json")
    first, second = [timeless(invoke(*arguments)) for _ in range(2)]
    assert first == second
    assert first["curves"] == "power"
    assert first["trials"] == 243
    assert sum(row["trials"] for row in first["lengths"]) == 243
    assert first["busy"] + first["lost"] + first["waiting"] == pytest.approx(1)


def test_trials_are_the_rows_nearest_to_them() -> None:
    search = (str(EXAMPLES / "simulated.yaml"), "--curves", str(TABLE), "--workers", "8", "--output", "json")
    near, dealt = timeless(invoke(*search)), timeless(invoke(*search, "--rows", "dealt"))
    assert near["notes"] == ["rows: of 2000, the nearest by hyperparameters; several trials may share one"]
    assert dealt["notes"] == ["rows: dealt by the seed, regardless of a trial's hyperparameters"]
    assert near["best"] != dealt["best"]
    assert timeless(invoke(*search, "--seed", "1"))["best"] == near["best"]  # nothing is random any more


class DearWhereUnjudged(SteadyCurves):
    """Early results say nothing, and a trial that enters above the lowest rung takes five times as long for a unit."""

    name, max_length = "dear", 4

    def metric(self, trial: int, length: int) -> float:
        return (trial * 37 + length * length * 53) % 101 / 101

    def seconds(self, trial: int, start: int, end: int) -> float:
        return (end - start) * (5.0 if start == 0 and end > 1 else 1.0)

    def finals(self) -> list[float]:
        return [0.1]


async def test_results_of_a_cost_aware_search_say_what_their_jobs_took(store: Store) -> None:
    """What is dear gets less of the training than by length."""

    async def unjudged(**searcher: Any) -> float:
        search = planned(
            name="auto", max_trials=80, max_length=4, divisor=2, min_length=1, proposals="random", **searcher
        )
        jobs = (await run(store, search, Fleet(1), DearWhereUnjudged())).jobs
        return sum(job.end for job in jobs if job.start == 0 and job.end > 1) / sum(job.end - job.start for job in jobs)

    by_cost, by_length = await unjudged(cost_aware=True), await unjudged()
    assert 0 < by_cost < 0.8 * by_length


def test_the_hypervolume_of_a_search_with_two_objectives(tmp_path: Path) -> None:
    """What the command says of the front is what its events say."""
    csv, png = tmp_path / "events.csv", tmp_path / "picture.png"
    search = (str(EXAMPLES / "simulated_objectives.yaml"), "--curves", str(TABLE), "--workers", "8", "--csv", str(csv))
    found = timeless(invoke(*search, "--output", "json"))["front"]
    with csv.open(encoding="utf-8") as file:
        events = [event for event in DictReader(file) if event["to"] == "81" and event["metric"]]
    full = {int(event["trial"]): (float(event["metric"]), float(event["metrics.seconds"])) for event in events}
    on_front = {
        trial
        for trial, (error, seconds) in full.items()
        if not any((e <= error and s <= seconds) and (e, s) != (error, seconds) for e, s in full.values())
    }
    assert {member["trial"] for member in found["members"]} == on_front
    for member in found["members"]:
        assert (member["values"]["validation error"], member["values"]["seconds"]) == full[member["trial"]]
    ends = [(found["ideal"][name], found["reference"][name]) for name in ("validation error", "seconds")]
    gains = [
        [(reference - value) / (reference - ideal) for value, (ideal, reference) in zip(row, ends, strict=True)]
        for row in full.values()
    ]
    last = found["hypervolume"][-1]
    assert last["hypervolume"] == pytest.approx(hypervolume(np.array(gains)))
    assert last["share"] == pytest.approx(last["hypervolume"] / found["possible"])
    assert [each["hypervolume"] for each in found["hypervolume"]] == sorted(
        each["hypervolume"] for each in found["hypervolume"]
    )
    out = invoke(*search, "--plot", str(png)).output
    assert " ".join(out.split()).count("from the reference point (validation error") == 1
    assert f"{last['share']:.1%}" in out
    assert png.read_bytes().startswith(b"\x89PNG")


def objectives(folder: Path, *names: str, **searcher: Any) -> str:
    """A file with such a search."""
    metrics = [{"name": name, "goal": "minimize"} for name in names]
    section = {"name": "random", "metrics": metrics, "max_trials": 90, "max_length": 9, "unit": "epochs", **searcher}
    section = {key: value for key, value in section.items() if value is not None}
    space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    (folder / "search.json").write_text(json.dumps({"hyperparameters": space, "searcher": section}))
    return str(folder / "search.json")


@pytest.mark.parametrize(
    ("names", "arguments", "message"),
    [
        (("error", "seconds"), ("--synthetic", "power"), "made-up curves have one metric, and not 'seconds'"),
        (
            ("error", "latency"),
            ("--curves", str(TABLE)),
            "has no metric 'latency', by which the search ranks: it has validation error, seconds",
        ),
        (
            ("error", "seconds"),
            ("--curves", str(TABLE), "--animate", "a.gif"),
            "the synchronous one ranks by one metric",
        ),
    ],
)
def test_objectives_that_cannot_be_simulated_are_named(
    names: tuple[str, ...], arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    result = invoke(objectives(tmp_path, *names), "--workers", "4", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_further_metric_may_be_the_first_objective_and_one_may_be_bounded(tmp_path: Path) -> None:
    def play(*names: str, **searcher: Any) -> Mapping[str, Any]:
        file = objectives(tmp_path, *names, outcome_constraints=["seconds <= 0.2"], **searcher)
        return timeless(invoke(file, "--curves", str(TABLE), "--workers", "4", "--output", "json"))

    error, seconds = "validation error", "seconds"
    found = play(seconds, error, max_length=81)
    assert found["best_full"][-1]["metric"] <= 0.2
    assert {member["trial"] for member in found["front"]["members"]} >= {found["best_full"][-1]["trial"]}
    assert all(member["values"][seconds] <= 0.2 for member in found["front"]["members"])
    bounded = play(metric=error, metrics=None)
    assert bounded["front"] is None
    assert bounded["best"]


def timeless(result: Result) -> Mapping[str, Any]:
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert document.pop("speed")["decisions_per_second"] > 0
    return document


def test_the_animation_moves_for_fifteen_seconds_and_stays_small(tmp_path: Path) -> None:
    gif = tmp_path / "moving.gif"
    result = invoke(
        *(STRAGGLER, "--curves", str(TABLE), "--workers", "16", "--seconds-per-unit", "1"),
        *("--straggler-sd", "2", "--drop-probability", "0.01", "--animate", str(gif)),
    )
    assert result.exit_code == 0, result.output
    assert gif.stat().st_size < 3_000_000
    with GifImageFile(gif) as picture:
        assert (picture.size, picture.n_frames) == ((1200, 580), 150)
        assert picture.info["loop"] == 0
        colours = {colour for _, colour in picture.convert("RGB").getcolors(10**6) or ()}
        assert (255, 255, 255) in colours


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name one source of curves"),
        (("--synthetic", "straight"), 2, "there are: power, crossing, random"),
        (("--synthetic", "power", "--curves", str(TABLE)), 2, "name one source of curves"),
        (("--curves", "absent.npz"), 2, "absent.npz: cannot be read"),
        (("--curves", str(TABLE), "--task", "letters"), 2, "has no task 'letters'; its tasks: digits"),
        (("--synthetic", "power", "--drop-form", "loud"), 2, "--drop-form: got 'loud', wanted one of silent, told"),
        (("--synthetic", "power", "--rows", "best"), 2, "--rows: got 'best', wanted one of auto, nearest, dealt"),
        (("--synthetic", "power", "--rows", "nearest"), 2, "--rows nearest needs --curves"),
        (("--curves", str(TABLE), "--rows", "nearest"), 2, "hyperparameters: without lr, momentum, batch_size"),
        (("--synthetic", "power", "--straggler-sd", "inf"), 2, "--straggler-sd: got inf, wanted a finite number"),
        (("--synthetic", "power", "--target", "nan"), 2, "--target: got nan, wanted a finite number"),
        (("--synthetic", "power", "--plot", "run.doc"), 2, "run.doc: wanted a file name that ends in .png, .pdf, .svg"),
        (("--synthetic", "power", "--animate", "run.png"), 2, "run.png: wanted a file name that ends in .gif"),
        (("--synthetic", "power", "--animate", "absent/run.gif"), 2, "there is no folder absent"),
        (("--synthetic", "power", "--csv", "absent/events.csv"), 2, "cannot be written"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_block(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = invoke(STRAGGLER, "--workers", "4", *arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_auto_is_played_with_draws_where_curves_do_not_depend_on_hyperparameters(tmp_path: Path) -> None:
    file, power = tmp_path / "search.json", ("--synthetic", "power", "--workers", "4")

    def play(**searcher: str) -> Result:
        section = {"name": "auto", "metric": "loss", "max_trials": 40, "max_length": {"epochs": 9}, **searcher}
        space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
        file.write_text(json.dumps({"hyperparameters": space, "searcher": section}))
        return invoke(str(file), *power)

    by_default, draws, mixture = play(), play(proposals="random"), play(proposals="mixture")
    assert (by_default.exit_code, draws.exit_code, mixture.exit_code) == (0, 0, 2)
    assert "models need curves that tell the hyperparameters" in " ".join(by_default.output.split())
    assert "models need" not in draws.output
    assert "models propose hyperparameters" in mixture.stderr


@pytest.mark.parametrize(
    ("searcher", "message"),
    [
        ({"max_length": 82}, "ends at length 81, but the search trains to 82"),
        ({"smaller_is_better": False}, "better when smaller"),
    ],
)
def test_searches_that_the_table_cannot_show_are_refused(
    searcher: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "search.json"
    section = {"name": "random", "metric": "error", "max_trials": 4, "max_length": 9, "unit": "epochs", **searcher}
    file.write_text(json.dumps({"searcher": section}))
    result = invoke(str(file), "--curves", str(TABLE), "--workers", "4")
    assert result.exit_code == 2
    assert message in result.stderr
