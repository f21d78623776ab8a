"""Workers over time: who held what, what was lost, and a replay."""

import re

import pytest
from playwright.async_api import expect

from rungway.v1 import trial_pb2
from tests.web.browser import Tab
from tests.web.conftest import Site
from tests.web.pictures import caption, table

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "workers over time"


async def test_workers_are_listed_with_what_they_hold(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/workers")
    await expect(caption(page, NAME)).to_contain_text("6 workers")
    rows = await table(page, NAME)
    assert sorted(row[0] for row in rows) == [f"gpu-{k}" for k in range(6)]
    assert any(row[4].startswith("trial ") for row in rows)


async def test_what_is_lost_is_marked_and_counted_live(tab: Tab, site: Site) -> None:
    player = site.new(trials=30, results=4)
    player.ask(2)
    page = await tab.open(f"e/{player.experiment}/workers")
    await expect(caption(page, NAME)).to_contain_text("0 leases lost")
    player.fail(trial_pb2.OUTCOME_TRANSIENT, "CUDA out of memory")
    await expect(caption(page, NAME)).to_contain_text("1 lease lost")
    assert sum(int(row[3]) for row in await table(page, NAME)) == 1


async def test_workers_that_share_a_name_have_a_row_for_each_trial(tab: Tab, site: Site) -> None:
    """As the threads of one process do; each row can be gone to by keys."""
    player = site.new(trials=30)
    player.ask(3)
    page = await tab.open(f"e/{player.experiment}/workers")
    await expect(caption(page, NAME)).to_contain_text("1 worker in")
    await expect(caption(page, NAME)).to_contain_text("1 of them held several trials at once: a row for each.")
    canvas = page.get_by_role("application", name="Workers over time")
    await canvas.focus()
    seen = set()
    for _ in range(3):
        await page.keyboard.press("ArrowDown")
        await expect(page.locator(".hover-card")).to_contain_text("held it")
        seen.add(await page.locator(".hover-card strong").first.inner_text())
    assert len(seen) == 3
    [row] = await table(page, NAME)
    assert row[1] == "3"


async def test_bars_of_a_row_never_overlap(tab: Tab) -> None:
    """Many trials of few names, that begin, go on, and end in any order."""
    await tab.open()
    found = await tab.evaluate(
        "workers_model.js",
        """(await (async () => {
            const { EventLog } = await load("eventlog.js");
            const log = new EventLog(), leases = new m.Leases(log), open = [];
            let state = 1, trial = 0;
            const dice = (n) => (state = (state * 48271) % 2147483647) % n;
            const add = (kind, trial, worker, rung) => log.add({ kind, trial, worker, eventId: `${log.count}-0`,
                time: new Date(1e12 + 1000 * (log.count >> 1)).toISOString(),
                explanation: { reason: "", bracket: 0, rung } });
            for (let turn = 0; turn < 3000; turn++) {
                if (!open.length || dice(3) === 0) {
                    open.push([trial, `w${dice(4)}`]);
                    add("assign", trial++, open.at(-1)[1], -1);
                } else {
                    const [[one, worker]] = dice(2) ? [open[dice(open.length)]] : open.splice(dice(open.length), 1);
                    const goesOn = open.some(([held]) => held === one);
                    add(goesOn ? "continue" : ["pause", "stop", "retry"][dice(3)], one, worker, 0);
                }
                if (turn % 100 === 0) leases.update();
            }
            leases.update();
            let overlaps = 0, bars = 0;
            leases.rows.forEach((row, place) => row.bars.forEach((bar, k) => {
                bars++;
                overlaps += Number(k > 0 && leases.to[row.bars[k - 1]] > leases.from[bar]);
                overlaps += Number(leases.rowOf(bar) !== place);
            }));
            const workers = new Set(leases.rows.map((row) => row.worker)).size;
            return [overlaps, bars === leases.count, leases.rows.length > 4, workers];
        })())""",
    )
    assert found == [0, True, True, 4]


async def test_a_picture_that_is_held_still_stays(tab: Tab, site: Site) -> None:
    player = site.new(trials=30, results=6)
    page = await tab.open(f"e/{player.experiment}/workers")
    await expect(caption(page, NAME)).to_contain_text("0 at work")
    await expect(caption(page, NAME)).not_to_contain_text("Reading the event log")
    await page.keyboard.press("f")
    await tab.shows("frozen")
    before = await caption(page, NAME).inner_text()
    player.ask(4)
    await expect(page.get_by_role("button", name=re.compile("· show"))).to_be_visible()
    assert await caption(page, NAME).inner_text() == before
    await page.keyboard.press("f")
    await expect(caption(page, NAME)).to_contain_text("4 at work")


async def test_a_replay_begins_before_the_end_and_ends_there(tab: Tab, site: Site) -> None:
    player = site.new(trials=40)
    player.play()
    page = await tab.open(f"e/{player.experiment}/workers")
    await expect(caption(page, NAME)).to_contain_text("0 at work")
    await expect(caption(page, NAME)).not_to_contain_text("Reading the event log")
    now = await table(page, NAME)
    await page.get_by_role("button", name="Replay from the beginning").click()
    await expect(page.get_by_role("group", name="replay")).not_to_contain_text("reading")
    slider = page.get_by_label("time of the search")
    await slider.fill("400")
    middle = await table(page, NAME)
    assert 0 < sum(int(row[1]) for row in middle) < sum(int(row[1]) for row in now)
    await slider.fill("1000")
    assert [row[:4] for row in await table(page, NAME)] == [row[:4] for row in now]


async def test_keys_go_through_workers_and_open_a_trial(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/workers")
    canvas = page.get_by_role("application", name="Workers over time")
    await canvas.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".hover-card")).to_contain_text("held it")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Trial", exact=True)).to_have_attribute("aria-current", "page")
