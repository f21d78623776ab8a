"""How a client reaches the service and how patient it is."""

import os
import re
import socket
from dataclasses import dataclass, field, replace

from rungway._core.address import http_address
from rungway._core.environment import misspelt
from rungway._core.errors import InvalidArgument

_OTHER_ADDRESSES = ("unix:", "unix-abstract:", "ipv4:", "ipv6:", "vsock:", "xds:")
"""Prefixes of addresses that gRPC resolves by itself; they are not checked for a host and a port."""
DEFAULT_TARGET = "localhost:7077"
"""Where a service is looked for that nobody names."""
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]]+):(\d{1,5})", re.ASCII)


def _from_environment(name: str) -> str:
    return os.environ.get(name, "").strip()


def _flag_from_environment(name: str) -> bool:
    value = _from_environment(name).lower()
    if value not in ("", "0", "1", "false", "true", "no", "yes", "off", "on"):
        raise InvalidArgument.one(name, f"got {value!r}, wanted true or false")
    return value in ("1", "true", "yes", "on")


def _choice_from_environment(name: str) -> bool | None:
    return _flag_from_environment(name) if _from_environment(name) else None


def _identity() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Settings of a Client or AsyncClient; all times are seconds. Raises InvalidArgument naming a wrong field."""

    target: str = field(default_factory=lambda: _from_environment("RUNGWAY_TARGET") or DEFAULT_TARGET)
    """Where the service is. Over gRPC: "host:port", "unix:/path", or "dns:///host:port" to spread calls over all
    addresses of a name. Over HTTP (`pip install 'rungway[http]'`): "https://host[:port][/prefix]", or http:// for plain
    text. Default: the environment variable RUNGWAY_TARGET, else "localhost:7077"."""
    experiment: str = field(default_factory=lambda: _from_environment("RUNGWAY_EXPERIMENT"))
    """The experiment that calls mean when they name none. Default: the environment variable RUNGWAY_EXPERIMENT."""
    token: str = field(default_factory=lambda: _from_environment("RUNGWAY_TOKEN"), repr=False)
    """The bearer token, where the service wants one; it is never shown. It is sent over TLS or within this host, and
    otherwise only with `insecure`. Default: the environment variable RUNGWAY_TOKEN."""
    namespace: str = field(default_factory=lambda: _from_environment("RUNGWAY_NAMESPACE"))
    """The namespace of all experiments of this client. Default: RUNGWAY_NAMESPACE, else that of the token, else
    "default"; a token for one namespace is refused in others."""
    tls: bool | None = field(default_factory=lambda: _choice_from_environment("RUNGWAY_TLS"))
    """Encrypt the connection and check the service's certificate; also on when tls_ca or tls_cert is given. A URL says
    it itself, and refuses another answer here. Default: the environment variable RUNGWAY_TLS."""
    tls_ca: str = field(default_factory=lambda: _from_environment("RUNGWAY_TLS_CA"))
    """File with the certificate authorities to trust (PEM). Default: RUNGWAY_TLS_CA, else those that come with gRPC;
    over HTTP those of httpx, which are in the package certifi or where SSL_CERT_FILE says."""
    tls_cert: str = field(default_factory=lambda: _from_environment("RUNGWAY_TLS_CLIENT_CERT"))
    """File with the certificate of this client (PEM), where the service wants one. Default: RUNGWAY_TLS_CLIENT_CERT."""
    tls_key: str = field(default_factory=lambda: _from_environment("RUNGWAY_TLS_CLIENT_KEY"))
    """File with its private key (PEM). Default: RUNGWAY_TLS_CLIENT_KEY."""
    tls_server_name: str = field(default_factory=lambda: _from_environment("RUNGWAY_TLS_SERVER_NAME"))
    """The name in the service's certificate, where it is not that of `target`. Default: RUNGWAY_TLS_SERVER_NAME."""
    insecure: bool = field(default_factory=lambda: _flag_from_environment("RUNGWAY_INSECURE"))
    """Send the token over a network in plain text. Default: the environment variable RUNGWAY_INSECURE."""
    worker: str = field(default_factory=_identity)
    """Who this is, for people to read; up to 256 bytes. Default: "pid@host"."""
    attempt_timeout: float = 10.0
    """Seconds for one attempt of a call; a lost reply is noticed after this."""
    total_timeout: float = 60.0
    """Seconds for a call about experiments, all its attempts together."""
    worker_timeout: float | None = None
    """Seconds for an ask, tell, release or fail, all its attempts together. Default: no limit, so that workers
    survive an outage of any length; a warning is logged once it has lasted 5 seconds."""
    shutdown_timeout: float = 5.0
    """Seconds to release a trial when the worker is leaving; after that its lease expires."""
    backoff_initial: float = 0.1
    """Ceiling of the wait before the second attempt, in seconds. The wait is a random part of it ("full jitter"), so
    that many workers do not come back at the same moment."""
    backoff_multiplier: float = 2.0
    """Factor by which the ceiling grows with each further attempt."""
    backoff_max: float = 5.0
    """Largest ceiling, in seconds; also the longest wait before a lost connection is opened again."""
    report_interval: float = 10.0
    """Seconds that a report between two decisions may be held back, to be sent together with those of all trials."""
    keepalive: float = 60.0
    """Seconds between checks of a gRPC connection while a call is under way; services refuse less than 60."""

    def __post_init__(self) -> None:
        for variable, wrong in misspelt():
            raise InvalidArgument.one(variable, wrong)
        if not self.target:
            raise InvalidArgument.one(
                "target", 'no address is given: give "host:port" or "https://…" to the client or set RUNGWAY_TARGET'
            )
        if self.over_http:
            self._check_scheme()
        else:
            self._check_port()
        if not (self.token.isascii() and all("!" <= char <= "~" for char in self.token)):
            raise InvalidArgument.one("token", "wanted one word of ASCII characters (not shown here)")
        if not (self.namespace.isascii() and self.namespace.isprintable()):
            raise InvalidArgument.one("namespace", f"got {self.namespace!r}, wanted ASCII characters")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InvalidArgument.one("tls_cert", "wanted both tls_cert and tls_key, or neither")
        if len(self.worker.encode(errors="replace")) > 256:
            raise InvalidArgument.one("worker", "wanted at most 256 bytes")
        self._check_at_least(
            0.001, "attempt_timeout", "total_timeout", "shutdown_timeout", "backoff_initial", "backoff_max"
        )
        self._check_at_least(0.001, "report_interval")
        self._check_at_least(1.0, "backoff_multiplier")
        self._check_at_least(60.0, "keepalive")
        if self.worker_timeout is not None:
            self._check_at_least(0.001, "worker_timeout")

    @property
    def encrypted(self) -> bool:
        """Whether connections use TLS."""
        if address := http_address(self.target):
            return address.encrypted
        return bool(self.tls or self.tls_ca or self.tls_cert)

    @property
    def over_http(self) -> bool:
        """Whether the target is a URL."""
        return http_address(self.target) is not None

    def _check_scheme(self) -> None:
        """Refuse settings of TLS that contradict a URL."""
        if self.tls is not None and self.tls is not self.encrypted:
            other = "http://" if self.encrypted else "https://"
            raise InvalidArgument.one(
                "tls", f"got {self.tls} with {self.target!r}: leave tls out (RUNGWAY_TLS), or write {other}"
            )
        for name in ("tls_ca", "tls_cert", "tls_server_name"):
            if getattr(self, name) and not self.encrypted:
                raise InvalidArgument.one(
                    name, f"means nothing with {self.target!r}, which is plain text: write https://"
                )

    def _check_port(self) -> None:
        """Refuse what gRPC would misread: it takes 443 for a missing port, and a port modulo 65536."""
        if self.target.startswith(_OTHER_ADDRESSES):
            return
        dns = self.target.startswith("dns:")
        found = _HOST_AND_PORT.fullmatch(self.target.removeprefix("dns:").rpartition("/")[2] if dns else self.target)
        if found is None or not 1 <= int(found[1]) <= 65535:
            wanted = '"host:port" with a port from 1 to 65535 (an IPv6 address in brackets), or "https://…"'
            raise InvalidArgument.one("target", f"got {self.target!r}, wanted {wanted}")

    def _check_at_least(self, least: float, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not value >= least:
                raise InvalidArgument.one(name, f"got {value!r}, wanted at least {least:g}")


def named_target(target: str | None) -> str:
    """The service that is named: by this argument, else by RUNGWAY_TARGET; empty for none."""
    return target or _from_environment("RUNGWAY_TARGET")


def configured(
    config: ClientConfig | None,
    target: str | None,
    experiment: str | None,
    token: str | None = None,
    tls: bool | None = None,
) -> ClientConfig:
    """The settings, overridden by the arguments that are not None. Raises InvalidArgument."""
    every = {"target": target, "experiment": experiment, "token": token, "tls": tls}
    given = {name: value for name, value in every.items() if value is not None}
    return ClientConfig(**given) if config is None else replace(config, **given)  # type: ignore[arg-type]
