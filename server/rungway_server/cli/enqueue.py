"""`rungway enqueue`: a configuration of the user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rungway_server.cli.connection import service
from rungway_server.cli.files import read_document
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import by_name, console, count, errors, fail, print_json, text
from rungway_server.domain.documents.paths import read_path, spelled, values_by_path
from rungway_server.domain.documents.text import BadDocument, read_value


def enqueue(
    experiment_id: str,
    file: Path | None,
    assigned: Sequence[str],
    result: tuple[float | None, int | None],
    target: str,
    output: Output,
) -> None:
    """Enqueue the configuration of a file, with the values of `NAME=VALUE` texts added or replaced. `result` is the
    metric and the length of a known result, if there is one."""
    metric, length = result
    if file is None and not assigned:
        raise fail(Exit.USAGE, "no configuration: give a FILE ('-' = standard input), --set NAME=VALUE or both")
    with errors():
        hparams = {} if file is None else read_document(file, "a mapping of hyperparameters to values")
        _assign(hparams, assigned)
    with service(target, experiment_id) as client:
        position = client.enqueue_trial(hparams, metric=metric, length=length)
    named = {path for path, _ in values_by_path(hparams)}
    filled_in = [(path, value) for path, value in values_by_path(position.hparams) if path not in named]
    if output is Output.JSON:
        known = {} if position.trial is None else {"trial": position.trial}
        print_json({"experiment": experiment_id, "position": position, "hparams": position.hparams or hparams} | known)
        return
    if position.trial is not None:
        console().print(f"trial {position.trial} of {experiment_id} is finished, with this result")
    elif position:
        console().print(f"enqueued in {experiment_id}, behind {count(position)} other{'s'[: position != 1]}")
    else:
        console().print(f"enqueued in {experiment_id}: the next new trial takes it")
    if filled_in:
        console().print(text(f"filled in: {by_name(filled_in)}"), soft_wrap=True)


def _assign(hparams: dict[str, Any], assigned: Sequence[str]) -> None:
    """Write each "group.name=value" into the mapping. Raises BadDocument, also for a name given twice."""
    seen = set()
    for given in assigned:
        try:
            path, value = read_path(given, end="=")
        except ValueError:
            path, value = (), ""
        if not value:
            raise BadDocument(f"--set {given}: wanted NAME=VALUE, or GROUP.NAME=VALUE")
        if path in seen:
            raise BadDocument(f"--set {given}: {spelled(*path)} is given twice")
        seen.add(path)
        try:
            _put(hparams, path, read_value(value[1:]))
        except BadDocument as error:
            raise BadDocument(f"--set {given}: {error}") from None


def _put(mapping: dict[str, Any], path: Sequence[str], value: object) -> None:
    for group in path[:-1]:
        mapping = mapping.setdefault(group, {})
        if not isinstance(mapping, dict):
            raise BadDocument(f"{spelled(group)} has a value of its own and is not a group")
    mapping[path[-1]] = value
