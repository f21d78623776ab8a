"""How a client reaches the service and how patient it is."""

import os
import re
import socket
from dataclasses import dataclass, field, replace

from rungway._errors import InvalidArgument

_OTHER_ADDRESSES = ("unix:", "unix-abstract:", "ipv4:", "ipv6:", "vsock:", "xds:")
"""How the names begin that gRPC resolves without a host and a port of ours."""
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]]+):(\d{1,5})", re.ASCII)


def _from_environment(name: str) -> str:
    return os.environ.get(name, "").strip()


def _identity() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Settings of a Client or AsyncClient; all times are seconds. Raises InvalidArgument naming a wrong field."""

    target: str = field(default_factory=lambda: _from_environment("RUNGWAY_TARGET"))
    """Where the service is: "host:port", "unix:/path", or "dns:///host:port" to spread calls over all addresses of a
    name. Default: the environment variable RUNGWAY_TARGET."""
    experiment: str = field(default_factory=lambda: _from_environment("RUNGWAY_EXPERIMENT"))
    """The experiment that calls mean when they name none. Default: the environment variable RUNGWAY_EXPERIMENT."""
    worker: str = field(default_factory=_identity)
    """Who this is, for people to read; up to 256 bytes. Default: "pid@host"."""
    attempt_timeout: float = 10.0
    """Most time for one attempt of a call, so that a lost reply is noticed soon."""
    total_timeout: float = 60.0
    """Most time for a call about experiments, all its attempts together."""
    worker_timeout: float | None = None
    """Most time for an ask, tell, release or fail, all its attempts together. Default: no limit, so that workers
    survive an outage of any length; a warning is logged every so often."""
    farewell_timeout: float = 5.0
    """Most time to give a trial back when the worker is leaving; after it the lease just lapses."""
    backoff_initial: float = 0.1
    """Longest wait before the second attempt. The wait is a random part of the ceiling ("full jitter"), so that many
    workers do not come back at the same moment."""
    backoff_multiplier: float = 2.0
    """By how much that ceiling grows with each further attempt."""
    backoff_max: float = 5.0
    """Where the ceiling stops growing; also the longest wait before a lost connection is opened again."""
    report_interval: float = 10.0
    """Reports that decide nothing are sent together, at latest this long after they were made."""
    keepalive: float = 60.0
    """While a call is under way, check the connection this often; services refuse less than a minute."""

    def __post_init__(self) -> None:
        if not self.target:
            raise InvalidArgument.one("target", 'wanted "host:port": give it to the client or set RUNGWAY_TARGET')
        if self.target.startswith(("http://", "https://")):
            raise InvalidArgument.one("target", f'wanted "host:port" of the gRPC port, got {self.target!r}')
        self._check_port()
        if len(self.worker.encode(errors="replace")) > 256:
            raise InvalidArgument.one("worker", "wanted at most 256 bytes")
        self._check_at_least(
            0.001, "attempt_timeout", "total_timeout", "farewell_timeout", "backoff_initial", "backoff_max"
        )
        self._check_at_least(0.001, "report_interval")
        self._check_at_least(1.0, "backoff_multiplier")
        self._check_at_least(60.0, "keepalive")
        if self.worker_timeout is not None:
            self._check_at_least(0.001, "worker_timeout")

    def _check_port(self) -> None:
        """gRPC would dial port 443 where there is none, and take a port that is too large modulo 65536."""
        if self.target.startswith(_OTHER_ADDRESSES):
            return
        dns = self.target.startswith("dns:")
        found = _HOST_AND_PORT.fullmatch(self.target.removeprefix("dns:").rpartition("/")[2] if dns else self.target)
        if found is None or not 1 <= int(found[1]) <= 65535:
            wanted = '"host:port" with a port from 1 to 65535 (an IPv6 address in brackets)'
            raise InvalidArgument.one("target", f"wanted {wanted}, got {self.target!r}")

    def _check_at_least(self, least: float, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            if not value >= least:
                raise InvalidArgument.one(name, f"wanted at least {least:g}, got {value!r}")


def configured(config: ClientConfig | None, target: str | None, experiment: str | None) -> ClientConfig:
    """The settings with target and experiment in place of theirs where given. Raises InvalidArgument."""
    given = {name: value for name, value in (("target", target), ("experiment", experiment)) if value is not None}
    return ClientConfig(**given) if config is None else replace(config, **given)  # type: ignore[arg-type]
