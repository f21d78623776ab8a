"""Every view in every kind of search, light and dark: something is shown, nothing goes wrong, axe-core agrees."""

import pytest
from playwright.async_api import Browser, expect

from tests.web.browser import Tab, tab_of
from tests.web.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWS = ("ladder", "overview", "curves", "parameters", "trials", "trial", "workers")
KINDS = ("empty", "running", "odd", "clones", pytest.param("large", marks=pytest.mark.long))


async def check(tab: Tab, where: str) -> None:
    """It is shown, and axe-core has no objection: to all of it in the light, to its contrasts in the dark."""
    page = await tab.go(where)
    await expect(page.locator("main")).not_to_contain_text("Reading")
    await expect(page.locator("main")).not_to_contain_text("This view failed")
    await expect(page.locator("#view, .page").first).not_to_be_empty()
    assert await tab.accessibility() == [], where
    await page.emulate_media(color_scheme="dark")
    assert await tab.accessibility("color-contrast") == [], where
    await page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("kind", KINDS)
async def test_every_view(tab: Tab, site: Site, kind: str) -> None:
    name = site.search(kind)
    await tab.open()
    for view in VIEWS:
        await check(tab, f"e/{name}/{view}")


async def test_the_list_the_new_search_and_the_help(tab: Tab, site: Site) -> None:
    site.search("running")
    await tab.open()
    await check(tab, "")
    await check(tab, "new")
    await tab.page.get_by_role("button", name="Show an example").click()
    await tab.shows("epochs in all")
    await check(tab, "new")
    await tab.page.get_by_role("button", name="Keys and filters").click()
    await tab.shows("hyperparameters and columns by name")
    assert await tab.accessibility() == []


async def test_it_is_usable_on_a_narrow_screen(browser: Browser, site: Site) -> None:
    name = site.search("running")
    async with tab_of(browser, site.url, viewport={"width": 360, "height": 740}) as tab:
        await tab.open()
        for where in ("", "new", *(f"e/{name}/{view}" for view in VIEWS)):
            page = await tab.go(where)
            await expect(page.locator("#view, .page").first).not_to_be_empty()
            await expect(page.locator("main")).not_to_contain_text("Reading")
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 360, (where, wide)


async def test_the_tab_that_is_open_is_in_sight_on_a_narrow_screen(browser: Browser, site: Site) -> None:
    name = site.search("running")
    async with tab_of(browser, site.url, viewport={"width": 360, "height": 740}) as tab:
        page = await tab.open(f"e/{name}/workers")
        await expect(page.locator(".tabs a[aria-current]")).to_be_in_viewport(ratio=1)
