"""`rungway quota`: limits of single namespaces, in place of the defaults that `rungway serve` is started with.

Like `rungway token` it works on the Redis of the installation: limits are not for those who are limited.
"""

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from rungway_server.cli.options import DataOption, Output, OutputOption, RedisOption
from rungway_server.cli.whole import Command

if TYPE_CHECKING:
    from rungway_server.store.redis.connection.router import Router

app = typer.Typer(no_args_is_help=True, help="Set and show the limits of namespaces (on the Redis itself).")

NamespaceArgument = Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace.")]
_LIMITS = ("experiments", "trials", "leases", "calls_per_second")
_T = TypeVar("_T")


@app.command("set", cls=Command)
def set_limits(
    namespace: NamespaceArgument,
    *,
    experiments: Annotated[
        int | None, typer.Option(min=0, help="Most experiments; 0 = no limit, here and below.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=0, help="Most trials of its live experiments together.")] = None,
    leases: Annotated[int | None, typer.Option(min=0, help="Most trials at once, together.")] = None,
    calls_per_second: Annotated[int | None, typer.Option(min=0, help="Most calls, on each server.")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Go back to the defaults.")] = False,
    redis: RedisOption = None,
    data: DataOption = None,
) -> None:
    """Set limits of a namespace; the others stay. They apply within a few seconds."""
    from rungway_server.cli.tokens import check_name
    from rungway_server.store.redis.quotas import RedisQuotas

    check_name(namespace)
    values = dict(zip(_LIMITS, (experiments, trials, leases, calls_per_second), strict=True))
    given = {name: value for name, value in values.items() if value is not None}
    if not given and not defaults:
        raise typer.BadParameter("wanted a limit to set, or --defaults")

    async def change(router: "Router") -> dict[str, int]:
        quotas = RedisQuotas(router)
        limits = ({} if defaults else await quotas.limits(namespace)) | given
        await quotas.set_limits(namespace, limits)
        return limits

    limits = _with_router(redis, data, change)
    typer.echo(f"{namespace}: " + (", ".join(f"{name} {value}" for name, value in limits.items()) or "the defaults"))


@app.command("show", cls=Command)
def show(
    namespace: Annotated[
        str | None, typer.Argument(metavar="NAMESPACE", help="None: the defaults, and all with limits of their own.")
    ] = None,
    redis: RedisOption = None,
    data: DataOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the limits and how much of them is in use. The defaults are those of the server that was started last;
    "any" = no limit."""
    from rungway_server.cli.output import console, print_json, table, text
    from rungway_server.cli.redis_store import quotas_on
    from rungway_server.store.redis.quotas import RedisQuotas, totals

    async def read(router: "Router") -> "list[dict[str, Any]]":
        stored, quotas = RedisQuotas(router), await quotas_on(router)
        defaults, every = dataclasses.asdict(await stored.defaults()), await stored.every()
        rows: list[dict[str, Any]] = []
        for name in [namespace] if namespace else every:
            await quotas.compare(name)
            limits = every.get(name, {})
            taken = totals(await stored.entries(name))
            rows.append({"namespace": name, "limits": defaults | limits, "set": limits, "taken": taken})
        return rows if namespace else [{"namespace": "*", "limits": defaults, "set": {}, "taken": {}}, *rows]

    rows = _with_router(redis, data, read)
    if output is Output.JSON:
        print_json(rows)
        return
    grid = table("namespace", *(f">{name.replace('_', ' ')}" for name in _LIMITS))
    for row in rows:
        name = "all others" if row["namespace"] == "*" else row["namespace"]
        grid.add_row(text(name), *(_cell(row, limit) for limit in _LIMITS))
    console().print(grid)


def _cell(row: dict[str, Any], name: str) -> str:
    """Use and limit: "3 of 10", or only the limit, "10", of what is not counted."""
    limit = str(row["limits"][name] or "any")
    return f"{row['taken'][name]} of {limit}" if name in row["taken"] else limit


def _with_router(redis: str | None, data: Path | None, work: Callable[["Router"], Awaitable[_T]]) -> _T:
    from rungway_server.cli.redis_store import Place, with_redis

    async def run(place: Place) -> _T:
        async with place.router() as router:
            return await work(router)

    return with_redis(redis, data, run, new=True)
