"""What tests of the pictures share: their sentences, their tables, and news from the service without waiting for it."""

import json
import re
from collections.abc import Iterable
from typing import Any

from playwright.async_api import Locator, Page, Route, expect


def caption(page: Page, name: str) -> Locator:
    """The sentence of the picture with this name."""
    return page.get_by_role("figure", name=name, exact=True).locator("figcaption")


async def table(page: Page, name: str) -> list[list[str]]:
    """The rows of a picture as a table; the picture comes back."""
    figure = page.get_by_role("figure", name=name, exact=True)
    await figure.get_by_role("button", name="As a table").click()
    await expect(figure.locator("tbody tr").first).to_be_visible()
    rows = await figure.locator("tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent.trim()))"
    )
    await figure.get_by_role("button", name="As a picture").click()
    return [list(row) for row in rows]


async def drag(page: Page, canvas: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over a canvas; places are shares of its width and height."""
    box = await canvas.bounding_box()
    assert box
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    await page.mouse.move(*places[0])
    await page.mouse.down()
    await page.mouse.move(*places[1], steps=4)
    await page.mouse.up()


def first_number(text: str) -> int:
    """The first number of a sentence."""
    found = re.search(r"\d[\d,]*", text)
    assert found, text
    return int(found.group().replace(",", ""))


class News:
    """The page's stream of news, written by a test: each message is a view of what changed."""

    def __init__(self, page: Page) -> None:
        self._page, self._waiting = page, [""]
        self.given = 0
        """How often the page has asked for news."""

    async def begin(self) -> None:
        """Take over from the service. Without news the stream stays silent."""
        await self._page.route("**/rungway.v1.ViewService/WatchView", self._answer)

    def add(self, views: Iterable[dict[str, Any]]) -> None:
        """What the next stream brings, all at once."""
        self._waiting.append("".join(f"data: {json.dumps({'view': each})}\n\n" for each in views))

    async def _answer(self, route: Route) -> None:
        body = "".join(self._waiting)
        self._waiting = []
        self.given += 1
        await route.fulfill(status=200, content_type="text/event-stream", body=f"{body}event: end\ndata: {{}}\n\n")


def news_of(trial: int, bracket: int, metric: float, cursor: str) -> dict[str, Any]:
    """A view with one new trial that has a result at its first rung, and waits there."""
    columns = {
        "trial": trial, "state": 2, "outcome": 0, "bracket": bracket, "rung": 0, "length": 1, "metric": metric,
        "bestMetric": metric, "bestLength": 1, "restarts": 0, "createMs": 1_700_000_000_000, "worker": -1,
        "parent": -1, "leaseDeadlineMs": 0,
    }  # fmt: skip
    results = {"bracket": bracket, "rung": 0, "trial": trial, "metric": metric}
    return {
        "reset": False,
        "cursor": cursor,
        "trials": {name: [value] for name, value in columns.items()} | {"workers": [], "parameters": []},
        "results": {name: [value] for name, value in results.items()},
        "events": [],
        "leftOut": 0,
    }
