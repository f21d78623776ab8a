"""`rungway migrate`: converts stored searches of older layouts to the current one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rungway_server.cli.options import DataOption, Exit, NamespaceOption, Output, OutputOption, RedisOption

if TYPE_CHECKING:
    from rungway_server.cli.redis_store import Place


def migrate(
    experiment: Annotated[str | None, typer.Argument(metavar="EXPERIMENT", help="The experiment's id.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All experiments of the namespace.")] = False,
    namespace: NamespaceOption = "default",
    redis: RedisOption = None,
    data: DataOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Convert a stored search to the layout of this version. Needs no service, and does not disturb workers.

    Redis is found as 'rungway serve' finds it. Servers of the version before refuse a converted search.
    """
    from rungway_server.cli.output import fail, many
    from rungway_server.cli.redis_store import with_redis
    from rungway_server.domain.errors import UnknownExperiment

    if every == bool(experiment):
        raise fail(Exit.USAGE, "name one experiment, or give --all")
    found: dict[str, int | str] = {}

    async def work(place: "Place") -> None:
        for name in [experiment] if experiment else await _names(place, namespace):
            try:
                found[name] = await _one(place, namespace, name)
            except UnknownExperiment as error:
                if not every:  # with --all, it was removed and is still listed
                    found[name] = str(error)

    with_redis(redis, data, work)
    layouts = {name: layout for name, layout in found.items() if isinstance(layout, int)}
    refused = [why for why in found.values() if isinstance(why, str)]
    _print(layouts, refused, output)
    if refused:
        raise fail(Exit.REFUSED, f"{many(len(refused), 'experiment')} could not be brought up", refused)


async def _one(place: "Place", namespace: str, name: str) -> int | str:
    """The layout that it had, or why it was not converted."""
    from rungway_server.domain.errors import NewerSchema, OlderSchema
    from rungway_server.service.port import ExperimentRef
    from rungway_server.store.redis.layout.keys import experiment_keys
    from rungway_server.store.redis.layout.migrate import TooBusy, migrate

    ref = ExperimentRef(namespace, name)
    async with place.client(experiment_keys(ref)[0]) as client:
        try:
            return await migrate(client, ref)
        except TooBusy as error:
            return f"{error}: pause it, and try again when its workers have told their results"
        except (NewerSchema, OlderSchema) as error:
            return str(error)


async def _names(place: "Place", namespace: str) -> list[str]:
    from rungway_server.store.redis.layout.keys import index_key

    index = index_key(namespace)
    async with place.client(index) as client:
        names: list[Any] = await client.zrange(index, 0, -1)
        return [name.decode() for name in names]


def _print(layouts: Mapping[str, int], refused: Sequence[str], output: Output) -> None:
    from rungway_server.cli.output import console, print_json, text
    from rungway_server.store.redis.layout.schema import SCHEMA

    if output is Output.JSON:
        print_json({"layout": SCHEMA, "before": layouts, "refused": refused})
        return
    for name, layout in layouts.items():
        came = f"has layout {layout} already" if layout >= SCHEMA else f"layout {layout} -> {SCHEMA}"
        console().print(text(f"{name}: {came}"), soft_wrap=True)
