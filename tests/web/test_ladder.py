"""The ladder against the service: the same counts, promotions as they happen, and a replay that ends at the present."""

import re

import pytest
from playwright.async_api import expect

from rungway.v1 import experiment_pb2
from rungway.v1 import experiment_service_pb2 as experiment_pb
from tests.support.calls import SECONDS
from tests.web.browser import Tab
from tests.web.conftest import Site
from tests.web.pictures import caption, drag, first_number, table

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = ("running", "odd", "clones")


def plan_of(site: Site, experiment: str) -> experiment_pb2.Plan:
    request = experiment_pb.GetExperimentRequest(experiment=experiment)
    return site.calls.experiments.GetExperiment(request, timeout=SECONDS).experiment.plan


@pytest.mark.parametrize("kind", [*KINDS, "large"])
async def test_each_rung_has_the_counts_of_the_service(tab: Tab, site: Site, kind: str) -> None:
    plan = plan_of(site, site.search(kind))
    page = await tab.open(f"e/{kind}/ladder")
    results = sum(rung.results for bracket in plan.brackets for rung in bracket.rungs)
    await expect(caption(page, "ladder")).to_contain_text(f"{results:,} results at")
    seen = {(int(row[0]), int(row[1])): row[3] for row in await table(page, "ladder")}
    for b, bracket in enumerate(plan.brackets):
        for k, rung in enumerate(bracket.rungs[:-1]):
            assert first_number(seen[b, k]) == rung.results
            assert f"{rung.passed:,} went" in seen[b, k]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_replay_ends_at_the_present(tab: Tab, site: Site, kind: str) -> None:
    page = await tab.open(f"e/{site.search(kind)}/ladder")
    now = await table(page, "ladder")
    await page.get_by_role("button", name="Replay from the beginning").click()
    slider = page.get_by_label("time of the search")
    await expect(slider).to_be_visible()
    await expect(page.get_by_role("group", name="replay")).not_to_contain_text("reading")
    await expect(caption(page, "ladder")).to_contain_text("0 results")
    await slider.fill("1000")
    await expect(page.get_by_text("The last decisions of then")).to_be_visible()
    # What trains is at the same rung, but the log does not say how far it is.
    assert await table(page, "ladder") == now
    await page.get_by_role("button", name="Back to now").click()
    await expect(page.get_by_role("group", name="replay")).to_have_count(0)


@pytest.mark.parametrize(
    "more", [{"name": "async_halving", "num_rungs": 3, "stop_once": True}, {"name": "sync_halving", "num_rungs": 3}]
)
async def test_stopping_and_synchronous_searches(tab: Tab, site: Site, more: dict[str, object]) -> None:
    player = site.new(trials=60, results=50, **more)
    plan = plan_of(site, player.experiment)
    page = await tab.open(f"e/{player.experiment}/ladder")
    now = await table(page, "ladder")
    words = {(int(row[0]), int(row[1])): row[3] for row in now}
    for b, bracket in enumerate(plan.brackets):
        for k, rung in enumerate(bracket.rungs[:-1]):
            assert first_number(words[b, k]) == rung.results
            assert f"{rung.passed:,} went" in words[b, k]
    await page.get_by_role("button", name="Replay from the beginning").click()
    await page.get_by_label("time of the search").fill("1000")
    await expect(page.get_by_text("The last decisions of then")).to_be_visible()
    assert await table(page, "ladder") == now


async def test_a_promotion_is_seen_as_it_happens(tab: Tab, site: Site) -> None:
    player = site.new(trials=60, results=24)
    page = await tab.open(f"e/{player.experiment}/ladder")
    await expect(caption(page, "ladder")).to_contain_text("24 results")
    went = sum(rung.passed for bracket in plan_of(site, player.experiment).brackets for rung in bracket.rungs)
    player.play(12)
    await expect(caption(page, "ladder")).to_contain_text("36 results")
    seen = sum(
        int(row[3].split(" may go on · ")[1].split(" ")[0]) for row in await table(page, "ladder") if "may" in row[3]
    )
    assert seen > went
    await expect(page.locator(".decisions")).to_contain_text("promoted: rank")


async def test_flights_are_found_once_and_not_while_motion_is_reduced(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/ladder")
    await expect(caption(page, "ladder")).to_contain_text("results at")
    found = await tab.evaluate(
        "ladder_over.js",
        """(() => {
            const low = {rung: 0, bracket: 0, trials: Int32Array.of(7), metrics: Float64Array.of(0.5)};
            const rungs = [low, {rung: 1, bracket: 0}];
            const model = {brackets: [{rungs}]}, promotions = new m.Promotions();
            const trials = {epoch: 1, count: 1, trial: [7], bracket: [0], rung: [0]};
            const before = promotions.since(trials, model, 0).length;
            trials.rung[0] = 1;
            return [before, promotions.since(trials, model, 0), promotions.since(trials, model, 0).length];
        })()""",
    )
    assert found == [0, [{"trial": 7, "bracket": 0, "rung": 0, "metric": 0.5, "start": 0}], 0]
    assert await tab.evaluate("figure.js", "m.still()") is True


async def test_keys_go_through_results_and_open_a_trial(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/ladder")
    canvas = page.get_by_role("application", name="Ladder")
    await canvas.focus()
    await page.keyboard.press("ArrowRight")
    card = page.locator(".hover-card")
    await expect(card).to_contain_text("rank 0 of")
    await page.keyboard.press("ArrowRight")
    await expect(card).to_contain_text("rank 1 of")
    await page.keyboard.press("ArrowDown")
    await expect(card).to_contain_text("went on")
    trial = (await card.locator("strong").inner_text()).removeprefix("trial ")
    await page.keyboard.press(" ")
    await expect(page).to_have_url(f"{tab.base}/#/e/running/ladder?sel=%5B{trial}%5D")
    await page.keyboard.press("Escape")
    await expect(card).to_have_count(0)
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Trial", exact=True)).to_have_attribute("aria-current", "page")


async def test_a_range_is_zoomed_by_dragging_and_is_in_the_url(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/ladder")
    await expect(caption(page, "ladder")).to_contain_text("results at")
    await drag(page, page.get_by_role("application", name="Ladder"), (0.2, 0.5), (0.35, 0.5))
    await expect(caption(page, "ladder")).to_contain_text("is shown")
    await expect(page).to_have_url(re.compile(r"[?&]ladder\.zoom=[\d.]+%7E[\d.]+$"))
    await page.reload()
    await expect(caption(page, "ladder")).to_contain_text("is shown")
    await page.get_by_role("button", name="Whole range").click()
    await expect(caption(page, "ladder")).not_to_contain_text("is shown")


async def test_fifty_brackets_and_no_trial(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('empty')}/ladder")
    await tab.shows("Start a worker")
    drawn = await tab.evaluate(
        "ladder_layout.js",
        """(() => {
            const brackets = Array.from({length: 50}, (_, bracket) => ({bracket, rungs: [], runners: []}));
            const model = {brackets, lengths: [1, 3], domain: {lo: 0, hi: 1}, smaller: true};
            const layout = m.layoutOf(model, 1200, {scroll: 1e9});
            const over = layout.totalWidth - 1200, last = m.seenBrackets(layout, model, 1200).at(-1).bracket;
            return [last, over > 0, layout.scroll === over];
        })()""",
    )
    assert drawn == [49, True, True]
    await expect(page.locator("main")).not_to_contain_text("NaN")
