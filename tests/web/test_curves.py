"""The learning curves: what is drawn and left out, in words; zoom by pointer and keys."""

import re

import pytest
from playwright.async_api import expect

from rungway.v1.search_service_pb2 import TellRequest
from rungway.v1.trial_pb2 import Report, Result
from tests.support.waiting import SECONDS
from tests.web.browser import Tab
from tests.web.conftest import Site
from tests.web.pictures import caption, drag, table

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_best_the_selected_and_the_running_are_drawn_whole(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/curves?sel=%5B3%5D")
    rows = await table(page, "learning curves")
    assert rows[0][:2] == ["3", "selected"]
    assert [row[1] for row in rows].count("among the best 10") in (9, 10)
    await expect(caption(page, "learning curves")).to_contain_text(f"{len(rows)} whole curves on top")
    await page.get_by_role("application", name="Learning curves").hover()
    await expect(page.locator("canvas.lower[data-lines]")).to_have_attribute("data-lines", str(len(rows)))


async def test_of_many_running_trials_the_best_are_drawn_and_the_sentence_says_so(tab: Tab, site: Site) -> None:
    found = await tab_running(tab, site, 80)
    assert found == {"running": 80, "drawn": 60}


async def tab_running(tab: Tab, site: Site, many: int) -> dict[str, int]:
    await tab.open(f"e/{site.search('running')}/curves")
    await expect(caption(tab.page, "learning curves")).to_contain_text("whole curves on top")
    return dict(
        await tab.evaluate(
            "curves_model.js",
            """(() => {
                const trial = Array.from({length: a}, (_, k) => k), all = (x) => trial.map(() => x);
                const trials = {count: a, trial, state: all(1), bestMetric: trial, rowOf: (t) => t};
                const {chosen, running} = m.chosenOf(trials, true, [], null);
                return {running, drawn: chosen.length};
            })()""",
            many,
        )
    )


async def test_zoom_by_pointer_and_by_keys(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/curves")
    sentence, canvas = caption(page, "learning curves"), page.get_by_role("application", name="Learning curves")
    await expect(sentence).to_contain_text("whole curves on top")
    await drag(page, canvas, (0.3, 0.4), (0.8, 0.8))
    await expect(sentence).to_contain_text(re.compile(r"A part is shown: [\d,]+ results are outside it"))
    await expect(page).to_have_url(re.compile(r"curves\.zoom="))
    await canvas.focus()
    await page.keyboard.press("Escape")
    await expect(sentence).not_to_contain_text("A part is shown")
    await page.keyboard.press("+")
    await expect(sentence).to_contain_text("A part is shown")
    await canvas.dblclick(position={"x": 300, "y": 100})
    await expect(sentence).not_to_contain_text("A part is shown")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".hover-card")).to_contain_text("among the best 10")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/trial/\d+"))


async def test_a_trial_shows_its_further_metrics_where_it_has_any(tab: Tab, site: Site) -> None:
    """The page of a trial draws one of them, or the cost, in place of the searcher's metric."""
    search = site.new(trials=4)
    assert search.ask(2)
    with_more, without = search.held
    reports = [Report(length=1, metric=0.5, metrics={"lr": 0.125, "accuracy": 0.75}, cost=3.0)]
    results = [Result(lease=with_more.lease, reports=reports)]
    results.append(Result(lease=without.lease, reports=[Report(length=1, metric=0.25)]))
    site.calls.search.Tell(TellRequest(experiment=search.experiment, results=results), timeout=SECONDS)
    page = await tab.open(f"e/{search.experiment}/trial/{with_more.lease.trial}")
    shown = page.get_by_label("Shown:")
    await expect(shown.locator("option")).to_have_text(["error", "accuracy", "lr", "cost (s)"])
    await expect(page.get_by_text("bars across them the cut-off")).to_be_visible()
    for name in ("lr", "cost (s)", "error"):
        await shown.select_option(label=name)
        picture = page.get_by_label(re.compile(rf"Learning curve of trial \d+: {re.escape(name)} by"))
        await expect(picture.first).to_be_visible()
    await shown.select_option(label="lr")
    await expect(page).to_have_url(re.compile(r"curve\.metric=lr"))
    await expect(page.get_by_text("Vertical lines are the rungs of its bracket.")).to_be_visible()
    await curves_of_a_further_metric(tab, search.experiment)
    page = await tab.open(f"e/{search.experiment}/trial/{without.lease.trial}?curve.metric=lr")
    await expect(page.get_by_text("No report of this trial has lr.")).to_be_visible()
    await page.get_by_label("Shown:").select_option(label="error")
    await expect(page.get_by_label(re.compile(r"Learning curve of trial \d+: error by")).first).to_be_visible()


async def curves_of_a_further_metric(tab: Tab, experiment: str) -> None:
    """The view of all curves draws one, too, of the trials that have it."""
    page = await tab.open(f"e/{experiment}/curves")
    sentence, shown = caption(page, "learning curves"), page.get_by_label("Shown:")
    await expect(sentence).to_contain_text("2 whole curves on top")
    await shown.select_option(label="accuracy")
    await expect(sentence).to_contain_text(
        "1 whole curve of accuracy: the best 10, selected and running ones by error."
    )
    await expect(page.locator("canvas.lower[data-lines]")).to_have_attribute("data-lines", "1")
    await expect(page).to_have_url(re.compile(r"curve\.metric=accuracy"))
    await shown.select_option(label="error")
    await expect(sentence).to_contain_text("2 whole curves on top")


async def test_a_trial_shows_the_checkpoint_of_its_best_result(tab: Tab, site: Site) -> None:
    """Where a later one replaced it as the last; elsewhere one row is enough."""
    player = site.new(trials=30, name="random")
    player.ask(1)
    (assignment,) = player.held
    experiment, lease = player.experiment, assignment.lease
    for length, metric in ((1, 0.25), (2, 0.75)):
        report = Report(length=length, metric=metric)
        result = Result(lease=lease, reports=[report], checkpoint=f"s3://runs/at-{length}")
        site.calls.search.Tell(TellRequest(experiment=experiment, results=[result]), timeout=SECONDS)
        page = await tab.open(f"e/{experiment}/trial/{lease.trial}")
        best = page.locator(".facts div").filter(has_text="Best checkpoint")
        if length == 1:
            await expect(page.locator(".facts")).to_contain_text("s3://runs/at-1")
            await expect(best).to_have_count(0)
    await expect(best).to_contain_text("s3://runs/at-1 at 1 epoch")
