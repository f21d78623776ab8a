"""The log of a search: what was decided so far, as one text that travels with the experiment.

Example: `1:3fa9c2:77|g24.3;a3.9d1f;0=0.5;2x;a2.07be`. Version of the log, id and seed of the search; then events in
their order. `g` begins a ladder with 24 configurations for 3 runs at a time; `a` hands out so many runs, and the digits
after the point are a checksum of their names and values; a number is a run, counted from 0, with its metric, or with
`x` (failed), `m` (missing: Katib does not list it any more) or `d` (Katib deleted it while it ran).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

SETTING = "rungway-log"
"""The algorithm setting that has it."""
_VERSION = "1"
_HEADER = re.compile(r"(\d+):([0-9a-f]{6}):(\d{1,10})")
_BEGIN = re.compile(r"g(\d{1,8})\.(\d{1,8})")
_ISSUE = re.compile(r"a(\d{1,8})\.([0-9a-f]{4})")
_OUTCOME = re.compile(r"(\d{1,8})([xmd]|=.+)")


class BadLog(Exception):
    """The text is no log that this version can read; the message says why."""


class Fate(StrEnum):
    """What became of a run."""

    TOLD = "="
    FAILED = "x"
    MISSING = "m"
    DELETED = "d"


class Begin(NamedTuple):
    """A ladder begins, with so many configurations (0 = as its searcher says) for so many runs at a time."""

    configurations: int
    parallel: int

    def __str__(self) -> str:
        return f"g{self.configurations}.{self.parallel}"


class Issue(NamedTuple):
    """So many runs are handed out; `check` is a checksum of their names and values, "" before they are known."""

    runs: int
    check: str

    def __str__(self) -> str:
        return f"a{self.runs}.{self.check}"


class Outcome(NamedTuple):
    """What became of a run, with its metric where it was TOLD."""

    run: int
    fate: Fate
    metric: float = 0.0

    def __str__(self) -> str:
        return f"{self.run}{self.fate}{self.metric!r}" if self.fate is Fate.TOLD else f"{self.run}{self.fate}"


Event = Begin | Issue | Outcome


@dataclass(frozen=True, slots=True)
class Log:
    """The id of a search (6 hexadecimal digits), its seed, and its events."""

    search_id: str
    seed: int
    events: tuple[Event, ...] = ()

    def __str__(self) -> str:
        return f"{_VERSION}:{self.search_id}:{self.seed}|{';'.join(map(str, self.events))}"


def read_log(text: str) -> Log:
    """The log that reads as this text. Raises BadLog."""
    head, _, rest = text.partition("|")
    header = _HEADER.fullmatch(head)
    if header is None:
        raise BadLog(f"the setting {SETTING} begins with {head[:40]!r}, wanted VERSION:ID:SEED")
    version, search_id, seed = header.groups()
    if version != _VERSION:
        raise BadLog(f"the setting {SETTING} has version {version}, this is {_VERSION}: use the image that wrote it")
    return Log(search_id, int(seed), tuple(map(_event, rest.split(";"))) if rest else ())


def _event(text: str) -> Event:
    if found := _OUTCOME.fullmatch(text):
        fate = Fate(found[2][0])
        return Outcome(int(found[1]), fate, _metric(text, found[2][1:]) if fate is Fate.TOLD else 0.0)
    if found := _ISSUE.fullmatch(text):
        return Issue(int(found[1]), found[2])
    if found := _BEGIN.fullmatch(text):
        return Begin(int(found[1]), int(found[2]))
    raise BadLog(f"the setting {SETTING} has the event {text[:40]!r}, wanted g, a, or a run")


def _metric(event: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadLog(f"the setting {SETTING} has the event {event[:40]!r}, wanted a number") from None
