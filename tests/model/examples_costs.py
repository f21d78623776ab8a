"""Games worked by hand: shares of the training that are weighed by what it cost."""

from collections.abc import Sequence

from rungway_server.domain.engine import Entry, Further, Outcome, Reason, Report, Result, SourceShare
from rungway_server.domain.search.sources import Proposals
from tests.model.examples_auto import mixed, work
from tests.model.hand import Hand, Start, example
from tests.model.plans import async_plan, auto_plan, cost_aware, population_plan, with_sources

DEAR = 5.0


def entries(hand: Hand) -> Sequence[Entry]:
    """As they are now."""
    return hand.engine.progress().entries


def used(found: Sequence[Entry] | Sequence[SourceShare]) -> list[float | None]:
    """What each has used of the training, weighed by its cost."""
    return [each.used for each in found]


def misled(trial: int, length: int) -> float:
    """A metric whose early values say nothing of later ones."""
    return (trial * 37 + length * length * 53) % 101 / 101


def enter_at_the_top(hand: Hand) -> None:
    """Trials until one has entered at the top."""
    while not entries(hand)[-1].spent:
        work(hand, mixed, 1, lambda trial: 1.0 + trial % 2)


def fresh(hand: Hand) -> int:
    """A trial that begins; others go on meanwhile."""
    while (given := hand.assigned()).from_length:
        pass
    return given.lease.trial


def cost_of_entry(hand: Hand, trial: int) -> float:
    """A unit of length of a trial that did not enter at the lowest rung costs more."""
    return DEAR if hand.view(trial).rung and len(hand.view(trial).curve) == 0 else 1.0


def spent_after(start: Start, plan_costs: bool) -> list[int]:
    """What entries had of the training in a search in which trials that enter at the top are dear."""
    plan = auto_plan(1, 2, 4, trials=80, divisor=2)
    hand = start(cost_aware(plan) if plan_costs else plan)
    entered: dict[int, float] = {}
    work(hand, misled, 110, lambda trial: entered.setdefault(trial, cost_of_entry(hand, trial)))
    return [each.spent for each in entries(hand)]


@example
def a_dear_entry_has_less_of_the_training(start: Start) -> None:
    """Where trials that enter above the lowest rung cost five times as much, they get less than without costs."""
    weighed, by_length = spent_after(start, plan_costs=True), spent_after(start, plan_costs=False)
    assert 0 < sum(weighed[1:]) < sum(by_length[1:]) / 2
    assert weighed[0] > by_length[0]


@example
def what_all_have_used_is_what_was_spent(start: Start) -> None:
    """The part that was told with a cost is shared anew, in proportion to cost; what was not told stays."""
    hand = start(cost_aware(auto_plan(2, 4, trials=40, divisor=2)))
    work(hand, mixed, 30, lambda trial: 1.0 if trial % 3 else DEAR)
    hand.ask(3)
    low, full = entries(hand)
    assert low.used != low.spent
    assert low.used is not None
    assert full.used is not None
    assert abs(low.used + full.used - low.spent - full.spent) < 1e-9


@example
def without_a_cost_all_is_by_length(start: Start) -> None:
    """Until a cost was told, and where all costs are 0, each unit of length counts as one."""
    hand = start(cost_aware(auto_plan(2, 4, trials=9)))
    assert used(hand.assigned().explanation.entries) == [0, 0]
    hand.tell(0, 0.5, at=1)
    hand.tell(0, 0.5, at=2, cost=0.0)
    assert used(hand.assigned().explanation.entries) == [2, 0]
    assert used(entries(hand)) == [4, 0]


@example
def a_cost_is_of_the_training_since_the_report_before(start: Start) -> None:
    """The first report of a lease is about what was trained from its checkpoint on; reports without a cost are left
    out."""
    hand = start(cost_aware(auto_plan(6, 12, trials=9, divisor=2)))
    enter_at_the_top(hand)
    spent = entries(hand)
    first = fresh(hand)
    hand.tell(first, 0.5, at=2, cost=8.0)
    hand.tell(first, 0.5, at=3)
    reports = [Report(4, 0.5, Further({"accuracy": 1.0})), Report(5, 0.5, Further({"accuracy": 0.5}, 2.0))]
    hand.tell_all([Result(hand.held[first], reports)])
    now = entries(hand)
    assert [each.spent for each in now] != [each.spent for each in spent]
    assert used(now) != [float(each.spent) for each in now]


@example
def what_is_trained_again_costs_again(start: Start) -> None:
    """A trial that is handed out again trains from its checkpoint: that is training, and has its cost."""
    hand = start(cost_aware(auto_plan(4, 8, trials=9, divisor=2)))
    enter_at_the_top(hand)
    trial = fresh(hand)
    hand.tell(trial, 0.5, at=1, cost=1.0)
    hand.tell(trial, 0.5, at=3, checkpoint="", cost=50.0)
    before = entries(hand)
    hand.fail(trial, Outcome.TRANSIENT)
    assert hand.ask(1) == [trial]
    hand.tell(trial, 0.5, at=3, cost=50.0)
    now = entries(hand)
    assert sum(each.spent for each in now) == sum(each.spent for each in before) + 2
    assert used(now) != used(before)


@example
def a_report_costs_once(start: Start) -> None:
    """One that comes again costs nothing more, nor does one under a lease that is lost."""
    hand = start(cost_aware(auto_plan(4, 8, trials=9, divisor=2)))
    enter_at_the_top(hand)
    trial = fresh(hand)
    lost = hand.held[trial]
    hand.tell(trial, 0.5, at=1, request="r", cost=30.0)
    once = used(entries(hand))
    hand.tell(trial, 0.5, at=1, request="r", cost=30.0)
    assert used(entries(hand)) == once
    hand.release(trial)
    hand.ask(1)
    given_back = used(entries(hand))
    hand.tell_all([Result(lost, [Report(2, 0.5, Further({}, 30.0))])])
    assert used(entries(hand)) == given_back


@example
def costs_stay_finite(start: Start) -> None:
    """The largest numbers that there are leave the shares what they are: a whole."""
    hand, paid = start(cost_aware(auto_plan(1, 2, trials=40, divisor=2))), set[int]()
    while len(paid) < 2:  # the largest cost once at each entry, and hardly any elsewhere
        given = hand.assigned()
        entry = given.explanation.rung if given.explanation.reason is Reason.NEW_TRIAL else 0
        hand.tell(given.lease.trial, mixed(given.lease.trial, 0), cost=5e-324 if entry in paid else 1.7e308)
        paid.add(entry)
    hand.ask(2)
    low, full = entries(hand)
    assert low.share + full.share == 1
    assert low.used is not None
    assert full.used is not None
    assert abs(low.used + full.used - low.spent - full.spent) < 1e-6


@example
def the_cost_of_those_that_rest_counts(start: Start) -> None:
    """Invalid trials and those that a user stopped have cost what they cost, and results told after the end, too."""
    hand = start(cost_aware(auto_plan(4, 8, trials=9, divisor=2)))
    enter_at_the_top(hand)
    first, second = fresh(hand), fresh(hand)
    hand.tell(first, 0.5, at=1, cost=30.0)
    told = used(entries(hand))
    hand.fail(first, Outcome.INVALID)
    assert used(entries(hand)) != told  # what was not trained is given back
    hand.stop()
    given_back = used(entries(hand))
    hand.tell(second, 0.5, at=2, cost=90.0)
    assert used(entries(hand)) != given_back


@example
def results_of_elsewhere_cost_nothing(start: Start) -> None:
    """No entry had training for them."""
    hand = start(cost_aware(auto_plan(1, 2, trials=30, divisor=2)))
    for i in range(8):
        hand.enqueue_known({"x": i / 10}, 2, i / 100)
    assert used(entries(hand)) == [0, 0]
    work(hand, mixed, 9, lambda _: 2.0)
    assert sum(each or 0 for each in used(entries(hand))) == sum(each.spent for each in entries(hand))


@example
def who_goes_blindly_takes_no_cost_along(start: Start) -> None:
    """What a trial cost before it went to another entry stays with the one that it had then."""
    plan = auto_plan(1, 2, 4, trials=8, divisor=2, go_on=True, blind=True, budget=60)
    hand = start(cost_aware(plan))
    work(hand, mixed, 40, lambda trial: DEAR if trial % 2 else 1.0)
    assert hand.engine.progress().budget_spent or hand.waits() == "done search_done"
    assert {each for each in used(entries(hand)) if each is not None and each < 0} == set()


def of_sources(start: Start, plan_costs: bool) -> list[int]:
    """What sources had of the training in a search in which what the models propose is dear."""
    plan = with_sources(async_plan(1, 2, 4, trials=80, divisor=2), Proposals.MIXTURE)
    hand = start(cost_aware(plan) if plan_costs else plan)
    work(hand, mixed, 110, lambda trial: 1.0 if hand.view(trial).source == "sampler" else DEAR)
    return [each.spent for each in hand.engine.progress().sources]


@example
def a_dear_source_has_less_of_the_training(start: Start) -> None:
    """Where configurations of models cost five times as much to train, they get less than without costs."""
    weighed, by_length = of_sources(start, plan_costs=True), of_sources(start, plan_costs=False)
    assert weighed[0] > by_length[0]
    assert weighed[1] + weighed[2] < 0.7 * (by_length[1] + by_length[2])


@example
def entries_and_sources_count_each_for_itself(start: Start) -> None:
    """A search may learn both; a user's own configuration is of an entry, and of no source."""
    hand = start(cost_aware(with_sources(auto_plan(1, 2, 4, trials=60, divisor=2), Proposals.MIXTURE)))
    for i in range(3):
        hand.enqueue({"x": i / 10})
    work(hand, mixed, 80, lambda trial: 1.0 + trial % 4)
    progress = hand.engine.progress()
    by_entry = sum(each or 0 for each in used(progress.entries))
    by_source = sum(each or 0 for each in used(progress.sources))
    assert abs(by_entry - sum(each.spent for each in progress.entries)) < 1e-9
    assert abs(by_source - sum(each.spent for each in progress.sources)) < 1e-9
    assert by_source < by_entry


@example
def a_clone_does_not_cost_what_its_parent_did(start: Start) -> None:
    """It begins at the length of its parent's checkpoint, and with no cost."""
    hand = start(cost_aware(with_sources(population_plan(2, 4, 6, size=4, cut=1), Proposals.MIXTURE)))
    work(hand, mixed, 20, lambda trial: DEAR if trial % 2 else 1.0)
    sources = hand.engine.progress().sources
    assert abs(sum(each or 0 for each in used(sources)) - sum(each.spent for each in sources)) < 1e-9
