"""`rungway serve`: run the service."""

from pathlib import Path
from typing import Annotated

import typer

_SETTINGS = {
    "webhook": "webhooks",
    "redis": "redis_url",
    "data": "data_dir",
    "redis_timeout": "redis_timeout_seconds",
    "request_window": "request_window_seconds",
    "drain_notice": "drain_notice_seconds",
    "drain": "drain_seconds",
}
"""Settings whose flags have shorter names."""


def serve(
    *,
    listen: Annotated[str | None, typer.Option(help="Where to listen, HOST:PORT; port 0 picks a free one.")] = None,
    http: Annotated[str | None, typer.Option(help="Where to listen for HTTP, HOST:PORT, or 'off'.")] = None,
    http_hosts: Annotated[str | None, typer.Option(help="Without tokens: names of this service, 'a,b'.")] = None,
    http_prefix: Annotated[str | None, typer.Option(help="Path under which a proxy hands requests on.")] = None,
    health_listen: Annotated[str | None, typer.Option(help="Where to answer probes in plain text, HOST:PORT.")] = None,
    metrics_listen: Annotated[str | None, typer.Option(help="Metrics: 'http', HOST:PORT or 'off'.")] = None,
    metrics_experiments: Annotated[int | None, typer.Option(help="Newest running searches with metrics.")] = None,
    tracing: Annotated[bool | None, typer.Option(help="Send spans to OpenTelemetry; OTEL_… say where to.")] = None,
    tokens: Annotated[bool | None, typer.Option(help="Calls need a bearer token: see `rungway token`.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM): speak TLS only.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    tls_client_ca: Annotated[Path | None, typer.Option(help="Clients must have a certificate of these.")] = None,
    insecure: Annotated[bool | None, typer.Option(help="Listen beyond loopback without TLS or tokens.")] = None,
    quota_experiments: Annotated[int | None, typer.Option(help="Most experiments of a namespace; 0 = any.")] = None,
    quota_trials: Annotated[int | None, typer.Option(help="Most trials of its experiments together.")] = None,
    quota_leases: Annotated[int | None, typer.Option(help="Most trials at once, together.")] = None,
    quota_calls_per_second: Annotated[int | None, typer.Option(help="Most calls, on this server.")] = None,
    webhook: Annotated[
        list[str] | None, typer.Option(metavar="[NAMESPACE=]URL", help="Where to say that searches end; repeatable.")
    ] = None,
    webhook_secret_file: Annotated[Path | None, typer.Option(help="A file with the secret that signs it.")] = None,
    redis: Annotated[str | None, typer.Option(help="This Redis or Valkey; RUNGWAY_REDIS_URL hides a password.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the embedded store, used without --redis.")] = None,
    redis_server: Annotated[Path | None, typer.Option(help="Embedded store: which Valkey or Redis to run.")] = None,
    fsync: Annotated[str | None, typer.Option(help="Embedded store: sync to disk 'everysec' or 'always'.")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes behind the port: up to one per core.")] = None,
    reflection: Annotated[bool | None, typer.Option(help="Serve the descriptors to tools.")] = None,
    redis_timeout: Annotated[float | None, typer.Option(help="How long to wait for Redis (seconds).")] = None,
    redis_ca_file: Annotated[Path | None, typer.Option(help="Authorities to trust with rediss:// (PEM).")] = None,
    redis_cert_file: Annotated[Path | None, typer.Option(help="Client certificate for Redis (PEM).")] = None,
    redis_key_file: Annotated[Path | None, typer.Option(help="The key of that certificate (PEM).")] = None,
    unsafe_eviction: Annotated[str | None, typer.Option(help="If it may evict keys: 'refuse' or 'warn'.")] = None,
    request_window: Annotated[int | None, typer.Option(help="How long answers are kept for repeats (seconds).")] = None,
    most_events: Annotated[int | None, typer.Option(help="About how many lines an event log keeps.")] = None,
    max_message_bytes: Annotated[int | None, typer.Option(help="Largest request accepted (bytes).")] = None,
    max_concurrent_rpcs: Annotated[int | None, typer.Option(help="Calls that run at once.")] = None,
    drain_notice: Annotated[
        float | None, typer.Option(help="SIGTERM: serve as NOT_SERVING this long (seconds).")
    ] = None,
    drain: Annotated[float | None, typer.Option(help="Then: running calls may take this long (seconds).")] = None,
    log_level: Annotated[str | None, typer.Option(help="'debug', 'info', 'warning' or 'error'.")] = None,
    log_format: Annotated[str | None, typer.Option(help="'json', 'console', or 'auto': text on a terminal.")] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Every setting can also come from the environment: RUNGWAY_LISTEN, RUNGWAY_REDIS_URL, RUNGWAY_DATA_DIR, …; a flag
    wins. Exit codes: 0 after a drain, or when it was stopped before it was up; 1 when it could not start or its store
    died; 2 for a wrong setting; 143 after a second SIGTERM, or one before Python runs its first line.
    """
    given: dict[str, object] = dict(locals())  # every flag, and nothing else yet
    raise typer.Exit(_serve({_SETTINGS.get(flag, flag): value for flag, value in given.items()}))


def _serve(flags: dict[str, object]) -> int:
    try:
        from rungway_server.bootstrap import serve_sync
        from rungway_server.settings import Settings, SettingsError
        from rungway_server.workers import supervise_sync
    except ModuleNotFoundError as error:
        typer.echo(f"rungway: {error.name} is not installed: pip install 'rungway[server]'", err=True)
        return 2
    try:
        settings = Settings.load(**flags)
    except SettingsError as error:
        typer.echo(f"rungway: wrong settings:\n{error}", err=True)
        return 2
    return supervise_sync(settings) if settings.workers > 1 else serve_sync(settings)
