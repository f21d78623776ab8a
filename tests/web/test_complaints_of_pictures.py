"""What users of other pages complain of, as tests of the pictures; the others are in test_complaints.py."""

import json
import re

import pytest
from playwright.async_api import Page, expect

from tests.support.calls import unique_name
from tests.web.browser import Tab
from tests.web.conftest import LARGE, TRIALS, Site
from tests.web.pictures import News, caption, drag, first_number, news_of
from tests.web.played import Player, asha

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIGURES = {
    "ladder": ["ladder"],
    "curves": ["learning curves"],
    "parameters": ["parallel coordinates", "importance", "two hyperparameters"],
    "workers": ["workers over time"],
}


async def drawn(page: Page, what: str) -> str:
    """What a picture has noted of itself."""
    return await page.locator(f"canvas[data-{what}]").first.get_attribute(f"data-{what}") or ""


@pytest.mark.parametrize("kind", LARGE)
async def test_complaint_1_many_trials_kill_the_page(tab: Tab, site: Site, kind: str) -> None:
    name, trials = site.search(kind), TRIALS[kind]
    more = re.compile(r"\d,\d{3} results")  # of each trial at least one: see below
    page = await tab.open(f"e/{name}/ladder")
    await expect(caption(page, "ladder")).to_contain_text(more)
    text = await caption(page, "ladder").inner_text()
    assert int(await drawn(page, "marks")) > trials
    assert f"{int(await drawn(page, 'marks')):,} results" in text
    await tab.open(f"e/{name}/parameters")
    await expect(caption(page, "parallel coordinates")).to_contain_text(f"All {trials:,} trials are shown")
    await expect(page.locator("canvas[data-lines]")).to_have_attribute("data-lines", f"{trials} of {trials}")
    await tab.open(f"e/{name}/curves")
    await expect(caption(page, "learning curves")).to_contain_text(more)
    assert int(await drawn(page, "results")) > trials
    await tab.open(f"e/{name}/workers")
    await expect(caption(page, "workers over time")).to_contain_text("6 workers")
    await expect(caption(page, "workers over time")).not_to_contain_text("Reading the event log")
    assert int(await drawn(page, "bars")) > trials


async def test_complaint_3_a_sample_is_shown_and_nobody_says_so(tab: Tab, site: Site) -> None:
    document = asha(20)
    document["hyperparameters"] = {f"p{k:02}": {"type": "double", "minval": 0.0, "maxval": 1.0} for k in range(14)}
    name = unique_name("own")
    site.calls.create(name, document)
    Player(site.calls, name, lambda trial, _, length: 1.0 / (1 + trial + length)).play(12)
    page = await tab.open(f"e/{name}/parameters")
    await expect(caption(page, "parallel coordinates")).to_contain_text("10 of 16 axes are shown")
    # What the service leaves out is said by every picture.
    views = [news_of(10_000, 0, 0.5, "c1") | {"leftOut": 1234}]
    news = News(page)
    news.add(views)
    await news.begin()
    for view, names in FIGURES.items():
        if view == "workers":
            continue
        await tab.open(f"e/{name}/{view}")
        news.add(views)
        await expect(caption(page, names[0])).to_contain_text("1,234 trials left out")


async def test_complaint_4_news_destroy_zoom_and_selection(tab: Tab, site: Site) -> None:
    """50 updates with ever worse results: what is zoomed, brushed, moved and selected stays."""
    page, name = tab.page, site.search("running")
    news = News(page)
    await news.begin()
    where = f"e/{name}/curves?sel=%5B3%2C5%5D"
    await tab.open(where)
    await expect(caption(page, "learning curves")).to_contain_text("whole curves on top")
    await drag(page, page.get_by_role("application", name="Learning curves"), (0.3, 0.3), (0.8, 0.8))
    await expect(caption(page, "learning curves")).to_contain_text("A part is shown")
    await page.get_by_role("link", name="Parameters").click()
    box = await page.get_by_role("application", name="Parallel coordinates").bounding_box()
    head = await page.locator(".axis-head", has_text="dropout").bounding_box()
    assert box
    assert head
    x = (head["x"] + head["width"] / 2 - box["x"]) / box["width"]
    await drag(page, page.get_by_role("application", name="Parallel coordinates"), (x, 0.3), (x, 0.6))
    await expect(page).to_have_url(re.compile("brush=.*curves.zoom=.*sel="))
    before = page.url
    trials = first_number((await page.locator(".filterbar").inner_text()).split(" of ")[1])
    for view, picture in (("Curves", "learning curves"), ("Parameters", "parallel coordinates")):
        await page.get_by_role("link", name=view).click()
        await expect(caption(page, picture)).to_be_visible()
        news.add(news_of(1000 + trials + k, 0, 10.0 + k * k, f"c{trials + k}") for k in range(50))
        trials += 50
        await expect(page.locator(".filterbar")).to_contain_text(f"of {trials}")
        assert page.url.split("?")[1] == before.split("?")[1]
    await expect(page.locator(".axis-head", has_text="dropout")).to_be_visible()
    await page.get_by_role("link", name="Curves").click()
    await expect(caption(page, "learning curves")).to_contain_text("A part is shown")


async def test_complaint_8_stopped_trials_are_left_out_of_the_analysis(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('large')}/parameters")
    trials = f"{TRIALS['large']:,} trials"
    await expect(caption(page, "importance")).to_contain_text(
        f"over all {trials} that have begun, stopped ones included"
    )
    await expect(caption(page, "parallel coordinates")).to_contain_text(f"All {trials} are shown")
    await expect(caption(page, "two hyperparameters")).to_contain_text(f"of {trials}")


async def test_complaint_10_no_picture_without_building_it(tab: Tab, site: Site) -> None:
    player = site.new(trials=20, results=8)
    for view, names in FIGURES.items():
        page = await tab.open(f"e/{player.experiment}/{view}")
        for name in names:
            await expect(page.get_by_role("figure", name=name, exact=True)).to_be_visible()
            await expect(caption(page, name)).not_to_be_empty()


async def test_complaint_11_outliers_log_axes_missing_and_categorical_values(tab: Tab, site: Site) -> None:
    name = site.search("odd")
    page = await tab.open(f"e/{name}/ladder")
    await expect(caption(page, "ladder")).to_contain_text("far out stand at the edge (-1.5 to 1e20)")
    await expect(caption(page, "ladder")).to_contain_text("without a number stand at the right end")
    await tab.open(f"e/{name}/curves")
    await expect(caption(page, "learning curves")).to_contain_text("far out are beyond the edge")
    await tab.open(f"e/{name}/parameters")
    await _odd_axes(page)
    for view in FIGURES:
        await tab.open(f"e/{name}/{view}")
        await expect(page.locator("figcaption").first).not_to_contain_text(re.compile("undefined|\\[object|Infinity"))


async def _odd_axes(page: Page) -> None:
    await page.get_by_role("figure", name="parallel coordinates").get_by_role("button", name="As a table").click()
    row = page.get_by_role("row", name=re.compile("^momentum"))
    await expect(row.get_by_label("not set")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("^only")).get_by_label("one")).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("^text")).get_by_label("<img src=x")).to_be_visible()


async def test_scales_of_odd_values(tab: Tab, site: Site) -> None:
    """One value far out, equal values, none, zeros under a logarithm, the ends of what a number holds."""
    await tab.open(f"e/{site.search('empty')}/ladder")
    await tab.shows("Start a worker")
    lists = {
        "far": [0.1, 0.2, 0.3, 0.4, 0.5, 1e20], "equal": [2.0, 2.0, 2.0], "one": [0.0], "none": [],
        "nan": ["NaN"], "zeros": [0.0, 0.001, 0.1], "huge": [-1e308, 1e308], "infinite": ["Infinity", 1.0, 2.0],
        "mostly": [5.0] * 50 + [1e20],
    }  # fmt: skip
    found = await tab.evaluate(
        "scale.js",
        """Object.fromEntries(Object.entries(a).map(([name, values]) => {
            const numbers = values.map(Number), domain = m.domainOf(numbers), places = [], labels = [];
            for (const log of [false, true]) for (const flip of [false, true]) {
                const scale = m.makeScale(domain, {log, flip});
                places.push(...numbers.map((value) => scale.at(value)).filter((place) => place === place));
                labels.push(m.ticksOf(scale, 6).length);
            }
            const least = Math.min(0.5, ...places), most = Math.max(0.5, ...places);
            return [name, {lo: domain.lo, hi: domain.hi, out: domain.below + domain.above, least, most, labels}];
        }))""",
        lists,
    )
    assert (found["far"]["lo"], found["far"]["hi"], found["far"]["out"]) == (0.1, 0.5, 1)
    assert (found["mostly"]["lo"], found["mostly"]["hi"], found["mostly"]["out"]) == (5, 5, 1)
    assert found["infinite"]["out"] == 1
    for name, each in found.items():
        assert 0 <= each["least"] <= each["most"] <= 1, (name, json.dumps(each))
        assert all(count <= 20 for count in each["labels"]), (name, each)
    assert all(count >= 1 for name in ("far", "equal", "zeros") for count in found[name]["labels"])
