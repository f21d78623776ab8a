"""What may be done to a search, by whom; signing in and out."""

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.integration.test_secure import make_token
from tests.support.service import Service, services
from tests.web.browser import Tab, Window
from tests.web.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def guarded(site: Site) -> Iterator[Service]:
    """A service that wants tokens, with the same searches."""
    with services(site.redis_url, 1, "--tokens") as (service,):
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded_window(browser: Browser, guarded: Service) -> AsyncIterator[Window]:
    window = Window(browser, f"http://{guarded.http}")
    yield window
    await window.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(guarded_window: Window, request: pytest.FixtureRequest) -> AsyncIterator[Tab]:
    """A tab that is not signed in."""
    async with guarded_window.tab(request.session) as tab:
        tab.expected = ("401", "403")
        yield tab


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()


async def test_pause_and_resume_say_first_what_will_happen(tab: Tab, site: Site) -> None:
    player = site.new(trials=100)
    player.ask(3)
    page = await tab.open(f"e/{player.experiment}/overview")
    await expect(page.locator("dl.facts")).to_contain_text("3 running")
    await page.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("3 running trials go on to their next rung and pause there.")
    assert await tab.accessibility() == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.locator(".topbar .state")).to_have_text("running")
    await page.get_by_role("button", name="Pause").click()
    await dialog.get_by_role("button", name="Pause it").click()
    await expect(page.locator(".topbar .state")).to_have_text("paused")
    assert player.ask(1) is False
    await page.get_by_role("button", name="Resume").click()
    await expect(dialog).to_contain_text("Workers that wait get work again")
    await dialog.get_by_role("button", name="Resume it").click()
    await expect(page.locator(".topbar .state")).to_have_text("running")
    assert player.ask(1) is True


async def test_stop_says_that_it_is_for_good_and_keeps_the_results(tab: Tab, site: Site) -> None:
    player = site.new(trials=100, results=30)
    page = await tab.open(f"e/{player.experiment}/overview")
    await page.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("This ends the search for good; it cannot be resumed. A pause can.")
    await expect(dialog).to_contain_text(re.compile(r"\d+ paused trials will not be promoted any more"))
    await expect(dialog).to_contain_text(re.compile(r"The best so far stays: trial \d+, error 0\.\d+"))
    await dialog.get_by_role("button", name="Stop it").click()
    await expect(page.locator(".topbar .state")).to_have_text("stopped")
    await expect(page.get_by_role("button", name="More trials")).to_have_count(0)
    await expect(page.get_by_text(re.compile("Shown: all"))).to_be_visible()


async def test_more_trials_let_a_search_go_on(tab: Tab, site: Site) -> None:
    player = site.new(trials=6)
    player.play()
    page = await tab.open(f"e/{player.experiment}/overview")
    await page.get_by_role("button", name="More trials").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Trials in all").fill("3")
    await expect(dialog).to_contain_text("Wanted a whole number from 6 on.")
    await dialog.get_by_label("Trials in all").fill("9")
    await expect(dialog).to_contain_text("3 more trials will start. The search is done, and goes on.")
    await expect(dialog).to_contain_text(re.compile(r"trains \d+ epochs in all"))
    await dialog.get_by_role("button", name="Change it").click()
    await expect(page.locator(".topbar .state")).to_have_text("running")
    await expect(page.locator("dl.facts")).to_contain_text("6 of 9")


async def test_a_configuration_is_queued_again_with_a_change(tab: Tab, site: Site) -> None:
    player = site.new(trials=20, results=3)
    page = await tab.open(f"e/{player.experiment}/trial/0")
    await page.get_by_role("button", name="Queue this again with").click()
    dialog, field = page.get_by_role("dialog"), page.get_by_role("dialog").get_by_role("textbox")
    await field.fill((await field.input_value()).replace("layers:", "layer:"))
    tab.expected = ("400",)
    await dialog.get_by_role("button", name="Queue it").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("layer")
    text = await field.input_value()
    await field.fill(re.sub(r"layer: \d+", "layers: 7", text))
    await dialog.get_by_role("button", name="Queue it").click()
    await tab.shows("It is queued: the next new trial takes it.")
    player.held.clear()
    while not any(each.hparams.entries["layers"].int_value == 7 for each in player.held):
        assert player.ask(1)


async def test_a_wrong_token_says_so_and_a_right_one_opens(stranger: Tab, site: Site) -> None:
    name = site.search("running")
    page = await stranger.open(f"e/{name}/overview")
    await sign_in(page, "rwy_wrong")
    await stranger.shows("This token is not valid here: it is mistyped, expired or revoked.")
    assert await stranger.accessibility() == []
    await sign_in(page, make_token(site.redis_url, "--namespace", "default", "--role", "admin"))
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await expect(page.locator("dl.facts")).to_be_visible()
    assert "rwy_" not in await page.evaluate("document.cookie + JSON.stringify(localStorage) + location.href")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_reader_has_no_buttons_and_the_service_refuses_anyway(stranger: Tab, site: Site) -> None:
    name = site.search("running")
    page = await stranger.open(f"e/{name}/trial/0")
    await sign_in(page, make_token(site.redis_url, "--namespace", "default", "--role", "read"))
    await expect(page.get_by_role("button", name="Copy as YAML")).to_be_visible()
    for button in ("Pause", "Resume", "Stop", "More trials", "Queue this again"):
        await expect(page.get_by_role("button", name=button)).to_have_count(0)
    for method in ("PauseExperiment", "StopExperiment", "DeleteExperiment", "UpdateExperiment"):
        refused = f"m.call('ExperimentService/{method}', {{experiment: a}}).catch((error) => error.code)"
        assert await stranger.evaluate("api.js", f"await {refused}", name) == "permission_denied"
    await page.goto(f"{stranger.base}/#/new")
    await page.get_by_role("button", name="Show an example").click()
    await stranger.shows("epochs in all")
    await expect(page.get_by_role("button", name="Create")).to_be_disabled()


async def test_a_token_of_another_namespace_sees_nothing_of_this_one(stranger: Tab, site: Site) -> None:
    name = site.search("running")
    page = await stranger.open("")
    stranger.expected = ("401", "403", "404")
    await sign_in(page, make_token(site.redis_url, "--namespace", "other", "--role", "read"))
    await stranger.shows("No search yet")
    await expect(page.locator(".topbar")).to_contain_text("other")
    await page.goto(f"{stranger.base}/#/e/{name}/overview")
    await stranger.shows("There is no such search")


async def test_a_revoked_token_ends_the_session(stranger: Tab, site: Site) -> None:
    token = make_token(site.redis_url, "--namespace", "default", "--role", "read")
    page = await stranger.open("")
    await sign_in(page, token)
    await expect(page.get_by_role("heading", name="Searches")).to_be_visible()
    from tests.integration.test_secure import command

    revoked = command("token", "revoke", token.split("_")[1], RUNGWAY_REDIS_URL=site.redis_url)
    assert revoked.returncode == 0, revoked.stderr
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
