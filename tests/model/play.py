"""Plays the recorded runs through an engine of the pull form: a fixed number of workers that tell and then ask again.

The original pushes: it answers each result with what is to run next. The number of workers is therefore the number of
trials it created at the start, and which of the runs in flight ends next is, there as here, for the player to choose.

Trials are renumbered: the i-th trial of a bracket here is the i-th trial of that bracket there. Within one bracket the
numbers are the same; with several, the original numbers all first trials of bracket 0 before those of bracket 1, while
workers that ask one after the other start in the bracket with the smallest share. Rankings never cross brackets, so a
trial is given the metrics of the trial it stands for.

What the original calls a tournament is several searches that share their trial numbers and nothing else. Here it is
one search with the brackets of all; where a member wants large metrics and the first one small ones, its metrics are
negated.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import accumulate

from rungway_server.domain.engine import AskStatus, Assignment, Decision, Lease, Outcome, Report, Result
from rungway_server.domain.experiment import ExperimentConfig, parse
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.domain.search.plan import Plan, PromotionRule
from rungway_server.domain.search.planning import make_plan
from tests.model.pair import Engine
from tests.reference.tables import Case

MakeEngine = Callable[[ExperimentConfig, Plan], Engine]
Run = tuple[int, int]
"""A trial (numbered as in the table) and the absolute length it was trained to."""


SPACE = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
"""Of the cases that say nothing of hyperparameters."""
WHOLE_RUNS = ("single", "random", "grid")


@dataclass(frozen=True)
class Search:
    """The search of a case as Rungway makes it; `signs` turn the metrics of each bracket into those it is told."""

    config: ExperimentConfig
    plan: Plan
    signs: tuple[float, ...]


def search_of(case: Case) -> Search:
    """The configuration and the plan of a case; several members are put side by side."""
    members = case["config"].get("members", [case["config"]])
    configs = [parse(document_of(case, member))[0] for member in members]
    plans = [make_plan(config.searcher, config.space)[0] for config in configs]
    first = configs[0].searcher
    signs = (
        1.0 if config.searcher.smaller_is_better == first.smaller_is_better else -1.0
        for config, plan in zip(configs, plans, strict=True)
        for _ in plan.brackets
    )
    brackets = tuple(bracket for plan in plans for bracket in plan.brackets)
    cap = 0 if len(plans) > 1 else plans[0].max_concurrent_trials
    return Search(configs[0], replace(plans[0], brackets=brackets, max_concurrent_trials=cap), tuple(signs))


def document_of(case: Case, searcher: Case) -> Case:
    """The configuration of a case. What has other names here, or was not said there, is translated.

    `adaptive_simple` is `adaptive` with a number of trials; the newest era stops without saying so, and its random and
    grid searches know of no length: they end where the driver ends them.
    """
    name = searcher["name"].removesuffix("_simple")
    section = {**searcher, "name": name, "metric": "loss"}
    space = section.pop("hyperparameters", case.get("hyperparameters", SPACE))
    if name in WHOLE_RUNS and case["era"] == "2025-03":
        section["max_length"] = case["driver"]["last_time"] if "driver" in case else 1
    elif case["era"] == "2025-03":
        section["stop_once"] = True
    return {"hyperparameters": space, "searcher": section, "seed": case.get("seed", 1), "max_restarts": 0}


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
    """A run in flight: the trial as the table numbers it, the length of the next decision, the sign of its metrics."""

    trial: int
    lease: Lease
    length: int
    sign: float


@dataclass
class Player:
    """One engine, played with the trials of one case; `runs` are those that ended so far, `progress` is what a user saw
    after each call. `patient` workers that find no work ask again after each result: a round of a population has them
    wait."""

    engine: Engine
    case: Case
    search: Search
    runs: list[Run] = field(default_factory=list)
    started: Counter[int] = field(default_factory=Counter)
    names: dict[int, int] = field(default_factory=dict)
    given: list[Assignment] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    patient: bool = False
    idle: int = 0

    def first_work(self) -> list[Work]:
        """What the workers get at the start, in the order in which the table numbers it."""
        first = [work for _ in range(workers_of(self.case)) if (work := self.ask())]
        return sorted(first, key=lambda work: work.trial)

    def ask(self) -> Work | None:
        """The next piece of work; None when there is none."""
        answer = self.engine.ask("", 1, "worker", now_ms=0)
        self._watch()
        if answer.status is not AskStatus.ASSIGNED:
            return None
        [given] = answer.assignments
        self.given.append(given)
        return Work(self._name(given), given.lease, given.next_decision_length, self.search.signs[given.bracket])

    def tell(self, work: Work, metric: float) -> Work | None:
        """Tell a result where the work ends; the work that follows, None when the worker is out of work."""
        self.runs.append((work.trial, work.length))
        result = Result(work.lease, [Report(work.length, work.sign * metric)], checkpoint="saved")
        [reply] = self.engine.tell("", [result], now_ms=0).replies
        self._watch()
        if reply.decision is Decision.CONTINUE:
            return replace(work, length=reply.next_decision_length)
        return self.ask()

    def die(self, work: Work) -> Work | None:
        """Fail instead of telling; the work that follows."""
        self.runs.append((work.trial, work.length))
        self.engine.fail("", work.lease, Outcome.ERROR, "scripted", now_ms=0)
        return self.ask()

    def work_after(self, following: Work | None) -> list[Work]:
        """What is taken up after a result: by the worker that told it, and by those that wait."""
        found = [following] if following else []
        self.idle += not found
        while self.patient and self.idle and (work := self.ask()):
            found.append(work)
            self.idle -= 1
        return found

    def is_done(self) -> bool:
        """Whether the search has ended by itself."""
        return self.engine.ask("", 1, "worker", now_ms=0).status is AskStatus.DONE

    def lengths(self) -> dict[int, list[int]]:
        """The lengths each trial was trained to, by its number in the table."""
        return {trial: [length for other, length in self.runs if other == trial] for trial, _ in self.runs}

    def _watch(self) -> None:
        self.progress.append(fraction_done(self.search.plan, self.engine.progress()))

    def _name(self, given: Assignment) -> int:
        if given.lease.trial not in self.names:
            in_order = [b for b, bracket in enumerate(self.search.plan.brackets) for _ in range(bracket.max_trials)]
            brackets = self.case.get("bracket_of_trial", in_order)
            of_bracket = [trial for trial, bracket in enumerate(brackets) if bracket == given.bracket]
            self.names[given.lease.trial] = of_bracket[self.started[given.bracket]]
            self.started[given.bracket] += 1
        return self.names[given.lease.trial]


def player_of(case: Case, make_engine: MakeEngine) -> Player:
    """A player of the case on a new engine."""
    search = search_of(case)
    patient = search.plan.rule is PromotionRule.POPULATION
    return Player(make_engine(search.config, search.plan), case, search, patient=patient)


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
        queue.extend(player.work_after(following))


def play_picked(player: Player) -> None:
    """Harness B: runs end in the recorded order, with the recorded metrics."""
    flying = {work.trial: work for work in player.first_work()}
    for event in player.case["trace"]:
        if event["event"] == "validated":
            assert event["trial"] in flying, f"trial {event['trial']} is not in flight"
            following = player.tell(flying.pop(event["trial"]), float(event["metric"]))
            flying |= {work.trial: work for work in player.work_after(following)}


def play_sequential(player: Player) -> dict[int, int | None]:
    """Harness C: each trial reports at regular lengths to its own end before the next begins. Returns where each was
    stopped.

    One counter gives the metrics. It also counts the report at length 0, which Rungway does not take: nothing is
    trained yet. A trial that trains to the end of a search without rungs has not been stopped.
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
            [reply] = player.engine.tell("", [result], now_ms=0).replies
            if reply.decision is Decision.STOP:
                stopped[work.trial] = None if player.search.config.searcher.name in WHOLE_RUNS else time
                following = player.ask()
                queue.extend([following] if following else [])
                break
    return stopped
