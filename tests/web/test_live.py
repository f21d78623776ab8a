"""What changes while somebody looks: results, promotions, a page held still, a service that is away."""

import json
import os
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from tests.support.calls import calls_to, unique_name
from tests.support.redis_server import free_port
from tests.support.service import services
from tests.web.browser import Tab, tab_of
from tests.web.conftest import Site
from tests.web.pictures import News, news_of
from tests.web.played import Player, asha

UPDATES = int(os.environ.get("PAGE_UPDATES", "6"))
"""How many updates; `make page-load` waits for 50, of which there is one a second."""

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_new_results_and_promotions_arrive_by_themselves(tab: Tab, site: Site) -> None:
    player = site.new(trials=200)
    page = await tab.open(f"e/{player.experiment}/trials")
    await tab.shows("No trial has started")
    player.ask(1)
    await expect(page.get_by_role("row").filter(has_text="running")).to_have_count(1)
    player.tell(1)
    await tab.shows("Shown: the only trial.")
    player.play(60)
    await expect(page.locator("td.is.completed").first).to_be_visible()  # promoted up to the top
    await expect(page.get_by_text(re.compile(r"Shown: all \d+ trials"))).to_be_visible()


async def test_the_end_of_the_search_is_seen(tab: Tab, site: Site) -> None:
    player = site.new(trials=5)
    page = await tab.open(f"e/{player.experiment}/overview")
    await expect(page.locator(".topbar .state")).to_have_text("running")
    player.play()
    await expect(page.locator(".topbar .state")).to_have_text("done")
    await expect(page.locator(".topbar")).to_contain_text("100 %")


async def test_a_page_held_still_says_what_has_come_and_shows_it_when_asked(tab: Tab, site: Site) -> None:
    player = site.new(trials=200)
    player.ask(5)
    page = await tab.open(f"e/{player.experiment}/trials")
    await expect(page.locator("tbody tr[data-place]")).to_have_count(5)
    await page.keyboard.press("f")
    await tab.shows("frozen")
    player.ask(7)
    player.tell(7)
    chip = page.get_by_role("button", name=re.compile("7 new results · show"))
    await expect(chip).to_be_visible()
    await expect(page.locator("tbody tr[data-place]")).to_have_count(5)
    await chip.click()
    await expect(page.locator("tbody tr[data-place]")).to_have_count(12)
    await tab.shows("frozen")
    await page.keyboard.press("f")
    await expect(page.get_by_role("button", name="live")).to_be_visible()
    player.ask(1)
    await expect(page.locator("tbody tr[data-place]")).to_have_count(13)


async def test_a_service_that_is_away_is_said_and_the_data_stay(browser: Browser, site: Site) -> None:
    port = free_port()
    flags = ("--http", f"127.0.0.1:{port}")
    async with tab_of(browser, f"http://127.0.0.1:{port}") as tab:
        tab.expected = (
            "ERR_CONNECTION_REFUSED",
            "ERR_INCOMPLETE_CHUNKED_ENCODING",
            "ERR_CONNECTION_RESET",
            "ERR_EMPTY_RESPONSE",
        )
        with services(site.redis_url, 1, *flags) as (service,), calls_to(service.address) as calls:
            calls.create("away", asha(50))
            player = Player(calls, "away")
            player.play(9)
            page = await tab.open("e/away/trials")
            await expect(page.locator("tbody tr[data-place]")).to_have_count(player.told)
            count = player.told
            service.kill()
            await expect(page.locator(".live")).to_have_text(re.compile(r"server away, trying again in \d+ s"))
            await expect(page.locator("tbody tr[data-place]")).to_have_count(count)
        with services(site.redis_url, 1, *flags) as (service,), calls_to(service.address) as calls:
            await expect(page.get_by_role("button", name="live")).to_be_visible()
            Player(calls, "away").ask(1)
            await expect(page.locator("td.is.running")).to_have_count(1)


async def test_a_search_that_is_deleted_stays_on_the_screen_and_says_so(tab: Tab, site: Site) -> None:
    from rungway.v1 import experiment_service_pb2 as experiment_pb

    player = site.new(results=4)
    tab.expected = ("404",)
    page = await tab.open(f"e/{player.experiment}/trials")
    await expect(page.locator("tbody tr[data-place]")).to_have_count(4)
    site.calls.experiments.DeleteExperiment(experiment_pb.DeleteExperimentRequest(experiment=player.experiment))
    await tab.shows("What you see is the last that was known.")
    await expect(page.locator("tbody tr[data-place]")).to_have_count(4)


async def test_an_unknown_search_says_where_to_go(tab: Tab) -> None:
    tab.expected = ("404",)
    page = await tab.open("e/nowhere/trials")
    await tab.shows("there is no experiment 'nowhere'")
    await page.get_by_role("link", name="All searches").click()
    await expect(page.get_by_role("heading", name="Searches")).to_be_visible()


async def test_a_tab_that_is_hidden_listens_to_nothing(tab: Tab, site: Site) -> None:
    player = site.new(results=3)
    async with tab.page.expect_request("**/WatchView"):
        page = await tab.open(f"e/{player.experiment}/trials")
    await expect(page.locator("tbody tr[data-place]")).to_have_count(3)
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    async with page.expect_event("requestfailed", lambda request: "WatchView" in request.url):
        await page.evaluate(hide, True)
    player.ask(1)
    async with page.expect_request("**/rungway.v1.ViewService/WatchView"):
        await page.evaluate(hide, False)
    await expect(page.locator("tbody tr[data-place]")).to_have_count(4)


async def test_what_the_user_set_survives_updates(tab: Tab, site: Site) -> None:
    player = site.new(trials=1000, results=300)
    page = await tab.open(f"e/{player.experiment}/trials?sort=-best&filter=lr+%3E+1e-4")
    table = page.get_by_role("region", name="Trials")
    first = page.locator("tbody tr[data-place='40']")
    await table.evaluate("(each) => { each.scrollTop = 900; }")
    await first.get_by_role("checkbox").check()
    trial = await first.get_by_role("link").inner_text()
    place = await table.evaluate("(each) => each.scrollTop")
    for _ in range(UPDATES):
        before = await page.locator(".filterbar p").inner_text()
        player.ask(8)
        player.tell(8)
        await expect(page.locator(".filterbar p")).not_to_have_text(before)
    assert await table.evaluate("(each) => each.scrollTop") == place
    assert await first.get_by_role("link").inner_text() == trial
    await expect(first.get_by_role("checkbox")).to_be_checked()
    await expect(page.locator("[data-filter]")).to_have_value("lr > 1e-4")
    await expect(page.get_by_role("button", name=re.compile("sort again"))).to_be_visible()
    assert "sort=-best" in page.url
    assert f"sel=%5B{trial}%5D" in page.url


async def test_what_the_user_set_is_in_the_address(browser: Browser, tab: Tab, site: Site, tmp_path: Path) -> None:
    name = site.search("running")
    page = await tab.open(f"e/{name}/trials")
    await page.locator("[data-filter]").fill("layers > 2")
    await page.get_by_role("button", name="Best error").click()
    await page.locator("tbody tr[data-place='1']").get_by_role("checkbox").check()
    said = await page.locator(".filterbar p").inner_text()
    first = await page.locator("tbody tr[data-place='0']").inner_text()
    await page.wait_for_url(re.compile("sel="))
    address = page.url
    async with tab_of(browser, site.url) as other:
        await other.page.goto(address)
        await expect(other.page.locator(".filterbar p")).to_have_text(said)
        assert await other.page.locator("tbody tr[data-place='0']").inner_text() == first
        await other.page.get_by_role("link", name="Overview").click()
        await other.page.get_by_role("button", name="trials", exact=True).click()
        await other.page.go_back()
        await expect(other.page.locator("tbody tr[data-place='0']")).to_be_visible()
        await expect(other.page.locator("[data-filter]")).to_have_value("layers > 2")


async def test_a_search_that_is_read_in_parts_says_so(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/trials")
    await tab.shows("Shown: all")
    news = News(page)
    news.add([news_of(10_000, 0, 0.5, "c1") | {"more": True}])
    await news.begin()
    await page.reload()
    await tab.shows("Reading: ")
    news.add([news_of(10_001, 0, 0.5, "c2") | {"more": False}])
    await tab.shows("Shown: all")


async def test_the_trial_that_one_reads_stays_when_another_one_is_better(tab: Tab, site: Site) -> None:
    name = unique_name("own")
    site.calls.create(name, asha(60))
    player = Player(site.calls, name, lambda trial, _, length: 1.0 / (1 + trial + length))
    player.play(5)
    page = await tab.open(f"e/{name}/trial")
    heading = page.locator("h2.title")
    await expect(heading).to_have_text(re.compile(r"Trial \d"))
    before = await heading.inner_text()
    player.play(20)
    await expect(page.locator(".filterbar p")).to_have_text(re.compile(r"Shown: all \d\d trials\."))
    assert await heading.inner_text() == before
    await page.get_by_role("link", name="Overview").click()
    await page.get_by_role("link", name="Trial", exact=True).click()
    await expect(heading).not_to_have_text(before)


async def test_the_bar_has_the_searches_of_all_pages(tab: Tab, site: Site) -> None:
    """The service is asked for pages of one search each, and has several."""
    names = {site.search("running"), site.search("empty"), site.search("odd")}

    async def smaller(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}") | {"pageSize": 1}
        await route.continue_(post_data=json.dumps(body))

    page = await tab.open("e/running/trials")
    await page.route("**/ListExperiments", smaller)
    picker = page.get_by_label("Search", exact=True)
    await picker.focus()
    await expect(picker.locator("option", has_text="odd")).to_have_count(1)
    assert names <= {text.strip() for text in await picker.locator("option").all_inner_texts()}
