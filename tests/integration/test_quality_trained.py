"""Searches by real training: networks go on from where they were, and clones from their parents' weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.quality.libraries import LIBRARIES
from loadtests.quality.picture import draw
from loadtests.quality.trained import CHANCE, COLUMNS, FIXED, TrainedCurves
from loadtests.quality.training import LONG, SEARCHES, SHORT, Terms, lines, outcome, planned
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.search.preview import preview
from rungway_server.service.experiments import plan_search
from rungway_server.simulation.curves import Checkpoint
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.pool import space_of
from rungway_server.simulation.records import Job, Run
from rungway_server.simulation.stage import run_on_stage, stage

GOOD: Mapping[str, object] = {
    **FIXED, "learning_rate": 0.1, "learning_rate_decay": 0.95, "momentum": 0.5, "batch_size": 64, "weight_decay": 1e-4,
    "dropout": 0.1, "shift_probability": 0.5,
}  # fmt: skip


def curves(hparams: Mapping[str, object] = GOOD) -> TrainedCurves:
    return TrainedCurves(lambda trial: hparams, seed=1, max_length=9)


def test_a_training_that_is_interrupted_ends_as_one_that_is_not() -> None:
    stepwise, whole = curves(), curves()
    steps = [stepwise.metric(0, length) for length in (1, 2, 4)]
    assert steps[-1] == whole.metric(0, 4) < steps[0]
    assert stepwise.metric(0, 1) == steps[0]  # what was told stays


def test_a_clone_begins_with_its_parents_weights_of_then() -> None:
    found = curves()
    early, late = found.metric(0, 1), found.metric(0, 4)
    found.configured(1, {**GOOD, "learning_rate": 0.0, "momentum": 0.0}, Checkpoint(0, 1))  # it learns nothing
    assert found.metric(1, 2) == early != late


def test_a_training_that_diverges_stays_at_chance() -> None:
    found = curves({**GOOD, "learning_rate": 1e30})
    assert [found.metric(0, 1), found.metric(0, 2)] == [CHANCE, CHANCE]


def test_a_population_trains_on_from_its_clones_parents() -> None:
    searcher = {"name": "pbt", "metric": "error", "population_size": 5, "num_rounds": 3, "max_concurrent_trials": 0}
    searcher |= {"length_per_round": {"epochs": 1}, "truncate_fraction": 0.4}
    small = plan_search({"hyperparameters": {**space_of(COLUMNS), **FIXED}, "searcher": searcher, "seed": 2})
    drawn = [propose(small.config.space, 2, number) for number in range(5)]
    trained = TrainedCurves(drawn.__getitem__, 2, 3)

    async def run() -> Run:
        async with stage() as store:
            return await simulate(store, small.config, small.plan, trained, Fleet(3))

    found = run_on_stage(run())
    assert found.done
    assert sum(job.end - job.start for job in found.jobs) == 15
    first = {job.trial: job.start for job in reversed(found.jobs)}
    assert {trial: start for trial, start in first.items() if trial >= 5} == {5: 1, 6: 1, 7: 2, 8: 2}


def test_what_comes_after_the_budget_does_not_count() -> None:
    found = curves()
    jobs = [Job(0, 0, 0, 0, 1, 1, 0.0, 1.0, True), Job(0, 0, 0, 1, 4, 4, 1.0, 4.0, True)]
    lost, late = replace(jobs[0], trial=1, told=False), replace(jobs[0], trial=2, end=SHORT.budget)
    short = outcome("random", SHORT, 0, [*jobs, lost, late], found)
    assert (short.epochs, short.trials, short.full) == (4, 1, 0)
    assert [when for when, _ in short.improvements] == [1, 4]
    assert short.validation == found.metric(0, 4) == short.after(4)
    assert (short.after(0), short.after(3)) == (CHANCE, found.metric(0, 1))


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("terms", [SHORT, LONG])
def test_every_search_is_planned_for_as_many_epochs(name: str, terms: Terms) -> None:
    plan = planned(name, terms, 1).plan
    assert plan.max_length == terms.longest
    trained = preview(plan).total_length if name in ("bohb", "pbt") else plan.budget
    assert terms.budget - terms.longest < trained <= terms.budget


def test_the_table_and_the_picture(tmp_path: Path) -> None:
    one = outcome("random", SHORT, 0, [Job(0, 0, 0, 0, 1, 1, 0.0, 1.0, True)], curves())
    better = replace(one, seed=1, improvements=[(3, 0.05)])
    assert f"{50 * (one.validation + 0.05):.2f} (5.00 to " in list(lines({"random": [one, better]}, SHORT))[-1]
    every = {name: [one, better] for name in (*SEARCHES, *LIBRARIES, "one more")}
    draw(every, SHORT.budget, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
