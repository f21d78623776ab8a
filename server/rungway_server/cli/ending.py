"""What a command says of a search that has paused itself, or is over and nothing came of it."""

from collections.abc import Sequence

from rungway import Experiment, ExperimentState, Reason, Trial

_OVER = (ExperimentState.DONE, ExperimentState.STOPPED)


def warnings_of(experiment: Experiment) -> list[str]:
    """What did not go well, and how to go on."""
    hint = f"when that is corrected: rungway resume {experiment.experiment}"
    return [*experiment.warnings, *([hint] if experiment.reason is Reason.FAILING else [])]


def in_a_word(experiment: Experiment) -> str:
    """Its state, in a list."""
    if experiment.reason is Reason.FAILING:
        return f"{experiment.state}: {experiment.reason}"
    return f"{experiment.state}: all failed" if _all_failed(experiment) else str(experiment.state)


def is_fruitless(experiment: Experiment, found: Sequence[Trial]) -> bool:
    """Whether a search that does not go on has no result, or one of nothing but failed trials; `found` are its best."""
    if experiment.reason is Reason.FAILING:
        return True
    return experiment.state in _OVER and (not found or _all_failed(experiment))


def _all_failed(experiment: Experiment) -> bool:
    trials = experiment.trials
    return experiment.state in _OVER and 0 < trials.started == trials.failed
