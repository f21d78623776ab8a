"""The pictures of the page in README and docs, taken by the browser from a real search, by `make pictures`.

The search is the demo's: hundreds of small networks, trained on real images by workers of which one is killed midway.
"""

import argparse
import asyncio
import io
import re
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests.web.browser import Tab, launched, tab_of
from tests.web.page_load import EXPECTED, FRAMES, PICTURES
from tests.web.pictures import caption

FOLDER = Path(__file__).parents[2] / "docs" / "images"
WIDTH = 1180
SETTINGS = {
    "ladder": "?ladder.log=1",
    "curves": "?curves.logy=1",
    "parameters": "?brush=%7B%22best%22%3A%7B%22max%22%3A0.05%7D%7D",
    "workers": "",
}
"""What is set in each view, so that its picture shows what it can."""
SAYS = EXPECTED | {"parameters": "trials are within the brush"}
MOST_BYTES, COLOURS = 200_000, 128
"""A larger picture gets so few colours."""
HEIGHTS = {"ladder": 980, "curves": 720, "parameters": 990, "workers": 430}
MIDWAY = re.compile(r"^(4[5-9]|[5-9]\d|100)")
"""The progress, in percent, from which on the picture of a running search is taken."""
FRAMES_OF_REPLAY, FRAME_MS, LAST_MS = 60, 130, 2500
_PAGE = re.compile(r"page: (\S+)/#/e/")


@asynccontextmanager
async def demo(trials: int, workers: int) -> AsyncIterator[str]:
    """The URL of the page of a search that is going on; it is ended at the end."""
    with tempfile.TemporaryDirectory(prefix="rw-") as folder:
        flags = ["--stay", "--trials", str(trials), "--workers", str(workers), "--out", folder, "--output", "json"]
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "rungway", "demo", *flags, stdout=PIPE, stderr=PIPE
        )
        try:
            url = await _url(process)
            rest = [asyncio.create_task(_drained(stream)) for stream in (process.stdout, process.stderr) if stream]
            yield url
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            await process.wait()
        await asyncio.gather(*rest)


async def _url(process: Process) -> str:
    assert process.stderr
    said = ""
    async for line in process.stderr:
        said += line.decode()
        if found := _PAGE.search(said):
            return found[1]
    raise SystemExit(f"the demo did not start:\n{said}")


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


async def stands(tab: Tab, view: str) -> Page:
    """Open a view with a picture, and wait until it is drawn."""
    await tab.page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[view]})
    page = await tab.open(f"e/digits/{view}{SETTINGS[view]}")
    await expect(caption(page, PICTURES[view])).to_contain_text(SAYS[view])
    await expect(page.locator("main")).not_to_contain_text(re.compile("Reading|Working out"))
    await page.evaluate(FRAMES)
    return page


async def save(page: Page, name: str, height: int = 0) -> None:
    """Write a screenshot, of another height if one is given."""
    if height:
        await page.set_viewport_size({"width": WIDTH, "height": height})
        await page.evaluate(FRAMES)
    path = FOLDER / f"{name}.png"
    with Image.open(io.BytesIO(await page.screenshot())) as image:
        shot = image.convert("RGB")
    shot.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        fewer(shot).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} KB", flush=True)


def fewer(image: Image.Image) -> Image.Image:
    """With few colours, in which what is seldom keeps its own, such as the crosses of trials that failed."""
    return image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


async def running(tab: Tab, name: str) -> None:
    """The ladder while the search goes on."""
    page = await stands(tab, "ladder")
    await expect(page.locator(".progress-text")).to_have_text(MIDWAY)
    await save(page, name)


async def views(tab: Tab) -> None:
    """The other views of the search when it is over."""
    for view in ("curves", "parameters", "workers"):
        page = await stands(tab, view)
        if view == "curves":
            await expect(page.locator("canvas.lower")).to_have_attribute("data-lines", "10")
        await save(page, f"page_{view}")
    page = await tab.open("e/digits/overview")
    await expect(page.locator(".bars tbody tr").first).to_be_visible()
    await save(page, "page_overview", 900)
    page = await tab.open("e/digits/trials?sort=best")
    await expect(page.locator("tbody tr[data-place='5']")).to_be_visible()
    await save(page, "page_trials", 560)
    page = await tab.open("e/digits/trial")
    await expect(page.get_by_role("button", name="Copy as YAML")).to_be_visible()
    await save(page, "page_trial", 1180)
    page = await tab.open("new")
    await page.get_by_role("button", name="Show an example").click()
    await tab.shows("epochs in all")
    await save(page, "page_new", 680)


async def replay(tab: Tab) -> None:
    """The ladder from the beginning to the end of the search, as an animated picture."""
    page = await stands(tab, "ladder")
    await page.set_viewport_size({"width": 960, "height": HEIGHTS["ladder"]})
    await page.get_by_role("button", name="Replay from the beginning").click()
    await expect(page.get_by_role("group", name="replay")).not_to_contain_text("reading")
    slider = page.get_by_label("time of the search")
    await slider.fill("500")
    box = await page.get_by_role("figure", name="ladder", exact=True).bounding_box()
    assert box
    clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}
    frames = []
    for step in range(FRAMES_OF_REPLAY + 1):
        await slider.fill(str(round(1000 * step / FRAMES_OF_REPLAY)))
        await page.evaluate(FRAMES)
        with Image.open(io.BytesIO(await page.screenshot(clip=clip))) as image:  # type: ignore[arg-type]  # (it has its keys)
            frames.append(image.convert("RGB"))
    few = [frame.quantize(palette=fewer(frames[-1]), dither=Image.Dither.NONE) for frame in frames]
    path = FOLDER / "page_replay.gif"
    durations = [FRAME_MS] * FRAMES_OF_REPLAY + [LAST_MS]
    few[0].save(path, save_all=True, append_images=few[1:], duration=durations, loop=0, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} KB, {len(few)} frames", flush=True)


async def taken(browser: Browser, url: str) -> None:
    """Take all pictures of the page at this URL: those of the ladder and of the parameters also in the dark."""
    async with tab_of(browser, url, color_scheme="light") as light, tab_of(browser, url, color_scheme="dark") as dark:
        await running(light, "page_ladder")
        await running(dark, "page_ladder_dark")
        await expect(light.page.locator(".topbar .state")).to_have_text("done")
        await views(light)
        await save(await stands(dark, "parameters"), "page_parameters_dark")
        await replay(light)


async def main() -> None:
    """Run the search, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400, help="networks to train (default 400)")
    parser.add_argument("--workers", type=int, default=6, help="worker processes (default 6)")
    arguments = parser.parse_args()
    async with demo(arguments.trials, arguments.workers) as url, launched() as browser:
        await taken(browser, url)


if __name__ == "__main__":
    asyncio.run(main())
