"""The page for people: its files as replies, from memory, the same bytes for everybody.

`/` names the other files below `static/`, with a digest of all of them in the path, so that a browser may keep them for
ever and asks anew after an upgrade. What the page shows comes from the rpcs, under the rules of all calls. Scripts and
styles are served as `scripts/bundle_page.py` has packed them; the readable files beside them are not served.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from rungway_server.transport.http.replies import Header, Reply, accepts_gzip

SECURITY: Final[tuple[Header, ...]] = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""What the page may not do: load or tell anything elsewhere, be framed, or make code of text."""

FILES: Final = ("index.html", "favicon.svg", "bundle/app.css", "bundle/app.js")
"""All of the page."""

_TYPES: Mapping[str, bytes] = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_FOR_EVER = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK_AGAIN = (b"cache-control", b"no-cache")
_VARY = (b"vary", b"accept-encoding")


@dataclass(frozen=True)
class _File:
    """A file in both encodings."""

    content_type: bytes
    plain: bytes
    cache: Header

    @cached_property
    def packed(self) -> bytes:
        """Packed when it is first asked for: most servers never show the page."""
        return gzip.compress(self.plain, 9, mtime=0)

    def reply(self, accept_encoding: bytes) -> Reply:
        headers = [*SECURITY, self.cache, _VARY]
        if accepts_gzip(accept_encoding):
            return Reply(200, self.content_type, self.packed, [*headers, (b"content-encoding", b"gzip")])
        return Reply(200, self.content_type, self.plain, headers)


class Pages:
    """The files of the page by their path."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Reads the files of the page below `folder`, by default those of the package."""
        folder = folder or files("rungway_server").joinpath("web")
        found = {name: folder.joinpath(name).read_bytes() for name in FILES}
        whole = hashlib.sha256(b"".join(name.encode() + b"\0" + data for name, data in sorted(found.items())))
        below = f"static/{whole.hexdigest()[:16]}"
        index = found.pop("index.html").replace(b"{static}", below.encode())
        self._files = {f"/{below}/{name}": _file(name, data, _FOR_EVER) for name, data in found.items()}
        self._files["/"] = _file("index.html", index, _ASK_AGAIN)

    def find(self, path: str, accept_encoding: bytes) -> Reply | None:
        """The file at this path; None if there is none."""
        found = self._files.get(path)
        return found.reply(accept_encoding) if found else None


def _file(name: str, data: bytes, cache: Header) -> _File:
    return _File(_TYPES[name[name.rfind(".") :]], data, cache)
