"""The page under a path of a proxy, by keyboard alone, with texts that want to be markup."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.service import services
from tests.web.browser import Tab, tab_of
from tests.web.conftest import Site
from tests.web.front import proxied
from tests.web.played import MARKUP

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def behind(browser: Browser, site: Site) -> AsyncIterator[Tab]:
    """A tab that reaches the service under a path."""
    with proxied(site.service.http) as url:
        async with tab_of(browser, url) as tab:
            yield tab


async def uses_the_page(tab: Tab, site: Site) -> None:
    player = site.new(trials=50, results=3)
    page = await tab.open("")
    await page.get_by_role("link", name=player.experiment, exact=True).click()
    await page.get_by_role("link", name="Trials", exact=True).click()
    await expect(page.locator("tbody tr[data-place]")).to_have_count(3)
    player.held.clear()
    player.ask(1)
    await expect(page.locator("tbody tr[data-place]")).to_have_count(4)


async def test_it_works_under_a_path_that_a_proxy_takes_away(behind: Tab, site: Site) -> None:
    await uses_the_page(behind, site)


async def test_it_works_under_a_path_that_a_proxy_leaves(browser: Browser, site: Site) -> None:
    with services(site.redis_url, 1, "--http-prefix", "/tools/rungway") as (service,):
        async with tab_of(browser, f"http://{service.http}/tools/rungway") as tab:
            await uses_the_page(tab, site)
            await tab.page.goto(f"http://{service.http}/tools/rungway")
            await tab.page.wait_for_url(f"http://{service.http}/tools/rungway/")
            await expect(tab.page.get_by_role("heading", name="Searches")).to_be_visible()


async def focused(page: Page) -> str:
    return str(
        await page.evaluate("(document.activeElement.innerText || document.activeElement.ariaLabel || '').trim()")
    )


async def tab_to(page: Page, text: str) -> None:
    """Press the tab key until the focus is there, and can be seen."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if (await focused(page)).startswith(text):
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"the key Tab does not reach {text!r}")


async def test_a_tour_with_the_keyboard_alone(tab: Tab, site: Site) -> None:
    player = site.new(trials=60, results=12)
    page = await tab.open("")
    await expect(page.get_by_role("link", name=player.experiment, exact=True)).to_be_visible()
    await tab_to(page, player.experiment)
    await page.keyboard.press("Enter")
    await expect(page.locator(".topbar .state")).to_be_visible()
    for key, name in enumerate(["Ladder", "Overview", "Curves", "Parameters", "Trials", "Trial", "Workers"], 1):
        await page.keyboard.press(str(key))
        await expect(page.locator(".tabs a[aria-current]")).to_have_text(name)
    await page.keyboard.press("5")
    await page.keyboard.press("/")
    await page.keyboard.type("lr > 0")
    await page.keyboard.press("Escape")
    await tab.shows("Shown:")
    await expect(page.locator("tbody tr[data-place='0']")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(page.locator("tbody tr[data-place='1']").get_by_role("checkbox")).to_be_checked()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Trial 1", exact=True)).to_be_visible()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await tab_to(page, "Pause")
    await page.keyboard.press("Enter")
    await tab_to(page, "Pause it")
    await page.keyboard.press("Enter")
    await expect(page.locator(".topbar .state")).to_have_text("paused")


async def test_texts_with_markup_stay_texts(tab: Tab, site: Site) -> None:
    name = site.search("odd")
    page = await tab.open(f"e/{name}/trials?filter=state+%3D+failed")
    await page.get_by_role("link", name=re.compile(r"^\d+$")).first.click()
    await expect(page.get_by_text(MARKUP).first).to_be_visible()
    for view in ("overview", "trials", "parameters", "ladder", "workers"):
        await page.goto(f"{tab.base}/#/e/{name}/{view}")
        await expect(page.locator("#view")).not_to_be_empty()
    assert await page.locator("img").count() == 0
    assert await page.evaluate("document.scripts.length") == 1
    settings = "filter=%3Cscript%3E&sel=%5B%22x%22%5D&brush=%7B%22%3Cb%3E%22%3A1%7D"
    strange = f"e/%3Cimg%20src=x%20onerror=alert(1)%3E/%3Cb%3E?{settings}"
    tab.expected = ("400", "404")
    await page.goto(f"{tab.base}/#/{strange}")
    await expect(page.get_by_role("alert").or_(page.get_by_text("There is no view")).first).to_be_visible()
    assert await page.locator("main img, main b").count() == 0


async def test_a_theme_is_kept(tab: Tab) -> None:
    page = await tab.open("")
    back = "getComputedStyle(document.body).backgroundColor"
    assert await page.evaluate(back) == "rgb(255, 255, 255)"
    await page.get_by_role("button", name="Theme: auto").click()
    await page.get_by_role("button", name="Theme: light").click()
    assert await page.evaluate(back) == "rgb(20, 24, 29)"
    await page.reload()
    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert await page.evaluate(back) == "rgb(20, 24, 29)"


async def test_what_is_shown_is_saved_as_csv(tab: Tab, site: Site) -> None:
    name = site.search("odd")
    page = await tab.open(f"e/{name}/trials?filter=trial+%3C+9&sort=-trial")
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="CSV of 9 rows").click()
    download = await saved.value
    assert download.suggested_filename == "odd-trials.csv"
    path = await download.path()
    lines = path.read_bytes().decode().split("\r\n")
    assert lines[0].startswith("Trial,State,Bracket,Rung,Length,Last error,Best error")
    assert [line.partition(",")[0] for line in lines[1:10]] == list("876543210")
    assert lines[9].startswith("0,paused,0,0,1,NaN,NaN")


async def test_columns_are_chosen_and_trials_compared(tab: Tab, site: Site) -> None:
    name = site.search("running")
    page = await tab.open(f"e/{name}/trials")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Worker").uncheck()
    await page.get_by_role("checkbox", name="Best at").check()
    await expect(page.get_by_role("columnheader", name="Best at")).to_be_visible()
    await expect(page.get_by_role("columnheader", name="Worker")).to_have_count(0)
    for place in range(9):
        await page.locator(f"tbody tr[data-place='{place}']").get_by_role("checkbox").click()
    await tab.shows("At most 8 trials are compared: take one away first.")
    await page.get_by_role("button", name="Compare (8)").click()
    comparison = page.get_by_role("region", name="Comparison")
    await expect(comparison.get_by_role("img", name="Learning curves of 8 trials")).to_be_visible()
    await expect(comparison.locator("tr.chosen").first).to_be_visible()
    assert await tab.accessibility() == []
