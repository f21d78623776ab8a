"""Addresses that are URLs: the service over HTTP. Any other address is gRPC's."""

import re
from dataclasses import dataclass
from functools import lru_cache

from rungway._core.errors import InvalidArgument

_SCHEME = re.compile(r"https?:/", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\]+)(?::(?P<port>\d{1,5}))?(?P<prefix>/[!-~]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """A service that is reached over HTTP."""

    encrypted: bool
    host: str
    """Without the brackets of an IPv6 address."""
    port: int
    prefix: str
    """The path before the names of the rpcs, "" or "/…"; no slash at its end."""

    @property
    def scheme(self) -> str:
        """ "http" or "https"."""
        return "https" if self.encrypted else "http"

    def __str__(self) -> str:
        """The URL; the path of an rpc may follow."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"


@lru_cache
def http_address(target: str) -> HttpAddress | None:
    """The address behind a URL; None for an address of gRPC. Raises InvalidArgument for a wrong URL."""
    if not _SCHEME.match(target):
        return None
    found = _URL.fullmatch(target)
    if found is None or any(letter in (found["prefix"] or "") for letter in "?#"):
        shown = "a URL with a user or password in it (not shown here)" if "@" in target else repr(target)
        raise InvalidArgument.one("target", f'got {shown}, wanted "https://host[:port][/prefix]" and nothing after it')
    encrypted = found["scheme"].lower() == "https"
    port = int(found["port"] or (443 if encrypted else 80))
    if not 1 <= port <= 65535:
        raise InvalidArgument.one("target", f"got {target!r}, wanted a port from 1 to 65535")
    return HttpAddress(encrypted, found["host"].strip("[]"), port, (found["prefix"] or "").rstrip("/"))


def without_library(target: str, missing: ModuleNotFoundError) -> InvalidArgument:
    """The error for a URL where the library for HTTP is not installed."""
    return InvalidArgument.one("target", f"got {target!r}, which needs {missing.name}: pip install 'rungway[http]'")
