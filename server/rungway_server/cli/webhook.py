"""`rungway webhook`: secrets, keys and test messages of webhooks."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rungway_server.cli.options import Exit
from rungway_server.cli.whole import Command

if TYPE_CHECKING:
    from rungway_server.webhooks.signing import Endpoint

app = typer.Typer(no_args_is_help=True, help="Secrets, keys and test messages of webhooks (`rungway serve --webhook`).")

UrlArgument = Annotated[str, typer.Argument(metavar="URL", help="As `rungway serve --webhook` has it.")]
SecretOption = Annotated[
    Path | None,
    typer.Option(
        envvar="RUNGWAY_WEBHOOK_SECRET_FILE",
        help="The file with the secret of the service. Default: RUNGWAY_WEBHOOK_SECRET.",
    ),
]


@app.command("secret", cls=Command)
def secret() -> None:
    """Print a new secret for a service: for RUNGWAY_WEBHOOK_SECRET, or a file for --webhook-secret-file."""
    from rungway_server.webhooks.signing import new_secret

    typer.echo(new_secret())


@app.command("key", cls=Command)
def key(url: UrlArgument, secret_file: SecretOption = None) -> None:
    """Print the key with which the receiver at this URL checks signatures. Each URL has another one."""
    from rungway_server.webhooks.signing import key_text

    endpoint, secrets = _read(url, secret_file)
    typer.echo(key_text(secrets[0], endpoint.url))


@app.command("test", cls=Command)
def send_test(url: UrlArgument, secret_file: SecretOption = None) -> None:
    """Send a signed message of the type `test` to this URL, once, from this host."""
    import asyncio
    import json
    import time
    import uuid

    from rungway_server.cli.output import fail
    from rungway_server.webhooks.finding import in_iso
    from rungway_server.webhooks.sending import Failed, attempt, client

    endpoint, _ = _read(url, secret_file)
    message = {"type": "test", "timestamp": in_iso(time.time_ns() // 1_000_000), "data": {}}

    async def send() -> None:
        async with client() as http:
            await attempt(http, endpoint, f"evt_{uuid.uuid4().hex}", json.dumps(message).encode())

    try:
        asyncio.run(send())
    except Failed as error:
        raise fail(Exit.REFUSED if error.status else Exit.UNREACHABLE, f"{endpoint.shown}: {error}") from None
    typer.echo(f"{endpoint.shown} took the message")


def _read(url: str, file: Path | None) -> "tuple[Endpoint, list[bytes]]":
    """The endpoint, and the secrets of the service. Raises BadParameter."""
    from rungway_server.webhooks.signing import MAKES_ONE, read_endpoint, read_secrets

    text = os.environ.get("RUNGWAY_WEBHOOK_SECRET", "")
    if not (file or text):
        raise typer.BadParameter(f"wanted RUNGWAY_WEBHOOK_SECRET, or --secret-file: {MAKES_ONE}")
    try:
        text = file.read_text(encoding="utf-8") if file else text
        secrets = read_secrets(text)
        return read_endpoint(url, secrets), secrets
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
