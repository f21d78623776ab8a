"""How a channel is encrypted, whether a token may go over it, and why TLS fails where it does."""

import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import grpc

from rungway._core.config import ClientConfig
from rungway._core.errors import FailedPrecondition, InvalidArgument, RungwayError

_PROBE_SECONDS = 3.0
_T = TypeVar("_T")


def channel_credentials(config: ClientConfig) -> grpc.ChannelCredentials | None:
    """What to connect with; None = plain text. Raises InvalidArgument for a file that cannot be read."""
    if not config.encrypted:
        return None
    return grpc.ssl_channel_credentials(
        _content("tls_ca", config.tls_ca), _content("tls_key", config.tls_key), _content("tls_cert", config.tls_cert)
    )


def call_metadata(config: ClientConfig) -> tuple[tuple[str, str], ...]:
    """What goes with each call: the token, and the namespace where one is named. Raises InvalidArgument where the token
    would cross a network in plain text."""
    found = []
    if config.token:
        if not (config.encrypted or config.insecure or stays_on_this_host(config.target)):
            raise InvalidArgument.one(
                "token",
                f"is not sent to {config.target} in plain text: set tls (RUNGWAY_TLS=true), "
                "or insecure (RUNGWAY_INSECURE=true) where others cannot listen",
            )
        found.append(("authorization", f"Bearer {config.token}"))
    if config.namespace:
        found.append(("rungway-namespace", config.namespace))
    return tuple(found)


def stays_on_this_host(target: str) -> bool:
    """Whether what is sent there stays on this host: to loopback addresses, "localhost" and unix sockets. A name that
    another host resolves (`dns://authority/name`) may lead anywhere, whatever the name."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host, _ = _host_and_port(target)
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def may_be_tls(error: RungwayError) -> bool:
    """Whether a call failed in a way that `tls_problem` may explain: nobody answered."""
    return not error.reason and error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def tls_problem(config: ClientConfig) -> RungwayError | None:
    """Why no connection comes about, when the reason is that one side speaks TLS and the other does not, or that one
    does not trust the other; None for all else. Asks the service once more, and waits 3 s at most.

    gRPC says "Socket closed" for most of these, and nothing at all to calls that wait for the service.
    """
    host, port = _host_and_port(config.target)
    text = _found_at(host, port, config) if host and port else ""
    return FailedPrecondition(f"{config.target}: {text}", reason="TLS_MISMATCH") if text else None


def _found_at(host: str, port: int, config: ClientConfig) -> str:
    name = config.tls_server_name or host
    asked: list[object] = []  # for a certificate of ours
    try:
        with socket.create_connection((host, port), _PROBE_SECONDS) as plain:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            encrypted = _probing_context(config, asked).wrap_bio(incoming, outgoing, server_hostname=name)
            _exchange(plain, incoming, outgoing, encrypted.do_handshake)
            if not config.encrypted:
                return "the service speaks TLS: set tls=True (RUNGWAY_TLS=true)"
            if _exchange(plain, incoming, outgoing, lambda: encrypted.read(1)):
                return ""
    except ssl.SSLCertVerificationError as error:
        return f"the certificate of the service is not accepted: {error.verify_message}"
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        pass
    except ssl.SSLError as error:
        return _meaning(config, error, bool(asked)) if config.encrypted else ""
    except (OSError, ValueError):
        return ""
    # An end without a word. A service that does not like our certificate hangs up like this, and so does a balancer
    # that finds no service behind it: only the first has asked for one.
    return _unwanted(config) if config.encrypted and asked else ""


def _exchange(plain: socket.socket, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, step: Callable[[], _T]) -> _T:
    """The result of a step of TLS, with what it needs from the other side. (An SSLSocket that is reset in its
    constructor stays open.)"""
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            if more := plain.recv(1 << 14):
                incoming.write(more)
            else:
                incoming.write_eof()


def _probing_context(config: ClientConfig, asked: list[object]) -> ssl.SSLContext:
    """`asked` gets an item when the other side asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def hear(_: object, direction: str, _version: object, _kind: object, message: object, _data: bytes) -> None:
        if direction == "read" and getattr(message, "name", "") == "CERTIFICATE_REQUEST":
            asked.append(message)

    context._msg_callback = hear  # type: ignore[attr-defined]  # nothing public tells what was asked
    context.set_alpn_protocols(["h2"])
    if not config.encrypted:  # nothing is sent: it is only asked whether TLS is spoken
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.tls_ca:
        context.load_verify_locations(config.tls_ca)
    else:
        context.load_default_certs()
    if config.tls_cert:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    return context


def _meaning(config: ClientConfig, error: ssl.SSLError, asked: bool) -> str:
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "the service does not speak TLS: leave tls out (RUNGWAY_TLS)"
    if "ALERT_INTERNAL_ERROR" in reason:  # a balancer may say so of itself
        return ""
    return _unwanted(config) if asked and "ALERT" in reason else f"TLS failed: {reason or error}"


def _unwanted(config: ClientConfig) -> str:
    if config.tls_cert:
        return f"the service does not accept the client certificate {config.tls_cert!r}"
    return "the service wants a client certificate: set tls_cert and tls_key (RUNGWAY_TLS_CLIENT_CERT, …_KEY)"


def _content(field: str, path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgument.one(field, f"cannot read {path!r}: {error.strerror}") from error


def _host_and_port(target: str) -> tuple[str, int]:
    """The two parts of an address; ("", 0) where it has others, or is asked of an authority."""
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
