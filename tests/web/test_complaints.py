"""What users of other pages complain of, one test for each. Those of live views are in test_live.py, too."""

import json
import re

import pytest
from playwright.async_api import Browser, Route, expect

from tests.web.browser import Tab, tab_of
from tests.web.conftest import LARGE, TRIALS, Site
from tests.web.front import proxied

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("kind", LARGE)
async def test_many_trials_do_not_kill_the_page(tab: Tab, site: Site, kind: str) -> None:
    name = site.search(kind)
    page = await tab.open(f"e/{name}/trials")
    await tab.shows(f"Shown: all {TRIALS[kind]:,} trials.")
    assert await page.locator("tbody tr").count() < 100
    table = page.get_by_role("region", name="Trials")
    await table.evaluate("(each) => { each.scrollTop = each.scrollHeight; }")
    await expect(page.get_by_role("link", name=str(TRIALS[kind] - 1), exact=True)).to_be_visible()
    await page.locator("[data-filter]").fill("lr > 1e-3 and state = completed")
    await expect(page.locator(".filterbar p")).to_have_text(re.compile(rf"Shown: [\d,]+ of {TRIALS[kind]:,} trials"))
    assert await page.locator("tbody tr").count() < 100


async def test_the_whole_list_is_not_fetched_again_and_again(tab: Tab, site: Site) -> None:
    player = site.new(trials=2000)
    for _ in range(20):
        player.ask(64)
        player.tell(64)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page = await tab.open(f"e/{player.experiment}/trials")
    await expect(page.get_by_role("button", name="live")).to_be_visible()
    whole = await page.locator(".filterbar p").inner_text()
    player.ask(64)
    await expect(page.locator(".filterbar p")).not_to_have_text(whole)
    await page.keyboard.press("2")
    await expect(page.locator("dl.facts")).to_be_visible()
    assert asked.count("GetView") == 1
    assert asked.count("WatchView") == 1
    assert "ListTrials" not in asked


async def test_what_is_left_out_is_said(tab: Tab, site: Site) -> None:
    name = site.search("running")

    async def leave_out(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        body["view"] |= {"leftOut": 50_000, "parametersLeftOut": 2}
        await route.fulfill(response=answer, body=json.dumps(body))

    await tab.page.route("**/rungway.v1.ViewService/GetView", leave_out)
    await tab.open(f"e/{name}/trials")
    await tab.shows("50,000 more are left out: the page shows the best and the latest.")
    await tab.shows("2 hyperparameters of many are left out.")


async def test_a_refresh_does_not_destroy_what_the_user_set(tab: Tab, site: Site) -> None:
    player = site.new(trials=500, results=100)
    page = await tab.open(f"e/{player.experiment}/trials?sort=-best")
    table = page.get_by_role("region", name="Trials")
    await expect(page.locator("tbody tr[data-place='3']")).to_be_visible()
    await page.locator("tbody tr[data-place='3']").focus()
    focused = await page.locator("tbody tr[data-place='3']").inner_text()
    await table.evaluate("(each) => { each.scrollTop = 50; }")
    said = await page.locator(".filterbar p").inner_text()
    player.ask(20)
    player.tell(20)
    await expect(page.locator(".filterbar p")).not_to_have_text(said)
    assert await table.evaluate("(each) => each.scrollTop") == 50
    assert await page.evaluate("document.activeElement.innerText") == focused


async def test_the_page_is_never_stale_in_silence(tab: Tab, site: Site) -> None:
    """A stream that is cut is made anew, and until then the page says so; see also test_live.py."""
    player = site.new(trials=50, results=2)
    await tab.page.route("**/rungway.v1.ViewService/WatchView", lambda route: route.abort())
    tab.expected = ("ERR_FAILED",)
    page = await tab.open(f"e/{player.experiment}/overview")
    await expect(page.locator(".live")).to_have_text(re.compile("server away, trying again"))
    await page.unroute("**/rungway.v1.ViewService/WatchView")
    await expect(page.get_by_role("button", name="live")).to_be_visible()
    player.play(20)
    await expect(page.locator("dl.facts")).to_contain_text(re.compile("completed"))


async def test_watching_asks_for_nothing_but_changes(tab: Tab, site: Site) -> None:
    """While nothing happens, an open page asks nothing: the stream waits at the service."""
    player = site.new(trials=50, results=5)
    asked: list[str] = []
    async with tab.page.expect_request("**/WatchView"):
        page = await tab.open(f"e/{player.experiment}/trials")
    tab.page.on("request", lambda request: asked.append(request.url))
    player.ask(1)
    await expect(page.locator("td.is.running")).not_to_have_count(0)
    player.ask(1)
    await expect(page.locator("tbody tr[data-place]")).to_have_count(1 + max(each.lease.trial for each in player.held))
    assert [url for url in asked if "/static/" not in url] == []


async def test_odd_data_do_not_make_a_white_page(tab: Tab, site: Site) -> None:
    name = site.search("odd")
    page = await tab.open(f"e/{name}/trials")
    for text in ("NaN", "1e20", "∞", "-1.5"):
        await expect(page.locator("td.number", has_text=text).first).to_be_visible()
    for trial in range(6):
        await tab.open(f"e/{name}/trial/{trial}")
        await expect(page.get_by_role("heading", name=f"Trial {trial}", exact=True)).to_be_visible()
    await tab.open(f"e/{name}/trial/0")
    await tab.shows("1 of 1 results are not numbers and are not drawn.")


async def test_stopped_trials_are_part_of_the_analysis(tab: Tab, site: Site) -> None:
    name = site.search("large")
    page = await tab.open(f"e/{name}/overview")
    await expect(
        page.get_by_text(
            re.compile(f"from all {TRIALS[name]:,} trials that started, also those that were stopped early")
        )
    ).to_be_visible()
    await expect(page.locator(".bars tr").first).to_contain_text("lr")


async def test_the_page_says_why_a_trial_was_stopped(tab: Tab, site: Site) -> None:
    player = site.new(trials=40, name="async_halving", num_rungs=3, stop_once=True)
    player.play()
    page = await tab.open(f"e/{player.experiment}/trials?filter=state+%3D+stopped")
    await page.get_by_role("link", name=re.compile(r"^\d+$")).first.click()
    why = page.locator(".why li").last
    await expect(why).to_contain_text(
        re.compile(r"stopped: rank \d+ of \d+ at rung 0, the best \d+ goe?s? on \(cut-off 0\.\d+\)")
    )
    await expect(
        why.get_by_role("img", name=re.compile(r"Rank \d+ of \d+, 0 is the best; the best \d+ goe?s? on"))
    ).to_be_visible()


async def test_there_are_pictures_without_building_any(tab: Tab, site: Site) -> None:
    page = await tab.open("")
    name = site.search("running")
    await page.get_by_role("link", name=name, exact=True).click()
    await page.get_by_role("link", name="Overview").click()
    await expect(page.get_by_role("img", name=re.compile("The best error so far"))).to_be_visible()


async def test_outliers_logarithms_and_missing_values(tab: Tab, site: Site) -> None:
    name = site.search("odd")
    page = await tab.open(f"e/{name}/overview")
    await expect(page.get_by_text(re.compile("far away values? lies? beyond the picture"))).to_be_visible()
    await page.get_by_role("button", name="Show all").click()
    await expect(page.locator("svg text", has_text="1e20")).to_be_visible()
    await page.get_by_role("checkbox", name="logarithmic").check()
    await expect(page.get_by_role("img", name=re.compile("The best error so far"))).to_be_visible()
    await page.goto(f"{tab.base}/#/e/{name}/trials?filter=momentum+is+not+set+and+not+(optimizer+%3D+sgd)")
    await expect(page.locator(".filterbar p")).to_have_text(re.compile(r"Shown: \d+ of \d+ trials"))
    await page.goto(f"{tab.base}/#/e/{name}/trials?filter=momentum+is+not+set+and+optimizer+%3D+sgd")
    await tab.shows("No trial meets the filter.")


async def test_stopping_loses_nothing_and_the_state_is_plain(tab: Tab, site: Site) -> None:
    player = site.new(trials=60, results=25)
    page = await tab.open(f"e/{player.experiment}/trials")
    said = await page.locator(".filterbar p").inner_text()
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Everything that was reported is kept.")
    await page.get_by_role("button", name="Stop it").click()
    await expect(page.locator(".topbar .state")).to_have_text("stopped")
    await expect(page.locator(".filterbar p")).to_have_text(said)


async def test_it_works_behind_a_proxy_below_a_path_over_plain_http(browser: Browser, site: Site) -> None:
    """Streams, calls and files: all addresses are relative. See also test_around.py."""
    name = site.search("running")
    with proxied(site.service.http) as url:
        async with tab_of(browser, url) as tab:
            asked: list[str] = []
            tab.page.on("request", lambda request: asked.append(request.url))
            page = await tab.open(f"e/{name}/overview")
            await expect(page.get_by_role("button", name="live")).to_be_visible()
            assert all(each.startswith((url, "about:")) for each in asked)


async def test_the_page_is_not_a_hole(browser: Browser, site: Site) -> None:
    """A page of another site can neither frame it, nor read or change anything; see also tests/integration."""
    name = site.search("empty")
    context = await browser.new_context()
    page = await context.new_page()
    await page.route(
        "http://evil.example/", lambda route: route.fulfill(content_type="text/html", body="<h1>evil</h1>")
    )
    await page.goto("http://evil.example/")
    steal = """async ([url, body]) => {
        const init = {method: "POST", body, headers: {"Content-Type": "text/plain"}, mode: "no-cors"};
        try { return await (await fetch(url, init)).text(); }
        catch (error) { return "refused"; }
    }"""
    stop = [f"{site.url}/rungway.v1.ExperimentService/StopExperiment", json.dumps({"experiment": name})]
    assert await page.evaluate(steal, stop) in ("", "refused")
    framed = await page.evaluate(
        """(url) => new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.src = url;
            frame.onload = () => { try { done(frame.contentDocument ? "open" : "closed"); } catch { done("closed"); } };
            document.body.append(frame);
        })""",
        f"{site.url}/",
    )
    assert framed == "closed"
    assert [await frame.title() for frame in page.frames[1:]] != ["Rungway"]
    await context.close()
    async with tab_of(browser, site.url) as tab:
        await tab.open(f"e/{name}/overview")
        await expect(tab.page.locator(".topbar .state")).to_have_text("running")


async def test_it_needs_nothing_from_elsewhere(tab: Tab, site: Site) -> None:
    """Every test fails on a request beyond the origin; here all else is cut off as well."""
    await tab.context.route(lambda url: not url.startswith(site.url), lambda route: route.abort())
    await tab.open(f"e/{site.search('running')}/overview")
    await expect(tab.page.locator("dl.facts")).to_be_visible()
