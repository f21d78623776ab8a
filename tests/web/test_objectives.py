"""Several objectives on the page: a column for each, and the front, which is the one that the service says."""

import re

import pytest
from playwright.async_api import Page, expect

from rungway import Client, Trial
from tests.web.browser import Tab
from tests.web.conftest import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = ["error", "latency", "throughput"]


def best_of(site: Site, experiment: str) -> list[Trial]:
    """The first front, as the service says."""
    with Client(site.service.address, experiment=experiment) as client:
        found = client.best(100)
    return [
        trial for trial in found if trial.objectives and (trial.objectives.front, trial.objectives.violation) == (0, 0)
    ]


async def numbers_of(page: Page, path: str) -> list[list[str]]:
    """The cells of the rows of a table."""
    cells = "(rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent.trim()))"
    return list(await page.locator(path).evaluate_all(cells))


async def test_the_front_is_that_of_the_service(tab: Tab, site: Site) -> None:
    name = site.search("objectives")
    best = {trial.trial: trial for trial in best_of(site, name)}
    page = await tab.open(f"e/{name}/front")
    await expect(page.locator(".chart figcaption")).to_contain_text(f"{len(best)} trials on the front of 80 trials")
    await expect(page.locator(".chart svg title", has_text=re.compile(r"^trial "))).to_have_count(80)
    await expect(page.locator(".chart .legend")).to_contain_text("violates a constraint")
    await page.get_by_role("button", name="As a table").click()
    rows = await numbers_of(page, ".chart tbody tr")
    assert {int(row[0]) for row in rows} == set(best)
    for number, *values in rows:
        objectives = best[int(number)].objectives
        assert objectives
        assert [float(value.replace(",", "")) for value in values] == pytest.approx(
            [objectives.values[each] for each in NAMES], rel=1e-4
        )
    await page.get_by_role("link", name=rows[0][0], exact=True).click()
    await expect(page).to_have_url(re.compile(rf"/trial/{rows[0][0]}$"))


async def test_the_axes_are_chosen_and_kept_in_the_address(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('objectives')}/ladder")
    await page.get_by_role("link", name="Front").click()
    await expect(page.locator(".chart svg[role=img]")).to_contain_text("latency (smaller is better)")
    await page.get_by_label("up").select_option("throughput")
    await expect(page.locator(".chart svg[role=img]")).to_contain_text("throughput (larger is better)")
    await expect(page).to_have_url(re.compile("front.y=throughput"))
    await page.reload()
    await expect(page.locator(".chart svg[role=img]")).to_contain_text("throughput (larger is better)")
    await page.keyboard.press("1")
    await expect(page.locator(".tabs a[aria-current]")).to_have_text("Ladder")
    await page.keyboard.press("8")
    await expect(page.locator(".tabs a[aria-current]")).to_have_text("Front")
    assert await tab.accessibility() == []


async def test_the_table_has_a_column_for_each_objective(tab: Tab, site: Site) -> None:
    name = site.search("objectives")
    best = best_of(site, name)
    with Client(site.service.address, experiment=name) as client:
        violating = [
            trial.trial for trial in client.list_trials() if trial.objectives and trial.objectives.violation > 0
        ]
    page = await tab.open(f"e/{name}/trials?sort=-front")
    await expect(page.locator("thead")).to_contain_text("Violation")
    heads = await page.locator("thead th").all_inner_texts()
    places = {head.strip(" ▲▼"): place for place, head in enumerate(heads)}
    assert {"Last error", "latency", "throughput", "Violation", "Front"} <= set(places)
    rows = await numbers_of(page, ".window tbody tr:not(.space)")
    first = {int(row[places["Trial"]]) for row in rows if row[places["Front"]] == "first"}
    assert first == {trial.trial for trial in best}
    await page.get_by_role("button", name="Violation").click()
    await page.get_by_role("button", name="Violation").click()
    await expect(page.locator("th[aria-sort=descending]")).to_contain_text("Violation")
    rows = await numbers_of(page, ".window tbody tr:not(.space)")
    shown = [int(row[places["Trial"]]) for row in rows if float(row[places["Violation"]]) > 0]
    assert len(shown) > 0
    assert set(shown) <= set(violating)


async def test_a_search_with_one_objective_has_no_such_view(tab: Tab, site: Site) -> None:
    page = await tab.open(f"e/{site.search('running')}/trials")
    await expect(page.locator(".tabs a").first).to_be_visible()
    await expect(page.get_by_role("link", name="Front")).to_have_count(0)
    await expect(page.locator("thead")).not_to_contain_text("Violation")
    await page.keyboard.press("8")
    await expect(page.locator(".tabs a[aria-current]")).to_have_text("Trials")
