"""What a decision costs Redis under each searcher: script time per ask, tell, and tell at a rung.

As in `growth`, the store is called without a server, and searchers take turns. The asks and the tells at rungs are made
in turn, so that each ask finds a result more, in a search whose trials reach the top, too. Metrics depend on the
configuration, the less the shorter the training, so that models and shares have something to learn.
"""

import argparse
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.experiment import CONFIG
from loadtests.growth import CALLS, Grown, sampled
from loadtests.judging import Bar, By, at_most, no_bar
from loadtests.meter import lower_quartile
from rungway_server.domain.engine import Assignment
from rungway_server.store.redis.scripts import load_scripts

_REFERENCE, _AUTO, _DRAWS = "async_halving", "auto", "auto, draws"
_ALL = {"max_length": 8_100, "max_trials": 10_000_000, "max_concurrent_trials": 0, "metric": "error"}
_HALVING = {"name": _REFERENCE, "num_rungs": 5, "divisor": 3}
"""Rungs at 100, 300, 900, 2,700 and 8,100: there are reports between rungs, and trials that reach the top."""
SEARCHERS: dict[str, dict[str, object]] = {
    "random": {"name": "random"},
    _REFERENCE: _HALVING,
    f"{_REFERENCE}, stop_once": {**_HALVING, "stop_once": True},
    "adaptive_asha": {"name": "adaptive_asha", "max_rungs": 5, "divisor": 3},
    _DRAWS: {"name": "auto", "min_length": 100, "divisor": 3, "proposals": "random"},
    _AUTO: {"name": "auto", "min_length": 100, "divisor": 3},
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Script time of a call (µs); and what stands beside an ask, the mean of all: scripts for models, and asks that are
    made again after these, or with more suggestions."""

    searcher: str
    trials: int
    ask_us: float
    tell_us: float
    tell_at_rung_us: float
    beside_an_ask_us: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, default=10_000, help="in each search (%(default)s)")
    parser.add_argument("--only", choices=list(SEARCHERS), nargs="+", default=list(SEARCHERS), help="these alone")


async def run(arguments: argparse.Namespace) -> tuple[list[Cost], list[Cost]]:
    """The rows to print and the rows for the JSON file: the same here."""
    costs = await measure(arguments.trials, arguments.only)
    return costs, costs


def judgements(costs: list[Cost]) -> list[Bar]:
    """Each searcher beside `async_halving`; an ask of `auto`, with its models or without, has a bar."""
    reference = next((each for each in costs if each.searcher == _REFERENCE), None)
    found = []
    for each in costs:
        if reference is None or each is reference:
            continue
        for call, us, of in (
            ("an ask", each.ask_us, reference.ask_us),
            ("a tell", each.tell_us, reference.tell_us),
            ("a tell at a rung", each.tell_at_rung_us, reference.tell_at_rung_us),
        ):
            bar, note = f"script time of {call} of {each.searcher} to {_REFERENCE}", f"{us:.0f} to {of:.0f} µs"
            judged = each.searcher in (_AUTO, _DRAWS) and call == "an ask"
            found.append(
                at_most("searchers", bar, By.SCRIPT, 1.3, us / of, note)
                if judged
                else no_bar("searchers", bar, By.SCRIPT, us / of, note)
            )
    return found


async def measure(trials: int, names: list[str]) -> list[Cost]:
    """The costs under each of these searchers."""
    grown = await sampled(
        lambda store, client: [
            _Searcher(store, client, trials, f"searcher-{i}", {**CONFIG, "searcher": {**_ALL, **SEARCHERS[name]}})
            for i, name in enumerate(names)
        ]
    )
    return [one.costs(name, trials) for name, one in zip(names, grown, strict=True)]


def _error(hparams: Mapping[str, Any]) -> float:
    """The error that a configuration has in the end."""
    return float(abs(math.log10(hparams["learning_rate"]) + 3) / 2 + 10 * abs(hparams["momentum"] - 0.95))


class _Searcher(Grown):
    """A search whose asks and results at rungs come in turn."""

    _kinds: Mapping[str, str] = {
        load_scripts(shebang=shebang)[script].sha: kind
        for shebang in (True, False)
        for script, kind in (("ask", "ask"), ("tell", "tell_at_rung"))
    }

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.beside: list[float] = []
        self._error: dict[int, float] = {}

    async def ask(self, count: int) -> list[Assignment]:
        """Ask for so many, and note what their configurations are worth."""
        given = await super().ask(count)
        self._error |= {each.lease.trial: _error(each.hparams) for each in given}
        return given

    def metric(self, trial: int, length: int) -> float:
        """That of the configuration, with noise."""
        return self._error[trial] + random.gauss(0, 2) / math.sqrt(length)

    def costs(self, name: str, trials: int) -> Cost:
        """The figures over all samples."""
        ask, tell, at_rung = (lower_quartile(self.times[kind]) for kind in ("ask", "tell", "tell_at_rung"))
        return Cost(name, trials, ask, tell, at_rung, sum(self.beside) / len(self.times["ask"]))

    async def sample(self) -> None:
        """Some calls of each kind."""
        held = [one for _ in range(CALLS) for one in await self.ask(1)]
        self.times["tell"] += [us for us, _ in await self.timed(self.teller([one], 1)() for one in held)]
        calls = (call for one in held for call in (self.teller([one], None)(), self.ask(1)))
        asked = False
        for us, sha in await self.timed(calls, together=False):  # the last one first
            kind = self._kinds.get(sha, "beside")
            again, asked = kind == "ask" and asked, kind != "tell_at_rung" and (asked or kind == "ask")
            (self.beside if again or kind == "beside" else self.times[kind]).append(us)
