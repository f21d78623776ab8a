"""`rungway healthcheck`: ask a service for its health, for Docker's HEALTHCHECK and for scripts."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from grpc import Channel

    from rungway import ClientConfig
    from rungway._core.address import HttpAddress

_PROBES = {"": "/readyz", "liveness": "/livez"}
"""What is asked over HTTP, by the name of the service."""


def healthcheck(
    *,
    target: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT, or https://HOST. Default: RUNGWAY_TARGET, else this host at the port of RUNGWAY_LISTEN "
            "or 7077."
        ),
    ] = None,
    service: Annotated[
        str, typer.Option(help="Full name of a service; 'liveness' asks about the process only; '' = all.")
    ] = "",
    timeout: Annotated[float, typer.Option(min=0.01, help="How long to wait for the answer (seconds).")] = 3.0,
) -> None:
    """Exit with 0 when the service is SERVING, else with 1 and the reason. TLS as for the client: RUNGWAY_TLS_…"""
    try:
        import grpc
        from grpc_health.v1 import health_pb2, health_pb2_grpc
    except ModuleNotFoundError as error:
        typer.echo(f"rungway: {error.name} is not installed: pip install 'rungway[server]'", err=True)
        raise typer.Exit(2) from error
    target = target or os.environ.get("RUNGWAY_TARGET") or _own_address(os.environ.get("RUNGWAY_LISTEN", ""))
    config, address = _settings(target)
    if address is not None:
        status = _status_over_http(config, address, service, timeout)
    else:
        with _channel(config) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(service=service), timeout=timeout
                )
            except grpc.RpcError as error:
                typer.echo(f"{target}: {error.code().name}: {error.details()}", err=True)
                raise typer.Exit(1) from error
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    typer.echo(f"{target}: {status}")
    raise typer.Exit(0 if status == "SERVING" else 1)


def _settings(target: str) -> "tuple[ClientConfig, HttpAddress | None]":
    from rungway import ClientConfig, InvalidArgument
    from rungway._core.address import http_address

    try:
        return ClientConfig(target=target, token=""), http_address(target)
    except InvalidArgument as error:
        raise _wrong(str(error)) from None


def _channel(config: "ClientConfig") -> "Channel":
    from rungway import InvalidArgument
    from rungway._core.channel import open_channel

    try:
        return open_channel(config)
    except InvalidArgument as error:
        raise _wrong(str(error)) from None


def _status_over_http(config: "ClientConfig", address: "HttpAddress", service: str, timeout: float) -> str:
    """What a service answers over HTTP."""
    from rungway import InvalidArgument, RungwayError

    if service not in _PROBES:
        raise _wrong(f"--service: got {service!r}, over HTTP wanted '' or 'liveness'")
    try:
        from rungway._core.http_library import get

        answer = get(config, address, _PROBES[service], timeout)
    except ModuleNotFoundError as missing:
        raise _wrong(f"{missing.name} is not installed: pip install 'rungway[http]'") from missing
    except InvalidArgument as error:
        raise _wrong(str(error)) from None
    except RungwayError as error:
        typer.echo(f"{config.target}: {error.code.name}: {error}", err=True)
        raise typer.Exit(1) from error
    return "SERVING" if answer.status == 200 and answer.kind == "text/plain" else "NOT_SERVING"


def _wrong(text: str) -> typer.Exit:
    typer.echo(f"rungway: {text}", err=True)
    return typer.Exit(2)


def _own_address(listen: str) -> str:
    """The address at which a service that listens at `listen` is reached from this host."""
    host, _, port = listen.rpartition(":")
    if host in ("", "0.0.0.0", "[::]"):  # noqa: S104 # compared, not bound
        host = "127.0.0.1"
    return f"{host}:{port or 7077}"
