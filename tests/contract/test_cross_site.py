"""What a browser may do: no request of another site changes or reads anything, with tokens and without.

One table: every Origin, Sec-Fetch-Site, Host, cookie, method and Content-Type in all combinations, each for a call that
changes and one that reads.
"""

import asyncio
import http.client
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import pytest

from rungway import Client, ClientConfig
from rungway_server.service.tokens import Role, Token, make_token
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.tokens import RedisTokens
from tests.support.calls import config, unique_name
from tests.support.service import services
from tests.support.waiting import SECONDS

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


@pytest.fixture
def connection(site: Site) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(site.address, timeout=SECONDS)) as connection:
        yield connection


def test_the_table(site: Site, connection: http.client.HTTPConnection) -> None:
    """As the rules say, by an oracle of a few lines; and nothing else was created."""
    created: set[str] = set()
    accepted = 0
    connection = http.client.HTTPConnection(site.address, timeout=SECONDS)
    for number, row in enumerate(
        itertools.product(ORIGINS, SITES, HOSTS, (False, True), METHODS, TYPES, (CREATE, GET))
    ):
        origin, fetch_site, host, cookie, method, content_type, path = row
        headers = _headers(site, origin, fetch_site, host, content_type, cookie=cookie)
        name = f"x-{number}" if path == CREATE else site.experiment
        body = {"experiment": name} | ({"config": config()} if path == CREATE else {})
        status, given, text = _send(connection, method, path, headers, body)
        allowed = _is_allowed(site, headers, cookie=cookie)
        served = allowed and _is_call(method, path, content_type)
        assert (status == 200) == served, (row, status, text)
        assert not {each for each in given if each.startswith("access-control-")}, row
        assert served or (b'"maxTrials"' not in text and b'"max_trials"' not in text), row
        accepted += status == 200
        if status == 200 and path == CREATE:
            created.add(name)
    assert accepted > 20
    found = {each["experiment"] for each in _all(connection, site)}
    assert {each for each in found if each.startswith("x-")} == created


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


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Mapping[str, object],
) -> tuple[int, list[str], bytes]:
    data = json.dumps(body).encode()
    if method == "GET":
        path, data = f"{path}?message=%7B%22experiment%22%3A%22{body['experiment']}%22%7D", b""
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    with connection.getresponse() as answer:
        found = answer.status, [name.lower() for name, _ in answer.getheaders()], answer.read()
    if "connection" in found[1]:  # it says close
        connection.close()
    return found


def _all(connection: http.client.HTTPConnection, site: Site) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    token = ""
    while True:
        headers = {"Host": site.address, "Content-Type": "application/json"}
        if site.token:
            headers["Authorization"] = f"Bearer {site.token}"
        body: dict[str, object] = {"pageSize": 1000, "pageToken": token}
        status, _, text = _send(connection, "POST", "/rungway.v1.ExperimentService/ListExperiments", headers, body)
        assert status == 200, text
        page = json.loads(text)
        found += page.get("experiments", [])
        token = page.get("nextPageToken", "")
        if not token:
            return found


def test_a_session(site: Site, connection: http.client.HTTPConnection) -> None:
    """A page trades the token for a cookie that scripts cannot read, and gives it back."""
    own = {"Host": site.address, "Origin": f"http://{site.address}", "Content-Type": "application/json"}

    def session(method: str, body: str, headers: Mapping[str, str] = own) -> tuple[int, str]:
        connection.request(method, "/session", body, dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Set-Cookie", "")

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
