"""`rungway quota`: the limits of single namespaces, past the defaults that `rungway serve` is started with.

Like `rungway token` it works on the Redis of the installation: limits are not for those who are limited.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rungway_server.cli.options import DataOption, Output, OutputOption, RedisOption

if TYPE_CHECKING:
    from rungway_server.store.redis.quotas import RedisQuotas

app = typer.Typer(no_args_is_help=True, help="Set and show the limits of namespaces (on the Redis itself).")

NamespaceArgument = Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace.")]
_LIMITS = ("experiments", "trials", "leases", "calls_per_second")
_T = TypeVar("_T")


@app.command("set")
def set_limits(
    namespace: NamespaceArgument,
    *,
    experiments: Annotated[
        int | None, typer.Option(min=0, help="Most experiments; 0 = no limit, here and below.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=0, help="Most trials of its live experiments together.")] = None,
    leases: Annotated[int | None, typer.Option(min=0, help="Most trials at once, together.")] = None,
    calls_per_second: Annotated[int | None, typer.Option(min=0, help="Most calls, on each server.")] = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Forget what was set before.")] = False,
    redis: RedisOption = None,
    data: DataOption = None,
) -> None:
    """Set limits of a namespace; those not named stay. In force within a few seconds."""
    from rungway_server.cli.tokens import check_name

    check_name(namespace)
    values = dict(zip(_LIMITS, (experiments, trials, leases, calls_per_second), strict=True))
    given = {name: value for name, value in values.items() if value is not None}
    if not given and not defaults:
        raise typer.BadParameter("wanted a limit to set, or --defaults")

    async def change(quotas: "RedisQuotas") -> dict[str, int]:
        limits = ({} if defaults else await quotas.limits(namespace)) | given
        await quotas.set_limits(namespace, limits)
        return limits

    limits = _with_quotas(redis, data, change)
    typer.echo(f"{namespace}: " + (", ".join(f"{name} {value}" for name, value in limits.items()) or "the defaults"))


@app.command("show")
def show(
    namespace: Annotated[
        str | None, typer.Argument(metavar="NAMESPACE", help="None: all that have limits set.")
    ] = None,
    redis: RedisOption = None,
    data: DataOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the limits that are set, and what is taken of them. Where none is set, the default of the service holds."""
    from rungway_server.cli.output import console, print_json, table, text
    from rungway_server.store.redis.quotas import totals

    async def read(quotas: "RedisQuotas") -> list[dict[str, object]]:
        every = await quotas.every()
        names = [namespace] if namespace else list(every)
        return [
            {"namespace": name, "limits": every.get(name, {}), "taken": totals(await quotas.entries(name))}
            for name in names
        ]

    rows = _with_quotas(redis, data, read)
    if output is Output.JSON:
        print_json(rows)
        return
    grid = table("namespace", *(f">{name.replace('_', ' ')}" for name in _LIMITS))
    for row in rows:
        grid.add_row(text(row["namespace"]), *(_cell(row, name) for name in _LIMITS))
    console().print(grid)


def _cell(row: dict[str, object], name: str) -> str:
    """What is taken and the limit: "3 of 10", "3", or "of 10"."""
    limits, taken = row["limits"], row["taken"]
    assert isinstance(limits, dict)
    assert isinstance(taken, dict)
    found = str(taken[name]) if name in taken else ""
    limit = f"of {limits[name] or 'any'}" if name in limits else ""
    return f"{found} {limit}".strip()


def _with_quotas(redis: str | None, data: Path | None, work: Callable[["RedisQuotas"], Awaitable[_T]]) -> _T:
    from rungway_server.cli.redis_store import Place, with_redis
    from rungway_server.store.redis.quotas import RedisQuotas

    async def run(place: Place) -> _T:
        async with place.lanes() as lanes:
            return await work(RedisQuotas(lanes))

    return with_redis(redis, data, run, new=True)
