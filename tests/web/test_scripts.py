"""The scripts of the page that draw nothing, run in the browser: filters, columns, addresses, files."""

from typing import Any

import pytest
import pytest_asyncio

from tests.web.browser import Tab
from tests.web.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLUMNS: dict[str, Any] = {
    "trial": [0, 1, 2, 3],
    "state": [1, 2, 4, 6],
    "outcome": [0, 0, 0, 5],
    "bracket": [0, 0, 1, 1],
    "rung": [0, 0, 1, 0],
    "length": [0, 3, 9, 1],
    "metric": ["NaN", 0.5, 0.1, 1e20],
    "bestMetric": ["NaN", 0.5, 0.1, 1e20],
    "bestLength": [0, 3, 9, 1],
    "restarts": [0, 1, 0, 5],
    "createMs": [1, 2, 3, 4],
    "worker": [0, 0, 1, -1],
    "parent": [-1, -1, 0, -1],
    "leaseDeadlineMs": [9, 0, 0, 0],
    "workers": ["gpu-1", "gpu-2"],
    "parameters": [
        {"name": "lr", "numbers": [0.1, 0.01, 0.001, 1], "values": [], "index": [], "log": True},
        {"name": "optimizer.name", "numbers": [], "values": ["sgd", "adam", 7, True], "index": [0, 1, 2, 3]},
        {"name": "`weight.decay`", "numbers": ["NaN", 0.5, "NaN", 0], "values": [], "index": []},
    ],
}

FILTERS = {
    "": [0, 1, 2, 3],
    "lr > 1e-2": [0, 3],
    "lr >= 1e-2 and state = paused": [1],
    "state = failed or state=RUNNING": [0, 3],
    "not (bracket = 0)": [2, 3],
    "best is set": [1, 2, 3],
    "best is not set": [0],
    "best != 0.1": [1, 3],
    "best < 1e21": [1, 2, 3],
    "optimizer.name in (adam, 7)": [1, 2],
    "optimizer.name = true": [3],
    "worker ~ GPU-": [0, 1, 2],
    "worker is not set": [3],
    "`weight.decay` = 0": [3],
    "parent = 0": [2],
    "hparams.lr < .05 and lr>-1": [1, 2],
    'optimizer.name = "sgd"': [0],
    "trial in (1,2) or trial = 3 and lr = 1": [1, 2, 3],
}
WRONG = {
    "lrr > 1": "there is no column 'lrr': probably meant 'lr'",
    "lr >": "wanted a value at the end",
    "lr": "wanted = != < <= > >= ~ in or is at the end",
    "lr > high": "'lr' is a number, got 'high'",
    "state = done": "'done' is no state: wanted running, paused",
    "(lr > 1": "wanted ')' at the end",
    "lr > 1 state = paused": "wanted 'and' or 'or' before 'state'",
    "> 1": "wanted the name of a column before '>'",
    "lr > 1 $": "cannot read '$'",
}


@pytest_asyncio.fixture(loop_scope="session")
async def scripts(tab: Tab) -> Tab:
    await tab.open()
    return tab


async def test_filters_choose_what_they_say(scripts: Tab) -> None:
    rows = """a[1].map((text) => {
        const trials = new m.Trials();
        trials.apply({reset: true, trials: a[0]});
        const mask = m.maskOf([m.readFilter(text, trials)], trials.count);
        return [...Array(trials.count).keys()].filter((row) => !mask || mask[row]);
    })"""
    assert await both(scripts, rows, [COLUMNS, list(FILTERS)]) == list(FILTERS.values())


async def test_a_wrong_filter_says_what_is_wrong(scripts: Tab) -> None:
    said = """a[1].map((text) => {
        const trials = new m.Trials();
        trials.apply({reset: true, trials: a[0]});
        try { m.readFilter(text, trials); return "nothing"; } catch (error) { return error.message; }
    })"""
    found = await both(scripts, said, [COLUMNS, list(WRONG)])
    assert [(text, each.startswith(WRONG[text])) for text, each in zip(WRONG, found, strict=True)] == [
        (text, True) for text in WRONG
    ], found


async def both(tab: Tab, expression: str, argument: object) -> Any:
    """With the exports of filter.js and columns.js."""
    columns = "await load('columns.js')"
    return await tab.evaluate("filter.js", f"(m = {{...m, ...{columns}}}, {expression})", argument)


async def test_brushes_are_bounds_or_values(scripts: Tab) -> None:
    rows = """a[1].map((brush) => {
        const trials = new m.Trials();
        trials.apply({reset: true, trials: a[0]});
        const mask = m.maskOf([m.readBrush(brush, trials)], trials.count);
        return [...Array(trials.count).keys()].filter((row) => !mask || mask[row]);
    })"""
    brushes = {
        (0, 1): {"lr": {"min": 0.01, "max": 0.1}},
        (1, 3): {"optimizer.name": {"values": ["adam", True]}},
        (0, 2): {"`weight.decay`": {"values": [None]}},
        (0, 1, 2, 3): {"gone": {"min": 1}},
        (2,): {"lr": {"max": 0.01}, "bracket": {"min": 1}},
    }
    assert await both(scripts, rows, [COLUMNS, list(brushes.values())]) == [list(rows) for rows in brushes]


async def test_what_changed_is_added_to_what_was_there(scripts: Tab) -> None:
    changed = COLUMNS | {key: value[1:3] for key, value in COLUMNS.items() if key not in ("workers", "parameters")}
    changed |= {"trial": [1, 9], "state": [4, 1], "worker": [0, 1], "workers": ["new", "gpu-1"]}
    changed["parameters"] = [
        {"name": "lr", "numbers": [0.5, 0.25]},
        {"name": "optimizer.name", "values": ["adam", "lamb"], "index": [1, 0]},
        {"name": "late", "values": ["x"], "index": [-1, 0]},
        {"name": "`weight.decay`", "values": ["none", 2], "index": [0, 1]},
    ]
    results = {"bracket": [0], "rung": [0], "trial": [1], "metric": ["NaN"]}
    found = await both(
        scripts,
        """(() => {
            const trials = new m.Trials();
            trials.apply({reset: true, trials: a[0], results: a[2]});
            trials.apply({trials: a[1], results: a[2]});
            const of = (name, row) => trials.valueOf(trials.parameter(name), row) ?? null;
            const holder = (row) => trials.workers[trials.worker[row]];
            return [trials.count, [...trials.trial.slice(0, 5)], trials.state[1], holder(1), holder(4),
                of("lr", 1), of("lr", 4), of("optimizer.name", 1),
                of("optimizer.name", 0), of("late", 1), of("late", 4),
                of("`weight.decay`", 1), of("`weight.decay`", 0), of("`weight.decay`", 3),
                trials.parameter("lr").log, trials.results.count, trials.rowOf(9), trials.rowOf(5)];
        })()""",
        [COLUMNS, changed, results],
    )
    assert found == [
        5,
        [0, 1, 2, 3, 9],
        4,
        "new",
        "gpu-1",
        0.5,
        0.25,
        "lamb",
        "sgd",
        None,
        "x",
        "none",
        None,
        0,
        True,
        2,
        4,
        -1,
    ]


async def test_no_cell_of_a_csv_is_a_formula(scripts: Tab) -> None:
    rows = [["=1+1", "+x", "-x", "@x", "\tx"], [-1, 1e-7, "a,b", 'say "x"', "two\nlines"]]
    found = await scripts.evaluate("tools.js", "m.csv(a)", rows)
    assert found == '\'=1+1,\'+x,\'-x,\'@x,\'\tx\r\n-1,1e-7,"a,b","say ""x""","two\nlines"\r\n'


async def test_configurations_as_yaml_are_read_back(scripts: Tab) -> None:
    hparams = {
        "lr": 1e-7,
        "large": 1e22,
        "layers": 3,
        "on": "yes",
        "text": "a: b # c",
        "number": "12",
        "empty": "",
        "optimizer": {"name": "sgd", "`odd` name": [1, "x"], "nothing": {}},
        "flag": True,
        "none": None,
        "nan": {"$double": "NaN"},
        "unicode": "ünï\u2028",
    }
    text = await scripts.evaluate("tools.js", "m.yaml(a)", hparams)
    read = await scripts.evaluate("api.js", "(await m.call('ViewService/ReadConfig', {text: a})).config", text)
    assert read == hparams


async def test_every_state_of_the_page_is_an_address(scripts: Tab) -> None:
    addresses = ["#/", "#/new", "#/e/a-1/ladder", "#/e/a/trial/7?filter=lr+%3E+1&sel=%5B1%5D", "#/?ns=team"]
    there_and_back = "a.map((hash) => { const {route, query} = m.readHash(hash); return m.writeHash(route, query); })"
    assert await scripts.evaluate("route.js", there_and_back, addresses) == addresses
    strange = ["#/e/%zz/trial/x", "#/e//", "#x", "#/e/a/trial/-1", "#/e/a"]
    assert await scripts.evaluate("route.js", there_and_back, strange) == [
        "#/e/%25zz/trial", "#/", "#/", "#/e/a/trial", "#/e/a/ladder",
    ]  # fmt: skip


async def test_numbers_are_short_and_exact_enough(scripts: Tab) -> None:
    numbers = [0, 12, 1234567, 0.1 + 0.2, 1e-9, 1e20, -0.00001234, "NaN", "Infinity", None, 1e7, 0.30000004]
    shown = ["0", "12", "1,234,567", "0.3", "1e-9", "1e20", "-1.234e-5", "NaN", "∞", "\u2013", "1e7", "0.3"]
    assert await scripts.evaluate("format.js", "a.map((x) => m.number(x))", numbers) == shown
    lengths = [[1, "epochs"], [2, "epochs"], [1, "batches"], [1, "passes"], [1, "steps"], [1, "records"]]
    named = ["1 epoch", "2 epochs", "1 batch", "1 pass", "1 step", "1 record"]
    assert await scripts.evaluate("format.js", "a.map(([n, unit]) => m.lengthText(n, unit))", lengths) == named


async def test_pieces_of_a_stream_are_put_together(scripts: Tab) -> None:
    pieces = ['id: 1\ndata: {"a": "ü', '"}\n', "\n: still here\n\nda", 'ta: {"a": 2}\n\nevent: end\ndata: {}\n\n']
    found = await scripts.evaluate(
        "api.js",
        """(() => {
            const got = [], events = new m.Events((message) => got.push(message.a));
            const bytes = new TextEncoder().encode(a.join("")), ends = [];
            for (let i = 0; i < bytes.length; i += 7) ends.push(events.take(bytes.slice(i, i + 7)));
            return [got, ends.at(-1)];
        })()""",
        pieces,
    )
    assert found == [["ü", 2], True]


async def test_an_experiment_gets_the_id_that_the_command_line_would_give(scripts: Tab, site: Site) -> None:
    from rungway_server.domain.names import as_id

    names = ["My_Net 2", "  digits!! ", "x" * 80, "été", "--", "a--b"]
    assert await scripts.evaluate("new.js", "a.map(m.idOf)", names) == [as_id(name) for name in names]
