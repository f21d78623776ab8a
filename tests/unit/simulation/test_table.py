"""Tables of recorded curves: what the cells come to, which row a trial gets, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.sampling import propose
from rungway_server.simulation.curves import BadCurves, check_fit
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.order import Source, make_order
from rungway_server.simulation.rows import Dealt, Nearest
from rungway_server.simulation.table import Table, TableCurves, read_table

EXAMPLE = Path(__file__).parents[3] / "examples" / "curves" / "digits_mlp.npz"
NAN = float("nan")
VALUES = [
    [[0.9, 0.5, 0.4], [0.8, NAN, NAN], [0.7, 0.6, 0.2]],
    [[7.0, 8.0, 9.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]],
]


def write(folder: Path, **changes: Any) -> Path:
    meta = {"name": "tiny", "metric": "error", "lower_is_better": True, "resource_unit": "epoch"}
    arrays: dict[str, Any] = {
        "meta": json.dumps(meta | changes.pop("meta", {})),
        "tasks": np.array(["a", "b"]),
        "val": np.array(VALUES, dtype=np.float32),
        "seconds": np.ones((1, 1, 1), dtype=np.float32),
    }
    arrays = {key: value for key, value in (arrays | changes).items() if value is not None}
    path = folder / "tiny.npz"
    np.savez(path, **arrays)
    return path


def values(table: Table) -> list[list[float]]:
    return np.round(table.values, 6).tolist()  # type: ignore[no-any-return]


def test_a_diverged_cell_is_the_worst_value_of_the_table(tmp_path: Path) -> None:
    table = read_table(write(tmp_path))
    assert (table.task, table.metric, table.unit, table.smaller_is_better) == ("a", "error", "epoch", True)
    assert values(table) == [[0.9, 0.5, 0.4], [0.8, 9.0, 9.0], [0.7, 0.6, 0.2]]
    larger = read_table(write(tmp_path, meta={"lower_is_better": False}))
    assert values(larger)[1] == [0.8, 0.2, 0.2]


def test_an_ended_run_keeps_its_last_value_and_costs_nothing_more(tmp_path: Path) -> None:
    seconds = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]] * 2, dtype=np.float32)
    table = read_table(write(tmp_path, n_done=np.array([[3, 1, 2]] * 2), seconds=seconds))
    assert values(table) == [[0.9, 0.5, 0.4], [0.8, 0.8, 0.8], [0.7, 0.6, 0.6]]
    assert table.elapsed.tolist() == [[0, 1, 3, 6], [0, 4, 4, 4], [0, 7, 15, 15]]
    order = Dealt(3, seed=1)
    assert [TableCurves(table, seed=1).ends(trial) for trial in range(3)] == [[3, 1, 2][order[n]] for n in range(3)]
    whole = TableCurves(read_table(write(tmp_path)), seed=1)
    assert [whole.ends(trial) for trial in range(3)] == [3, 3, 3]


def test_another_task(tmp_path: Path) -> None:
    table = read_table(write(tmp_path), "b")
    assert values(table)[0] == [7.0, 8.0, 9.0]
    assert table.title == "tiny, b"


def test_each_trial_has_a_row_of_its_own_until_all_are_used() -> None:
    order = Dealt(50, seed=3)
    first, second = [order[trial] for trial in range(50)], [order[trial] for trial in range(50, 100)]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert [Dealt(50, seed=3)[trial] for trial in (99, 0, 49)] == [second[-1], first[0], first[-1]]
    assert [Dealt(50, seed=4)[trial] for trial in range(50)] != first


def test_curves_give_the_rows_of_the_trials(tmp_path: Path) -> None:
    seconds = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]] * 2, dtype=np.float32)
    curves = TableCurves(read_table(write(tmp_path, seconds=seconds)), seed=1)
    order = Dealt(3, seed=1)
    for trial in range(3):
        row = order[trial]
        assert curves.metric(trial, 2) == pytest.approx([0.5, 9.0, 0.6][row])
        assert curves.seconds(trial, 1, 3) == [5, 11, 17][row]
    assert curves.unit_seconds == 5
    assert TableCurves(read_table(write(tmp_path)), 1, seconds_per_unit=2.5).seconds(0, 1, 3) == 5.0


LATENCY = np.arange(18, dtype=np.float64).reshape(1, 2, 3, 3)


def test_further_metrics_of_a_table(tmp_path: Path) -> None:
    """By task and row; after the end of a run its last value repeats, and what was not measured is not a number."""
    further = LATENCY.copy()
    further[0, 1, 0, 1] = NAN
    done = np.array([[3, 1, 2]] * 2)
    path = write(tmp_path, further=further, further_names=np.array(["latency"]), n_done=done)
    table = read_table(path, "b")
    np.testing.assert_array_equal(table.further["latency"], [[9, NAN, 11], [12, 12, 12], [15, 16, 16]])
    assert table.further["seconds"].tolist() == [[1, 2, 3], [1, 1, 1], [1, 2, 2]]
    curves = TableCurves(table, seed=1, further=["seconds", "latency"])
    order = Dealt(3, seed=1)
    assert [curves.further(trial, 3)["latency"] for trial in range(3)] == [[11, 12, 16][order[n]] for n in range(3)]
    assert curves.final_further()[2] == {"seconds": 2, "latency": 16}
    assert TableCurves(table, seed=1).further(0, 1) == {}


def test_lengths_and_directions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    curves = TableCurves(read_table(write(tmp_path)), seed=0)
    check_fit(curves, 3, True)
    with pytest.raises(BadCurves, match=r"tiny, a ends at length 3, but the search trains to 4"):
        check_fit(curves, 4, True)
    with pytest.raises(BadCurves, match=r"better when smaller: set smaller_is_better: true"):
        check_fit(curves, 3, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": None}, "without val"),
        ({"seconds": np.ones((4, 4))}, "seconds and n_done do not fit"),
        ({"val": np.ones((2, 3))}, r"val has the shape \(2, 3\)"),
        ({"val": np.full((2, 3, 3), NAN)}, "val has the shape"),
        ({"further": LATENCY}, r"further has the shape \(1, 2, 3, 3\) and 0 names"),
        ({"further": LATENCY[:, :1], "further_names": np.array(["latency"])}, r"shape \(1, 1, 3, 3\) and 1 names"),
        ({"further": np.concatenate([LATENCY] * 2), "further_names": np.array(["a", "a"])}, "a name of its own"),
        ({"meta": np.array({"pickled": object()}, dtype=object)}, "not an .npz table"),
    ],
)
def test_a_file_that_is_no_table_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    with np.load(path) as file:
        arrays: dict[str, Any] = dict(file)
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    with pytest.raises(BadCurves, match=message):
        read_table(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.npz"
    text.write_text("no table")
    with pytest.raises(BadCurves, match=r"not an \.npz table"):
        read_table(text)
    with pytest.raises(BadCurves, match="cannot be read: No such file"):
        read_table(tmp_path / "absent.npz")
    with pytest.raises(BadCurves, match="has no task 'c'; its tasks: a, b"):
        read_table(write(tmp_path), "c")


def test_the_table_in_examples_is_complete() -> None:
    table = read_table(EXAMPLE)
    assert table.values.shape == (2000, 81)
    assert np.isfinite(table.values).all()
    assert (np.diff(table.elapsed, axis=1) > 0).all()


SPACE = [
    {"name": "lr", "type": "float", "lower": 1e-4, "upper": 1.0, "log": True},
    {"name": "width", "type": "ordinal", "choices": [8, 16, 64]},
    {"name": "optimizer", "type": "categorical", "choices": ["sgd", "adam"]},
]
CONFIGS = np.array([[1e-4, 8, 0], [1e-2, 16, 1], [1e-2, 64, NAN]])


def nearest(folder: Path, hparams: dict[str, object], **changes: Any) -> int:
    table = read_table(write(folder, **{"space": json.dumps(SPACE), "configs": CONFIGS} | changes))
    space = parse({"hyperparameters": hparams, "searcher": {"name": "single", "metric": "error"}})[0].space
    return Nearest(table.columns, table.configs, space, seed=0)[0]


@pytest.mark.parametrize(
    ("hparams", "row"),
    [
        ({"lr": 2e-4, "width": 9, "optimizer": "sgd"}, 0),
        ({"lr": 2e-2, "width": 9, "optimizer": "adam"}, 1),
        ({"lr": 1e-2, "width": 512, "optimizer": "adam"}, 1),  # 512 counts as 64, half the range from 16
        ({"lr": 1e-2, "width": 60, "optimizer": "rmsprop"}, 2),  # a name that no row has is 1 from each of them
        ({"model": {"lr": 1e-4, "width": 8}, "optimizer": "sgd", "more": 3}, 0),
    ],
)
def test_the_nearest_row(hparams: dict[str, object], row: int, tmp_path: Path) -> None:
    assert nearest(tmp_path, hparams) == row


@pytest.mark.parametrize(
    ("name", "hparams", "row"),
    [
        ("weight.decay", {"weight.decay": 1e-4}, 0),
        ("`weight.decay`", {"weight.decay": 1e-4, "weight": {"decay": 1e-2}}, 0),
        ("weight.decay", {"weight.decay": 1e-2, "weight": {"decay": 1e-4}}, 0),
        ("weight decay", {"opt": {"weight decay": 1e-4}}, 0),
        ("opt.`a/b=c`", {"opt": {"a/b=c": 1e-4}, "other": {"a/b=c": 1e-2}}, 0),
        ("opt.a/b=c", {"opt": {"a/b=c": 1e-2}}, 1),
    ],
)
def test_columns_are_named_as_parameters_are(name: str, hparams: dict[str, Any], row: int, tmp_path: Path) -> None:
    column = {"name": name, "type": "float", "lower": 1e-4, "upper": 1.0, "log": True}
    assert nearest(tmp_path, hparams, space=json.dumps([column]), configs=CONFIGS[:, :1]) == row


def test_a_column_that_may_be_several_parameters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCurves, match=r"'lr' of the table may be a\.lr or `b-c`\.lr"):
        nearest(tmp_path, {"a": {"lr": 0.1}, "b-c": {"lr": 0.1}}, space=json.dumps(SPACE[:1]), configs=CONFIGS[:, :1])


@pytest.mark.parametrize("trial", range(6))
def test_a_column_may_be_several_parameters_of_which_one_exists_at_a_time(trial: int, tmp_path: Path) -> None:
    space: dict[str, Any] = {"k": {"type": "categorical", "vals": ["a", "b"]}}
    for kind, lr in (("a", 1e-4), ("b", 1e-2)):
        space[kind] = {"lr": {"type": "const", "val": lr, "when": {"k": kind}}}
    table = read_table(write(tmp_path, space=json.dumps(SPACE[:1]), configs=CONFIGS[:, :1]))
    read = parse({"hyperparameters": space, "searcher": {"name": "single", "metric": "error"}})[0].space
    found = Nearest(table.columns, table.configs, read, seed=0)[trial]
    assert found == {"a": 0, "b": 1}[str(propose(read, 0, trial)["k"])]


@pytest.mark.parametrize(
    ("hparams", "changes", "message"),
    [
        ({"lr": 0.1}, {}, "hyperparameters: without width, optimizer, of which"),
        ({"lr": "high", "width": 8, "optimizer": "sgd"}, {}, "hyperparameters.lr: got 'high'"),
        ({"lr": 0.1}, {"configs": np.ones((3, 2))}, r"configs has the shape \(3, 2\), wanted \(3, 3\)"),
        ({"lr": 0.1}, {"space": '[{"name": "lr"}]'}, "space does not describe the columns"),
        ({"lr": 0.1}, {"space": "no JSON"}, "space does not describe the columns"),
    ],
)
def test_hyperparameters_that_the_table_does_not_have_are_refused(
    hparams: dict[str, object], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadCurves, match=message):
        nearest(tmp_path, hparams, **changes)


def order_in(folder: Path, theirs: str, searcher: dict[str, Any]) -> None:
    table = write(folder, meta={"resource_unit": theirs})
    document = {"searcher": {"name": "random", "metric": "error", "max_trials": 2} | searcher, "seed": 1}
    make_order(document, Source(table), Fleet(1))


@pytest.mark.parametrize(
    ("theirs", "searcher", "ours"),
    [
        ("epoch", {"max_length": {"batches": 3}}, "batches"),
        ("epoch", {"max_length": {"records": 3}}, "records"),
        ("epochs", {"max_time": 3, "time_metric": "seconds"}, "seconds"),
        ("200 training steps", {"max_length": 3, "unit": "epochs"}, "epochs"),
        ("epoch", {}, "run"),
    ],
)
def test_a_search_in_another_unit_is_refused(theirs: str, searcher: dict[str, Any], ours: str, tmp_path: Path) -> None:
    with pytest.raises(BadCurves) as refused:
        order_in(tmp_path, theirs, searcher)
    assert f"the lengths of the search are in {ours!r}, those of tiny in {theirs!r}" in str(refused.value)


@pytest.mark.parametrize(
    ("theirs", "searcher"),
    [
        ("epoch", {"max_length": {"epochs": 3}}),
        ("Epochs", {"max_length": {"epochs": 3}}),
        ("epoch", {"max_length": 3}),
        ("200 training steps", {"max_length": 3, "unit": "200 training steps"}),
        ("", {"max_length": {"batches": 3}}),
    ],
)
def test_a_search_in_the_unit_of_the_table_or_in_none_fits(
    theirs: str, searcher: dict[str, Any], tmp_path: Path
) -> None:
    order_in(tmp_path, theirs, searcher)
