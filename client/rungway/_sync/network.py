"""The connections below HTTP of a client for threads: each call has one deadline for all its steps, and every wait ends
when the client is closed.

The HTTP library limits each read and write by itself only, and a wait in another thread does not end when its socket
is closed: the socket has to be shut down.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import httpcore

from rungway._core.http_library import SocketOption, check_other_side

T = TypeVar("T")
_CHUNK = 1 << 16


class _Deadline(threading.local):
    at: float | None = None


class ClosableNetwork(httpcore.NetworkBackend):
    """Opens connections, and ends all of them at once."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._lock = threading.Lock()
        self._deadline = _Deadline()
        self._sockets: set[socket.socket] = set()
        self._opening: set[futures.Future[httpcore.NetworkStream]] = set()
        self._closed = False

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Everything that this thread does in the block takes so long at most."""
        self._deadline.at = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline.at = None

    def left(self, timeout: float | None, error: type[Exception] = httpcore.ReadTimeout) -> float | None:
        """The seconds that a wait may take, `timeout` or less. Raises `error` when there are none left."""
        if self._deadline.at is None:
            return timeout
        left = self._deadline.at - time.monotonic()
        if left <= 0:
            raise error("no time is left")
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Open a connection. It is done by a thread of its own, because a wait for a name server cannot be ended."""
        timeout = self.left(timeout, httpcore.ConnectTimeout)
        opened: futures.Future[httpcore.NetworkStream] = futures.Future()
        with self._lock:
            if self._closed:
                raise httpcore.ConnectTimeout("the client was closed")
            self._opening.add(opened)
        open_it = partial(self._open, opened, host, port, timeout, local_address, socket_options)
        try:
            threading.Thread(target=open_it, name="rungway-connect", daemon=True).start()
        except RuntimeError:  # the interpreter is ending
            open_it()
        try:
            return ClosableConnection(self, opened.result(timeout))
        except (futures.TimeoutError, futures.CancelledError) as error:
            if not opened.cancel():  # it was opened in this moment
                opened.result().close()
            raise httpcore.ConnectTimeout("no connection in time") from error
        finally:
            opened.cancel()
            with self._lock:
                self._opening.discard(opened)

    def _open(self, opened: "futures.Future[httpcore.NetworkStream]", *arguments: Any) -> None:
        try:
            connection = self._inner.connect_tcp(*arguments)
            _check(connection)
        except Exception as error:
            if opened.set_running_or_notify_cancel():
                opened.set_exception(error)
            return
        if opened.set_running_or_notify_cancel():
            opened.set_result(connection)
        else:
            connection.close()

    def hold(self, end: socket.socket) -> None:
        """A socket to be shut down when the client is closed."""
        with self._lock:
            self._sockets.add(end)
            closed = self._closed
        if closed:
            _shut_down(end)

    def drop(self, end: socket.socket) -> None:
        """A socket that was closed."""
        with self._lock:
            self._sockets.discard(end)

    def close(self) -> None:
        """End every connection, and every wait for one."""
        with self._lock:
            self._closed = True
            sockets, opening = list(self._sockets), list(self._opening)
        for future in opening:
            future.cancel()
        for end in sockets:
            _shut_down(end)


class ClosableConnection(httpcore.NetworkStream):
    """A connection of a ClosableNetwork."""

    def __init__(self, network: ClosableNetwork, inner: httpcore.NetworkStream) -> None:
        self._network, self._inner = network, inner
        self._socket: socket.socket = inner.get_extra_info("socket")
        network.hold(self._socket)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes; none at the end."""
        return self._inner.read(max_bytes, self._network.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes."""
        self._inner.write(buffer, self._network.left(timeout))

    def close(self) -> None:
        """Close the socket."""
        self._network.drop(self._socket)
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The encrypted connection, which takes the place of this one."""
        return _encrypted(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """What the HTTP library wants to know of the socket."""
        return self._inner.get_extra_info(info)


class EncryptedConnection(httpcore.NetworkStream):
    """TLS over another connection, which may be encrypted itself.

    An SSLSocket would take the descriptor out of the socket below, so that a handshake could not be ended, and stay
    open when the other side resets the connection.
    """

    def __init__(self, below: httpcore.NetworkStream, context: ssl.SSLContext, name: str | None) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def handshake(self, timeout: float | None) -> None:
        """To be done before anything else. Raises ssl.SSLError."""
        self._do(self._tls.do_handshake, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes; none at the end."""
        try:
            return self._do(lambda: self._tls.read(max_bytes), timeout)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes."""
        try:
            while buffer:
                buffer = buffer[self._do(partial(self._tls.write, buffer), timeout) :]
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Close the socket."""
        self._below.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """TLS within TLS: a tunnel through a proxy that is encrypted itself."""
        return _encrypted(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        """What the HTTP library wants to know of the socket."""
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

    def _do(self, step: Callable[[], T], timeout: float | None) -> T:
        """The result of a step of TLS; sends and receives what it needs."""
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._flush(timeout)
                if data := self._below.read(_CHUNK, timeout):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            finally:
                self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        if self._outgoing.pending:
            self._below.write(self._outgoing.read(), timeout)


def _check(connection: httpcore.NetworkStream) -> None:
    """Close a connection that is refused."""
    try:
        check_other_side(connection)
    except BaseException:
        connection.close()
        raise


def _encrypted(
    below: httpcore.NetworkStream, context: ssl.SSLContext, name: str | None, timeout: float | None
) -> EncryptedConnection:
    """TLS over a connection, which is closed if that fails."""
    try:
        encrypted = EncryptedConnection(below, context, name)
        encrypted.handshake(timeout)
    except BaseException as error:
        below.close()
        if isinstance(error, httpcore.TimeoutException):
            raise httpcore.ConnectTimeout("no handshake in time") from error
        if isinstance(error, OSError | httpcore.NetworkError | ValueError):
            raise httpcore.ConnectError(str(error)) from error
        raise
    return encrypted


def _shut_down(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
