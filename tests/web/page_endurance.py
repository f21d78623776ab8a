"""What the page costs in the long run: `make page-endurance` prints it, in about half an hour.

Its heap while 10,000 trials change as often as they do in 30 minutes, played faster; its heap in real time beside a
real service; and a search of more trials than the service shows. Nothing here fails on a slow machine.
"""

import argparse
import asyncio
import time
from typing import Any

from playwright.async_api import Page, expect

from tests.support.calls import calls_to
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.web.browser import Tab, launched, tab_of
from tests.web.conftest import Site
from tests.web.page_load import EXPECTED, FRAMES, PICTURES, Row, opened, print_table
from tests.web.pictures import News, caption, news_of

TRIALS, PER_UPDATE, RESULTS = 10_000, 200, 10
"""Trials, how many of them change with each update, and how many of those have a new result at a rung."""
EVERY = 60
"""After so many updates, or seconds, the heap is looked at, and another view is opened."""
BEYOND = 100_500
"""More trials than a view has."""
LIVE_RESULTS = 15
"""Results a second in real time."""
_SHORT_PAUSES = "{ const set = window.setTimeout; window.setTimeout = (work, ms) => set(work, ms / 30); }"


async def heap(tab: Tab) -> float:
    """MiB in use after a collection, the arrays of numbers outside of the heap of JavaScript included."""
    session = await tab.context.new_cdp_session(tab.page)
    await session.send("HeapProfiler.collectGarbage")
    usage = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return float(usage["usedSize"] + usage["backingStorageSize"]) / 2**20


async def look(tab: Tab, experiment: str, turn: int) -> None:
    """Go to one view after the other."""
    view = list(PICTURES)[turn % len(PICTURES)]
    page = await tab.go(f"e/{experiment}/{view}")
    await expect(caption(page, PICTURES[view])).to_contain_text(EXPECTED[view])


def change(turn: int) -> dict[str, Any]:
    """A view in which trials report, and some of them reach a rung."""
    columns: dict[str, Any] = {}
    for k in range(PER_UPDATE):
        trial = (turn * PER_UPDATE + k) % TRIALS
        one = news_of(trial, 0, 0.3 + ((turn + k) % 500) / 1000, f"c{turn}")
        if not columns:
            columns = one | {"results": {name: [] for name in one["results"]}, "trials": one["trials"]}
            columns["trials"] = {name: [] for name in one["trials"]} | {"workers": ["gpu-1"], "parameters": []}
        for name, value in one["trials"].items():
            if name not in ("workers", "parameters"):
                columns["trials"][name] += value
        if k < RESULTS:
            for name, value in one["results"].items():
                columns["results"][name] += value
    columns["events"] = [_event(turn, k) for k in range(PER_UPDATE // 4)]
    return columns


def _event(turn: int, k: int) -> dict[str, Any]:
    text = f"waits: rank {k} of {PER_UPDATE} at rung 0, the best {PER_UPDATE // 3} go on (cut-off 0.4)"
    why = {"reason": "REASON_PAUSED", "text": text, "bracket": 0, "rung": 0, "rank": k, "cutoff": 0.4}
    return {
        "eventId": f"{9_000_000_000_000 + turn}-{k}",
        "time": "2026-01-01T00:00:00Z",
        "kind": "pause",
        "trial": k,
        "explanation": why,
    }


async def speeded(tab: Tab, experiment: str, updates: int) -> list[Row]:
    """The heap over so many updates, in all views in turn; the page's pauses between streams are short."""
    await tab.context.add_init_script(_SHORT_PAUSES)
    page = await tab.open(f"e/{experiment}/ladder")
    await expect(caption(page, "ladder")).to_contain_text("results at")
    news = News(page)
    await news.begin()
    first, most, began = await heap(tab), 0.0, time.monotonic()
    for turn in range(updates):
        if turn % EVERY == 0:
            await look(tab, experiment, turn // EVERY)
            most = max(most, await heap(tab))
        news.add([change(turn)])
        async with page.expect_response("**/rungway.v1.ViewService/WatchView"):
            pass
        await page.evaluate(FRAMES)
    last = await heap(tab)
    seconds = time.monotonic() - began
    what = f"{updates:,} updates of {PER_UPDATE} trials in {seconds:.0f} s"
    return [(f"heap over {what}: first, most, last", _mib(first, max(most, last), last), "150 MiB")]


async def in_real_time(tab: Tab, site: Site, seconds: float) -> list[Row]:
    """The heap beside a service with a search of 10,000 trials that goes on."""
    player = site.new(trials=TRIALS)
    await asyncio.to_thread(player.play, TRIALS // 2)
    page = await tab.open(f"e/{player.experiment}/ladder")
    await expect(caption(page, "ladder")).to_contain_text("results at")
    first, most, before = await heap(tab), 0.0, player.told
    began = time.monotonic()
    looked = 0
    while (passed := time.monotonic() - began) < seconds:
        due = before + int(passed * LIVE_RESULTS) - player.told
        if due > 0:
            await asyncio.to_thread(player.play, due)
        if passed > looked * EVERY:
            await look(tab, player.experiment, looked)
            most = max(most, await heap(tab))
            looked += 1
        await asyncio.sleep(0.2)
    last = await heap(tab)
    what = f"{seconds / 60:.0f} real minutes, {player.told - before:,} results"
    return [(f"heap over {what}: first, most, last", _mib(first, max(most, last), last), "150 MiB")]


def _mib(*sizes: float) -> str:
    return f"{', '.join(f'{size:.0f}' for size in sizes)} MiB"


async def beyond(tab: Tab, site: Site) -> list[Row]:
    """A search of more trials than a view has: how long until each picture stands, and what it says is left out."""
    player = site.new(trials=BEYOND)
    await asyncio.to_thread(player.play)
    took = await opened(tab, player.experiment)
    rows = [(f"{BEYOND:,} trials, first view: {view}", f"{each / 1000:.1f} s", "opens") for view, each in took.items()]
    said = await left_out(tab.page)
    return [*rows, ("and what it says", said, "what is left out"), ("heap then", _mib(await heap(tab)), "")]


async def left_out(page: Page) -> str:
    """What the bar of the filter says of the trials that are not here."""
    bar = page.locator(".filterbar p")
    await expect(bar).to_contain_text("left out")  # not while parts of the view are read
    return " ".join((await bar.inner_text()).split())


async def measure(updates: int, minutes: float, only: str) -> list[Row]:
    """All rows of the table."""
    rows: list[Row] = []
    with redis_on_socket() as url, services(url) as (service,), calls_to(service.address) as calls:
        site = Site(service, calls, url)
        async with launched() as browser:
            if only in ("", "speeded"):
                async with tab_of(browser, site.url) as tab:
                    rows += await speeded(tab, await asyncio.to_thread(site.search, "large"), updates)
            if only in ("", "real"):
                async with tab_of(browser, site.url) as tab:
                    rows += await in_real_time(tab, site, 60 * minutes)
            if only in ("", "beyond"):
                async with tab_of(browser, site.url) as tab:
                    rows += await beyond(tab, site)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=1800, help="as many as 30 minutes bring (default 1800)")
    parser.add_argument("--minutes", type=float, default=10, help="minutes in real time (default 10)")
    parser.add_argument("--only", choices=("speeded", "real", "beyond"), default="", help="a part of it")
    arguments = parser.parse_args()
    print_table(f"{TRIALS:,} trials", asyncio.run(measure(arguments.updates, arguments.minutes, arguments.only)))


if __name__ == "__main__":
    main()
