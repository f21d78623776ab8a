"""Commands that read the event log: explain, watch."""

import sys
from collections.abc import Sequence

from rich.console import Console

from rungway import AsyncClient, Event, NotFound, Reason
from rungway_server.cli.connection import follow, service
from rungway_server.cli.ending import is_fruitless
from rungway_server.cli.options import Output
from rungway_server.cli.output import (
    as_json,
    console,
    count,
    many,
    number,
    print_json,
    table,
    text,
)
from rungway_server.cli.trial import print_heading

_ENDINGS = ("done", "stopped", "too_many_invalid")


def explain(experiment_id: str, trial_number: int, target: str, output: Output) -> None:
    """Print the decisions about a trial with their numbers; if there are many, the first and the last."""
    with service(target, experiment_id) as client:
        events = client.explain_trial(trial_number)
        if output is Output.JSON:
            print_json({"experiment": experiment_id, "trial": trial_number, "events": events})
            return
        trial, experiment = client.get_trial(trial_number), client.get_experiment()
    out = console()
    print_heading(out, experiment, trial)
    _print_life(out, events)


def watch(experiment_id: str, after: str, trial: int | None, target: str, output: Output) -> None:
    """Print the event log as it grows, or that of one trial, until the search is over; survives restarts of the
    service."""
    with service(target, experiment_id) as client:
        client.get_experiment()  # without a service the command ends as quickly as any other
        if trial is not None:
            client.get_trial(trial)  # raises when there is none
    last = after

    async def print_all(client: AsyncClient) -> None:
        nonlocal last
        async for event in client.watch_events(after):
            last = event.event_id
            ending = await _ending(client, event)
            if trial is not None and event.trial not in (trial, None):
                continue
            if output is Output.JSON:
                print(as_json(event), flush=True)
                print(ending, end="\n" if ending else "", file=sys.stderr)
            else:
                print(_line(event, experiment_id) + (f"  {ending}" if ending else ""), flush=True)

    try:
        follow(target, experiment_id, print_all)
    except KeyboardInterrupt:
        if last:
            print(f"\nto go on from here: rungway watch {experiment_id} --after {last}", file=sys.stderr)
        raise


async def _ending(client: AsyncClient, event: Event) -> str:
    """The message about a search that ends with this event and has no result."""
    if event.kind not in _ENDINGS:
        return ""
    try:
        experiment = await client.get_experiment()
    except NotFound:  # deleted meanwhile
        return ""
    return str(text("; ".join(experiment.warnings))) if is_fruitless(experiment) else ""


def _print_life(out: Console, events: Sequence[Event]) -> None:
    grid = table(">Time (UTC)", ">Length", ">Metric", "What", "Why")
    for event in events:
        if event.dropped:
            grid.add_row("…", "", "", "…", f"{many(event.dropped, 'line')} no longer kept")
            continue
        when = f"{event.time:%m-%d %H:%M:%S}"
        grid.add_row(when, count(event.length), number(event.metric), text(event.kind), text(_why(event)))
    out.print("", grid, sep="\n")


def _line(event: Event, experiment_id: str) -> str:
    """One event on one line: time, trial, kind, last result, reason."""
    when, kind = f"{event.time:%Y-%m-%dT%H:%M:%SZ}", str(text(event.kind))
    if event.kind == Reason.FAILING:
        why = f"its first trials all failed; the last error: {text(event.message)}"
        return f"{when}  search       {kind}: {why}; when that is corrected: rungway resume {experiment_id}"
    if event.trial is None:
        return f"{when}  search       {kind}"
    result = "" if event.metric is None else f"{number(event.metric)} at {count(event.length)}, "
    return f"{when}  trial {event.trial:<5}  {kind:<8}  {result}{text(_why(event))}"


def _why(event: Event) -> str:
    why = event.explanation.text if event.explanation else ""
    return f"{why} ({event.worker})" if event.kind == "assign" and event.worker else why
