"""Trials and curves as data frames, CSV and Parquet: one table of each, whoever takes it away."""

import asyncio
import csv
import importlib.util
import io
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import narwhals
import pytest

from rungway import (
    AsyncClient,
    Client,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    NotFound,
    Outcome,
    Report,
    Result,
    Unavailable,
)
from rungway._data.search_data import ExportReader
from tests.support.calls import config, unique_name
from tests.support.command_line import run
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, Service, services
from tests.support.waiting import SECONDS

SPACE = {
    "lr": {"type": "log", "base": 10, "minval": -3, "maxval": 0},
    "net": {"deep": {"type": "categorical", "vals": [True, False]}},
    "layers": {"type": "int", "minval": 3, "maxval": 4, "when": {"net.deep": True}},
    "size": {"type": "categorical", "vals": ["small", 8]},
    "x.y": {"type": "const", "val": 1.5},
}
COLUMNS = [
    *("number", "state", "outcome", "hparams.`x.y`", "hparams.layers", "hparams.lr", "hparams.net.deep"),
    *("hparams.size", "metric", "best", "best_length", "length", "metrics.accuracy", "metrics.lr", "cost"),
    *("created", "started", "ended", "duration", "worker", "restarts", "bracket", "rung", "checkpoint"),
    *("best_checkpoint", "message"),
]
STATES = ["failed", "completed", "completed", "completed", "completed", "completed", "completed", "running"]
RUNNING = len(STATES) - 1
BACKENDS = ("pandas", "polars", "pyarrow")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    """Of a search: trial 0 diverges, 1 is retried, 2 has no real result, the last one is under way."""
    name = unique_name("frames")
    with Client(service.address, experiment=name) as client:
        client.create_experiment(name, config(space=SPACE, max_trials=len(STATES), max_length={"epochs": 3}))
        for given in client.ask_once(len(STATES)).assignments:
            if given.trial == 0:
                client.fail(given, Outcome.DIVERGED, "=1+1")
            elif given.trial == 1:
                client.fail(given, Outcome.TRANSIENT, "")
            elif given.trial < RUNNING:
                metrics = [math.nan if given.trial == 2 else given.trial + 1 / epoch for epoch in (1, 2, 3)]
                further = [{"accuracy": 0.25, "lr": 0.1}, {}, {"accuracy": 0.75}]
                told = [Report(at, metrics[at - 1], further[at - 1], 0.5) for at in (1, 2, 3)]
                client.tell_many([Result(given, told, "c3")])
        again = client.ask_once()
        client.tell(again.assignments[0], 1.25)
        yield client


def frame(client: Client, backend: str) -> "narwhals.DataFrame[Any]":
    return narwhals.from_native(client.to_dataframe(backend=backend), eager_only=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_trials(client: Client, backend: str) -> None:
    found = frame(client, backend)
    assert found.columns == COLUMNS
    rows = list(found.iter_rows(named=True))
    trials = client.list_trials()
    assert [row["number"] for row in rows] == [trial.trial for trial in trials] == list(range(len(STATES)))
    assert [row["state"] for row in rows] == STATES
    assert [row["hparams.lr"] for row in rows] == [trial.hparams["lr"] for trial in trials]
    assert [row["hparams.net.deep"] for row in rows] == [trial.hparams["net"]["deep"] for trial in trials]
    assert [row["hparams.size"] for row in rows] == [str(trial.hparams["size"]) for trial in trials]
    assert {row["hparams.`x.y`"] for row in rows} == {1.5}
    layers = [None if missing(row["hparams.layers"]) else row["hparams.layers"] for row in rows]
    assert layers == [trial.hparams.get("layers") for trial in trials]
    assert None in layers
    last = rows[3]
    assert (last["metric"], last["best"], last["best_length"], last["length"]) == (3 + 1 / 3, 3 + 1 / 3, 3, 3)
    assert (last["metrics.accuracy"], last["metrics.lr"], last["cost"]) == (0.75, 0.1, 1.5)
    assert missing(rows[2]["best"])
    assert rows[0]["message"] == "=1+1"
    assert rows[0]["outcome"] == "diverged"


@pytest.mark.parametrize("backend", BACKENDS)
def test_times(client: Client, backend: str) -> None:
    rows = list(frame(client, backend).iter_rows(named=True))
    trials = client.list_trials()
    for row, trial in zip(rows, trials, strict=True):
        assert row["created"] == trial.create_time
        if row["number"] == RUNNING:
            assert missing(row["ended"])
            assert missing(row["duration"])
        elif row["number"] != 1:
            assert row["started"] == row["created"] < row["ended"]
            assert row["duration"] == pytest.approx((row["ended"] - row["started"]).total_seconds())
    events = {event.kind: event for event in client.explain_trial(1)}  # the last of each kind
    assert rows[1]["started"] == events["assign"].time
    whole = (rows[1]["ended"] - rows[1]["created"]).total_seconds()
    waited = (rows[1]["started"] - events["retry"].time).total_seconds()
    assert rows[1]["duration"] == pytest.approx(whole - waited)


def rows_of(native: Any) -> str:
    """As a text, where NaN is as NaN."""
    return repr(narwhals.from_native(native, eager_only=True).rows())


def missing(value: Any) -> bool:
    """None, NaN or NaT."""
    return value is None or value != value


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_curves(service: Service, client: Client, transport: str, backend: str) -> None:
    name = client.config.experiment
    with Client(service.target(transport)) as other:
        native = other.curves_dataframe(name, backend=backend)

    async def asked() -> Any:
        async with AsyncClient(service.target(transport), experiment=name) as other:
            return [await other.curves_dataframe(backend=backend), await other.to_dataframe(name, backend=backend)]

    curves, trials = asyncio.run(asked())
    assert native.__class__.__module__.partition(".")[0] == backend
    assert rows_of(native) == rows_of(curves)
    assert rows_of(trials) == rows_of(client.to_dataframe(backend=backend))
    found = narwhals.from_native(native, eager_only=True)
    assert found.columns == ["number", "length", "metric", "metrics.accuracy", "metrics.lr", "cost"]
    rows = [row for row in found.iter_rows(named=True) if row["number"] == 4]
    assert [(row["length"], row["metric"], row["metrics.accuracy"], row["cost"]) for row in rows[::2]] == [
        (1, 5.0, 0.25, 0.5),
        (3, 4 + 1 / 3, 0.75, 0.5),
    ]
    assert missing(rows[1]["metrics.accuracy"])
    assert found.shape[0] == 3 * 5 + 1


def test_a_search_without_trials_has_empty_tables(service: Service) -> None:
    name = unique_name("empty")
    with Client(service.address, experiment=name) as client:
        client.create_experiment(name, config())
        for backend in BACKENDS:
            assert frame(client, backend).shape == (0, 17)
            assert narwhals.from_native(client.curves_dataframe(backend=backend)).columns == [
                *("number", "length", "metric")
            ]
        with pytest.raises(NotFound):
            client.to_dataframe("absent")
    code, out, _ = run(service.address, "trials", name, "--output", "csv", wide=True)
    assert (code, len(out.splitlines())) == (0, 1)


def test_what_a_stopped_search_was_training_has_an_end(service: Service) -> None:
    name = unique_name("stopped")
    with Client(service.address, experiment=name) as client:
        client.create_experiment(name, config())
        given = client.ask_once().assignments[0]
        client.stop_experiment()
        (before,) = frame(client, "polars").iter_rows(named=True)
        assert not client.tell(given, 0.5)
        (after,) = frame(client, "polars").iter_rows(named=True)
    assert (before["state"], before["ended"]) == ("running", None)
    assert after["state"] != "running"
    assert after["ended"] >= after["started"]


@pytest.mark.parametrize(
    ("absent", "backend", "said"),
    [
        (("narwhals",), None, r"need narwhals, which is not installed: pip install 'rungway\[data\]'$"),
        (BACKENDS, None, r"need pandas, which is not installed: pip install 'rungway\[data\]'$"),
        (("polars",), "polars", r"need polars, which is not installed: pip install 'rungway\[data\]' polars$"),
    ],
)
def test_what_is_not_installed_is_named(
    client: Client, absent: tuple[str, ...], backend: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in absent else real(name))
    with pytest.raises(FailedPrecondition, match=said) as failed:
        client.curves_dataframe(backend=backend)
    assert failed.value.reason == "NOT_INSTALLED"
    if backend is None:
        code, _, err = run(client.config.target, "export", "any", "--format", "parquet", "--out", "never")
        assert code == 2
        assert err.startswith("error: Parquet cannot be written: data frames need ")


def test_another_backend_is_refused(client: Client) -> None:
    with pytest.raises(InvalidArgument, match=r"backend: got 'modin', wanted one of pandas, polars, pyarrow"):
        client.to_dataframe(backend="modin")


def test_import_is_light() -> None:
    code = "import sys, rungway, rungway._data.frames, rungway._data.tables; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    heavy = {"pandas", "polars", "pyarrow", "narwhals", "numpy", "matplotlib", "tqdm", "rich", "IPython"}
    assert loaded & heavy == set()


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_trials_as_csv(client: Client) -> None:
    name, target = client.config.experiment, client.config.target
    code, out, err = run(target, "trials", name, "--output", "csv", wide=True)
    assert (code, err) == (0, "")
    rows = read_csv(out)
    assert list(rows[0]) == COLUMNS
    assert [row["state"] for row in rows] == STATES
    assert datetime.fromisoformat(rows[3]["created"]) == client.get_trial(3).create_time
    assert (rows[2]["metric"], rows[2]["best"], rows[0]["message"]) == ("nan", "", "'=1+1")
    chosen = run(target, "trials", name, "-o", "csv", "--state", "completed", "--sort", "metric", "-n", "2", wide=True)
    assert [row["number"] for row in read_csv(chosen[1])] == ["1", "3"]
    last = run(target, "trials", name, "-o", "csv", "--from", "6", wide=True)
    assert [row["number"] for row in read_csv(last[1])] == ["6", "7"]


def test_tables_as_parquet_are_the_frames(client: Client, tmp_path: Path) -> None:
    command = ("export", client.config.experiment, "--format", "parquet")
    assert run(client.config.target, *command)[0] == 2
    assert run(client.config.target, *command, "--out", str(tmp_path / "new"))[0] == 0
    tables = {
        name: narwhals.read_parquet(str(tmp_path / "new" / f"{name}.parquet"), backend="polars").to_native()
        for name in ("trials", "curves", "events")
    }
    assert tables["trials"].equals(client.to_dataframe(backend="polars"))
    assert tables["curves"].equals(client.curves_dataframe(backend="polars"))
    assert tables["events"]["kind"].to_list()[0] == "assign"
    assert str(tables["events"].schema["time"]).startswith("Datetime")


def test_pictures_of_both_clients_are_the_same(client: Client, tmp_path: Path) -> None:
    name, target = client.config.experiment, client.config.target

    async def drawn() -> None:
        async with AsyncClient(target) as other:
            (await other.plot("importance", name)).save(tmp_path / "2.svg")
            (await other.plot("curves", name)).save(tmp_path / "4.svg")

    client.plot("importance").save(tmp_path / "1.svg")
    client.plot().save(tmp_path / "3.svg")
    asyncio.run(drawn())
    assert (tmp_path / "1.svg").read_text() == (tmp_path / "2.svg").read_text()
    assert (tmp_path / "3.svg").read_text() == (tmp_path / "4.svg").read_text()
    code, out, _ = run(target, "plot", name, "curves", "-o", str(tmp_path / "5.svg"), wide=True)
    assert (code, out) == (0, f"Written: {tmp_path / '5.svg'}\n")
    assert (tmp_path / "5.svg").read_text() == (tmp_path / "3.svg").read_text()
    with pytest.raises(InvalidArgument, match="kind: got 'pie'"):
        client.plot("pie")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("absent", "best", "-o", "p.png"), 1, "no experiment"),
        (("any", "best", "-o", "p.gif"), 2, "p.gif: wanted a file name that ends in .png, .svg, .html, .pdf"),
        (("any", "best", "-o", "missing/p.png"), 2, "cannot be written: there is no folder missing"),
        (("any", "pie", "-o", "p.png"), 2, "'pie' is not one of"),
        (("any", "best"), 2, "Missing option"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    service: Service, arguments: tuple[str, ...], exit_code: int, said: str, empty_folder: Path
) -> None:
    code, _, err = run(service.address, "plot", *arguments)
    assert (code, said in err) == (exit_code, True), err
    assert list(empty_folder.iterdir()) == []


def test_a_text_that_is_no_export_is_refused() -> None:
    for text in ('{"trial": 1}\n', "<html>\n", "[]\n"):
        with pytest.raises(InternalError, match="this client cannot read the data of the search") as refused:
            ExportReader(curves=True).feed(text)
        assert refused.value.reason == "UNREADABLE_REPLY"
    with pytest.raises(Unavailable, match="its end is missing"):
        ExportReader(curves=True).done()
