"""Whether a port that gives no answer is the other one of the service: HTTP in place of gRPC, or the reverse."""

import socket
import ssl
from functools import partial

from rungway._core.config import ClientConfig
from rungway._core.errors import FailedPrecondition, RungwayError
from rungway._core.tls import PROBE_SECONDS, exchange, host_and_port

_SETTINGS = 4
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0))
"""How a client begins HTTP/2: with a fixed text, and its settings, here none."""
_ENOUGH = 9
"""Bytes of an answer that tell: the head of a frame of HTTP/2."""
_HTTP1 = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def grpc_port(config: ClientConfig) -> RungwayError | None:
    """The error for a URL whose port speaks HTTP/2, when HTTP/1.1 got no answer there; None for any other port.
    Connects to it once more, and waits up to 3 s for its answer."""
    if not _speaks_http2(config):
        return None
    return _wrong_port(
        config,
        f'speaks HTTP/2 only, as the gRPC port does: for gRPC write "{_place(config)}", for HTTP give its own port',
    )


def http_port(config: ClientConfig) -> RungwayError | None:
    """The error for a gRPC target whose port speaks HTTP/1.1 and no HTTP/2; None for any other port. Connects to it
    once or twice more, and waits up to 3 s for each of its answers."""
    if not _speaks_http1(config) or _speaks_http2(config):
        return None
    url = f"http{'s' if config.encrypted else ''}://{_place(config)}"
    return _wrong_port(
        config, f'speaks HTTP/1.1 only, as the HTTP port does: for HTTP write "{url}", for gRPC give its own port'
    )


def _wrong_port(config: ClientConfig, text: str) -> RungwayError:
    return FailedPrecondition(f"{config.target} {text}", reason="NOT_RUNGWAY")


def _place(config: ClientConfig) -> str:
    host, port = host_and_port(config.target)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _speaks_http2(config: ClientConfig) -> bool:
    found = _answer(config, "h2", _HTTP2)
    return len(found) == _ENOUGH and found[3] == _SETTINGS


def _speaks_http1(config: ClientConfig) -> bool:
    return _answer(config, "http/1.1", _HTTP1).startswith(b"HTTP/1.")


def _answer(config: ClientConfig, protocol: str, greeting: bytes) -> bytes:
    """Up to nine bytes that the other side answers; none where it does not speak the protocol, or not at all."""
    host, port = host_and_port(config.target)
    if not host:
        return b""
    try:
        with socket.create_connection((host, port), PROBE_SECONDS) as plain:
            if not config.encrypted:
                return _greeted(plain, greeting)
            return _greeted_over_tls(plain, _context(config, protocol), config.tls_server_name or host, greeting)
    except (OSError, ValueError):
        return b""


def _greeted(connection: socket.socket, greeting: bytes) -> bytes:
    connection.sendall(greeting)
    found = b""
    while len(found) < _ENOUGH and (more := connection.recv(_ENOUGH - len(found))):
        found += more
    return found


def _greeted_over_tls(plain: socket.socket, context: ssl.SSLContext, name: str, greeting: bytes) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    encrypted = context.wrap_bio(incoming, outgoing, server_hostname=name)
    way = (plain, incoming, outgoing, bytearray())
    exchange(*way, encrypted.do_handshake)
    encrypted.write(greeting)
    found = b""
    while len(found) < _ENOUGH and (more := exchange(*way, partial(encrypted.read, _ENOUGH - len(found)))):
        found += more
    return found


def _context(config: ClientConfig, protocol: str) -> ssl.SSLContext:
    """Trusts anybody: nothing is sent that others may not know."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    if config.tls_cert:
        context.load_cert_chain(config.tls_cert, config.tls_key, password=b"")
    return context
