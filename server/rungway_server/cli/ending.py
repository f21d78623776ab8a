"""Messages about a search that has paused itself, or is over without a result."""

from rungway import Experiment, Reason
from rungway._core.enums import OVER
from rungway_server.service.warnings import NO_RESULT


def warnings_of(experiment: Experiment) -> list[str]:
    """The warnings of an experiment, and what to do about them."""
    hint = f"when that is corrected: rungway resume {experiment.experiment}"
    return [*experiment.warnings, *([hint] if experiment.reason is Reason.FAILING else [])]


def in_a_word(experiment: Experiment) -> str:
    """The state of an experiment, for a list."""
    if experiment.reason is Reason.FAILING:
        return f"{experiment.state}: {experiment.reason}"
    return f"{experiment.state}: all failed" if _all_failed(experiment) else str(experiment.state)


def is_fruitless(experiment: Experiment) -> bool:
    """Whether a search has paused itself, or is over without a real result or with nothing but failed trials."""
    failing, over = experiment.reason is Reason.FAILING, experiment.state in OVER
    return failing or (over and (NO_RESULT in experiment.warnings or _all_failed(experiment)))


def _all_failed(experiment: Experiment) -> bool:
    trials = experiment.trials
    return experiment.state in OVER and 0 < trials.started == trials.failed
