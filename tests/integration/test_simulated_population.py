"""Simulated population based training: a clone uses the recorded curve nearest to its hyperparameters."""

import json
from pathlib import Path

import numpy as np
import yaml
from typer.testing import CliRunner

from rungway_server.cli.app import app
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.order import Source, make_order, run_orders
from rungway_server.simulation.table import read_table

EXAMPLES = Path(__file__).parents[2] / "examples"
TABLE = EXAMPLES / "curves" / "digits_mlp.npz"


def population(tmp_path: Path) -> str:
    """A `pbt` search over the hyperparameters of the table."""
    document = yaml.safe_load((EXAMPLES / "simulated.yaml").read_text())
    shape = {"population_size": 20, "num_rounds": 8, "length_per_round": {"epochs": 10}, "truncate_fraction": 0.25}
    document["searcher"] = {"name": "pbt", "metric": "error", "max_concurrent_trials": 0, **shape}
    file = tmp_path / "population.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_clones_of_a_population_are_the_rows_nearest_to_their_own_hyperparameters(tmp_path: Path) -> None:
    table = read_table(TABLE)
    order = make_order(json.loads(Path(population(tmp_path)).read_text()), Source(TABLE), Fleet(8))
    [run] = run_orders([order])
    assert run.done
    assert any(note.startswith("clones:") for note in order.notes)
    begun = {step.trial: step.start for step in reversed(run.steps) if step.decision == "assigned"}
    clones = sorted(step.trial for step in run.steps if step.reason == "cloned")
    assert clones == list(range(20, 20 + 7 * 5))
    assert all(begun[trial] == 0 for trial in range(20))
    assert all(begun[trial] % 10 == 0 and begun[trial] > 0 for trial in clones)  # on from its parent's length
    told = {(step.trial, step.end): step.metric for step in run.steps if step.metric is not None}
    recorded = {tuple(row[9::10]) for row in table.values.tolist()}
    for trial in clones:
        curve = {end: metric for (number, end), metric in told.items() if number == trial}
        assert any(all(row[end // 10 - 1] == metric for end, metric in curve.items()) for row in recorded)
    assert len({told[trial, begun[trial] + 10] for trial in clones}) > 20  # each has a row of its own


def test_a_population_needs_rows_with_hyperparameters(tmp_path: Path) -> None:
    file = population(tmp_path)
    for arguments in (("--synthetic", "power"), ("--curves", str(TABLE), "--rows", "dealt")):
        result = CliRunner().invoke(app, ["simulate", file, *arguments, "--workers", "4"])
        assert (result.exit_code, "pbt changes hyperparameters on the way" in result.stderr) == (2, True)
    animated = ["--curves", str(TABLE), "--workers", "4", "--animate", str(tmp_path / "p.gif")]
    result = CliRunner().invoke(app, ["simulate", file, *animated])
    assert (result.exit_code, "--animate draws promotion rules" in result.stderr) == (2, True)


def test_a_clone_of_a_row_that_had_ended_trains_a_little(tmp_path: Path) -> None:
    """All runs of the table end at 25, in the third round of ten. A clone past that trains one epoch and ends."""
    with np.load(TABLE) as table:
        arrays = dict(table)
    np.savez(tmp_path / "short.npz", **arrays, n_done=np.full((1, 2000), 25))
    document = json.loads(Path(population(tmp_path)).read_text())
    [run] = run_orders([make_order(document, Source(tmp_path / "short.npz"), Fleet(8))])
    assert run.done
    assert run.finished > 0
    for job in run.jobs:
        assert job.end <= 25 or (job.over and job.end == job.start + 1), job
