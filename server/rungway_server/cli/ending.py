"""What is to be said of a search that is over and did not go well."""

from rungway import Client, Experiment, ExperimentState, Reason, TrialState

_LATEST = 100
"""Trials that are looked through for a message, from the last one back: one page."""
_OVER = (ExperimentState.DONE, ExperimentState.STOPPED)


def told_ending(client: Client, experiment: Experiment) -> list[str]:
    """Lines about failed and invalid trials, and about there being no result; none while a search goes on.

    A search that has paused itself does not go on.
    """
    if experiment.reason is Reason.FAILING:
        paused = f"it has paused itself: its first trials all failed; the last said: {experiment.message}"
        return [paused, f"correct the training script, then: rungway resume {experiment.experiment}"]
    if experiment.state not in _OVER:
        return []
    trials, lines = experiment.trials, []
    if trials.failed:
        said = _last_message(client, trials.started + trials.invalid, TrialState.FAILED)
        lines.append(f"{trials.failed:,} of {trials.started:,} trials failed{said}")
    if trials.invalid:
        said = _last_message(client, trials.started + trials.invalid, TrialState.INVALID)
        were = "configuration was" if trials.invalid == 1 else "configurations were"
        lines.append(f"{trials.invalid:,} {were} invalid and replaced{said}")
    if client.best() is None:
        lines.append("no trial has a real result")
    return lines


def _last_message(client: Client, numbers: int, state: TrialState) -> str:
    latest = client.list_trials(_LATEST, after=max(numbers - _LATEST, 0))
    messages = [trial.message for trial in latest if trial.state is state and trial.message]
    return f"; the last said: {messages[-1]}" if messages else ""
