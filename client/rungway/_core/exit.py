"""What the way out of a training loop means for its trial."""

import logging
from dataclasses import dataclass

from rungway._core import requests
from rungway._core.enums import Outcome
from rungway._core.errors import Diverged, InvalidArgument, InvalidConfiguration, Preempted, RungwayError

_log = logging.getLogger("rungway")


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker leaves a trial: with a failure, at the end of its block, or giving it back (neither)."""

    outcome: Outcome | None
    message: str = ""
    checkpoint: str = ""
    stays: bool = False
    """Whether the worker goes on afterwards, so that it can wait for the service to hear of it."""
    ends: bool = False
    """Whether the block was left normally: what was told stands, and the training is over."""


RELEASED = Exit(None)
AT_ITS_END = Exit(None, stays=True, ends=True)
LEFT_BEHIND = Exit(Outcome.TRANSIENT, "the loop over the trials was left while this one was under way")


def exit_of(raised: BaseException, *, stays: bool) -> Exit:
    """What an exception out of a training loop means for its trial.

    A report that is refused for what it holds is the training code's own fault. Any other error of the service, and
    everything that ends the process or task, costs the trial nothing.
    """
    message = f"{type(raised).__name__}: {raised}"
    match raised:
        case InvalidConfiguration():
            return Exit(Outcome.INVALID, message, stays=True)
        case Diverged() | FloatingPointError() | OverflowError():
            return Exit(Outcome.DIVERGED, message, stays=True)
        case Preempted():
            return _preempted(raised, message)
        case Exception() if _is_own(raised):
            return Exit(Outcome.TRANSIENT, message, stays=stays)
    return Exit(None, message)


def _preempted(raised: Preempted, message: str) -> Exit:
    try:
        return Exit(None, message, requests.checkpoint_text(raised.checkpoint))
    except InvalidArgument as error:
        return Exit(Outcome.TRANSIENT, f"{message}: {type(error).__name__}: {error}")


def is_swallowed(raised: BaseException | None) -> bool:
    """Whether a worker may go on with the next trial after this: the trial was at fault, and the service is told."""
    return isinstance(raised, Exception) and not isinstance(raised, Preempted) and _is_own(raised)


def _is_own(raised: Exception) -> bool:
    return isinstance(raised, InvalidArgument) or not isinstance(raised, RungwayError)


def log_swallowed(trial: int, raised: BaseException | None) -> None:
    """Say why a trial is over; where it was not on purpose, with the place."""
    on_purpose = isinstance(raised, InvalidConfiguration | Diverged)
    level = logging.INFO if on_purpose else logging.WARNING
    name = type(raised).__name__
    _log.log(level, "trial %d ended by %s: %s", trial, name, raised, exc_info=None if on_purpose else raised)
