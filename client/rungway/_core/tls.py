"""How a channel is encrypted, whether a token may be sent over it, and why TLS fails."""

import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import grpc

from rungway._core.address import http_address
from rungway._core.config import ClientConfig
from rungway._core.errors import FailedPrecondition, InvalidArgument, RungwayError

PROBE_SECONDS = 3.0
_HANDSHAKE, _APPLICATION_DATA = 22, 23
"""Types of records. TLS 1.3 sends handshake messages after the hello as application data."""
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""What OpenSSL says of a certificate whose issuer it does not know, or that is its own issuer."""
_T = TypeVar("_T")


def channel_credentials(config: ClientConfig) -> grpc.ChannelCredentials | None:
    """The credentials to connect with; None = plain text. Raises InvalidArgument for a file that cannot be read."""
    if not config.encrypted:
        return None
    return grpc.ssl_channel_credentials(
        *(file_content(field, getattr(config, field)) for field in ("tls_ca", "tls_key", "tls_cert"))
    )


def call_metadata(config: ClientConfig) -> tuple[tuple[str, str], ...]:
    """The metadata of each call: the token and the namespace, if they are set. Raises InvalidArgument when the token
    would cross a network in plain text."""
    found = []
    if config.token:
        if not (config.encrypted or config.insecure or stays_on_this_host(config.target)):
            raise InvalidArgument.one(
                "token",
                f"is not sent to {config.target} in plain text: {_advice(config, True)}, "
                "or set insecure (RUNGWAY_INSECURE=true) where others cannot listen",
            )
        found.append(("authorization", f"Bearer {config.token}"))
    if config.namespace:
        found.append(("rungway-namespace", config.namespace))
    return tuple(found)


def stays_on_this_host(target: str) -> bool:
    """Whether a target is on this host: a loopback address, "localhost" or a unix socket. A name that another host
    resolves (`dns://authority/name`) may be anywhere, even "localhost"."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host, _ = host_and_port(target)
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def may_be_tls(error: RungwayError) -> bool:
    """Whether the settings of the connection may explain why a call failed: it got no answer."""
    return not error.reason and error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def tls_problem(config: ClientConfig, context: ssl.SSLContext | None = None) -> RungwayError | None:
    """Why no connection can be opened, when only one side speaks TLS or one does not trust the other; None for any
    other reason. Connects to the service once more, and waits up to 3 s for each of its answers. `context` is what
    calls are encrypted with, where it is not gRPC that does it.

    gRPC says "Socket closed" for most of these, and says nothing to calls that wait for the service.
    """
    host, port = host_and_port(config.target)
    text = _found_at(host, port, config, context) if host and port else ""
    return tls_mismatch(config, text) if text else None


def tls_mismatch(config: ClientConfig, text: str) -> RungwayError:
    """The error for settings of TLS that do not fit the service."""
    return FailedPrecondition(f"{config.target}: {text}", reason="TLS_MISMATCH")


def not_accepted(error: ssl.SSLCertVerificationError) -> str:
    """What a refused certificate means, in words."""
    advice = ": set tls_ca (RUNGWAY_TLS_CA) to its authority" if error.verify_code in _UNKNOWN_AUTHORITY else ""
    return f"the certificate of the service is not accepted: {error.verify_message}{advice}"


def _found_at(host: str, port: int, config: ClientConfig, context: ssl.SSLContext | None) -> str:
    sent = bytearray()
    try:
        with socket.create_connection((host, port), PROBE_SECONDS) as plain:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            encrypted = (context or _probing_context(config)).wrap_bio(
                incoming, outgoing, server_hostname=config.tls_server_name or host
            )
            exchange(plain, incoming, outgoing, sent, encrypted.do_handshake)
            if not config.encrypted:
                return f"the service speaks TLS: {_advice(config, True)}"
            if exchange(plain, incoming, outgoing, sent, lambda: encrypted.read(1)):
                return ""
    except ssl.SSLCertVerificationError as error:
        return not_accepted(error)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        pass
    except ssl.SSLError as error:
        return _meaning(config, error, sent) if config.encrypted else ""
    except (OSError, ValueError):
        return ""
    # The other side hung up. A service that refuses our certificate does that, and so does a balancer without a service
    # behind it: only the first asks for a certificate.
    return _refusal(config) if config.encrypted and _has_certificate(sent) else ""


def _has_certificate(sent: bytearray) -> bool:
    """Whether a client's part of a handshake has a certificate message, maybe an empty one: the client sends it only
    when the service asks for it.

    TLS 1.3 encrypts the message, but OpenSSL gives each message a record of its own. Without a certificate, TLS 1.3 has
    one message after the hello (finished), and TLS 1.2 two (key exchange and finished).
    """
    types = []
    while sent:
        types.append(sent[0])
        sent = sent[5 + int.from_bytes(sent[3:5], "big") :]
    return types.count(_APPLICATION_DATA) > 1 or types.count(_HANDSHAKE) > 3


def exchange(
    plain: socket.socket,
    incoming: ssl.MemoryBIO,
    outgoing: ssl.MemoryBIO,
    sent: bytearray,
    step: Callable[[], _T],
) -> _T:
    """The result of a step of TLS; sends and receives what the step needs, and adds what it sends to `sent`. (An
    SSLSocket would do the rest, but one that is reset in its constructor stays open.)"""
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            sent += (flight := outgoing.read())
            plain.sendall(flight)
            if more := plain.recv(1 << 14):
                incoming.write(more)
            else:
                incoming.write_eof()


def _probing_context(config: ClientConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"] if config.over_http else ["h2"])
    if not config.encrypted:  # nothing is sent: the question is only whether the other side speaks TLS
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.tls_ca:
        context.load_verify_locations(config.tls_ca)
    else:
        context.load_default_certs()
    if config.tls_cert:
        context.load_cert_chain(config.tls_cert, config.tls_key, password=b"")  # without it OpenSSL asks the user
    return context


def _meaning(config: ClientConfig, error: ssl.SSLError, sent: bytearray) -> str:
    """What an error of TLS means for the user; empty when it may pass."""
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return f"the service does not speak TLS: {_advice(config, False)}"
    if "ALERT_INTERNAL_ERROR" in reason:  # a balancer may send this about itself
        return ""
    if "ALERT" in reason and _has_certificate(sent):
        return _refusal(config)
    return f"TLS failed: {reason or error}"


def _advice(config: ClientConfig, encrypt: bool) -> str:
    """How to switch TLS on or off."""
    if config.over_http:
        return f"write {'https' if encrypt else 'http'}:// in the target"
    return "set tls=True (RUNGWAY_TLS=true)" if encrypt else "leave tls out (RUNGWAY_TLS)"


def _refusal(config: ClientConfig) -> str:
    if config.tls_cert:
        return f"the service does not accept the client certificate {config.tls_cert!r}"
    return "the service wants a client certificate: set tls_cert and tls_key (RUNGWAY_TLS_CLIENT_CERT, …_KEY)"


def file_content(field: str, path: str) -> bytes | None:
    """What is in the file that a setting names; None without one. Raises InvalidArgument if it cannot be read."""
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgument.one(field, f"cannot read {path!r}: {error.strerror}") from error


def host_and_port(target: str) -> tuple[str, int]:
    """Host and port of a target; ("", 0) for any other form, and for a name that another host resolves."""
    if address := http_address(target):
        return address.host, address.port
    for scheme in ("dns:", "ipv4:", "ipv6:"):
        if target.startswith(scheme):
            path = target.removeprefix(scheme)
            if path.startswith("//"):
                authority, _, path = path[2:].partition("/")
                if authority:
                    return "", 0
            target = unquote(path.removeprefix("/"))
    host, _, port = target.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isascii() and port.isdigit() else ("", 0)
