"""Which variable of the environment sends connections through a proxy, for the errors of connections that fail."""

import os

import grpc

from rungway._core.errors import RungwayError
from rungway._core.tls import host_and_port, stays_on_this_host

_OF_GRPC = ("grpc_proxy", "https_proxy", "http_proxy")
"""What gRPC looks at, in its order; only in small letters."""
_PAST_IT = ("no_grpc_proxy", "no_proxy")


def grpc_proxy(target: str) -> str:
    """The variable that makes gRPC connect through a proxy; "" without one, and for targets on this host."""
    variable = next((name for name in _OF_GRPC if os.environ.get(name)), "")
    if not variable or stays_on_this_host(target):
        return ""
    without = next((value for name in _PAST_IT if (value := os.environ.get(name))), "")
    host, _ = host_and_port(target)
    past = any(part.strip() and host.endswith(part.strip()) for part in without.split(","))
    return "" if past else variable


def http_proxy(scheme: str) -> str:
    """The variable that makes httpx connect through a proxy; "" where the system's settings say so."""
    names = (f"{scheme}_proxy", "all_proxy")
    return next((each for name in names for each in (name, name.upper()) if os.environ.get(each)), "")


def naming(variable: str, error: RungwayError) -> RungwayError:
    """The error of a connection, with the variable of the proxy in its message."""
    if variable and error.code is grpc.StatusCode.UNAVAILABLE and not error.reason:
        error.args = (f"{error} (through the proxy of the variable {variable})",)
    return error
