"""Random games that hold the engine to what it promises about promotions, by the told results alone.

Which results are promotable is worked out here from its meaning and not by the engine's formula: under the async rule
the best floor(n / divisor) of the n results of a rung; under the sync rule those who are among the best K of the
finished rung however the missing results turn out, which is tried for every way they can. Nothing of the reference
model is used.
"""

import itertools
import math
from dataclasses import dataclass, field

from hypothesis import strategies as st

from rungway_server.domain.engine import (
    AskStatus,
    Assignment,
    Decision,
    ExperimentState,
    Lease,
    Outcome,
    Reason,
    Report,
    Result,
)
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.domain.search.plan import Bracket, Plan, PromotionRule, Rung
from tests.model.pair import Engine
from tests.model.plans import ASYNC, PROMOTE, SYNC

LEASE_MS = 10_000
UNLIMITED = 1_000_000
"""Restarts, so that a trial dies only when it is said to."""
EXPIRE = "expire"
SCORES = [0.0, 0.25, 0.5, 0.5, 0.75, 1.0, math.inf, math.nan]
"""Smaller is better. None that could not be beaten: minus infinity would be among the best whatever follows."""
ENDS = [*[Outcome.ERROR] * 4, Outcome.INVALID, Outcome.TRANSIENT, Outcome.PREEMPTED, EXPIRE]

Move = tuple[int, object]
"""Whose turn it is (0 = a worker asks, else a held trial), and what becomes of it: a score, an outcome or an expiry."""

moves = st.lists(st.tuples(st.integers(0, 8), st.sampled_from([*SCORES * 2, *ENDS])), min_size=10, max_size=90)


class Broken(AssertionError):
    """The engine did not keep a promise."""


@st.composite
def games(draw: st.DrawFn, rule: PromotionRule) -> tuple[Plan, list[Move]]:
    """A plan of one or two brackets in which every rung costs training, and what happens."""
    top = draw(st.integers(2, 4))
    counts = sorted([*draw(st.lists(st.integers(1, top), max_size=1)), top], reverse=True)
    brackets = []
    for count in counts:
        sizes = [draw(st.integers(1, 9))]
        while len(sizes) < count:
            sizes.append(draw(st.integers(1, sizes[-1])))
        ladder = zip(range(top - count + 1, top + 1), sizes, [*sizes[1:], 0], strict=True)
        rungs = (Rung(*rung) if rule is SYNC else Rung(rung[0]) for rung in ladder)
        brackets.append(Bracket(tuple(rungs), sizes[0], draw(st.integers(1, 4))))
    divisor, cap = draw(st.sampled_from([2, 3, 1.5, 2.5])), draw(st.sampled_from([0, 0, 3]))
    return Plan(tuple(brackets), rule, PROMOTE, divisor, cap, "epochs"), draw(moves)


@dataclass(frozen=True)
class Told:
    """The result of a trial at a rung; smaller scores are better, None (dead, or not a number) is worse than any."""

    score: float | None
    sequence: int
    trial: int

    @property
    def key(self) -> tuple[bool, float, int]:
        """Best first; of equals the one told earlier."""
        return self.score is None, self.score or 0.0, self.sequence


def ranked(found: list[Told]) -> list[Told]:
    """Best first."""
    return sorted(found, key=lambda told: told.key)


@dataclass
class Ladder:
    """The results of one bracket, and the rung each trial trains towards."""

    plan: Plan
    bracket: Bracket
    results: list[list[Told]] = field(init=False)
    rung_of: dict[int, int] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    entered: int = 0

    def __post_init__(self) -> None:
        self.results = [[] for _ in self.bracket.rungs]

    def tell(self, trial: int, score: float | None) -> None:
        """A result at the rung the trial trains towards."""
        self._enter(trial, score)
        self.raise_dead()

    def _enter(self, trial: int, score: float | None) -> None:
        self.results[self.rung_of[trial]].append(Told(score, self.entered, trial))
        self.entered += 1

    def die(self, trial: int) -> None:
        """It ranks last where it was."""
        self.dead.add(trial)
        self.tell(trial, None)

    def erase(self, trial: int) -> None:
        """As if it had never been."""
        self.results = [[told for told in rung if told.trial != trial] for rung in self.results]
        self.raise_dead()

    def raise_dead(self) -> None:
        """A dead trial that is promotable counts at once as dead in the next rung."""
        for k in range(len(self.results) - 1):
            for trial in self.best(k):
                if trial in self.dead and self.rung_of[trial] == k:
                    self.rung_of[trial] = k + 1
                    self._enter(trial, None)

    def best(self, k: int) -> set[int]:
        """The trials that are entitled to leave rung k, whether they have done so or not."""
        if k == len(self.results) - 1:
            return set()
        found = self.results[k]
        if self.plan.rule is ASYNC:
            many = math.floor(len(found) / self.plan.divisor)
            return {told.trial for told in ranked(found)[:many]}
        return certain(found, self.bracket.rungs[k])

    def gone(self) -> list[set[int]]:
        """The trials that have left each rung, and whose results still count."""
        return [{told.trial for told in rung if self.rung_of[told.trial] > k} for k, rung in enumerate(self.results)]

    def entitled(self) -> list[set[int]]:
        """The best of each rung."""
        return [self.best(k) for k in range(len(self.results))]

    def waiting(self) -> set[int]:
        """The living trials that are promotable."""
        rungs = range(len(self.results))
        return {trial for k in rungs for trial in self.best(k) if self.rung_of[trial] == k and trial not in self.dead}


def certain(found: list[Told], rung: Rung) -> set[int]:
    """The trials among the best `slots` of the finished rung in every way it can be finished: each missing result may
    be better than all there are, worse than all there are, or that of a dead trial."""
    missing = rung.size - len(found)
    endings = itertools.combinations_with_replacement([-math.inf, math.inf, None], missing)
    tops = []
    for ending in endings:
        late = [Told(score, UNLIMITED + i, -1 - i) for i, score in enumerate(ending)]
        tops.append({told.trial for told in ranked([*found, *late])[: rung.slots]})
    return {trial for trial in set.intersection(*tops) if trial >= 0}


@dataclass
class Game:
    """One search on one engine, watched. Raises Broken when a promise is not kept, StopIteration when it never ends."""

    engine: Engine
    plan: Plan
    smaller_is_better: bool
    now: int
    ladders: list[Ladder] = field(init=False)
    held: dict[int, Assignment] = field(default_factory=dict)
    done: float = 0.0

    def __post_init__(self) -> None:
        self.ladders = [Ladder(self.plan, bracket) for bracket in self.plan.brackets]

    def play(self, moves: list[Move]) -> None:
        """Play the moves, and then all that is left, one trial after the other."""
        for turn, result in moves:
            self.step(turn, result)
        left = itertools.repeat(0.5, 1000)
        while self.engine.progress().state is ExperimentState.RUNNING:
            self.step(len(self.held), next(left))
        for ladder in self.ladders:
            if ladder.waiting():
                raise Broken(f"the search has ended though {ladder.waiting()} are promotable")
            if self.plan.rule is SYNC and ladder.gone() != ladder.entitled():
                raise Broken(f"{ladder.gone()} were promoted, {ladder.entitled()} were the best at the end")

    def step(self, turn: int, result: object) -> None:
        """A worker asks, or something becomes of a trial that is held."""
        if turn == 0 or not self.held:
            self.ask()
        elif result == EXPIRE:
            self.now += LEASE_MS
            self.held.clear()
        else:
            self.end(sorted(self.held)[turn % len(self.held)], result)
        self.watch_progress(may_drop=result == Outcome.INVALID)

    def ask(self) -> None:
        """One ask. A new trial must not be started while its bracket has one that is promotable, nor may a worker
        wait."""
        answer = self.engine.ask("", 1, "worker", self.now)
        if answer.status is not AskStatus.ASSIGNED:
            if answer.reason is not Reason.CONCURRENCY_LIMIT and any(ladder.waiting() for ladder in self.ladders):
                raise Broken(f"{answer.status} though {[ladder.waiting() for ladder in self.ladders]} are promotable")
            return
        [given] = answer.assignments
        trial, ladder = given.lease.trial, self.ladders[given.bracket]
        self.held[trial] = given
        if given.explanation.reason is Reason.PROMOTED:
            self.promoted(ladder, trial)
        elif trial not in ladder.rung_of:
            if ladder.waiting():
                raise Broken(f"trial {trial} is new though {ladder.waiting()} are promotable")
            ladder.rung_of[trial] = 0

    def promoted(self, ladder: Ladder, trial: int) -> None:
        """The engine has promoted a trial: it must have been promotable."""
        if trial not in ladder.waiting():
            raise Broken(f"trial {trial} was promoted from rung {ladder.rung_of[trial]}, not one of {ladder.waiting()}")
        ladder.rung_of[trial] += 1

    def end(self, trial: int, result: object) -> None:
        """A trial tells its next result, or ends otherwise."""
        given = self.held[trial]
        ladder = self.ladders[given.bracket]
        if isinstance(result, Outcome):
            del self.held[trial]
            self.engine.fail("", given.lease, result, "it broke", self.now)
            if result is Outcome.INVALID:
                ladder.erase(trial)
            elif result is Outcome.ERROR:
                ladder.die(trial)
        elif isinstance(result, float):
            self.tell(ladder, given.lease, result)

    def tell(self, ladder: Ladder, lease: Lease, score: float) -> None:
        """A result at the end of the rung; the trial goes on, or leaves its worker."""
        length = ladder.bracket.rungs[ladder.rung_of[lease.trial]].length
        metric = score if self.smaller_is_better else -score
        [reply] = self.engine.tell("", [Result(lease, [Report(length, metric)], "saved")], self.now).replies
        ladder.tell(lease.trial, None if math.isnan(score) else score)
        if reply.decision is Decision.CONTINUE:
            self.promoted(ladder, lease.trial)
            return
        del self.held[lease.trial]
        if lease.trial in ladder.waiting():
            raise Broken(f"trial {lease.trial} has to wait though it is promotable")

    def watch_progress(self, *, may_drop: bool) -> None:
        """The part done only drops when results are erased, and is the whole only at the end."""
        progress = self.engine.progress()
        part = fraction_done(self.plan, progress)
        if part < self.done and not may_drop:
            raise Broken(f"progress dropped from {self.done} to {part}")
        if part == 1 and (self.held or any(ladder.waiting() for ladder in self.ladders)):
            raise Broken("progress is 1 though there is work left")
        self.done = part
