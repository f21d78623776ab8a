"""A new search: what is pasted or dropped is read and previewed at once, errors are at their line."""

import json
import re
from pathlib import Path

import pytest
import yaml
from playwright.async_api import expect

from tests.support.calls import unique_name
from tests.web.browser import Tab
from tests.web.conftest import Site
from tests.web.played import asha

pytestmark = pytest.mark.asyncio(loop_scope="session")

WANDB = """
method: random
metric: {name: val_loss, goal: minimize}
parameters:
  lr: {distribution: log_uniform_values, min: 0.0001, max: 0.1}
  layers: {values: [1, 2, 3]}
run_cap: 10
"""


WRONG = """hyperparameters:
  lr: {type: log, base: 10, minval: -4, maxval: -1}
searcher:
  name: adaptive_asha
  metric: error
  max_trial: 20
  max_length: {epochs: 0}
"""


async def test_a_pasted_configuration_is_previewed_and_created(tab: Tab) -> None:
    page, name = await tab.open("new"), unique_name("pasted")
    await page.get_by_label("Configuration").fill(yaml.safe_dump({"name": name, **asha(200)}))
    await expect(page.get_by_role("img", name=re.compile("2 brackets, 3 lengths: 1, 6, 27 epochs"))).to_be_visible()
    await tab.shows("1,112 epochs in all")
    await tab.shows("metric: error, smaller is better")
    await expect(page.get_by_label("Name")).to_have_value(name)
    await page.get_by_role("button", name="Create").click()
    await page.wait_for_url(re.compile(f"#/e/{name}/ladder"))
    await expect(page.locator(".topbar .state")).to_have_text("running")


async def test_errors_are_at_their_line(tab: Tab) -> None:
    tab.expected = ("400",)
    page = await tab.open("new")
    await page.get_by_label("Configuration").fill(WRONG)
    errors = page.locator(".errors")
    await expect(errors).to_contain_text("max_trial")
    await expect(errors.get_by_role("button", name="Line 6")).to_be_visible()
    await expect(errors.get_by_role("button", name="Line 7")).to_be_visible()
    await expect(page.locator(".gutter .wrong")).to_have_text(["3", "6", "7"])
    await expect(page.get_by_role("button", name="Create")).to_be_disabled()
    await errors.get_by_role("button", name="Line 6").click()
    assert await page.evaluate("getSelection().toString()") == "  max_trial: 20"
    assert await tab.accessibility() == []
    await page.get_by_label("Configuration").fill("a: [1,\nb: }\n")
    await expect(errors.get_by_role("button", name=re.compile("Line [12]"))).to_be_visible()


async def test_a_dropped_file_is_read_and_a_large_one_refused(tab: Tab, tmp_path: Path) -> None:
    file, large = tmp_path / "search.json", tmp_path / "large.yaml"
    file.write_text(json.dumps(asha(200)))
    large.write_text("x" * 2_000_000)
    page = await tab.open("new")
    await page.get_by_label("Or take a file").set_input_files(large)
    await tab.shows("large.yaml has 2000000 bytes")
    drop = """(area, text) => {
        const data = new DataTransfer();
        data.items.add(new File([text], "search.json"));
        area.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    await page.get_by_label("Configuration").evaluate(drop, file.read_text())
    await tab.shows("1,112 epochs in all")


async def test_files_of_other_tools_are_read_as_the_command_line_reads_them(tab: Tab, site: Site) -> None:
    tab.expected = ("400",)
    page = await tab.open("new")
    await page.get_by_label("Configuration").fill(WANDB)
    await expect(page.locator("section[aria-label=Preview]")).to_contain_text("to correct")
    await expect(page.locator(".errors")).to_contain_text("this is a sweep of W&B: `rungway convert FILE`")


async def test_a_name_that_is_taken_says_so(tab: Tab, site: Site) -> None:
    tab.expected = ("409",)
    page, name = await tab.open("new"), site.search("running")
    await page.get_by_role("button", name="Show an example").click()
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("alert").filter(has_text="there is already an experiment")).to_be_visible()
    await expect(page.get_by_label("Configuration")).not_to_be_empty()
