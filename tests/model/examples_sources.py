"""Games worked by hand: sources of configurations, their shares, what is in stock, and the sampler's own way up."""

import math
from collections import Counter

from rungway_server.domain.engine import Assignment, Outcome, Reason
from rungway_server.domain.search.sources import EXTERNAL, FOREST, LOCAL, PARTS, Proposals
from tests.model.examples_auto import mixed, work
from tests.model.finite import Finite
from tests.model.hand import Start, example
from tests.model.plans import async_plan, auto_plan, population_plan, with_sources

WAITS = "pause not_promoted"
MIXTURE, ALONE, ELSEWHERE = Proposals.MIXTURE, Proposals.FOREST, Proposals.EXTERNAL


def sources_of(given: list[Assignment]) -> list[tuple[str, str]]:
    """Of new trials: the source of each, and whose turn it was."""
    found = (each.explanation.proposal for each in given)
    return [(each.source, each.turn) for each in found if each]


@example
def models_begin_with_enough_results(start: Start) -> None:
    """Until a rung has the results that models need, all trials are drawn; then a fifth is."""
    hand = start(with_sources(async_plan(1, 3, trials=30), ALONE, least=4))
    assert hand.ask(6) == [0, 1, 2, 3, 4, 5]
    for trial in range(4):
        hand.told(trial, 1 - trial / 10)
    given = work(hand, mixed, 16)
    found = sources_of(given)
    assert Counter(found)[FOREST, FOREST] > 2 * Counter(found)[("sampler", "sampler")] > 0
    first = next(each.explanation.proposal for each in given if each.explanation.proposal)
    assert [share.source for share in first.sources] == ["sampler", FOREST]
    assert hand.view(given[0].lease.trial).source in ("sampler", FOREST)


@example
def a_mixture_shares_the_training(start: Start) -> None:
    """Each source gets its share of the training, and more of it once the best results are of its trials."""
    plan = with_sources(auto_plan(1, 2, 4, trials=60, divisor=2), MIXTURE)
    hand = start(plan)
    work(hand, lambda trial, length: mixed(trial, length) - (hand.view(trial).source == LOCAL), 90)
    own, forest, local = hand.engine.progress().sources
    assert plan.sources
    least = [0.4 * share / PARTS - 0.01 for share in plan.sources.shares]
    assert local.share > 0.4
    assert (own.share > least[0], forest.share > least[1]) == (True, True)
    assert local.credit > 1 > own.credit
    assert own.spent + forest.spent + local.spent == sum(each.spent for each in hand.engine.progress().entries)


@example
def an_ask_for_several_takes_turns(start: Start) -> None:
    """Whose turn it is depends on the trials before it in the same ask, too."""
    hand = start(with_sources(async_plan(1, 3, trials=80), ALONE, least=4))
    work(hand, mixed, 12)
    given = [each for i in range(30) for each in hand.answer(1 + i % 3).assignments]
    found = Counter(sources_of(given))
    assert 3 < found["sampler", "sampler"] < 20 < found[FOREST, FOREST]


@example
def dead_trials_praise_no_source(start: Start) -> None:
    """Where the best of the top rung are not numbers, they count for no source."""
    hand = start(with_sources(async_plan(1, 2, trials=30, divisor=1.5), MIXTURE))
    work(hand, lambda trial, _: math.nan if trial % 3 else trial / 30, 36)
    credit = sum(each.credit for each in hand.engine.progress().sources)
    assert 0 < credit < math.floor(hand.sizes()[1] / 1.5) - 1


@example
def the_sampler_has_a_way_up_of_its_own(start: Start) -> None:
    """A trial of the sampler that the models' trials beat is promoted by its rank among its own."""
    hand = start(with_sources(async_plan(1, 4, trials=60, divisor=2), MIXTURE))
    given = work(hand, lambda trial, length: mixed(trial, length) + 2 * (hand.view(trial).source == "sampler"), 90)
    up = [each for each in given if each.explanation.reason is Reason.PROMOTED_AMONG_OWN]
    promoted = [trial for trial in range(60) if hand.view(trial).source == "sampler" and hand.view(trial).rung]
    assert len(promoted) > 6
    assert up
    for each in up:
        assert each.explanation.rank < each.explanation.quota <= each.explanation.rung_size / 2


@example
def who_is_displaced_everywhere_waits(start: Start) -> None:
    """A trial of the sampler that better ones of its own displace is not promoted any more."""
    hand = start(with_sources(async_plan(1, 4, trials=40, divisor=2), MIXTURE, least=99))
    hand.ask(8)
    hand.pause()
    for trial, metric in enumerate([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]):
        hand.told(trial, metric)
    hand.resume()
    assert [hand.assigned().lease.trial for _ in range(4)] == [7, 6, 5, 4]


@example
def a_rung_that_has_promoted_enough_is_full(start: Start) -> None:
    """Those that were promoted and overtaken count: who overtakes them waits until the rung has more results, or until
    no new trial is left."""
    hand = start(with_sources(async_plan(1, 4, trials=8, divisor=2), MIXTURE, least=99))
    hand.ask(6)
    assert [hand.told(0, 0.5), hand.told(1, 0.4)] == [WAITS, "continue promoted"]
    assert hand.told(2, 0.3) == "pause rung_full"
    assert hand.assigned().lease.trial == 6
    assert hand.told(3, 0.2) == "continue promoted"
    assert hand.assigned().lease.trial == 7
    assert hand.told(4, 0.1) == "pause rung_full"
    assert hand.assigned().lease.trial == 4


@example
def who_waits_for_room_goes_before_a_newcomer(start: Start) -> None:
    """Room that a rung has again is for the best of those that may be promoted."""
    hand = start(with_sources(async_plan(1, 4, trials=40, divisor=2), MIXTURE, least=99))
    hand.ask(6)
    assert [hand.told(0, 0.5), hand.told(1, 0.4), hand.told(2, 0.1)] == [WAITS, "continue promoted", "pause rung_full"]
    assert hand.told(3, 0.2) == "pause rung_full"
    assert [hand.assigned().lease.trial for _ in range(2)] == [2, 6]


@example
def an_invalid_trial_makes_room(start: Start) -> None:
    """A promoted trial that turns out to be invalid does not count among those that its rung has promoted."""
    hand = start(with_sources(async_plan(1, 4, trials=40, divisor=2), MIXTURE, least=99))
    hand.ask(4)
    assert [hand.told(0, 0.2), hand.told(1, 0.1), hand.passed()] == [WAITS, "continue promoted", [1, 0]]
    hand.fail(1, Outcome.INVALID)
    assert hand.passed() == [0, 0]
    assert hand.told(2, 0.1) == "continue promoted"


@example
def an_invalid_trial_leaves_its_own_rank(start: Start) -> None:
    """What an invalid trial had among its own goes with it, and another one moves up."""
    hand = start(with_sources(async_plan(1, 4, 8, trials=40, divisor=2), MIXTURE, least=99, bounded=False))
    hand.ask(4)
    assert [hand.told(0, 0.1), hand.told(1, 0.2), hand.told(2, 0.3)] == [WAITS, WAITS, WAITS]
    assert hand.assigned().lease.trial == 0
    hand.fail(0, Outcome.INVALID)
    assert hand.assigned().lease.trial == 1
    assert hand.told(3, 0.05) == "continue promoted"


@example
def an_invalid_trial_makes_no_room_among_its_own(start: Start) -> None:
    """The rung promotes no more of the sampler's trials for one that has turned out to be invalid."""
    hand = start(with_sources(async_plan(1, 4, trials=40, divisor=2), MIXTURE, least=99, bounded=False))
    hand.ask(6)
    assert [hand.told(0, 0.5), hand.told(1, 0.6), hand.assigned().lease.trial] == [WAITS, WAITS, 0]
    assert [hand.told(2, 0.4), hand.told(3, 0.3)] == ["continue promoted", "continue promoted"]
    hand.fail(0, Outcome.INVALID)
    assert [hand.told(4, 0.45), hand.told(5, 0.47), hand.assigned().lease.trial] == [WAITS, WAITS, 6]


@example
def the_dead_of_the_sampler_block_nobody(start: Start) -> None:
    """Dead trials rank last among their own, and are promoted without a worker when it is their turn."""
    hand = start(with_sources(async_plan(1, 2, 4, trials=24, divisor=1.5), MIXTURE))
    hand.ask(6)
    for trial in range(6):
        hand.fail(trial, Outcome.DIVERGED) if trial % 2 else hand.told(trial, trial / 10)
    work(hand, mixed, 40)
    assert hand.waits() in ("done search_done", "wait waiting_for_results")


@example
def another_program_fills_the_stock(start: Start) -> None:
    """Its proposals are used in order; the first that comes with a number is kept; without any the sampler steps in."""
    hand = start(with_sources(async_plan(1, 3, trials=9), ELSEWHERE))
    assert hand.fill_stock(0, 2) == (2, 2)
    assert hand.fill_stock(1, 2) == (3, 3)  # the second is there already
    assert hand.fill_stock(0, 2) == (3, 3)
    assert hand.fill_stock(5, 2) == (3, 3)  # a gap: the caller's view is old
    given = [hand.assigned() for _ in range(4)]
    assert sources_of(given) == [(EXTERNAL, EXTERNAL)] * 3 + [("sampler", EXTERNAL)]
    hand.enqueue({"x": 0.5})
    assert hand.fill_stock(3, 1) == (1, 4)
    assert sources_of([hand.assigned(), hand.assigned()]) == [("user", "user"), (EXTERNAL, EXTERNAL)]


@example
def no_point_is_proposed_twice(start: Start) -> None:
    """In a finite space a proposal of a point that has had a trial is dropped, and each point is run once."""
    hand = start(with_sources(async_plan(1, 3, trials=12), ALONE), finite=Finite(7))
    given = work(hand, mixed, 12)
    new = [each for each in given if each.explanation.proposal]
    points = [each.hparams["x"] for each in new[:7]]
    assert set(points) == {*range(7)}


@example
def a_proposal_grows_old(start: Start) -> None:
    """What was proposed from far fewer results is not used any more."""
    hand = start(with_sources(async_plan(1, 3, trials=60, divisor=4), ALONE))
    given = work(hand, mixed, 40)
    revisions = [each.explanation.proposal.revision for each in given if each.explanation.proposal]
    assert len({*revisions} - {0}) > 3
    assert revisions[-1] > revisions[len(revisions) // 2]


@example
def clones_have_the_source_of_their_parents(start: Start) -> None:
    """A clone is of no source's turn."""
    hand = start(with_sources(population_plan(1, 2, size=4, cut=1), ALONE, least=1))
    hand.ask(2)
    hand.told(0, 0.5)
    hand.ask(3)
    for trial in range(1, 4):
        hand.told(trial, 0.5 - trial / 10)
    given = work(hand, mixed, 9)
    clone = next(each for each in given if each.explanation.reason is Reason.CLONED)
    assert hand.view(clone.lease.trial).source == hand.view(clone.explanation.parent or 0).source


@example
def few_sources_and_few_rungs(start: Start) -> None:
    """Entries, a budget and trials that go on work with sources as without them."""
    plan = auto_plan(1, 2, 4, 8, trials=14, divisor=2, go_on=True, blind=True, budget=70)
    hand = start(with_sources(plan, MIXTURE))
    work(hand, mixed, 90)
    assert hand.waits() == "done search_done"
    assert hand.engine.progress().budget_spent
