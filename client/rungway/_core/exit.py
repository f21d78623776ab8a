"""How a worker leaves a trial, and what an exception out of a training loop means for it."""

import logging
from dataclasses import dataclass

from rungway._core import requests
from rungway._core.enums import Outcome
from rungway._core.errors import Diverged, InvalidArgument, InvalidConfiguration, Preempted, RungwayError

_log = logging.getLogger("rungway")


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker leaves a trial. With an outcome the trial failed in that way, without one it is released."""

    outcome: Outcome | None
    message: str = ""
    checkpoint: str = ""
    worker_goes_on: bool = False
    """Whether the worker goes on afterwards, so that it can wait until the service has heard of this."""
    is_normal: bool = False
    """Whether the block was left without an exception: what was told stands, and the training is over."""


RELEASED = Exit(None)
NORMAL = Exit(None, worker_goes_on=True, is_normal=True)
ABANDONED = Exit(Outcome.TRANSIENT, "the loop over the trials was left while this one was under way")


def exit_of(raised: BaseException, *, worker_goes_on: bool) -> Exit:
    """What an exception out of a training loop means for its trial.

    A report that is refused for its content is an error of the training code. Any other error of the service, and
    everything that ends the process or task, releases the trial, which costs it nothing.
    """
    message = f"{type(raised).__name__}: {raised}"
    match raised:
        case InvalidConfiguration():
            return Exit(Outcome.INVALID, message, worker_goes_on=True)
        case Diverged() | FloatingPointError() | OverflowError():
            return Exit(Outcome.DIVERGED, message, worker_goes_on=True)
        case Preempted():
            return _preempted(raised, message)
        case Exception() if _is_of_trial(raised):
            return Exit(Outcome.TRANSIENT, message, worker_goes_on=worker_goes_on)
    return Exit(None, message)


def _preempted(raised: Preempted, message: str) -> Exit:
    try:
        return Exit(None, message, requests.checkpoint_text(raised.checkpoint))
    except InvalidArgument as error:
        return Exit(Outcome.TRANSIENT, f"{message}: {type(error).__name__}: {error}")


def is_swallowed(raised: BaseException | None) -> bool:
    """Whether a loop that swallows errors swallows this one: it is an error of the trial, not of the worker."""
    return isinstance(raised, Exception) and not isinstance(raised, Preempted) and _is_of_trial(raised)


def _is_of_trial(raised: Exception) -> bool:
    return isinstance(raised, InvalidArgument) or not isinstance(raised, RungwayError)


def log_swallowed(trial: int, raised: BaseException | None) -> None:
    """Log the error that ended a trial, with its traceback unless the training code raised it on purpose."""
    on_purpose = isinstance(raised, InvalidConfiguration | Diverged)
    level = logging.INFO if on_purpose else logging.WARNING
    name = type(raised).__name__
    _log.log(level, "trial %d ended by %s: %s", trial, name, raised, exc_info=None if on_purpose else raised)
