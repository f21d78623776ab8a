"""A worker process of `rungway.minimize`: runs the function for one trial after the other.

    python -m rungway._local.worker FUNCTION NAME FORM

FUNCTION is a file that `optimize` wrote, FORM says whether the function takes a configuration or a trial. Standard
output has what the function prints.
"""

import logging
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from rungway._core.config import ClientConfig
from rungway._core.enums import Outcome
from rungway._core.errors import InvalidArgument
from rungway._core.exit import exit_of, is_swallowed
from rungway._sync.client import Client
from rungway._sync.run import TrialRun

BY_CONFIGURATION, BY_TRIAL = "configuration", "trial"
"""FORM: fn(hparams) returns the result; fn(trial) reports results."""
UNREADABLE = 78
"""Exit code when the function cannot be read in a new process."""
_PACKAGE = Path(__file__).parent.parent


def main(function: Path, name: str, form: str) -> None:
    """Run trials until the search is over."""
    signal.signal(signal.SIGTERM, _leave)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    with Client(config=ClientConfig(worker=name)) as client:
        fn = _read(function)
        for trial in client.trials():
            with trial:
                _run(fn, trial, form)


def _leave(number: int, frame: FrameType | None) -> None:
    """The trial under way is released on the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _read(function: Path) -> Callable[[Any], Any]:
    with function.open("rb") as file:
        sys.path[:] = pickle.load(file)  # noqa: S301  (our parent wrote it)
        try:
            return pickle.load(file)  # type: ignore[no-any-return]  # noqa: S301
        except Exception:
            traceback.print_exc()
            raise SystemExit(UNREADABLE) from None


def _run(fn: Callable[[Any], Any], trial: TrialRun, form: str) -> None:
    """Run the function once. An error of the function fails the trial for good: it would fail again."""
    try:
        if form == BY_CONFIGURATION:
            trial.report(trial.to_length, _result(fn(trial.hparams)))
        elif (returned := fn(trial)) is not None:
            raise TypeError(f"fn returned {returned!r:.100}: with max_length, report results with trial.report")
    except Exception as error:
        how = exit_of(error, worker_goes_on=True)
        if not is_swallowed(error) or how.outcome is not Outcome.TRANSIENT:
            raise
        logging.warning("trial %d failed", trial.number, exc_info=error)
        message = how.message + _place(error)
        print(f"trial {trial.number} failed: {message}", flush=True)
        trial.leave(replace(how, outcome=Outcome.ERROR, message=message))


def _result(returned: object) -> object:
    if returned is None:
        raise InvalidArgument.one("fn", "returned None, wanted a real number: does it end with `return`?")
    return returned


def _place(error: Exception) -> str:
    """File and line of the function, or of what it calls, where it was raised; nothing for what it returned."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not _is_ours(each.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(_PACKAGE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
