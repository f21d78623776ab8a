"""Settings of `rungway serve`: from the environment (`RUNGWAY_*`), overridden by the flags of the command line."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "RUNGWAY_"


class SettingsError(Exception):
    """A setting is wrong; the text names every one, what it got and what it wanted."""


def split_address(listen: str) -> tuple[str, int]:
    """`host:port` in its two parts, IPv6 as `[::1]:7077`. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("wanted host:port with a port from 0 (= any free one) to 65535")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("wanted an IPv6 address in brackets, like [::1]:7077")
    return host, int(port)


def _check_listen(listen: str) -> str:
    split_address(listen)
    return listen


def _check_redis_url(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("wanted redis://host:port/db, rediss:// (TLS) or unix:///path/to/socket")
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("wanted a path, like unix:///run/redis.sock")
    _ = parts.port  # raises ValueError with a text of its own
    return url


def default_data_dir() -> Path:
    """`$XDG_DATA_HOME/rungway`, or `~/.local/share/rungway`; relative values of the variable count as unset."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "rungway"


class Settings(BaseSettings):
    """Everything `rungway serve` can be told. `Settings.load(...)` reads it with clear errors."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # a refused redis_url may hold a password
    )

    # One field and not host and port: Kubernetes sets RUNGWAY_PORT=tcp://… beside any Service named "rungway".
    listen: Annotated[str, AfterValidator(_check_listen)] = "127.0.0.1:7077"
    """Where to listen, host:port; port 0 takes a free one, printed in the log line `ready`."""

    redis_url: Annotated[SecretStr, AfterValidator(_check_redis_url)] | None = None
    """The Redis that holds the state; none = the embedded store in data_dir."""

    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of the embedded store; made when missing."""

    fsync: Literal["everysec", "always"] = "everysec"
    """When the embedded store syncs to disk: each second (a power cut may lose one second) or with every change."""

    redis_timeout_seconds: float = Field(default=5.0, ge=0.05, le=60)
    """How long to wait for Redis: for a connection of the pool, for connecting, and for an answer (seconds, each)."""

    redis_max_connections: int = Field(default=64, ge=2, le=10_000)
    """Most connections to Redis at once: one carries all decisions, the others what is only read."""

    unsafe_eviction: Literal["refuse", "warn"] = "refuse"
    """What to do with a Redis that may evict keys (maxmemory-policy other than noeviction), which destroys searches."""

    request_window_seconds: int = Field(default=600, ge=10, le=86_400)
    """How long the answer to a request id is remembered (seconds)."""

    max_message_bytes: int = Field(default=1 << 20, ge=1 << 12, le=1 << 26)
    """Largest request taken (bytes)."""

    max_concurrent_rpcs: int = Field(default=2_000, ge=1, le=100_000)
    """Calls in work at once; further ones are refused with RESOURCE_EXHAUSTED."""

    reflection: bool = False
    """Serve the descriptors to tools such as grpcurl."""

    drain_notice_seconds: float = Field(default=0.5, ge=0, le=60)
    """On SIGTERM: how long to go on serving as NOT_SERVING, so that load balancers see it (seconds)."""

    drain_seconds: float = Field(default=10.0, ge=0, le=3_600)
    """Then: how long calls in work may take to finish (seconds)."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines to log."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """One JSON object per line for machines, or coloured text for people; auto = text on a terminal, else JSON."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return split_address(self.listen)

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """The settings of this process; overrides that are None count as not given. Raises SettingsError."""
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]  # checked by pydantic
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None

    def masked(self) -> dict[str, str]:
        """Every setting as text, secrets hidden: for the log."""
        return {name: str(value) for name, value in self}


def _explain(error: ValidationError) -> str:
    """One line per wrong setting, without the value of a secret one."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0])
        field = Settings.model_fields.get(name)
        if field is None:
            lines.append(f"there is no setting {name}")
            continue
        got = "a value not shown here" if name == "redis_url" else repr(problem["input"])
        wanted = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name} ({PREFIX}{name.upper()}): got {got}: {wanted}")
    return "\n".join(lines)
