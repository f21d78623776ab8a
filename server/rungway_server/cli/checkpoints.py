"""`rungway checkpoints`: where the states of trials were saved, and which of these nobody needs any more."""

from rungway_server.cli.connection import service
from rungway_server.cli.options import Output
from rungway_server.cli.output import console, count, print_json, table, text


def checkpoints(experiment_id: str, target: str, output: Output) -> None:
    """Print the last and the best checkpoint of each trial that has one."""
    with service(target, experiment_id) as client:
        found = [trial for trial in client.list_trials() if trial.checkpoint or trial.best_checkpoint]
    if output is Output.JSON:
        names = ("trial", "state", "checkpoint", "checkpoint_length", "best_checkpoint", "best_length")
        rows = [{name: getattr(trial, name) for name in names} for trial in found]
        print_json({"experiment": experiment_id, "checkpoints": rows})
    elif not found:
        console().print("no trial has a checkpoint")
    else:
        grid = table(">Trial", "State", ">Length", "Last", ">Length", "Best")
        for trial in found:
            last = (count(trial.checkpoint_length), text(trial.checkpoint)) if trial.checkpoint else ("", "")
            best = (count(trial.best_length), text(trial.best_checkpoint)) if trial.best_checkpoint else ("", "")
            grid.add_row(count(trial.trial), str(trial.state), *last, *best)
        console().print(grid)


def stale_checkpoints(experiment_id: str, older_than: float, target: str, output: Output, *, final: bool) -> None:
    """Print those that no trial can need any more: as they were told, one a line, for another program to delete. A
    name with characters that cannot be printed has none, so that no line says anything but one whole name."""
    with service(target, experiment_id) as client:
        found = client.stale_checkpoints(older_than=older_than, final=final)
    if output is Output.JSON:
        print_json({"experiment": experiment_id, "checkpoints": found})
        return
    plain = [each.checkpoint for each in found if each.checkpoint.isprintable()]
    for checkpoint in plain:
        print(checkpoint)
    if left_out := len(found) - len(plain):
        left = f"{count(left_out)} left out, whose names have characters that cannot be printed; --output json has them"
        console(stderr=True).print(left)
