"""What of a search is known only while it runs: its workers, when it may end, and what looks wrong."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rungway import Client, Experiment, ExperimentState, Unimplemented, Worker
from rungway._core.enums import OVER
from rungway_server.cli.connection import OUTAGE_SECONDS, make, service
from rungway_server.cli.options import Output
from rungway_server.cli.output import as_json, console, count, errors, many, print_json, table, text, unit_name
from rungway_server.simulation.report import time_text

WATCH_SECONDS = 2.0
"""Seconds between two looks of `rungway status --watch`."""


def workers(experiment_id: str, target: str, output: Output) -> None:
    """Print who holds a lease, those first that were not heard of for the longest time."""
    with service(target, experiment_id) as client:
        experiment = client.get_experiment()
        found = client.list_workers()
    if output is Output.JSON:
        print_json({"experiment": experiment.experiment, "workers": found})
        return
    out = console()
    if not found:
        out.print("no trial is running")
        return
    plan = experiment.plan
    several = plan is not None and len(plan.brackets) > 1
    length = f">Length ({unit_name(plan.unit if plan else '')})"
    grid = table("Worker", ">Trial", length, *[">Bracket"] * several, ">Rung", ">Heard of")
    for each in found:
        where = (*[str(each.bracket)] * several, str(each.rung))
        heard = f"{_in_time(each.silent_seconds)} ago{' !' * each.overdue}"
        grid.add_row(text(each.worker), str(each.trial), count(each.length), *where, heard)
    out.print(grid)
    if any(each.overdue for each in found):
        out.print("!: for more than half of a lease; when that is over, another worker may take the trial", style="dim")


def seen(client: Client) -> Experiment:
    """The experiment with warnings about its workers, as far as the service lists them: an older one does not."""
    experiment = client.get_experiment()
    try:
        return with_warnings(experiment, client.list_workers())
    except Unimplemented:
        return with_warnings(experiment, ())


def with_warnings(experiment: Experiment, found: Sequence[Worker]) -> Experiment:
    """The experiment with warnings about its workers: none at work, or leases that are not renewed."""
    if experiment.state is not ExperimentState.RUNNING:
        return experiment
    overdue = [each for each in found if each.overdue]
    more = []
    if not experiment.trials.running:
        more.append("no trial is running: no worker has asked, or all that asked have gone")
    elif overdue:
        name, longest = overdue[0].worker, max(each.silent_seconds for each in overdue)
        were = "lease was" if len(overdue) == 1 else "leases were"
        more.append(
            f"{count(len(overdue))} {were} not renewed for more than half of their time:"
            f" {name} for {_in_time(longest)}; see `rungway workers {experiment.experiment}`"
        )
    return replace(experiment, warnings=(*experiment.warnings, *more))


def expected_end(experiment: Experiment, now: datetime | None = None) -> datetime | None:
    """When the search ends if it goes on as fast as from its creation until now; None where that says nothing."""
    now = now or datetime.now(UTC)
    done, took = experiment.progress, (now - experiment.create_time).total_seconds()
    if experiment.state is not ExperimentState.RUNNING or not 0 < done < 1 or took <= 0:
        return None
    try:
        return now + timedelta(seconds=took * (1 - done) / done)
    except OverflowError:
        return None


def end_line(experiment: Experiment) -> str:
    """The expected end in words; "" without one."""
    if (end := expected_end(experiment)) is None:
        return ""
    left = (end - datetime.now(UTC)).total_seconds()
    return f"expected end: in {_in_time(left)}, {end:%Y-%m-%d %H:%M} UTC, if it goes on as until now"


def watch_status(experiment_id: str, target: str, output: Output) -> None:
    """Print a line whenever the search has changed, until it is over; survives restarts of the service."""
    with service(target, experiment_id) as client:
        client.get_experiment()  # without a service the command ends as quickly as any other
    last = ""
    with errors(target), make(Client, target, experiment_id, total_timeout=OUTAGE_SECONDS) as client:
        while True:
            experiment = seen(client)
            line = _line(experiment)
            if line != last:
                print(as_json(experiment) if output is Output.JSON else _with_end(line, experiment), flush=True)
            if experiment.state in OVER:
                return
            last = line
            time.sleep(WATCH_SECONDS)


def _line(experiment: Experiment) -> str:
    trials = experiment.trials
    what = f"{many(trials.started, 'trial')} started, {count(trials.running)} running"
    warned = "".join(f"; {each}" for each in experiment.warnings)
    return str(text(f"{experiment.experiment}: {experiment.state}, {experiment.progress:.0%} done, {what}{warned}"))


def _with_end(line: str, experiment: Experiment) -> str:
    end = expected_end(experiment)
    left = (end - datetime.now(UTC)).total_seconds() if end else 0
    return f"{line}; expected end in {_in_time(left)}" if end else line


def _in_time(seconds: float) -> str:
    return time_text(max(round(seconds), 0))
