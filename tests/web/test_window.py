"""The window that tests use one after the other: each finds it as new, and an error fails one test."""

import pytest
from playwright.async_api import Browser, expect

from tests.web.browser import Window
from tests.web.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOUND = """[
    localStorage.getItem("rungway-theme"), localStorage.getItem("left"), sessionStorage.length, document.cookie,
    window.left ?? null, innerWidth, matchMedia("(prefers-color-scheme: dark)").matches, document.activeElement.tagName,
]"""


async def test_nothing_is_left_of_the_test_before(browser: Browser, site: Site, request: pytest.FixtureRequest) -> None:
    window = Window(browser, site.url)
    async with window.tab(request.session) as tab:
        page = await tab.open()
        new = await page.evaluate(FOUND)
        await page.evaluate(
            """() => {
                localStorage.setItem("rungway-theme", "dark");
                localStorage.setItem("left", "1");
                sessionStorage.setItem("left", "1");
                document.cookie = "left=1";
                window.left = 1;
            }"""
        )
        await page.keyboard.press("Tab")
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 400, "height": 300})
        await page.route("**/ListExperiments", lambda route: route.abort())
        await tab.context.route("**/static/**", lambda route: route.abort())
        assert [now == then for now, then in zip(await page.evaluate(FOUND), new, strict=True)] == [False] * len(new)
    async with window.tab(request.session) as tab:
        page = await tab.open()
        assert await page.evaluate(FOUND) == new
        await expect(page.get_by_role("heading", name="Searches")).to_be_visible()
        assert await tab.evaluate("format.js", "m.number(1e7)") == "1e7"
    await window.close()


async def throw_late(window: Window, session: pytest.Session) -> None:
    """A test with an error in a script that nobody waits for."""
    late = "() => new Promise((done) => { setTimeout(() => { setTimeout(done); throw new Error('late'); }); })"
    async with window.tab(session) as tab:
        page = await tab.open()
        await page.evaluate(late)


async def test_what_goes_wrong_is_noted_once(browser: Browser, site: Site, request: pytest.FixtureRequest) -> None:
    window = Window(browser, site.url)
    with pytest.raises(AssertionError, match="error: late"):
        await throw_late(window, request.session)
    async with window.tab(request.session) as tab:
        await tab.open()
    await window.close()
