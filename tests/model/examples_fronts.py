"""Games worked by hand: rungs that rank by several objectives, or by one with constraints on outcomes."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from rungway_server.domain.engine import AskStatus, Decision, Further, Reason, Report, Result, TellReply
from rungway_server.domain.errors import InvalidInput
from tests.model.hand import Hand, Start, example, in_short
from tests.model.objectives import NAMES, Window
from tests.model.plans import async_plan, auto_plan, with_objectives

WAITS, UP, OUT = "pause not_promoted", "continue promoted", "pause outranked"


def report(length: int, *values: float, heat: float | None = None) -> Report:
    """A report of the objectives in turn, and of what is constrained."""
    named = dict(zip(NAMES[1:], values[1:], strict=False)) | ({} if heat is None else {"heat": heat})
    return Report(length, values[0], Further(named) if named else None)


def tell(hand: Hand, trial: int, *values: float, heat: float | None = None) -> TellReply:
    """Tell these values at the next decision's length."""
    found = report(hand.next_length[trial], *values, heat=heat)
    [reply] = hand.tell_all([Result(hand.held[trial], [found], "saved")])
    return reply


def ranks(replies: Sequence[TellReply]) -> list[tuple[int | None, int | None]]:
    """Rank and front of each."""
    return [(reply.explanation.rank, reply.explanation.front) for reply in replies]


@example
def the_first_front_goes_up_and_is_spread(start: Start) -> None:
    """Half go up: the ends of the front, then what is farthest from both. What equals another is on its front."""
    hand = start(with_objectives(async_plan(1, 4, trials=12, divisor=2), 2))
    hand.ask(8)
    told = [(0.0, 100.0), (1.0, 0.0), (0.1, 90.0), (0.5, 30.0), (0.5, 30.0), (0.9, 95.0), (0.2, 80.0), (0.6, 29.0)]
    replies = [tell(hand, trial, *values) for trial, values in enumerate(told)]
    assert ranks(replies) == [(0, 0), (1, 0), (1, 0), (3, 0), (4, 0), (5, 1), (4, 0), (6, 0)]
    given = [hand.assigned() for _ in range(5)]
    assert [(each.lease.trial, each.explanation.rank) for each in given[:4]] == [(0, 0), (1, 1), (3, 2), (6, 3)]
    assert given[4].explanation.reason is Reason.NEW_TRIAL


@example
def what_violates_comes_after_what_does_not(start: Start) -> None:
    """Of three objectives any earlier result may be the one that dominates; a smaller violation beats any value."""
    hand = start(with_objectives(async_plan(1, 4, trials=12, divisor=2), 3))
    hand.ask(8)
    told = [
        ((0.5, 0.4, 1.0), 0.0),
        ((0.0, 0.0, 9.0), 0.5),  # the best values, and beyond a bound
        ((0.1, 0.5, 0.0), 0.0),
        ((0.6, 0.1, 0.5), 0.0),
        ((0.2, 0.5, 0.0), 0.0),  # the third dominates it, not the fourth
        ((0.0, 0.75, 9.0), 0.25),  # half beyond another bound
        ((0.7, 0.4, 0.5), 0.25),
        ((0.6, 0.2, 0.75), 0.0),
    ]
    replies = [tell(hand, trial, *values, heat=heat) for trial, (values, heat) in enumerate(told)]
    assert [front for _, front in ranks(replies)] == [0, 1, 0, 0, 1, 2, 1, 0]
    assert in_short(replies[1]) == OUT
    assert hand.view(1).best_metric is None
    assert hand.best(8) == [2, 4, 0, 3, 7, 6]  # by the first objective


@example
def what_is_not_finite_never_goes_up(start: Start) -> None:
    """Not even where slots are left."""
    hand = start(with_objectives(async_plan(1, 4, trials=4, divisor=1.5), 2))
    hand.ask(4)
    told = [(math.nan, 0.0), (0.5, math.inf), (0.5, 0.5), (0.25, math.nan)]
    assert [in_short(tell(hand, trial, *values)) for trial, values in enumerate(told)] == [OUT, OUT, UP, OUT]
    assert tell(hand, 2, 0.5, math.nan).decision is Decision.STOP
    assert hand.answer().status is AskStatus.DONE
    assert hand.best() == [2]  # of the top rung alone, even so


@example
def the_last_objective_counts_at_the_top_alone(start: Start) -> None:
    """It is not needed below; the top, and a training that ends by itself, need it."""
    hand = start(with_objectives(async_plan(1, 4, trials=4, divisor=2), 2, finals=True))
    hand.ask(4)
    assert [in_short(tell(hand, trial, loss)) for trial, loss in enumerate((0.5, 0.25, 0.75))] == [OUT, UP, OUT]
    fields = []
    for trial, finished in ((1, False), (3, True)):
        try:
            hand.tell_all([Result(hand.held[trial], [report(hand.next_length[trial], 0.1)], "c", finished)])
        except InvalidInput as error:
            fields += [violation.field for violation in error.violations]
    assert fields == ['results[0].reports[0].metrics["latency"]'] * 2
    assert tell(hand, 1, 0.1, 5.0).decision is Decision.STOP
    [reply] = hand.tell_all([Result(hand.held[3], [report(1, 0.1, 3.0)], "c", finished=True)])
    assert reply.explanation.reason is Reason.FINISHED
    assert ranks([reply]) == [(0, 0)]


@example
def of_those_that_wait_the_best_goes_on(start: Start) -> None:
    """After the last new trial, by a single metric with a constraint."""
    hand = start(with_objectives(auto_plan(1, 4, trials=6, divisor=6, go_on=True, budget=60), 1))
    hand.ask(6)
    told = [(0.1, 1.0), (0.4, 0.0), (0.3, 0.5), (0.2, 0.75), (0.5, 0.25), (0.25, 0.25)]
    replies = [tell(hand, trial, loss, heat=heat) for trial, (loss, heat) in enumerate(told)]
    assert [rank for rank, _ in ranks(replies)] == [0, 0, 0, 2, 2, 0]
    assert in_short(replies[5]) == UP
    given = [hand.assigned() for _ in range(3)]
    assert [(each.lease.trial, str(each.explanation.reason)) for each in given] == [
        (2, "going_on"), (1, "going_on"), (4, "going_on"),
    ]  # fmt: skip


@example
def the_newest_of_many_are_compared(start: Start) -> None:
    """The first were the best; once as many newer ones were told as are compared, they count no more."""
    trials, divisor = Window.most + 7, Window.most  # so one goes up, once there are as many results
    hand = start(with_objectives(replace(async_plan(1, 4, trials=trials, divisor=divisor), max_concurrent_trials=0), 1))
    hand.ask(trials)
    told = [Result(hand.held[trial], [report(1, trial / 1000, heat=0.0)], "c") for trial in range(trials)]
    replies = hand.tell_all(told)
    assert [replies[trial].explanation.rung_size for trial in (0, Window.most - 1, trials - 1)] == [1, 128, 128]
    assert ranks(replies)[-1] == (Window.most - 1, Window.most - 1)
    given = hand.assigned()
    assert (given.lease.trial, given.explanation.rank, given.explanation.rung_size) == (7, 0, Window.most)


@example
def many_results_of_four_objectives(start: Start) -> None:
    """Values of all kinds, in the order in which a die says: rank and front of each are those of the definition."""
    dice = random.Random(4)
    hand = start(with_objectives(async_plan(1, 2, 4, trials=24, divisor=2), 4))
    while (answer := hand.answer()).status is AskStatus.ASSIGNED:
        trial, decision = answer.assignments[0].lease.trial, Decision.CONTINUE
        while decision is Decision.CONTINUE:
            decision = tell(hand, trial, *(dice.choice((0.0, 0.25, 0.5, 1.0, 7.0)) for _ in NAMES)).decision
    assert hand.sizes()[0] == 24
