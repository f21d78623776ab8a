"""What the public calls return about a search at its end."""

from dataclasses import dataclass

from rungway import Client, Event, Experiment, Trial


@dataclass(frozen=True)
class Remains:
    """One search that is done."""

    experiment: Experiment
    events: list[Event]
    trials: list[Trial]
    """By number, with their curves."""
    best: list[Trial]


def fetch(client: Client, experiment: str) -> Remains:
    """Everything about it. The search must be over: the event log is read to its end."""
    events = list(client.watch_events(experiment=experiment))
    count = len(client.list_trials(experiment=experiment))
    trials = [client.get_trial(number, experiment=experiment) for number in range(count)]
    return Remains(client.get_experiment(experiment), events, trials, client.best(5, experiment=experiment))
