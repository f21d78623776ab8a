"""A real browser for tests of the page, and what makes every one of them fail: errors, reports, requests elsewhere."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, ViewportSize, async_playwright, expect

from scripts.bundle_page import WEB
from tests.support.waiting import SECONDS

NONE = "no chromium: `apt install chromium`, or `.venv/bin/playwright install chromium`"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MOST_MS = 1000 * float(os.environ.get("PAGE_SECONDS", SECONDS - 30))
"""The longest wait; whoever writes a test sets PAGE_SECONDS to a few."""
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
_SOURCES = "/sources-for-tests"
"""Where the modules that the page is packed from are in the browser: not from the service."""
_SIZE = ViewportSize(width=1280, height=860)
_BLANK = f"{_SOURCES}/blank"
_REPORT = """
addEventListener("securitypolicyviolation", (e) => console.error("policy:", e.violatedDirective, e.blockedURI));
"""


def find_chromium() -> str | None:
    """The browser to test with: that of the variable CHROMIUM, one on PATH, or the one that Playwright installed."""
    if named := os.environ.get("CHROMIUM"):
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return str(Path(found).resolve()) if found else _installed()


def _installed() -> str | None:
    found = sorted(Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A headless Chromium. Skips the test where there is none."""
    if not (path := find_chromium()):
        pytest.skip(NONE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        expect.set_options(timeout=MOST_MS)
        yield browser
        await browser.close()


class Tab:
    """A page of the browser that notes everything that must not happen."""

    def __init__(self, page: Page, base: str, blank: str = "about:blank") -> None:
        self.context: BrowserContext = page.context
        self.page, self.base, self._blank = page, base, blank
        self.wrong: list[str] = []
        """Errors, reports of the content security policy, requests beyond the origin."""
        self.expected: tuple[str, ...] = ()
        """Parts of messages that belong to the test, such as "404"."""
        self._listeners: dict[Any, Any] = {
            "console": lambda message: self._note(message.text) if message.type == "error" else None,
            "pageerror": lambda error: self._note(f"error: {error} {error.stack}"),
            "request": lambda request: self._request(request.url),
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def leave(self) -> None:
        """Note nothing more: what happens in the window from now on is of another tab."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)

    def _note(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.wrong.append(text)

    def _request(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:", "about:")):
            self.wrong.append(f"request beyond the origin: {url}")

    async def open(self, where: str = "") -> Page:
        """Go to a part of the page, such as "e/running/trials"; loaded anew."""
        await self.page.goto(self._blank)
        await self.page.goto(f"{self.base}/#/{where}")
        return self.page

    async def go(self, where: str) -> Page:
        """Go to another part of the page that is open."""
        await self.page.evaluate("(hash) => { location.hash = hash; }", f"#/{where}")
        current = self.page.locator(".tabs a[aria-current]")
        if where.startswith("e/"):
            await expect(current).to_have_text(where.partition("?")[0].split("/")[2].capitalize())
        else:
            await expect(current).to_have_count(0)
        return self.page

    async def shows(self, text: str) -> None:
        """Wait until a text is in sight."""
        await expect(self.page.get_by_text(text).first).to_be_visible()

    async def evaluate(self, module: str, expression: str, argument: Any = None) -> Any:
        """The value of a JavaScript expression with the exports of a module as `m` and `argument` as `a`.

        The module is that of the sources, beside the packed one that the page runs: they share nothing. `load(name)` is
        another one.
        """
        script = f"""async (a) => {{
            const load = (name) => import({f"{self.base}{_SOURCES}/js/"!r} + name);
            let m = await load({module!r});
            return {expression};
        }}"""
        return await self.page.evaluate(script, argument)

    async def accessibility(self, *rules: str) -> list[str]:
        """What axe-core finds wrong in what is seen now: by these rules, or by all."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = await self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{each['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]


async def _source(route: Route) -> None:
    if route.request.url.endswith(_BLANK):
        await route.fulfill(content_type="text/html", body="<link rel=icon href='data:,'>")
        return
    name = route.request.url.partition(f"{_SOURCES}/")[2]
    await route.fulfill(path=WEB / name, content_type="text/javascript")


@asynccontextmanager
async def window_of(browser: Browser, base: str, **options: Any) -> AsyncIterator[Page]:
    """A window that shares nothing with others."""
    settings = {"viewport": _SIZE, "reduced_motion": "reduce", **options}
    context = await browser.new_context(**settings)
    context.set_default_timeout(MOST_MS)
    await context.add_init_script(_REPORT)
    await context.route(f"{base}{_SOURCES}/**", _source)
    try:
        yield await context.new_page()
    finally:
        await context.close()


@asynccontextmanager
async def tab_of(browser: Browser, base: str, **options: Any) -> AsyncIterator[Tab]:
    """A tab in a window of its own. Fails at the end if anything went wrong in it."""
    async with window_of(browser, base, **options) as page:
        tab = Tab(page, base)
        yield tab
    assert not tab.wrong, "\n".join(tab.wrong)


class Window:
    """A window that tests use one after the other, each as if it were new.

    A new one takes most of a second of processor time: processes start, and read and compile all scripts of the page.
    So this one also stays in its process: between two pages is an empty one of the same origin.
    """

    def __init__(self, browser: Browser, base: str) -> None:
        self._browser, self._base = browser, base
        self._made = AsyncExitStack()
        self._page: Page | None = None

    @asynccontextmanager
    async def tab(self, session: pytest.Session) -> AsyncIterator[Tab]:
        """For one test, as `tab_of`. After a test that failed the next one gets another window."""
        if not self._page:
            self._page = await self._made.enter_async_context(window_of(self._browser, self._base))
        tab, failed = Tab(self._page, self._base, f"{self._base}{_BLANK}"), session.testsfailed
        yield tab
        if session.testsfailed == failed:
            await self._clear(tab)
        else:
            await self.close()
        tab.leave()
        assert not tab.wrong, "\n".join(tab.wrong)

    async def close(self) -> None:
        """The next test gets another one."""
        self._page = None
        await self._made.aclose()

    async def _clear(self, tab: Tab) -> None:
        """Take away what a test may have left in it."""
        page, context = tab.page, tab.context
        await page.unroute_all()
        await context.unroute_all()
        await context.route(f"{self._base}{_SOURCES}/**", _source)
        await page.goto(f"{self._base}{_BLANK}")
        await page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        await context.clear_cookies()
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        await page.set_viewport_size(_SIZE)


if __name__ == "__main__":
    print(f"the page is tested with {find_chromium()}" if find_chromium() else f"the page is not tested here: {NONE}")
