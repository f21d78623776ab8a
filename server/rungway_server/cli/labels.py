"""Labels, owner and comment on the command line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import typer

from rungway import Experiment
from rungway_server.cli.output import text


class Words(NamedTuple):
    """What a command says of them: a label without a value is removed, None leaves an owner or a comment."""

    labels: Mapping[str, str | None]
    owner: str | None
    comment: str | None


def read_labels(given: Sequence[str] | None) -> dict[str, str]:
    """Labels from texts `name=value`. Raises BadParameter."""
    found: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--label: got {each!r}, wanted NAME=VALUE")
        if found.setdefault(name, value) != value:
            raise typer.BadParameter(f"--label: got two values for {name!r}")
    return found


def read_wanted(given: Sequence[str] | None) -> dict[str, str | None]:
    """Labels of a filter, from texts `name=value`, or `name` for any value. Raises BadParameter."""
    wanted: dict[str, str | None] = {each: None for each in given or () if "=" not in each}
    return wanted | read_labels([each for each in given or () if "=" in each])


def in_words(labels: Mapping[str, str]) -> str:
    """Labels as `--label` takes them, in order."""
    return " ".join(str(text(f"{name}={value}" if value else name)) for name, value in sorted(labels.items()))


def lines_about(experiment: Experiment) -> list[str]:
    """What is known of them, a line each."""
    found = {"owner": experiment.owner, "labels": in_words(experiment.labels), "comment": experiment.comment}
    return [f"{name}: {text(said)}" for name, said in found.items() if said]
