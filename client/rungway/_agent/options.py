"""How an agent runs its command, as a user says it: what cannot be meant is refused before anything runs."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rungway._agent.devices import devices
from rungway._core.errors import InvalidArgument

LOGS = "rungway-logs"
"""Folder of the output of trials unless another is named: a folder for each experiment is made in it."""
GRACE = 30.0
_LONGEST_GRACE = 86400
_MOST_PLACES = 1000
_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Options:
    """How to run the command."""

    places: int = 1
    """Trials at once."""
    grace: float = GRACE
    """Seconds between SIGTERM and SIGKILL."""
    logs: Path = Path(LOGS)
    partial: bool = False
    """Whether hyperparameters may be missing among the placeholders."""
    devices: tuple[str, ...] = ()
    """The value of CUDA_VISIBLE_DEVICES in each place; empty to leave that variable alone."""
    max_runs: int | None = None
    """Trials to take before the agent ends; None = as many as there are."""
    until: float | None = None
    """When all commands have to be over (seconds since the epoch); None = no such time."""
    metric_regex: str | None = None
    """Reads results from lines of other programs."""


def options(
    *,
    places: int | None = None,
    grace: float = GRACE,
    logs: Path = Path(LOGS),
    partial: bool = False,
    gpus: str | None = None,
    max_runs: int | None = None,
    until: str | None = None,
    metric_regex: str | None = None,
) -> Options:
    """The options of a command line. Raises InvalidArgument for those that cannot be meant."""
    if not 0 <= grace <= _LONGEST_GRACE:
        raise InvalidArgument.one("grace", f"got {grace:g}, wanted 0 to {_LONGEST_GRACE} seconds")
    if max_runs is not None and max_runs < 1:
        raise InvalidArgument.one("max-runs", f"got {max_runs}, wanted at least 1")
    found = () if gpus is None else devices(gpus)
    if found and places is not None:
        raise InvalidArgument.one("gpus", f"got -n {places} as well, wanted one of them: each GPU has one trial")
    if len(found) > _MOST_PLACES:
        raise InvalidArgument.one("gpus", f"got {len(found)}, wanted at most {_MOST_PLACES}")
    deadline = None if until is None else moment(until)
    if deadline is not None and deadline - time.time() <= grace:
        left = max(0.0, deadline - time.time())
        raise InvalidArgument.one(
            "until", f"got {until!r}, {left:.0f} seconds from now, wanted more than the grace of {grace:g} seconds"
        )
    return Options(len(found) or places or 1, grace, logs, partial, found, max_runs, deadline, metric_regex)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """What stands before the first "--", and the command behind it; None where there is no "--"."""
    listed = list(arguments)
    if "--" not in listed:
        return listed, None
    place = listed.index("--")
    return listed[:place], listed[place + 1 :]


def moment(text: str, now: datetime | None = None) -> float:
    """The moment that a user names, in seconds since the epoch: "23:30" (the next one here), "2026-12-01T08:00" (here,
    unless it has an offset), or a duration from now, "2h30m". Raises InvalidArgument."""
    now = now or datetime.now()
    if found := _TIME_OF_DAY.fullmatch(text):
        at = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        return (at if at > now else at + timedelta(days=1)).timestamp()
    if text and (found := _DURATION.fullmatch(text)):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return (now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)).timestamp()
    try:
        if "T" not in text and " " not in text:  # a day alone, or a number, could mean several moments
            raise ValueError
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise InvalidArgument.one(
            "until", f"got {text!r}, wanted a time of day (23:30), a time (2026-12-01T08:00) or a duration (2h30m)"
        ) from None
