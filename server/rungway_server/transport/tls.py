"""The certificate of the service: checked at the start, reloaded when its files change, with warnings before its
end."""

import asyncio
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import structlog

from rungway_server.ownership import whose
from rungway_server.transport.lifetime import Lifetime, lifetimes

_AHEAD = timedelta(days=14)
"""How long before a certificate expires the log begins to warn."""
_WARN_EVERY = timedelta(days=1)
_AGAIN_SECONDS = 60.0
"""How often unchanged files that could not be used are tried again: a certificate may become valid later."""
_log = structlog.get_logger()


class TlsError(Exception):
    """The files cannot be used; the message says which and why."""


class TlsFiles:
    """Certificate chain, private key and, for mTLS, the authorities of clients (all PEM)."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self._lock = threading.Lock()  # gRPC calls from its own threads
        self._first: grpc.ServerCertificateConfiguration | None = None
        self._seen: object = None
        self._problem, self._again = "", 0.0  # of the files, where they cannot be served, and when to look again
        self._unserved: grpc.ServerCertificateConfiguration | None = None
        self._context: ssl.SSLContext | None = None  # with the files in force
        self._lifetimes: list[tuple[Path, Lifetime]] = []

    def check(self) -> None:
        """Read the files, before any of the methods below. Raises TlsError."""
        self._seen = self._state()
        self._first = self._read()
        self._warn()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for gRPC to listen with; each new connection uses the current files."""
        assert self._first is not None
        return grpc.dynamic_ssl_server_credentials(self._first, self._renewed, self._client_ca is not None)

    def context(self) -> ssl.SSLContext:
        """The same for servers of asyncio, which speak HTTP/1.1."""
        first = self._context
        assert first is not None

        def use_current(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            with self._lock:
                self._look()
                connection.context = self._context or first

        first.sni_callback = use_current  # called in every handshake, also without a server name
        return first

    @property
    def ends(self) -> float:
        """When the first of the certificates in force expires (seconds since the epoch)."""
        return min(each.ends for _, each in self._lifetimes).timestamp()

    async def follow(self) -> None:
        """Check the files even without connections, and warn daily before a certificate expires. Runs until
        cancelled."""
        while True:
            await asyncio.sleep(self._pause())
            with self._lock:
                self._look()
                self._warn()

    def _pause(self) -> float:
        """Seconds until the next warning may be due, plus one for clock differences."""
        now = datetime.now(UTC)
        turns = [turn - now for _, each in self._lifetimes for turn in (each.ends - _AHEAD, each.ends) if turn > now]
        seconds = min(_WARN_EVERY, *turns).total_seconds() + 1
        return min(seconds, _AGAIN_SECONDS) if self._problem else seconds

    def _renewed(self) -> Any:
        """Called by gRPC for each handshake: a new configuration, or None = unchanged (its types lack None)."""
        with self._lock:
            self._look()
            found, self._unserved = self._unserved, None
            return found

    def _look(self) -> None:
        """Reload the files if they have changed. Files that cannot be used, such as a key replaced before its
        certificate, or an expired certificate, change nothing."""
        state = self._state()
        if state == self._seen and not (self._problem and time.monotonic() >= self._again):
            return
        self._seen, self._again, before = state, time.monotonic() + _AGAIN_SECONDS, self._problem
        try:
            self._unserved, self._problem = self._read(), ""
        except TlsError as error:
            self._problem = str(error)
            if self._problem != before:
                _log.error("certificate_not_renewed", error=self._problem)
            return
        _log.info("certificate_renewed", tls_cert=str(self._cert), ends=self._lifetimes[0][1].ends.isoformat())
        self._warn()

    def _state(self) -> object:
        try:
            found = [path.stat() for path in self._paths()]
        except OSError as error:
            return str(error)
        return [(each.st_mtime_ns, each.st_ino, each.st_size) for each in found]

    def _paths(self) -> list[Path]:
        return [path for path in (self._cert, self._key, self._client_ca) if path]

    def _read(self) -> grpc.ServerCertificateConfiguration:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for path in self._paths():  # the errors of ssl do not name the file
            try:
                path.open("rb").close()
            except OSError as error:
                raise TlsError(f"cannot read the certificate file {path}: {error.strerror} ({whose(path)})") from error
        try:
            context.set_alpn_protocols(["http/1.1"])
            context.load_cert_chain(self._cert, self._key, password=_no_password)
            if self._client_ca:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self._client_ca)
            pair = (self._key.read_bytes(), self._cert.read_bytes())
            authorities = self._client_ca.read_bytes() if self._client_ca else None
            found = [(self._cert, each) for each in lifetimes(pair[1].decode(errors="replace"))]
            _refuse_out_of_date(found[0][1])
            if self._client_ca and authorities:
                found += [(self._client_ca, each) for each in lifetimes(authorities.decode(errors="replace"))]
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            paths = ", ".join(map(str, self._paths()))
            raise TlsError(f"cannot use the certificate files {paths}: {error}") from error
        self._lifetimes, self._context = found, context
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authorities)

    def _warn(self) -> None:
        """Say which of the certificates in force end soon, or have ended: those behind the first, and the authorities
        of clients, may be out of date and of no use any more, so they are served all the same."""
        now = datetime.now(UTC)
        for path, lifetime in self._lifetimes:
            if lifetime.ends <= now:
                _log.error("certificate_expired", file=str(path), ended=lifetime.ends.isoformat())
            elif lifetime.ends - _AHEAD <= now:
                _log.warning("certificate_expires", file=str(path), ends=lifetime.ends.isoformat())


def _refuse_out_of_date(leaf: Lifetime) -> None:
    now = datetime.now(UTC)
    if leaf.ends <= now:
        raise ValueError(f"the certificate has expired: it was valid until {leaf.ends.isoformat()}")
    if leaf.begins > now:
        raise ValueError(f"the certificate is not valid yet: it begins at {leaf.begins.isoformat()}")


def _no_password() -> str:
    raise ValueError("the private key has a password; wanted one without")
