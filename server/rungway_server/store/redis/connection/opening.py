"""Opens a connection to one node of Redis: address, TLS, credentials, database."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from hiredis import ReplyError
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from rungway_server.store.redis.connection.pipelined import Call, PipelinedConnection

_CLIENT_NAME = "rungway"
"""What `CLIENT LIST` of Redis shows; a user without the right to say it is served as well."""
CONNECTING_SECONDS = 10.0
"""The most that connecting may take: commands wait for answers for a minute, but for nobody that long."""
_REFUSED: Mapping[object, type[RedisError]] = {"AUTH": AuthenticationError, "SELECT": ResponseError}
"""The error for each command whose refusal ends the connection."""


async def open_connection(node: str, arguments: Mapping[str, Any], timeout_seconds: float) -> PipelinedConnection:
    """A connection to `host:port`, or to the path of a unix socket, that has logged in.

    `arguments` are those of an address (`RedisAddress`). Raises OSError (ConnectionError, TimeoutError, SSL errors)
    when the node cannot be reached, redis-py's AuthenticationError for credentials that it refuses, and ResponseError
    for a database that it does not have.
    """
    most = min(timeout_seconds, CONNECTING_SECONDS)
    try:
        async with asyncio.timeout(most):
            connection = await _connected(node, arguments, timeout_seconds)
    except TimeoutError as error:
        doubt = " (does it speak TLS?)" if arguments.get("ssl") else ""
        raise TimeoutError(f"no connection to {node} within {most:g} s{doubt}") from error
    except OSError as error:
        raise ConnectionError(f"cannot connect to {node}: {error}") from error
    try:
        await _log_in(connection, arguments)
    except BaseException:
        await connection.close()
        raise
    return connection


async def _connected(node: str, arguments: Mapping[str, Any], timeout_seconds: float) -> PipelinedConnection:
    loop = asyncio.get_running_loop()

    def protocol() -> PipelinedConnection:
        return PipelinedConnection(timeout_seconds)

    if node.startswith("/"):
        return (await loop.create_unix_connection(protocol, node))[1]
    host, port = split_node(node)
    tls = _tls_context(arguments) if arguments.get("ssl") else None
    transport, connection = await loop.create_connection(protocol, host, port, ssl=tls)
    if sock := transport.get_extra_info("socket"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection


def _tls_context(arguments: Mapping[str, Any]) -> ssl.SSLContext:
    """Made for each connection, so that files that were replaced are read again."""
    context = ssl.create_default_context()
    context.check_hostname = arguments["ssl_check_hostname"]
    if certificate := arguments.get("ssl_certfile"):
        context.load_cert_chain(certificate, arguments.get("ssl_keyfile"))
    if authorities := arguments.get("ssl_ca_certs"):
        context.load_verify_locations(authorities)
    return context


async def _log_in(connection: PipelinedConnection, arguments: Mapping[str, Any]) -> None:
    user, password, database = (arguments.get(name, "") for name in ("username", "password", "db"))
    commands: list[Call] = [("CLIENT", "SETNAME", _CLIENT_NAME)]
    if user or password:
        commands.insert(0, ("AUTH", user, password) if user else ("AUTH", password))
    if database:
        commands.append(("SELECT", database))
    # All are sent before any is waited for.
    answers = await asyncio.gather(*map(connection.send, commands))
    for (word, *_), answer in zip(commands, answers, strict=True):
        if isinstance(answer, ReplyError) and word in _REFUSED:
            raise _REFUSED[word](str(answer))


def split_node(node: str) -> tuple[str, int]:
    """Host and port of `host:port`; an IPv6 address may be in brackets."""
    host, _, port = node.rpartition(":")
    return host.strip("[]"), int(port)
