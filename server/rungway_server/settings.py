"""Settings of `rungway serve`: from the environment (`RUNGWAY_*`), overridden by the flags of the command line."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rungway._core.environment import PREFIX, default_data_dir, misspelt
from rungway_server.domain.documents.fields import whole_text
from rungway_server.store.redis.connection.address import Tls, parse_address
from rungway_server.webhooks.signing import MAKES_ONE, Endpoint, read_endpoint, read_secret, read_secrets

DEFAULT_HTTP_PORT = 7078
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes count. Only `serve` sets it, for its processes:
prometheus_client looks at it when it is imported."""


class SettingsError(Exception):
    """Settings are wrong; the message names each, with its value and what is wanted."""


def split_address(listen: str) -> tuple[str, int]:
    """`host:port` in its two parts, IPv6 as `[::1]:7077`. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("wanted host:port with a port from 0 (= any free one) to 65535")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("wanted an IPv6 address in brackets, like [::1]:7077")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this host only; names other than localhost count as not."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_listen(listen: str) -> str:
    split_address(listen)
    return listen


Address = TypeVar("Address", bound=str | None)


def _check_optional(address: Address) -> Address:
    if address is not None and address != "off":
        try:
            split_address(address)
        except ValueError as error:
            raise ValueError(f'{error}, or "off"') from None
    return address


def _check_metrics(where: str) -> str:
    if where not in ("http", "off"):
        try:
            split_address(where)
        except ValueError as error:
            raise ValueError(f'{error}, or "http", or "off"') from None
    return where


def _names(value: object) -> object:
    """The names in a comma-separated text."""
    return tuple(name.strip().lower() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _check_prefix(prefix: str) -> str:
    if prefix and (not prefix.startswith("/") or not prefix.isascii() or set(prefix) & set("?#% \\")):
        raise ValueError("wanted a path that begins with /, such as /rungway")
    return prefix.rstrip("/")


def _words(value: object) -> object:
    """The words of a text."""
    return tuple(value.split()) if isinstance(value, str) else value


def _check_webhooks(webhooks: tuple[str, ...]) -> tuple[str, ...]:
    for each in webhooks:
        read_endpoint(each, ())
    return webhooks


def _check_secret(secret: SecretStr) -> SecretStr:
    read_secret(secret.get_secret_value())
    return secret


_HIDDEN = ("redis_url", "webhooks", "webhook_secret")
"""Settings whose values are in no message."""


def _check_redis_url(url: SecretStr) -> SecretStr:
    parse_address(url.get_secret_value())
    return url


class Settings(BaseSettings):
    """The settings of `rungway serve`. `Settings.load(...)` reads them, with errors for users."""

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
    """Where to listen, host:port; port 0 picks a free one, which the log line `ready` shows."""

    http: Annotated[str | None, AfterValidator(_check_optional)] = None
    """Where to listen for HTTP, host:port, or "off"; none = the host of `listen`, port 7078 (beside port 0 a free
    one)."""

    http_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    """Names, comma-separated, under which callers reach the HTTP port while tokens are off, beside localhost and IP
    addresses; "*" = any. Other names are refused: a web page could point a name of its own at this service."""

    http_prefix: Annotated[str, AfterValidator(_check_prefix)] = ""
    """Path under which a proxy hands HTTP requests on, such as /rungway; a proxy that strips it needs nothing here."""

    health_listen: Annotated[str, AfterValidator(_check_optional)] = "off"
    """Where to answer `GET /livez` and `GET /readyz` in plain text, host:port, or "off": for the probes of containers,
    which know neither TLS nor tokens. It tells nothing else."""

    metrics_listen: Annotated[str, AfterValidator(_check_metrics)] = "http"
    """Where to show metrics to Prometheus: "http" = at /metrics of the HTTP port (with tokens on, to `read` tokens for
    all namespaces), host:port = on a port of its own in plain text, to all who reach it, "off" = count nothing."""

    metrics_experiments: int = Field(default=0, ge=0, le=100)
    """How many running experiments have metrics of their own, the newest ones; 0 = none."""

    tracing: bool = False
    """Send spans of calls to OpenTelemetry (the extra `tracing`). Its variables, such as OTEL_EXPORTER_OTLP_ENDPOINT,
    say where to; by default http://localhost:4318."""

    tokens: bool = False
    """Whether calls need a bearer token (`rungway token create`); health checks never do."""

    tls_cert: Path | None = None
    """Certificate chain of this service (PEM); with it the port speaks TLS only. Read again when the files change."""

    tls_key: Path | None = None
    """The private key of tls_cert (PEM)."""

    tls_client_ca: Path | None = None
    """Certificate authorities (PEM) of clients: with it every client must have a certificate from one of them
    (mTLS)."""

    insecure: bool = False
    """Listen beyond loopback although TLS or tokens are off: anyone who can reach the port may then do everything, or
    read the traffic."""

    quota_experiments: int = Field(default=0, ge=0)
    """Most experiments of a namespace; 0 = no limit, here and below. `rungway quota set` sets other limits for one."""

    quota_trials: int = Field(default=0, ge=0)
    """Most trials of a namespace: the sum of max_trials of its experiments that are not over."""

    quota_leases: int = Field(default=0, ge=0)
    """Most leases of a namespace: the sum of max_concurrent_trials (max_trials, where that is 0) of its experiments
    that are not over."""

    quota_calls_per_second: int = Field(default=0, ge=0)
    """Most calls of a namespace on this server (calls per second; the same number in one burst after a quiet
    second)."""

    webhooks: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_check_webhooks)] = ()
    """Where to say that searches have ended, paused themselves or have a new best: URLs, with spaces between them.
    NAMESPACE=URL is for the searches of one namespace."""

    webhook_secret: Annotated[SecretStr, AfterValidator(_check_secret)] | None = None
    """What these messages are signed with (`rungway webhook secret` makes one); a variable only, because others can
    read command lines."""

    webhook_secret_file: FilePath | None = None
    """A file that has it, instead. Further lines are secrets of before, which sign as well, so that receivers can
    change theirs one by one."""

    redis_url: Annotated[SecretStr, AfterValidator(_check_redis_url)] | None = None
    """The Redis or Valkey that holds the state: redis://, rediss:// (TLS), unix://, redis+sentinel:// or
    redis+cluster://; none = the embedded store in data_dir."""

    redis_ca_file: FilePath | None = None
    """Authorities to trust with rediss:// (PEM); none = the system's, or ssl_ca_certs of the URL."""

    redis_cert_file: FilePath | None = None
    """Client certificate for a Redis that requires one (PEM); none = ssl_certfile of the URL."""

    redis_key_file: FilePath | None = None
    """Private key of redis_cert_file (PEM); none = ssl_keyfile of the URL."""

    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder of the embedded store; created when missing, refused unless only this user can open it (mode 0700)."""

    redis_server: FilePath | None = None
    """The valkey-server or redis-server of the embedded store; none = Valkey of the wheel, else what is on PATH."""

    fsync: Literal["everysec", "always"] = "everysec"
    """When the embedded store syncs to disk: each second (a power cut may lose one second) or with every change."""

    redis_timeout_seconds: float = Field(default=5.0, ge=0.05, le=60)
    """How long to wait for Redis or Valkey: for a connection (10 at most), and for an answer (seconds each)."""

    unsafe_eviction: Literal["refuse", "warn"] = "refuse"
    """What to do with a Redis or Valkey that may evict keys (maxmemory-policy other than noeviction), which destroys
    searches."""

    request_window_seconds: int = Field(default=600, ge=10, le=86_400)
    """How long the answer to a request id is remembered (seconds)."""

    most_events: int = Field(default=1_000_000, ge=1_000, le=1_000_000_000)
    """About how many lines the event log of an experiment keeps (about 150 bytes each); older ones are dropped."""

    max_message_bytes: int = Field(default=1 << 20, ge=1 << 12, le=1 << 26)
    """Largest request accepted (bytes)."""

    max_concurrent_rpcs: int = Field(default=8_000, ge=1, le=100_000)
    """Calls that run at once in one process; further ones are refused with RESOURCE_EXHAUSTED. A quarter is for
    streams. Once half of the rest is in use, no experiment gets more than its share."""

    workers: int = Field(default=1, ge=1, le=64)
    """Server processes behind one port; more than one per core does not help."""

    reflection: bool = False
    """Serve the descriptors to tools such as grpcurl."""

    drain_notice_seconds: float = Field(default=0.5, ge=0, le=60)
    """On SIGTERM: how long to keep serving as NOT_SERVING, so that load balancers notice (seconds)."""

    drain_seconds: float = Field(default=10.0, ge=0, le=3_600)
    """After that: how long running calls may take to finish (seconds)."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines to log."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """One JSON object per line for machines, or coloured text for people; auto = text on a terminal, else JSON."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return split_address(self.listen)

    @property
    def http_address(self) -> tuple[str, int] | None:
        """Host and port of `http`; None = off."""
        if self.http is not None:
            return None if self.http == "off" else split_address(self.http)
        host, port = self.address
        return host, DEFAULT_HTTP_PORT if port else 0

    @property
    def health_address(self) -> tuple[str, int] | None:
        """Host and port of `health_listen`; None = off."""
        return None if self.health_listen == "off" else split_address(self.health_listen)

    @property
    def counts(self) -> bool:
        """Whether metrics are counted: they can be read somewhere."""
        return self.http_address is not None if self.metrics_listen == "http" else self.metrics_listen != "off"

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Host and port of `metrics_listen`; None = none of its own."""
        return None if self.metrics_listen in ("http", "off") else split_address(self.metrics_listen)

    @field_validator("*", mode="before")
    @classmethod
    def _whole_numbers(cls, value: object, info: ValidationInfo) -> object:
        """1e3 is an integer in the environment, too."""
        return whole_text(value) if cls.model_fields[str(info.field_name)].annotation is int else value

    @model_validator(mode="after")
    def _check_webhook_secret(self) -> Self:
        if self.webhook_secret and self.webhook_secret_file:
            raise ValueError("webhook_secret and webhook_secret_file: wanted one of them")
        if self.webhooks and not (self.webhook_secret or self.webhook_secret_file):
            raise ValueError(f"webhooks: wanted {PREFIX}WEBHOOK_SECRET or --webhook-secret-file with it: {MAKES_ONE}")
        self.endpoints()  # so that a file that cannot be read is noticed now
        return self

    def endpoints(self) -> list[Endpoint]:
        """Where webhooks go, with the keys that sign. Raises ValueError."""
        found = [read_secret(self.webhook_secret.get_secret_value())] if self.webhook_secret else []
        if self.webhook_secret_file:
            try:
                found = read_secrets(self.webhook_secret_file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise ValueError(f"webhook_secret_file: {error}") from None
        return [read_endpoint(each, found) for each in dict.fromkeys(self.webhooks)]

    @model_validator(mode="after")
    def _check_exposure(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key: wanted both or neither")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError("tls_client_ca: wanted tls_cert and tls_key with it")
        missing = [name for name, on in (("TLS (tls_cert, tls_key)", self.tls_cert), ("tokens", self.tokens)) if not on]
        open_ones = {"listen": self.listen}
        if self.http not in (None, "off"):
            open_ones["http"] = self.http
        for name, address in open_ones.items():
            if not missing or self.insecure or is_loopback(split_address(address)[0]):
                continue
            raise ValueError(
                f"{name} ({PREFIX}{name.upper()}): {address} is open to other hosts, and {' and '.join(missing)} "
                f"{'are' if len(missing) > 1 else 'is'} not set: set what is missing (docs/security.md), listen on "
                f"127.0.0.1, or set --insecure ({PREFIX}INSECURE=true)"
            )
        return self

    @property
    def redis_tls(self) -> Tls:
        """The files for TLS with Redis; "" where there is none."""
        return Tls(*(str(file or "") for file in (self.redis_ca_file, self.redis_cert_file, self.redis_key_file)))

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """The settings of this process; overrides that are None count as not given. Raises SettingsError."""
        if wrong := misspelt():  # a misspelt one may be the address of the Redis
            raise SettingsError("\n".join(f"{variable}: {advice}" for variable, advice in wrong))
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]  # checked by pydantic
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    """One line per wrong setting, without the value of a secret one."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        wanted = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:  # of settings that do not go together
            lines.append(wanted)
            continue
        name = str(problem["loc"][0])
        field = Settings.model_fields.get(name)
        if field is None:
            lines.append(f"there is no setting {name}")
            continue
        got = "a value not shown here" if name in _HIDDEN else repr(problem["input"])
        lines.append(f"{name} ({PREFIX}{name.upper()}): got {got}: {wanted}")
    return "\n".join(lines)
