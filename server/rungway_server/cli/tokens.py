"""`rungway token`: creates, lists and revokes the tokens of an installation.

The commands write to its Redis directly, found by the settings of `rungway serve` (RUNGWAY_REDIS_URL, or the folder of
the embedded store), and there is no rpc for them: the first token needs such a way in any case, and anyone who can
reach the Redis can do everything. So no token can create others.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rungway_server.cli.options import DataOption, Exit, Output, OutputOption, RedisOption
from rungway_server.cli.whole import Command

if TYPE_CHECKING:
    from rungway_server.service.tokens import Token
    from rungway_server.store.redis.tokens import RedisTokens

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke tokens (on the Redis itself).")

_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_T = TypeVar("_T")


class RoleName(StrEnum):
    """The roles, by name."""

    READ = "read"
    WORK = "work"
    ADMIN = "admin"


@app.command("create", cls=Command)
def create(
    *,
    role: Annotated[RoleName, typer.Option(help="read, work (ask and tell too), or admin (create and change too).")],
    namespace: Annotated[str | None, typer.Option(help="The namespace in which it is valid.")] = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", help="Valid in every namespace.")] = False,
    expires: Annotated[str, typer.Option(metavar="90d", help="After so many days (d), hours (h), minutes (m).")] = "",
    name: Annotated[str, typer.Option(help="For people: whose it is, or what it is for.")] = "",
    redis: RedisOption = None,
    data: DataOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a token and print it; it cannot be shown again."""
    from rungway_server.cli.output import print_json
    from rungway_server.service.tokens import EVERY_NAMESPACE, Role, make_token

    if (namespace is None) != all_namespaces:
        raise typer.BadParameter("wanted either --namespace or --all-namespaces")
    lifetime = _milliseconds(expires)
    if namespace is not None:
        check_name(namespace)
    token, text = make_token(namespace or EVERY_NAMESPACE, Role[role.name], name=name, lifetime_ms=lifetime)
    _with_tokens(redis, data, lambda tokens: tokens.add(token), new=True)
    if output is Output.JSON:
        print_json({**_row(token), "token": text})
    else:
        typer.echo(f"token {token.token_id}: this is the only time it is shown, keep it in a safe place", err=True)
        typer.echo(text)


@app.command("list", cls=Command)
def list_tokens(redis: RedisOption = None, data: DataOption = None, output: OutputOption = Output.TABLE) -> None:
    """List tokens, without their secrets."""
    from rungway_server.cli.output import console, print_json, table, text

    rows = [_row(token) for token in _with_tokens(redis, data, lambda tokens: tokens.every())]
    if output is Output.JSON:
        print_json(rows)
        return
    grid = table("id", "namespace", "role", "created", "expires", "name")
    for row in rows:
        created, expires = ((row[key] or "never")[:10] for key in ("created", "expires"))
        grid.add_row(row["id"], row["namespace"], row["role"], created, expires, text(row["name"]))
    console().print(grid)


@app.command("revoke", cls=Command)
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The id that `token list` shows.")],
    redis: RedisOption = None,
    data: DataOption = None,
) -> None:
    """Revoke a token: servers refuse it within a few seconds."""
    from rungway_server.cli.output import fail

    if not _with_tokens(redis, data, lambda tokens: tokens.revoke(token_id)):
        raise fail(Exit.REFUSED, f"there is no token {token_id!r}")
    typer.echo(f"revoked {token_id}")


def _with_tokens(
    redis: str | None, data: Path | None, work: Callable[["RedisTokens"], Awaitable[_T]], *, new: bool = False
) -> _T:
    from rungway_server.cli.redis_store import Place, with_redis
    from rungway_server.store.redis.tokens import RedisTokens

    async def on_tokens(place: Place) -> _T:
        async with place.router() as router:
            return await work(RedisTokens(router))

    return with_redis(redis, data, on_tokens, new=new)


def check_name(namespace: str) -> None:
    """End the command unless this is a valid name."""
    from rungway_server.domain.errors import InvalidInput
    from rungway_server.domain.names import check_namespace

    try:
        check_namespace(namespace)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from None


def _milliseconds(duration: str) -> int:
    """A number of days, hours or minutes, in milliseconds; 0 for ""."""
    found = re.fullmatch(r"([1-9]\d{0,4})([mhd])", duration, re.ASCII)
    if duration and not found:
        raise typer.BadParameter(f"--expires: got {duration!r}, wanted something like 90d, 12h or 30m")
    return int(found[1]) * _UNITS[found[2]] if found else 0


def _row(token: "Token") -> dict[str, str | None]:
    return {
        "id": token.token_id,
        "namespace": token.namespace,
        "role": token.role.word,
        "created": _time(token.created_ms),
        "expires": _time(token.expires_ms) if token.expires_ms else None,
        "name": token.name,
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
