"""Channels to the service, for both clients."""

import grpc
from google.protobuf.message import Message

from rungway._core.calls import MAX_REPLY_BYTES, MAX_REQUEST_BYTES
from rungway._core.config import ClientConfig
from rungway._core.errors import FailedPrecondition, RungwayError
from rungway._core.requests import milliseconds
from rungway._core.tls import channel_credentials, stays_on_this_host

_KEEPALIVE_TIMEOUT = 20.0
"""Seconds without an answer to a keepalive ping after which a connection counts as lost."""


def channel_options(config: ClientConfig) -> list[tuple[str, str | int]]:
    """Options of a channel: bounded messages, no retries of gRPC's own (ours are in `retry`), quick reconnects."""
    options: list[tuple[str, str | int]] = [
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_receive_message_length", MAX_REPLY_BYTES),
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", milliseconds(config.backoff_initial)),
        ("grpc.max_reconnect_backoff_ms", milliseconds(config.backoff_max)),
        ("grpc.keepalive_time_ms", milliseconds(config.keepalive)),
        ("grpc.keepalive_timeout_ms", milliseconds(_KEEPALIVE_TIMEOUT)),
        ("grpc.keepalive_permit_without_calls", 0),
    ]
    if config.tls_server_name:
        options.append(("grpc.ssl_target_name_override", config.tls_server_name))
    if stays_on_this_host(config.target):  # a proxy is meant for connections to other hosts
        options.append(("grpc.enable_http_proxy", 0))
    if config.target.startswith("dns:"):
        options.append(("grpc.lb_policy_name", "round_robin"))
    return options


def open_channel(config: ClientConfig) -> grpc.Channel:
    """A channel, encrypted if the settings say so. Raises InvalidArgument for a file that cannot be read."""
    credentials, options = channel_credentials(config), channel_options(config)
    if credentials:
        return grpc.secure_channel(config.target, credentials, options=options)
    return grpc.insecure_channel(config.target, options=options)


def serialized(message: Message) -> bytes:
    """A message as bytes, for gRPC."""
    return message.SerializeToString()


def closed_error() -> RungwayError:
    """The error of a call on a client that was closed."""
    return FailedPrecondition("the client was closed", reason="CLIENT_CLOSED")
