"""One browser, one window and one service for all tests of the page, with searches of all kinds."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.calls import Calls, calls_to, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services
from tests.web.browser import Tab, Window, launched
from tests.web.played import Player, asha, make_clones, make_objectives, make_odd

TRIALS = {"large": 2_000, "huge": 10_000}
"""Of searches that are over; `make page-load` has the figures of the second."""
LARGE = ["large", pytest.param("huge", marks=pytest.mark.long)]


@dataclass
class Site:
    """A service with searches, and the calls of its workers."""

    service: Service
    calls: Calls
    redis_url: str
    _made: dict[str, Player] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of its page."""
        return f"http://{self.service.http}"

    def search(self, kind: str) -> str:
        """The id of a search that no test changes: "empty", "running", "odd", "clones", "objectives", or one of
        `TRIALS`."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return kind

    def new(self, trials: int = 60, results: int = 0, **more: Any) -> Player:
        """A search of one test alone."""
        name = unique_name("own")
        self.calls.create(name, asha(trials, **more))
        player = Player(self.calls, name)
        if results:
            player.play(results)
        return player

    def _make(self, kind: str) -> Player:
        if kind == "odd":
            return make_odd(self.calls, kind)
        if kind == "clones":
            return make_clones(self.calls, kind)
        if kind == "objectives":
            return make_objectives(self.calls, kind)
        self.calls.create(kind, asha(TRIALS.get(kind, 200)))
        player = Player(self.calls, kind)
        if kind in TRIALS:
            player.play()
        if kind == "running":
            player.play(150)
            player.ask(10)
            player.tell(3)
        return player


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with redis_on_socket() as url, services(url) as (service,), calls_to(service.address) as calls:
        yield Site(service, calls, url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def window(browser: Browser, site: Site) -> AsyncIterator[Window]:
    window = Window(browser, site.url)
    yield window
    await window.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(window: Window, request: pytest.FixtureRequest) -> AsyncIterator[Tab]:
    async with window.tab(request.session) as tab:
        yield tab
