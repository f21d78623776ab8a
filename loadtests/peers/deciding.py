"""What the libraries share that play searches beside Rungway: a protocol of JSON lines with `loadtests.quality`.

A program of this kind is run by the interpreter of its library's environment, so this module uses only the standard
library. It reads one request per line and answers each with one line. All values are minimised.

    {"do": "begin", "space": [...], "longest": 81, "seed": 3}                   -> {}
    {"do": "suggest"}                                                           -> {"config": {"lr": 0.1}}
    {"do": "start", "trial": 7, "config": {"lr": 0.12}}                         -> {}
    {"do": "tell", "trial": 7, "length": 3, "value": 0.2, "over": false}        -> {"go_on": true}

A parameter of a space has a `name` and either `choices` (texts), or `lower`, `upper`, and `log` or `integer` where that
is so. What starts is what was suggested last, or, in a table, the recorded configuration nearest to it; the library
learns from what started. `over`: that was the last result of the trial. Every answer has `cpu`, the processor seconds
that the library took.
"""

import argparse
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]


class Decides(ABC):
    """A search by a library."""

    @abstractmethod
    def begin(self, space: Sequence[Config], longest: int, seed: int) -> None:
        """Begin a search of trials of at most this length; the one before is forgotten."""

    @abstractmethod
    def suggest(self) -> Config:
        """The configuration that the library wants to try next."""

    @abstractmethod
    def start(self, trial: int, config: Config) -> None:
        """A trial starts in place of what was suggested last."""

    @abstractmethod
    def told(self, trial: int, length: int, value: float, over: bool) -> bool:
        """A trial has this value at this length; returns whether it goes on."""


def main(make: Callable[[str], Decides]) -> None:
    """Serve requests until the input ends. `make` gets the option --pruner."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pruner", default="")
    arguments, _ = parser.parse_known_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints goes to stderr
    library = make(arguments.pruner)
    for line in sys.stdin:
        began = time.process_time()
        answer = _answer(library, json.loads(line))
        print(json.dumps({**answer, "cpu": time.process_time() - began}), file=answers, flush=True)


def _answer(library: Decides, request: dict[str, Any]) -> dict[str, Any]:
    match request:
        case {"do": "begin", "space": space, "longest": longest, "seed": seed}:
            library.begin(space, longest, seed)
            return {}
        case {"do": "suggest"}:
            return {"config": library.suggest()}
        case {"do": "start", "trial": trial, "config": config}:
            library.start(trial, config)
            return {}
        case {"do": "tell", "trial": trial, "length": length, "value": value, "over": over}:
            return {"go_on": library.told(trial, length, value, over)}
    raise ValueError(f"no such request: {request}")
