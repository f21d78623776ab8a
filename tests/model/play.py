"""Plays the recorded runs through an engine of the pull form: a fixed number of workers that tell and then ask again.

The original pushes: it answers each result with what is to run next. The number of workers is therefore the number of
trials it created at the start, and which of the runs in flight ends next is, there as here, for the player to choose.

Trials are renumbered: the i-th trial of a bracket here is the i-th trial of that bracket there. Within one bracket the
numbers are the same; with several, the original numbers all first trials of bracket 0 before those of bracket 1, while
workers that ask one after the other start in the bracket with the smallest share. Rankings never cross brackets, so a
trial is given the metrics of the trial it stands for.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import accumulate

from rungway_server.domain.config import parse
from rungway_server.domain.decisions import AskStatus, Assignment, Decision, Lease, Outcome, Report, Result
from rungway_server.domain.plan import Plan
from rungway_server.domain.searchers import make_plan
from tests.model.pair import Engine
from tests.reference.tables import Case

Run = tuple[int, int]
"""A trial (numbered as in the table) and the absolute length it was trained to."""


def plan_of(case: Case) -> Plan:
    """The plan that Rungway makes of the case's configuration; the newest era stops without saying so."""
    stops = case["era"] == "2025-03" or case["config"]["stop_once"]
    plan, _ = make_plan(parse({"searcher": {**case["config"], "metric": "loss", "stop_once": stops}})[0].searcher)
    return plan


def workers_of(case: Case) -> int:
    """How many trials the original creates at the start."""
    return sum(directive[0] == "create" for directive in case["trace"][0]["then"])


def absolute(case: Case, lengths: list[int]) -> list[int]:
    """Run lengths as totals; the oldest era issued increments."""
    return list(accumulate(lengths)) if case["era"] == "2021-04" else lengths


def recorded_runs(case: Case) -> list[Run]:
    """Every run of the trace, in the order in which they ended."""
    trained: dict[int, list[int]] = {}
    runs = []
    for event in case["trace"]:
        if event["event"] in ("validated", "early_exit"):
            lengths = trained.setdefault(event["trial"], [])
            lengths.append(event["length"])
            runs.append((event["trial"], absolute(case, lengths)[-1]))
    return runs


@dataclass
class Work:
    """A run in flight: the trial as the table numbers it, and the length of the next decision."""

    trial: int
    lease: Lease
    length: int


@dataclass
class Player:
    """One engine, played with the trials of one case; `runs` are those that ended so far."""

    engine: Engine
    case: Case
    runs: list[Run] = field(default_factory=list)
    started: Counter[int] = field(default_factory=Counter)
    names: dict[int, int] = field(default_factory=dict)

    def first_work(self) -> list[Work]:
        """What the workers get at the start, in the order in which the table numbers it."""
        first = [work for _ in range(workers_of(self.case)) if (work := self.ask())]
        return sorted(first, key=lambda work: work.trial)

    def ask(self) -> Work | None:
        """The next piece of work; None when there is none."""
        answer = self.engine.ask("", 1, "worker", now_ms=0)
        if answer.status is not AskStatus.ASSIGNED:
            return None
        [given] = answer.assignments
        return Work(self._name(given), given.lease, given.next_decision_length)

    def tell(self, work: Work, metric: float) -> Work | None:
        """Tell a result where the work ends; the work that follows, None when the worker is out of work."""
        self.runs.append((work.trial, work.length))
        result = Result(work.lease, [Report(work.length, metric)], checkpoint="saved")
        [verdict] = self.engine.tell("", [result], now_ms=0).verdicts
        if verdict.decision is Decision.CONTINUE:
            return Work(work.trial, work.lease, verdict.next_decision_length)
        return self.ask()

    def die(self, work: Work) -> Work | None:
        """Fail instead of telling; the work that follows."""
        self.runs.append((work.trial, work.length))
        self.engine.fail("", work.lease, Outcome.ERROR, "scripted", now_ms=0)
        return self.ask()

    def is_done(self) -> bool:
        """Whether the search has ended by itself."""
        return self.engine.ask("", 1, "worker", now_ms=0).status is AskStatus.DONE

    def lengths(self) -> dict[int, list[int]]:
        """The lengths each trial was trained to, by its number in the table."""
        return {trial: [length for other, length in self.runs if other == trial] for trial, _ in self.runs}

    def _name(self, given: Assignment) -> int:
        if given.lease.trial not in self.names:
            brackets = self.case.get("bracket_of_trial") or [0] * len(plan_trials(self.case))
            of_bracket = [trial for trial, bracket in enumerate(brackets) if bracket == given.bracket]
            self.names[given.lease.trial] = of_bracket[self.started[given.bracket]]
            self.started[given.bracket] += 1
        return self.names[given.lease.trial]


def plan_trials(case: Case) -> range:
    """The numbers of the trials the case creates."""
    return range(case["config"]["max_trials"])


def play_fifo(player: Player) -> None:
    """Harness A: one queue of runs; what a result leads to goes to its end. A script says which run kills its trial."""
    scripts = {script["trial"]: script for script in player.case["trials"]}
    queue = deque(player.first_work())
    done: Counter[int] = Counter()
    while queue:
        work = queue.popleft()
        script, run = scripts[work.trial], done[work.trial]
        done[work.trial] += 1
        leaves = script.get("exit", {})
        if leaves.get("during_run") == run and not leaves.get("after_reporting"):
            following = player.die(work)
        else:
            following = player.tell(work, float(script["metrics"][run]))
        queue.extend([following] if following else [])


def play_picked(player: Player) -> None:
    """Harness B: runs end in the recorded order, with the recorded metrics."""
    flying = {work.trial: work for work in player.first_work()}
    for event in player.case["trace"]:
        if event["event"] == "validated":
            following = player.tell(flying.pop(event["trial"]), float(event["metric"]))
            flying |= {following.trial: following} if following else {}


def play_sequential(player: Player) -> dict[int, int | None]:
    """Harness C: each trial reports at regular lengths to its own end before the next begins. Returns where each ended.

    One counter gives the metrics. It also counts the report at length 0, which Rungway does not take: nothing is
    trained yet.
    """
    driver, metric = player.case["driver"], 0
    stopped: dict[int, int | None] = {}
    queue = deque(player.first_work())
    while queue:
        work = queue.popleft()
        stopped[work.trial] = None
        for time in range(0, driver["last_time"] + 1, driver["every"]):
            metric += 1 if driver["increasing"] else -1
            if time == 0:
                continue
            result = Result(work.lease, [Report(time, float(metric))])
            [verdict] = player.engine.tell("", [result], now_ms=0).verdicts
            if verdict.decision is Decision.STOP:
                stopped[work.trial] = time
                following = player.ask()
                queue.extend([following] if following else [])
                break
    return stopped
