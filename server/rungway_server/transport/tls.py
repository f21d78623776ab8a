"""The certificate of the service: checked at the start, read again when its files change."""

import ssl
from pathlib import Path
from typing import Any

import grpc
import structlog

_log = structlog.get_logger()


class TlsError(Exception):
    """The files make no certificate; the text says which and why."""


class TlsFiles:
    """Certificate chain, private key and, for mTLS, the authorities of clients (all PEM)."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self._seen: object = None

    def credentials(self) -> grpc.ServerCredentials:
        """What to listen with: each new connection gets the files as they are by then. Raises TlsError."""
        first = self._read()
        self._seen = self._state()
        return grpc.dynamic_ssl_server_credentials(first, self._changed, self._client_ca is not None)

    def _changed(self) -> Any:
        """Called by gRPC for each handshake: a configuration, or None = as before, which files that are only half
        replaced give, too."""
        try:
            state = self._state()
            if state == self._seen:
                return None
            self._seen = state
            read = self._read()
        except (OSError, TlsError) as error:
            _log.error("certificate_not_renewed", error=str(error))
            return None
        _log.info("certificate_renewed", tls_cert=str(self._cert))
        return read

    def _state(self) -> object:
        found = (path.stat() for path in (self._cert, self._key, self._client_ca) if path)
        return [(each.st_mtime_ns, each.st_ino, each.st_size) for each in found]

    def _read(self) -> grpc.ServerCertificateConfiguration:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._cert, self._key, password=_no_password)
            if self._client_ca:
                context.load_verify_locations(self._client_ca)
            pair = (self._key.read_bytes(), self._cert.read_bytes())
            authorities = self._client_ca.read_bytes() if self._client_ca else None
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors
            paths = ", ".join(str(path) for path in (self._cert, self._key, self._client_ca) if path)
            raise TlsError(f"cannot use the certificate files {paths}: {error}") from error
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authorities)


def _no_password() -> str:
    raise ValueError("the private key has a password; wanted one without")
