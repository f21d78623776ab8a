"""Where the page of a service is, and a browser that opens it.

Over gRPC a service does not say where its HTTP port is. So the usual address is tried, and taken only if the same
service answers there.
"""

import json
import os
import ssl
import sys
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlencode

from rungway import ClientConfig, Experiment, InvalidArgument
from rungway._core.address import HttpAddress, http_address
from rungway._core.tls import call_metadata, host_and_port, stays_on_this_host
from rungway_server.cli.connection import service
from rungway_server.cli.options import Exit
from rungway_server.cli.output import console, fail, text

_SECONDS = 2.0
"""How long to wait for the HTTP port."""
_PORT = 7078


def open_page(experiment_id: str | None, target: str, *, only_print: bool) -> None:
    """Print the address of the page, and open it in the browser of this desktop."""
    config = settings(target)
    experiment = None
    if experiment_id:
        with service(target, experiment_id) as client:
            experiment = client.get_experiment()
    url = find_page(config, experiment)
    if url is None:
        hint = "give the address in the log line `page` of `rungway serve`: --target http://HOST:PORT"
        raise fail(Exit.UNREACHABLE, f"the page of the service at {target} was not found", [hint])
    out = console()
    out.print(text(url), soft_wrap=True)
    if config.token:
        out.print("sign in there with the token that RUNGWAY_TOKEN has", soft_wrap=True)
    if not only_print and not (has_desktop() and webbrowser.open(url)):
        out.print("no browser was found here: open the address where there is one", soft_wrap=True)


def settings(target: str) -> ClientConfig:
    """The settings of a client of this target. Wrong ones end the command."""
    try:
        config = ClientConfig(target=target)
        call_metadata(config)  # refuses to send a token over a network in plain text
    except InvalidArgument as error:
        raise fail(Exit.USAGE, str(error)) from None
    return config


def has_desktop() -> bool:
    """Whether a browser with windows may be here; one for terminals would hide what the command prints."""
    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )


def find_page(config: ClientConfig, experiment: Experiment | None = None) -> str | None:
    """The address of the page, of an experiment if one is given; None if no page of this service answers."""
    for base in _candidates(config):
        with suppress(OSError, HTTPException, LookupError, TypeError, ValueError):
            if _answers(base, config, experiment):
                return address_in(base, config.namespace, experiment.experiment if experiment else "")
    return None


def address_in(base: str, namespace: str = "", experiment: str = "") -> str:
    """The address of a search in a page."""
    query = f"?{urlencode({'ns': namespace})}" if namespace not in ("", "default") else ""
    return f"{base}/#/{f'e/{quote(experiment)}/ladder' if experiment else ''}{query}"


def _candidates(config: ClientConfig) -> Iterator[str]:
    if address := http_address(config.target):
        yield str(address)
        return
    host = "localhost" if config.target.startswith("unix") else host_and_port(config.target)[0]
    if host:
        yield str(HttpAddress(config.encrypted, host, _PORT, ""))


def _answers(base: str, config: ClientConfig, experiment: Experiment | None) -> bool:
    """Whether this service answers there. Raises one of several errors if something else does, or nothing: see
    `find_page`."""
    if experiment is None:
        return _get(f"{base}/livez", config) == b"ok\n"
    message = urlencode({"message": json.dumps({"experiment": experiment.experiment})})
    found: Any = json.loads(_get(f"{base}/rungway.v1.ExperimentService/GetExperiment?{message}", config))
    return datetime.fromisoformat(found["experiment"]["createTime"]) == experiment.create_time


def _get(url: str, config: ClientConfig) -> bytes:
    request = urllib.request.Request(url)  # noqa: S310  (http or https: `_candidates` makes it)
    for name, value in call_metadata(config):
        request.add_unredirected_header(name, value)
    handlers: list[urllib.request.BaseHandler] = []
    if stays_on_this_host(config.target):
        handlers.append(urllib.request.ProxyHandler({}))
    if config.encrypted:
        context = ssl.create_default_context(cafile=config.tls_ca or None)
        if config.tls_cert:
            context.load_cert_chain(config.tls_cert, config.tls_key, password=b"")
        handlers.append(urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as answer:
        body: bytes = answer.read(1 << 22)
        return body
