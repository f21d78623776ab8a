"""Reads the URL of a Redis. Error messages never contain parts of the URL, because it may hold a password."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

WANTED = (
    "wanted redis://host:6379/0, unix:///path/to/socket, redis+sentinel://host:26379,host2:26379/service/0 or "
    "redis+cluster://host:6379,host2:6379; with rediss instead of redis for TLS"
)
_KINDS: Mapping[str, Literal["single", "sentinel", "cluster"]] = {
    "redis": "single",
    "unix": "single",
    "redis+sentinel": "sentinel",
    "redis+cluster": "cluster",
}
_PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = ("db", "username", "password", "sentinel_username", "sentinel_password", *_FILES, "ssl_check_hostname")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for TLS (PEM): trusted authorities ("" = the system's), and our own certificate with its key."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A parsed URL. `service` is the name of the primary that sentinels watch; `path` is that of a unix socket."""

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Credentials, database and TLS of a node, as arguments of redis-py's clients."""
    sentinel_arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The same for a sentinel."""


def parse_address(url: str, tls: Tls = Tls()) -> RedisAddress:  # frozen
    """Parse a URL; `tls` has the defaults for its query. Raises ValueError that says what is wanted."""
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket is missing
        raise ValueError(WANTED) from None
    secure = parts.scheme.partition("+")[0] == "rediss"
    kind = _KINDS.get(parts.scheme.replace("rediss", "redis", 1))
    if kind is None:
        raise ValueError(WANTED)
    options = _options(parts)
    encryption = _tls(options, tls) if secure else {}
    if parts.scheme == "unix":
        if not parts.path.startswith("/") or parts.netloc.rpartition("@")[2]:
            raise ValueError("wanted a path, like unix:///run/redis.sock")
        access = {**_credentials(parts, options), "db": _database(options.get("db", "0"))}
        return RedisAddress(kind, path=unquote(parts.path), arguments=access)
    access = {**_credentials(parts, options), **encryption}
    service, database = _path(parts, kind, options)
    if kind != "cluster":
        access["db"] = database
    secrets = {name: options[f"sentinel_{name}"] for name in ("username", "password") if f"sentinel_{name}" in options}
    return RedisAddress(
        kind,
        _hosts(parts, kind),
        service=service,
        arguments=access,
        sentinel_arguments={**secrets, **encryption},
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if parts.fragment or not set(options) <= set(_OPTIONS):
        raise ValueError(
            f"wanted no other options after the ? than {', '.join(_OPTIONS)}; in a password, write / ? # @ as %2F %3F "
            "%23 %40"
        )
    return options


def _credentials(parts: SplitResult, options: Mapping[str, str]) -> dict[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    found = {"username": unquote(user) or options.get("username"), "password": unquote(password)}
    found["password"] = found["password"] or options.get("password")
    return {name: value for name, value in found.items() if value}


def _tls(options: Mapping[str, str], given: Tls) -> dict[str, Any]:
    """Arguments for TLS. Certificates and host names are checked, unless the URL turns the latter off."""
    files = dict(zip(_FILES, (given.ca, given.certificate, given.key), strict=True))
    files = {name: options.get(name, file) for name, file in files.items()}
    for name, file in files.items():
        if file and not Path(file).is_file():
            raise ValueError(f"wanted a file that exists as {name}")
    check = options.get("ssl_check_hostname", "true").lower()
    if check not in ("true", "false"):
        raise ValueError("wanted true or false as ssl_check_hostname")
    return {"ssl": True, "ssl_check_hostname": check == "true", **{name: file for name, file in files.items() if file}}


def _path(parts: SplitResult, kind: str, options: Mapping[str, str]) -> tuple[str, int]:
    """The service that sentinels watch ("" for others), and the database."""
    words = parts.path.strip("/").split("/")
    service = unquote(words.pop(0)) if kind == "sentinel" else ""
    if kind == "sentinel" and not service:
        raise ValueError("wanted the name of the primary that the sentinels watch, like redis+sentinel://host/mymaster")
    if len(words) > 1:
        raise ValueError(WANTED)
    database = _database((words and words[0]) or options.get("db", "0"))
    if kind == "cluster" and database:
        raise ValueError("wanted no database: a Redis Cluster has only database 0")
    return service, database


def _database(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("wanted a number as the database, like redis://host:6379/0; in a password, write / as %2F")
    return int(text)


def _hosts(parts: SplitResult, kind: str) -> tuple[tuple[str, int], ...]:
    """Every host:port of the list; a single node has only one."""
    texts = parts.netloc.rpartition("@")[2].split(",")
    if kind == "single" and len(texts) > 1:
        raise ValueError("wanted one host; several are for redis+sentinel:// and redis+cluster://")
    return tuple(_host(text, _PORTS[kind], kind == "single") for text in texts)


def _host(text: str, default: int, may_lack: bool) -> tuple[str, int]:
    try:
        found = urlsplit(f"//{text}")
        host, port = found.hostname, found.port
    except ValueError:  # the port is not a number, or too large, or a bracket is missing
        raise ValueError("wanted a port from 1 to 65535 after each host, like redis://host:6379") from None
    if port == 0 or (not host and not may_lack):
        raise ValueError("wanted a host and a port from 1 to 65535, several divided by commas")
    return host or "localhost", port or default
