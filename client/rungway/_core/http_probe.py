"""Whether a port that gives no answer over HTTP/1.1 speaks HTTP/2 only, as the gRPC port of the service does."""

import socket
import ssl

from rungway._core.config import ClientConfig
from rungway._core.tls import host_and_port

_PROBE_SECONDS = 3.0
_SETTINGS = 4
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0))
"""How a client begins HTTP/2: with a fixed text, and its settings, here none."""


def speaks_http2(config: ClientConfig) -> bool:
    """Whether the other side greets as HTTP/2 does. Connects to it once more, and waits up to 3 s for its answer."""
    host, port = host_and_port(config.target)
    try:
        with socket.create_connection((host, port), _PROBE_SECONDS) as plain:
            if not config.encrypted:
                return _greets(plain)
            with _context(config).wrap_socket(plain, server_hostname=config.tls_server_name or host) as encrypted:
                return encrypted.selected_alpn_protocol() == "h2" and _greets(encrypted)
    except (OSError, ValueError):
        return False


def _greets(connection: socket.socket) -> bool:
    connection.sendall(_GREETING)
    found = b""
    while len(found) < 9 and (more := connection.recv(9 - len(found))):
        found += more
    return len(found) == 9 and found[3] == _SETTINGS


def _context(config: ClientConfig) -> ssl.SSLContext:
    """Trusts anybody: nothing is sent that others may not know."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if config.tls_cert:
        context.load_cert_chain(config.tls_cert, config.tls_key, password=b"")
    return context
