"""Commands about experiments: create, status, list, pause, resume, stop, update, delete."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from rungway import AlreadyExists, ConfigDiffers, Experiment, ExperimentState, Plan
from rungway_server.cli.connection import service
from rungway_server.cli.ending import in_a_word, warnings_of
from rungway_server.cli.files import read_document
from rungway_server.cli.labels import Words, in_words, lines_about
from rungway_server.cli.ladder import ladder
from rungway_server.cli.live import end_line, expected_end, seen
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import (
    OTHER_NAME,
    console,
    count,
    errors,
    fail,
    plain,
    print_json,
    print_notes,
    print_summary,
    share,
    table,
    text,
    unit_name,
)
from rungway_server.cli.page import find_page
from rungway_server.domain.documents.fields import shown
from rungway_server.domain.documents.text import BadDocument
from rungway_server.domain.names import as_id

_WIDEST = 1_000
"""Most columns of characters of a table with labels."""
_COUNTS = ("running", "paused", "queued", "completed", "stopped", "failed", "invalid")


def create(
    file: Path,
    name: str | None,
    target: str,
    output: Output,
    *,
    warm_start_from: str | None,
    warm_start_count: int | None,
    exist_ok: bool,
    words: Words,
) -> None:
    """Create an experiment from a file and print its id, its plan and the service's notes."""
    if warm_start_count and not warm_start_from:
        raise fail(Exit.USAGE, "--warm-start-count needs --warm-start-from EXPERIMENT")
    if name == "":
        raise fail(Exit.USAGE, "--name: got an empty id")
    with errors():
        document = read_document(file)
        experiment_id = name or id_from(document, file)
    with service(target) as client:
        try:
            experiment = client.create_experiment(
                experiment_id,
                document,
                exist_ok=exist_ok,
                warm_start_from=warm_start_from,
                warm_start_count=warm_start_count or 1,
                labels={name: value or "" for name, value in words.labels.items()},
                owner=words.owner or "",
                comment=words.comment or "",
            )
        except AlreadyExists as error:
            if isinstance(error, ConfigDiffers):  # `service` shows the differences
                raise
            hint = f"see it with `rungway status {experiment_id}`, or {OTHER_NAME}"
            raise fail(Exit.REFUSED, str(error), [f"reason: {error.reason}", hint]) from None
    if output is Output.JSON:
        print_json(experiment)
        return
    out = console()
    made_of = document.get("name") if name is None else experiment_id
    of = f", the id made of {shown(made_of)}" if isinstance(made_of, str) and made_of not in ("", experiment_id) else ""
    done = f"{experiment.experiment} is there already, with this configuration"
    out.print(text(done if experiment.existed else f"created {experiment.experiment}{of}"), soft_wrap=True)
    print_summary(out, experiment.summary)
    _print_plan(out, experiment)
    print_notes(out, experiment.notes)
    if page := find_page(client.config, experiment):
        out.print(text(f"page: {page}"), soft_wrap=True)


def show(experiment_id: str, target: str, output: Output) -> None:
    """Print the progress of one experiment."""
    with service(target, experiment_id) as client:
        experiment = seen(client)
    if output is Output.JSON:
        end = expected_end(experiment)
        print_json({**plain(experiment), "expected_end": end})
    else:
        _print_experiment(console(), experiment)


def show_all(target: str, output: Output, *, labels: Mapping[str, str | None] | None = None, owner: str = "") -> None:
    """Print one line per experiment, oldest first: of all, or of those with these labels and of this owner."""
    with service(target) as client:
        experiments = list(client.list_experiments(labels=labels, owner=owner))
    if output is Output.JSON:
        print_json({"experiments": experiments})
        return
    if not experiments:
        filtered = labels or owner
        console().print("no such experiments" if filtered else "no experiments yet: rungway create FILE")
        return
    more = ["Owner, labels"] * any(each.owner or each.labels for each in experiments)
    grid = table("Experiment", "State", ">Done", ">Started", ">Running", ">Created (UTC)", *more)
    for each in experiments:
        done, trials = f"{each.progress:.0%}", each.trials
        if each.state is ExperimentState.UNREADABLE:
            grid.add_row(text(each.experiment), str(each.state))
            continue
        created = f"{each.create_time:%Y-%m-%d %H:%M}"
        said = text(f"{each.owner} {in_words(each.labels)}".strip())
        counts = count(trials.started), count(trials.running)
        grid.add_row(text(each.experiment), in_a_word(each), done, *counts, created, *[said] * len(more))
    out = console()
    if more:  # rather wider than the screen than in narrow columns
        out.width = max(out.width, out.measure(grid, options=out.options.update(width=_WIDEST)).maximum)
    out.print(grid)


def change(what: str, experiment_id: str, target: str, output: Output) -> None:
    """Pause, resume or stop an experiment and print its new state."""
    with service(target, experiment_id) as client:
        experiment: Experiment = getattr(client, f"{what}_experiment")()
    if output is Output.JSON:
        print_json(experiment)
    else:
        running = experiment.trials.running
        more = f", {count(running)} trial{'s'[: running != 1]} still running" if running else ""
        console().print(f"{experiment.experiment} is {experiment.state}{more}")


def update(
    experiment_id: str,
    target: str,
    output: Output,
    *,
    max_trials: int | None,
    max_concurrent: int | None,
    retention_days: float | None,
    words: Words,
) -> None:
    """Change how many trials a search may start or run at once, how long it is kept, or its labels, owner and comment,
    and print its state."""
    if (max_trials, max_concurrent, retention_days, *words) == (None, None, None, {}, None, None):
        more = "--retention-days, --label, --remove-label, --owner or --comment"
        raise fail(Exit.USAGE, f"nothing to change: give --max-trials, --max-concurrent, {more}")
    with service(target, experiment_id) as client:
        experiment = client.update_experiment(
            max_trials=max_trials,
            max_concurrent_trials=max_concurrent,
            retention_days=retention_days,
            **words._asdict(),
        )
    if output is Output.JSON:
        print_json(experiment)
        return
    cap = experiment.plan.max_concurrent_trials if experiment.plan else 0
    at_once = f"at most {count(cap)} at once" if cap else "any number at once"
    started = f"{_started(experiment)} trials started"
    kept = f", {_kept(experiment)}" if retention_days is not None else ""
    console().print(f"{experiment.experiment} is {experiment.state}: {started}, {at_once}{kept}", soft_wrap=True)
    for line in experiment.warnings if max_trials is not None else ():
        console().print(text(line), soft_wrap=True)
    if any(words):
        _print_about(console(), experiment)


def _print_about(out: Console, experiment: Experiment) -> None:
    for line in lines_about(experiment):
        out.print(line, soft_wrap=True)


def _kept(experiment: Experiment) -> str:
    days = experiment.config.get("retention_days", 0)
    return f"removed {days:g} days after its end" if days else "kept until deleted"


def delete(experiment_id: str, yes: bool, target: str, output: Output) -> None:
    """Delete an experiment, after asking."""
    with service(target, experiment_id) as client:
        if not yes:
            client.get_experiment()  # raises when there is none
            if not typer.confirm(f"Delete {experiment_id!r} and everything stored of it?", err=True):
                raise fail(Exit.REFUSED, "nothing was deleted")
        client.delete_experiment()
    if output is Output.JSON:
        print_json({"deleted": experiment_id})
    else:
        console().print(f"deleted {experiment_id}")


def id_from(document: Mapping[str, Any], file: Path) -> str:
    """An id made from the document's name, or from the file's."""
    given = document.get("name")
    source = given if isinstance(given, str) and given else file.stem
    if not (made := as_id(source)):
        raise BadDocument(f"{file}: no id can be made from the name {source!r}: give one with --name")
    return made


def _print_experiment(out: Console, experiment: Experiment) -> None:
    searcher = experiment.config.get("searcher", {})
    direction = "smaller" if searcher.get("smaller_is_better", True) else "larger"
    out.print(text(f"{experiment.experiment}: {experiment.state}, {experiment.progress:.0%} done"), style="bold")
    out.print(text(f"{searcher.get('name')} on {searcher.get('metric')} ({direction} is better)"))
    _print_about(out, experiment)
    trials = experiment.trials
    counts = [f"{count(getattr(trials, name))} {name}" for name in _COUNTS if getattr(trials, name)]
    out.print(f"trials: {_started(experiment)} started" + (f"; {', '.join(counts)}" if counts else ""))
    for line in warnings_of(experiment):
        out.print(text(line))
    if end := end_line(experiment):
        out.print(end, soft_wrap=True)
    if experiment.plan:
        _print_trained(out, experiment, experiment.plan)
        if sources := experiment.plan.sources:
            shares = ", ".join(f"{each.source} {each.share:.0%}" for each in sources)
            out.print(text(f"configurations: {shares}"))
        for grid in ladder(experiment.plan):
            out.print("", grid, "", sep="\n")
        if any(len(bracket.rungs) > 1 for bracket in experiment.plan.brackets):
            out.print("12 →   4: twelve results at this rung, four of which went on", style="dim")
    print_notes(out, experiment.notes)


def _started(experiment: Experiment) -> str:
    """How many trials are started, of how many: for a grid, Hyperband and a budget only the plan has the total."""
    started = count(experiment.trials.started)
    most = sum(bracket.max_trials for bracket in experiment.plan.brackets) if experiment.plan else 0
    return f"{started} of {count(most)}" if most else started


def _print_trained(out: Console, experiment: Experiment, plan: Plan) -> None:
    full = sum(bracket.started for bracket in plan.brackets) * plan.brackets[0].rungs[-1].length
    of = f", {share(experiment.trained_length, full)} of training each to the end" if full else ""
    out.print(text(f"trained: {count(experiment.trained_length)} {unit_name(plan.unit)}{of}"))


def _print_plan(out: Console, experiment: Experiment) -> None:
    if experiment.plan is None:
        return
    grid = table(">Bracket", ">Trials", f"Rungs ({unit_name(experiment.plan.unit)})")
    for index, bracket in enumerate(experiment.plan.brackets):
        lengths = ", ".join(count(rung.length) for rung in bracket.rungs)
        grid.add_row(str(index), count(bracket.max_trials), lengths)
    out.print("", grid, "", sep="\n")
