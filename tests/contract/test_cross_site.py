"""What a browser may do: no request of another site changes or reads anything, with tokens and without.

One table: every Origin, Sec-Fetch-Site, Host, cookie, method and Content-Type in all combinations, each for a call that
changes and one that reads.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from rungway import Client, ClientConfig
from rungway_server.service.tokens import Role, Token, make_token
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.tokens import RedisTokens
from tests.support.calls import config, unique_name
from tests.support.http1 import Answer, Wire
from tests.support.service import services

CREATE, GET = "/rungway.v1.ExperimentService/CreateExperiment", "/rungway.v1.ExperimentService/GetExperiment"
ORIGINS = (None, "own", "http://evil.example", "null", "https://own")
SITES = (None, "same-origin", "same-site", "cross-site", "none", "Same-Origin")
HOSTS = ("own", "localhost:80", "evil.example:7078", "rungway.example")
METHODS = ("POST", "GET", "PUT", "OPTIONS")
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded", None)


@dataclass(frozen=True)
class Site:
    """A service and what its owner knows."""

    address: str
    token: str
    experiment: str


@pytest.fixture(scope="module", params=["no tokens", "tokens"])
def site(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Site]:
    tokens = request.param == "tokens"
    token = ""
    if tokens:
        made, token = make_token("default", Role.ADMIN)
        asyncio.run(_store(redis_url, made))
    flags = ("--http-hosts", "rungway.example", *(("--tokens",) if tokens else ()))
    with services(redis_url, 1, *flags) as (service,):
        name = unique_name("site")
        with Client(config=ClientConfig(target=service.address, token=token)) as client:
            client.create_experiment(name, config())
        yield Site(service.http, token, name)


async def _store(redis_url: str, token: Token) -> None:
    async with connect(redis_url, timeout_seconds=5) as router:
        await RedisTokens(router).add(token)


class Browser:
    """Sends requests on one connection, and opens another one when the service closes it."""

    def __init__(self, address: str) -> None:
        self._address, self._wire = address, Wire(address)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """A request, and its answer."""
        head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._wire.send("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        answer = self._wire.answer()
        if answer.headers.get("connection") == "close":
            self.close()
            self._wire = Wire(self._address)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with closing(Browser(site.address)) as browser:
        yield browser


def test_the_table(site: Site, browser: Browser) -> None:
    """As the rules say, by an oracle of a few lines; and nothing else was created."""
    created: set[str] = set()
    accepted = 0
    rows = itertools.product(ORIGINS, SITES, HOSTS, (False, True), METHODS, TYPES, (CREATE, GET))
    for number, row in enumerate(rows):
        origin, fetch_site, host, cookie, method, content_type, path = row
        headers = _headers(site, origin, fetch_site, host, content_type, cookie=cookie)
        name = f"{site.experiment}-{number}" if path == CREATE else site.experiment
        body: dict[str, object] = {"experiment": name}
        if path == CREATE:
            body["config"] = config()
        answer = _call(browser, method, path, headers, body)
        served = _is_allowed(site, headers, cookie=cookie) and _is_call(method, path, content_type)
        assert (answer.status == 200) == served, (row, answer.status, answer.body)
        assert not {each for each in answer.headers if each.startswith("access-control-")}, row
        assert served or b"max_trials" not in answer.body, row
        accepted += served
        if served and path == CREATE:
            created.add(name)
    assert accepted > 20
    found = {each["experiment"] for each in _all(browser, site)}
    assert {each for each in found if each.startswith(f"{site.experiment}-")} == created


def _headers(
    site: Site, origin: str | None, fetch_site: str | None, host: str, content_type: str | None, *, cookie: bool
) -> dict[str, str]:
    own = site.address
    found = {"Host": own if host == "own" else host}
    if origin is not None:
        found["Origin"] = {"own": f"http://{own}", "https://own": f"https://{own}"}.get(origin, origin)
    if fetch_site is not None:
        found["Sec-Fetch-Site"] = fetch_site
    if content_type is not None:
        found["Content-Type"] = content_type
    if cookie:
        found["Cookie"] = f"other=1; rungway={site.token or 'anything'}"
    return found


def _is_allowed(site: Site, headers: Mapping[str, str], *, cookie: bool) -> bool:
    host, origin, fetch_site = headers["Host"], headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if not site.token and host == "evil.example:7078":
        return False
    if origin or fetch_site or cookie:
        own_page = fetch_site == "same-origin" if fetch_site else origin == f"http://{host}"
        if not own_page:
            return False
    return cookie or not site.token


def _is_call(method: str, path: str, content_type: str | None) -> bool:
    return (method == "POST" and content_type == "application/json") or (method == "GET" and path == GET)


def _call(browser: Browser, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, object]) -> Answer:
    if method == "GET":
        return browser.send(method, f"{path}?message={quote(json.dumps(body))}", headers)
    return browser.send(method, path, headers, json.dumps(body).encode())


def _all(browser: Browser, site: Site) -> list[dict[str, str]]:
    """Every experiment that is there."""
    found: list[dict[str, str]] = []
    headers = {"Host": site.address, "Content-Type": "application/json"}
    if site.token:
        headers["Authorization"] = f"Bearer {site.token}"
    token = ""
    while True:
        path = "/rungway.v1.ExperimentService/ListExperiments"
        page = _call(browser, "POST", path, headers, {"pageSize": 100, "pageToken": token}).json()
        found += page.get("experiments", [])
        token = page.get("nextPageToken", "")
        if not token:
            return found


def test_a_session(site: Site, browser: Browser) -> None:
    """A page trades the token for a cookie that scripts cannot read, and gives it back."""
    own = {"Host": site.address, "Origin": f"http://{site.address}", "Content-Type": "application/json"}

    def session(method: str, body: str, headers: Mapping[str, str] = own) -> tuple[int, str]:
        answer = browser.send(method, "/session", headers, body.encode())
        return answer.status, answer.headers.get("set-cookie", "")

    if not site.token:
        assert session("POST", json.dumps({"token": "rwy_x"})) == (400, "")
        return
    status, cookie = session("POST", json.dumps({"token": site.token}))
    assert status == 200
    value, *attributes = cookie.split("; ")
    assert value == f"rungway={site.token}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    for wrong in ("rwy_wrong", "", "a b", "x; Path=/", None, 1):
        assert session("POST", json.dumps({"token": wrong}))[0] in (400, 401)
    assert session("POST", "{")[0] == 400
    assert session("GET", "")[0] == 405
    for other in ({**own, "Origin": "http://evil.example"}, {**own, "Sec-Fetch-Site": "cross-site"}):
        assert session("POST", json.dumps({"token": site.token}), other) == (403, "")
    assert session("POST", json.dumps({"token": site.token}), {**own, "Content-Type": "text/plain"})[0] == 415
    assert session("DELETE", "") == (200, "rungway=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
