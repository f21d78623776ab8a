"""What `rungway serve` says once it is up: where its page is, and to a person at a terminal what to do next."""

import sys

import structlog

from rungway.__about__ import __version__
from rungway_server.logs import for_people
from rungway_server.settings import Settings, split_address

FIRST_SEARCH = (
    '{"hyperparameters": {"lr": {"type": "log_uniform", "minval": 1e-4, "maxval": 1}}, "searcher": '
    '{"name": "random", "metric": "loss", "max_trials": 4, "max_length": {"epochs": 1}}}'
)
_HERE = ("0.0.0.0", "[::]", "127.0.0.1", "[::1]")  # noqa: S104  (nothing is bound here)
_log = structlog.get_logger()


def welcome(settings: Settings, address: str, http: str) -> None:
    """Log where the page is and, if the log is text for people, print what to do next. `address` and `http` are where
    the ports listen ("off": no HTTP)."""
    page = _page(settings, http)
    if page:
        _log.info("page", url=page)
    if for_people(settings.log_format, sys.stdout):
        print("\n".join(_lines(settings, address, page)), flush=True)


def _page(settings: Settings, http: str) -> str:
    """The URL for a browser; "" without HTTP."""
    if http == "off":
        return ""
    host, port = split_address(http)
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{'localhost' if host in _HERE else host}:{port}{settings.http_prefix}/"


def _lines(settings: Settings, address: str, page: str) -> list[str]:
    target = "" if address.endswith(":7077") else f" --target {address}"
    found = ["", f"Rungway {__version__} is up.", f"  gRPC      {address}"]
    if page:
        found.append(f"  HTTP      {page}   (a page for people; calls: openapi.json)")
    if settings.tokens:
        found.append("  a token   rungway token create --namespace default --role admin   -> RUNGWAY_TOKEN")
    if settings.tls_cert:
        found.append("  TLS       RUNGWAY_TLS_CA=FILE for clients that do not know its authority")
    return [
        *found,
        "Create a first search (or: rungway create FILE.yaml; or: rungway demo, with real training):",
        f"  echo '{FIRST_SEARCH}' | rungway create - --name first{target}",
        f"  rungway status first{target}",
        "",
    ]
