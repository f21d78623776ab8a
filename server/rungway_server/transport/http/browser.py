"""What a browser may do: requests of other sites neither change nor read anything.

A browser sends its user's cookie with requests that a foreign page causes, reaches services on the user's own host, and
lets a page read what its own name resolves to (DNS rebinding). So a request of a browser must come from a page of this
service, and while tokens are off a request must name this service by an address or an expected name.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

from rungway_server.domain.errors import CrossSite, UnknownHost

Headers = Mapping[bytes, bytes]


def is_browser(headers: Headers, cookie: bytes) -> bool:
    """Whether a request may come from a browser: no other caller sends these."""
    return b"origin" in headers or b"sec-fetch-site" in headers or bool(cookie)


def check_same_origin(headers: Headers, scheme: str) -> None:
    """Refuse a browser's request that does not come from a page of this service. Raises CrossSite.

    Browsers send Sec-Fetch-Site over https and to loopback. Elsewhere Origin must be this service; it is sent with
    every POST.
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        if site != b"same-origin":
            raise CrossSite(f"Sec-Fetch-Site is {_shown(site)}")
    elif origin != scheme.encode() + b"://" + headers.get(b"host", b""):
        raise CrossSite(f"Origin is {_shown(origin)}" if origin else "there is a cookie without Origin")


class Hosts:
    """The names under which callers may reach the service."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """`names` beside IP addresses and localhost; "*" = any."""
        self._names, self._any = frozenset(names), "*" in names
        self._is_known = lru_cache(maxsize=256)(self._look_up)

    def check(self, host: bytes | None) -> None:
        """Refuse another name in the header Host. Raises UnknownHost."""
        if not self._is_known(host):
            raise UnknownHost(_shown(host or b""))

    def _look_up(self, host: bytes | None) -> bool:
        if self._any:
            return True
        name = (host or b"").decode("latin-1").lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name == "localhost" or name.removesuffix(".") in self._names:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True


def _shown(value: bytes) -> str:
    return repr(value[:80].decode("latin-1"))
