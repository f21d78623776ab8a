"""What the page costs: a table of times and memory beside their bars. `make page-load` prints it.

A search of 10,000 trials is played, opened in a headless Chromium that draws in software, looked at, brushed, and kept
up to date. Times include everything from the event to the frame after it. Nothing here fails on a slow machine.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page, expect

from tests.support.calls import calls_to
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.web.browser import Tab, launched, tab_of
from tests.web.conftest import Site
from tests.web.pictures import News, caption, news_of

Row = tuple[str, str, str]

FRAMES = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"
"""Settles when the next frame is drawn."""
SETTLE = 3.0
"""Seconds for what is read and drawn beside, before something is measured."""
PICTURES = {
    "ladder": "ladder",
    "curves": "learning curves",
    "parameters": "parallel coordinates",
    "workers": "workers over time",
}
EXPECTED = {
    "ladder": "results at",
    "curves": "whole curves on top",
    "parameters": "trials are shown",
    "workers": "workers in",
}


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


async def opened(tab: Tab, experiment: str) -> dict[str, float]:
    """How long until each picture of a search stands (milliseconds), the page loaded anew."""
    took = {}
    for view, picture in PICTURES.items():

        async def look(view: str = view, picture: str = picture) -> None:
            page = await tab.open(f"e/{experiment}/{view}")
            await expect(caption(page, picture)).to_contain_text(EXPECTED[view])
            await page.evaluate(FRAMES)

        took[view] = await timed(look)
    return took


async def first_views(tab: Tab, experiment: str) -> list[Row]:
    """How long until each picture of a search stands."""
    took = await opened(tab, experiment)
    return [(f"first view: {view}", f"{each:.0f} ms", "2,000 ms") for view, each in took.items()]


async def work_of_drawing(tab: Tab, experiment: str) -> list[Row]:
    """Model and drawing of the ladder, and all lines of the parallel coordinates, once more."""
    page = await tab.open(f"e/{experiment}/parameters")
    await expect(caption(page, "parallel coordinates")).to_contain_text("10,000 trials are shown")
    await asyncio.sleep(SETTLE)
    flip = page.get_by_role("button", name="flip lr")
    lines = await page.evaluate(
        """async () => {
            const frame = () => new Promise(requestAnimationFrame);
            const { dataset } = document.querySelector("canvas[data-lines]");
            const all = () => dataset.lines === "10000 of 10000";
            while (!all()) await frame();
            delete dataset.lines;
            const began = performance.now();
            document.querySelector("button[aria-label='flip lr']").click();
            do await frame(); while (!all());
            return performance.now() - began;
        }"""
    )
    await expect(flip).to_have_attribute("aria-pressed", "true")
    return [("10,000 lines drawn anew", f"{lines:.0f} ms", "400 ms"), *await _brush(page)]


async def _brush(page: Page) -> list[Row]:
    canvas, head = (
        page.get_by_role("application", name="Parallel coordinates"),
        page.locator(".axis-head", has_text="lr"),
    )
    box, at = await canvas.bounding_box(), await head.bounding_box()
    assert box
    assert at
    x = at["x"] + at["width"] / 2
    await page.mouse.move(x, box["y"] + 100)
    await page.mouse.down()
    await page.evaluate(
        """() => { window.steps = []; document.addEventListener("pointermove", () => {
            const began = performance.now();
            requestAnimationFrame(() => setTimeout(() => window.steps.push(performance.now() - began), 0));
        }, true); }"""
    )
    for step in range(20):
        await page.mouse.move(x, box["y"] + 105 + 5 * step)
        await page.evaluate(FRAMES)
    await page.mouse.up()
    steps = await page.evaluate("window.steps")
    return [
        ("a step of a brush, median", f"{statistics.median(steps):.0f} ms", "100 ms"),
        ("a step of a brush, slowest of 20", f"{max(steps):.0f} ms", ""),
    ]


async def updates(tab: Tab, experiment: str, many: int) -> list[Row]:
    """How long the page is busy with an update of 200 changed trials, in each view; the heap afterwards."""
    rows: list[Row] = []
    page = tab.page
    session = await tab.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    news = News(page)
    await news.begin()
    for view, picture in PICTURES.items():
        await tab.open(f"e/{experiment}/{view}")
        await expect(caption(page, picture)).to_contain_text(EXPECTED[view])
        await expect(page.locator("main")).not_to_contain_text("Reading")
        await asyncio.sleep(SETTLE)
        before = await _busy(session)
        for turn in range(many):
            news.add([_changed(10_000 + 200 * turn)])
            async with page.expect_response("**/rungway.v1.ViewService/WatchView"):
                pass
            await page.evaluate(FRAMES)
        rows.append((f"update of 200 trials: {view}", f"{(await _busy(session) - before) / many:.0f} ms", "50 ms"))
    await session.send("HeapProfiler.collectGarbage")
    heap = (await session.send("Performance.getMetrics"))["metrics"]
    used = next(each["value"] for each in heap if each["name"] == "JSHeapUsedSize")
    return [*rows, ("heap afterwards", f"{used / 2**20:.0f} MiB", "150 MiB")]


async def _busy(session: Any) -> float:
    """Milliseconds of CPU that the main thread of the page has used so far."""
    found = (await session.send("Performance.getMetrics"))["metrics"]
    return 1000 * float(next(each["value"] for each in found if each["name"] == "TaskDuration"))


def _changed(first: int) -> dict[str, Any]:
    """200 new trials with a result each."""
    views = [news_of(first + k, 0, 0.4 + k / 1000, f"c{first}") for k in range(200)]
    whole = views[0]
    for part in ("trials", "results"):
        for name in whole[part]:
            whole[part][name] = [value for view in views for value in view[part][name]]
    return whole


async def promotion(tab: Tab, site: Site) -> list[Row]:
    """From a tell to the ladder, by a real service."""
    player = site.new(trials=200, results=60)
    page = await tab.open(f"e/{player.experiment}/ladder")
    waits = []
    for turn in range(5):
        await expect(caption(page, "ladder")).to_contain_text(f"{60 + 6 * turn} results")
        await asyncio.to_thread(player.play, 6)
        target = f"{66 + 6 * turn} results"
        waits.append(await timed(lambda target=target: expect(caption(page, "ladder")).to_contain_text(target)))  # type: ignore[misc]  # (a default is bound)
    return [("from a tell to the ladder, slowest of 5", f"{max(waits):.0f} ms", "2,000 ms")]


async def measure(many: int) -> list[Row]:
    """All rows of the table."""
    with redis_on_socket() as url, services(url) as (service,), calls_to(service.address) as calls:
        site = Site(service, calls, url)
        name = await asyncio.to_thread(site.search, "large")
        async with launched() as browser, tab_of(browser, site.url) as tab:
            return [
                *await first_views(tab, name),
                *await work_of_drawing(tab, name),
                *await promotion(tab, site),
                *await updates(tab, name, many),
            ]


def print_table(of: str, rows: list[Row]) -> None:
    """As Markdown."""
    print(f"| what, with {of} | measured | bar |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=5, help="updates of each view (default 5)")
    print_table("10,000 trials", asyncio.run(measure(parser.parse_args().updates)))


if __name__ == "__main__":
    main()
