"""All that this client asks of its HTTP library, httpx, which is named here only (the two `network.py` name httpcore,
which is below it).

It is imported with the first client whose target is a URL. A transport of httpx is used, and not its client, which
would keep cookies and log each call.
"""

import ssl
import urllib.request
from functools import cache
from typing import Any, TypeVar

import httpcore
import httpx

from rungway._core.address import HttpAddress
from rungway._core.config import ClientConfig
from rungway._core.errors import (
    DeadlineExceeded,
    InvalidArgument,
    RungwayError,
    StreamSilent,
    Unavailable,
)
from rungway._core.http import KEEP_SECONDS, MOST_CALLS, SILENCE_SECONDS, Answer, Outgoing
from rungway._core.http_refusals import one_line
from rungway._core.port_probe import grpc_port
from rungway._core.proxies import http_proxy
from rungway._core.tls import file_content, not_accepted, stays_on_this_host, tls_mismatch, tls_problem

Failure = httpx.TransportError
Response = httpx.Response
Transport = httpx.HTTPTransport
AsyncTransport = httpx.AsyncHTTPTransport

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_T = TypeVar("_T", httpx.HTTPTransport, httpx.AsyncHTTPTransport)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_TIMES_OUT = (httpx.ReadTimeout, httpx.WriteTimeout)


class Route:
    """The way to the service: through which proxy, and encrypted how.

    Raises InvalidArgument for files that cannot be read, and for a proxy that cannot be used.
    """

    def __init__(self, config: ClientConfig, address: HttpAddress) -> None:
        self._config, self._address = config, address
        self._proxy = _proxy_to(address)
        self._context = _context(config) if config.encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._extensions = {"sni_hostname": config.tls_server_name} if config.tls_server_name else {}
        self._parsed = cache(httpx.URL)  # one for each rpc: it takes about as long as all else of a request
        if self._proxy and self._extensions:
            raise InvalidArgument.one("tls_server_name", f"cannot be checked through a proxy ({self._by_proxy()})")

    def open(self, kind: type[_T], network: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend) -> _T:
        """A transport of this kind for one connection at a time, which `network` opens."""
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_SECONDS)
        try:
            transport = kind(verify=self._context, trust_env=False, limits=limits, proxy=self._proxy or None)
        except (ImportError, ValueError, httpx.InvalidURL) as error:  # the text may have a password in it
            why = f"the proxy of the environment cannot be used ({type(error).__name__}): {self._by_proxy()}"
            raise InvalidArgument.one("target", why) from None
        _open_by(network, transport)
        return transport

    def request(self, outgoing: Outgoing, connect: float, answer: float) -> httpx.Request:
        """A request; to open a connection may take `connect` seconds, and each wait after that `answer`."""
        timeout = {"pool": connect, "connect": connect, "write": answer, "read": answer}
        return httpx.Request(
            "POST",
            self._parsed(outgoing.url),
            headers=dict(outgoing.headers),
            content=outgoing.body,
            extensions={"timeout": timeout, **self._extensions},
        )

    def answer(self, response: httpx.Response) -> Answer:
        """The head of a response."""
        return Answer(response.status_code, response.headers, str(self._address))

    def typed(self, failure: httpx.TransportError, *, of_stream: bool = False) -> RungwayError:
        """The error for a request that got no answer. Only where no connection was opened, nothing was sent."""
        words = one_line(str(failure)) or type(failure).__name__
        if isinstance(failure, _TIMES_OUT):
            return self.silent() if of_stream else self.late()
        what = "no connection to" if isinstance(failure, _NOT_SENT) else "lost the connection to"
        return Unavailable(f"{what} {self._address}{self._by_proxy(' by the proxy ')}: {words}")

    def busy(self) -> RungwayError:
        """The error for a call that has waited too long for those before it."""
        return Unavailable(f"no connection to {self._address}: {MOST_CALLS} calls of this client are under way")

    def late(self) -> RungwayError:
        """The error for a request whose time is over."""
        return DeadlineExceeded(f"no answer of {self._address} in time")

    def silent(self) -> RungwayError:
        """The error for a stream that has been silent for too long."""
        return StreamSilent(f"nothing came from {self._address} for {SILENCE_SECONDS:.0f} s")

    def problem(self, error: RungwayError) -> RungwayError | None:
        """Why no connection can be used, when TLS does not fit, or the port is that of gRPC; None for any other reason.
        Connects to the service up to twice more."""
        failure = error.__cause__
        if not isinstance(failure, httpx.TransportError | TimeoutError):
            return None
        if refused := _refused_certificate(failure):
            return tls_mismatch(self._config, not_accepted(refused))
        if self._proxy:
            return None
        problem = tls_problem(self._config, self._context if self._config.encrypted else None)
        return problem or (None if isinstance(failure, _NOT_SENT) else grpc_port(self._config))

    def _by_proxy(self, before: str = "") -> str:
        """Host and port of the proxy, without its user and password; empty without a proxy."""
        if not self._proxy:
            return ""
        variable = http_proxy(self._address.scheme)
        of = f" of the variable {variable}" if variable else ""
        return f"{before}{one_line(self._proxy.rpartition('@')[2].rpartition('//')[2])}{of}"


def get(config: ClientConfig, address: HttpAddress, path: str, timeout: float) -> Answer:
    """The answer to GET. Raises what a call raises without an answer."""
    route = Route(config, address)
    waits = dict.fromkeys(("pool", "connect", "write", "read"), timeout)
    request = httpx.Request("GET", f"{address}{path}", extensions={"timeout": waits, **route._extensions})
    with route.open(httpx.HTTPTransport, httpcore.SyncBackend()) as transport:
        try:
            response = transport.handle_request(request)
            answer = route.answer(response)
            for piece in response.iter_raw():
                if not answer.add(piece):
                    break
        except httpx.TransportError as failure:
            error = route.typed(failure)
            error.__cause__ = failure
            raise route.problem(error) or error from failure
        return answer


def _proxy_to(address: HttpAddress) -> str:
    """The proxy for this address by the variables that every program reads (HTTPS_PROXY, NO_PROXY …); "" = none."""
    host = f"{address.host}:{address.port}"
    if stays_on_this_host(str(address)) or urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    found = proxies.get(address.scheme) or proxies.get("all") or ""
    return found if not found or "://" in found else f"http://{found}"


def _context(config: ClientConfig) -> ssl.SSLContext:
    try:
        file_content("tls_ca", config.tls_ca)
        context = ssl.create_default_context(cafile=config.tls_ca) if config.tls_ca else httpx.create_ssl_context()
    except ssl.SSLError as error:
        raise InvalidArgument.one("tls_ca", f"no certificate can be read from {config.tls_ca!r}: {error}") from error
    if config.tls_cert:
        file_content("tls_cert", config.tls_cert)
        file_content("tls_key", config.tls_key)
        try:
            context.load_cert_chain(config.tls_cert, config.tls_key, password=b"")  # without it OpenSSL asks the user
        except ssl.SSLError as error:
            files = f"{config.tls_cert!r} and {config.tls_key!r}"
            raise InvalidArgument.one("tls_cert", f"no pair of certificate and key in {files}: {error}") from error
    return context


def _refused_certificate(failure: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while failure is not None and not isinstance(failure, ssl.SSLCertVerificationError):
        failure = failure.__cause__ or failure.__context__
    return failure


def check_other_side(connection: httpcore.NetworkStream | httpcore.AsyncNetworkStream) -> None:
    """Raises ConnectError for a connection to itself: where nobody listens on this host, a port that the system chooses
    for a new connection may be the very one that it asks for."""
    try:
        itself = connection.get_extra_info("client_addr") == connection.get_extra_info("server_addr")
    except OSError as error:  # the other side has reset it already
        raise httpcore.ConnectError(str(error)) from error
    if itself:
        raise httpcore.ConnectError("nobody listens there")


def _open_by(network: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend, transport: Any) -> None:
    """Let a transport open its connections by `network`, for which httpcore has an argument and httpx none. A later
    httpx may keep its pool elsewhere: then calls go on as before, but closing a client waits for those under way."""
    if hasattr(transport, "_pool"):
        transport._pool._network_backend = network
