"""Parallel coordinates, two hyperparameters at a time, and what matters: brushing is the mask of every view."""

import re
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.web.browser import Tab
from tests.web.conftest import Site
from tests.web.pictures import caption, drag, first_number, table

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINES = "Parallel coordinates"


async def opened(tab: Tab, experiment: str, more: str = "") -> Page:
    page = await tab.open(f"e/{experiment}/parameters{more}")
    await expect(caption(page, "parallel coordinates")).to_contain_text("trials")
    return page


async def axis_at(page: Page, title: str) -> float:
    """Where an axis is, as a share of the picture's width."""
    canvas = await page.get_by_role("application", name=LINES).bounding_box()
    # All heads are centred on their axes, but for the outermost on narrow screens.
    head = await page.locator(".axis-head", has_text=title).bounding_box()
    assert canvas
    assert head
    return (head["x"] + head["width"] / 2 - canvas["x"]) / canvas["width"]


async def test_a_brush_is_the_mask_of_every_view(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("running"))
    x = await axis_at(page, "dropout")
    await drag(page, page.get_by_role("application", name=LINES), (x, 0.3), (x, 0.6))
    await expect(caption(page, "parallel coordinates")).to_contain_text("are within the brush")
    await expect(page).to_have_url(re.compile("brush="))
    inside = first_number(await caption(page, "parallel coordinates").inner_text())
    assert 0 < inside < 160
    await expect(page.locator(".filterbar")).to_contain_text(f"{inside} of")
    await expect(caption(page, "two hyperparameters")).to_contain_text("within the brush")
    await page.get_by_role("link", name="Ladder").click()
    await expect(caption(page, "ladder")).to_contain_text("outside the brush are pale")
    await page.get_by_role("link", name="Curves").click()
    await expect(caption(page, "learning curves")).to_contain_text("within the brush")
    await page.get_by_role("link", name="Workers").click()
    await expect(caption(page, "workers over time")).to_contain_text("outside the brush are pale")
    await page.get_by_role("link", name="Parameters").click()
    await page.get_by_role("button", name="Clear the brush").click()
    await expect(caption(page, "parallel coordinates")).to_contain_text("All")


async def test_a_category_and_what_is_not_set_are_chosen_by_a_click(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("running"))
    canvas, box = page.get_by_role("application", name=LINES), None
    box = await canvas.bounding_box()
    assert box
    await canvas.click(position={"x": box["width"] * await axis_at(page, "optimizer"), "y": 60})
    await expect(page).to_have_url(re.compile(r"brush=.*optimizer.*values"))
    await page.get_by_role("button", name="Clear the brush").click()
    await canvas.click(position={"x": box["width"] * await axis_at(page, "momentum"), "y": box["height"] - 22})
    await expect(caption(page, "parallel coordinates")).to_contain_text("are within the brush")
    await expect(page).to_have_url(re.compile(r"brush=.*momentum.*null"))


async def test_axes_are_moved_turned_and_made_logarithmic_by_keys(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("running"))
    heads = page.locator(".axis-head > button")
    before = await heads.all_inner_texts()
    await heads.nth(0).focus()
    await page.keyboard.press("ArrowRight")
    await expect(heads.nth(1)).to_have_text(before[0])
    await heads.nth(1).focus()
    await page.keyboard.press("r")
    await expect(page.get_by_role("button", name=f"flip {before[0]}")).to_have_attribute("aria-pressed", "true")
    log = page.get_by_role("button", name="log scale of lr")
    await expect(log).to_have_attribute("aria-pressed", "true")
    await log.click()
    await expect(page).to_have_url(re.compile(r"axes\.log=.*lr"))
    await page.reload()
    await expect(log).to_have_attribute("aria-pressed", "false")
    await expect(heads.nth(1)).to_have_text(before[0])


async def test_axes_are_moved_by_dragging(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("running"))
    heads = page.locator(".axis-head > button")
    before = await heads.all_inner_texts()
    boxes = [await heads.nth(at).bounding_box() for at in (0, 2)]
    start, end = (box for box in boxes if box)
    await page.mouse.move(start["x"] + start["width"] / 2, start["y"] + 8)
    await page.mouse.down()
    await page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 8, steps=4)
    await page.mouse.up()
    await expect(heads.nth(2)).to_have_text(before[0])
    assert await heads.all_inner_texts() == [before[1], before[2], before[0], *before[3:]]


async def test_a_brush_by_fields_alone(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("running"))
    await page.get_by_role("figure", name="parallel coordinates").get_by_role("button", name="As a table").click()
    await page.get_by_label("dropout least").fill("0.2")
    await page.get_by_label("dropout most").fill("0.4")
    await page.get_by_label("dropout most").press("Enter")
    await expect(page).to_have_url(re.compile(quote('{"dropout":{"min":0.2,"max":0.4}}', safe="")))
    await page.get_by_label("adam").check()
    await expect(caption(page, "parallel coordinates")).to_contain_text("are within the brush")


async def test_importance_among_those_that_got_that_far(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("large"))
    await expect(caption(page, "importance")).to_contain_text("lr matters most")
    await page.get_by_role("figure", name="importance").get_by_role("combobox").select_option("0")
    await tab.shows("among those that got that far")
    await expect(page.get_by_role("columnheader", name="rung 1 (6 epochs)")).to_be_visible()


async def test_a_cell_of_the_heat_map_is_brushed(tab: Tab, site: Site) -> None:
    page = await opened(tab, site.search("running"), "?heat.x=layers&heat.y=optimizer")
    await expect(caption(page, "two hyperparameters")).to_contain_text("layers and optimizer of")
    rows = await table(page, "two hyperparameters")
    canvas = page.get_by_role("application", name="Two hyperparameters")
    await canvas.focus()
    await page.keyboard.press("ArrowUp")
    card = page.locator(".hover-card")
    await expect(card).to_contain_text("layers: 1")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("brush="))
    # 8 whole numbers by 3 categories: a cell for each.
    assert len(rows) <= 24
    assert all(re.fullmatch(r"\d", row[0]) for row in rows)
