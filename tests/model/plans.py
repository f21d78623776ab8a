"""Random plans: every rule and form, equal rungs, few trials, small caps. And short ways to write a plan by hand."""

from dataclasses import replace

from hypothesis import strategies as st

from rungway_server.domain.search.methods.auto import first_shares
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.sources import Proposals, sources_of

ASYNC, SYNC, POPULATION = PromotionRule.ASYNC, PromotionRule.SYNC, PromotionRule.POPULATION
PROMOTE, STOP = DecisionForm.PROMOTE, DecisionForm.STOP
SEVERAL = (Proposals.MIXTURE, Proposals.MIXTURE, Proposals.FOREST, Proposals.KDE, Proposals.EXTERNAL)


def async_plan(
    *lengths: int, trials: int, divisor: float = 3, form: DecisionForm = PROMOTE, concurrency: int = 4, cap: int = 0
) -> Plan:
    """One bracket under the async rule."""
    bracket = Bracket(tuple(Rung(length) for length in lengths), trials, concurrency)
    return Plan((bracket,), ASYNC, form, divisor, cap, "epochs")


def auto_plan(
    *lengths: int,
    trials: int,
    divisor: float = 3,
    cap: int = 0,
    go_on: bool = False,
    blind: bool = False,
    budget: int = 0,
    budget_ms: int = 0,
) -> Plan:
    """One bracket at whose rungs new trials may enter."""
    plan = async_plan(*lengths, trials=trials, divisor=divisor, cap=cap)
    entries = first_shares(len(lengths))
    return replace(plan, entries=entries, go_on=go_on, blind=blind, budget=budget, budget_ms=budget_ms)


def with_sources(plan: Plan, proposals: Proposals, least: int = 2, bounded: bool = True) -> Plan:
    """The plan with sources of configurations, of which models need so many results of a rung. `bounded`: as in stored
    mixtures whose rungs can be full."""
    sources = sources_of(proposals, 1, may_protect=plan.rule is ASYNC and plan.form is PROMOTE)
    least = 0 if proposals is Proposals.EXTERNAL else least
    return replace(plan, sources=replace(sources, least=least, bounded=sources.protects and bounded))


def learns(plan: Plan) -> bool:
    """Whether shares of the training are learned."""
    return bool(plan.entries or (plan.sources and plan.sources.learns))


def cost_aware(plan: Plan) -> Plan:
    """The plan whose shares are weighed by what reports say that the training cost."""
    return replace(plan, cost_aware=True)


def with_objectives(plan: Plan, objectives: int, *, finals: bool = False) -> Plan:
    """The plan with so many objectives; `finals`: the last one counts at the top rung alone."""
    return replace(plan, objectives=objectives, finals=finals and objectives > 1)


def by_fronts(plan: Plan) -> Plan:
    """A plan with several objectives that is otherwise as this one, as far as one can be."""
    brackets = tuple(
        replace(bracket, rungs=tuple(Rung(rung.length) for rung in bracket.rungs)) for bracket in plan.brackets
    )
    plan = replace(plan, brackets=brackets, rule=ASYNC, form=PROMOTE, blind=False, sources=None)
    dice = sum(rung.length for bracket in brackets for rung in bracket.rungs) + plan.max_trials
    return with_objectives(plan, 1 + dice % 4, finals=dice % 3 == 0)


def sync_plan(*rungs: tuple[int, int, int], concurrency: int = 4) -> Plan:
    """One bracket under the sync rule; a rung is (length, size, slots)."""
    bracket = Bracket(tuple(Rung(*rung) for rung in rungs), rungs[0][1], concurrency)
    return Plan((bracket,), SYNC, PROMOTE, 2, 0, "epochs")


def population_plan(*lengths: int, size: int, cut: int, cap: int = 0) -> Plan:
    """A population of `size`, the worst `cut` of which make way for clones after each round."""
    rungs = (*(Rung(length, size, size - cut, cut) for length in lengths[:-1]), Rung(lengths[-1], size))
    bracket = Bracket(rungs, size + cut * (len(lengths) - 1), 4)
    return Plan((bracket,), POPULATION, PROMOTE, 2, cap, "epochs")


@st.composite
def _populations(draw: st.DrawFn) -> Plan:
    lengths = draw(st.sets(st.integers(1, 6), min_size=1, max_size=4))
    size = draw(st.sampled_from([4, 3, 2, 5, 6, 1]))
    cut = draw(st.integers(0, size // 2))
    return population_plan(*sorted(lengths), size=size, cut=cut, cap=draw(st.sampled_from([0, 0, 0, 1, 2, 4])))


@st.composite
def _lengths(draw: st.DrawFn, top: int) -> list[int]:
    lower = draw(st.sampled_from([2, 3, 1, 2, 3, 0]))
    return [*sorted(draw(st.integers(1, top)) for _ in range(lower)), top]


@st.composite
def _bracket(draw: st.DrawFn, rule: PromotionRule, top: int) -> Bracket:
    lengths, trials = draw(_lengths(top)), draw(st.sampled_from([9, 6, 12, 4, 7, 3, 2, 1]))
    sizes = [trials]
    while rule is SYNC and len(sizes) < len(lengths):
        sizes.append(draw(st.integers(min(1, sizes[-1]), sizes[-1])))
    if rule is ASYNC:
        return Bracket(tuple(Rung(length) for length in lengths), trials, draw(st.integers(1, 4)))
    rungs = tuple(Rung(*rung) for rung in zip(lengths, sizes, [*sizes[1:], 0], strict=True))
    return Bracket(rungs, trials, draw(st.integers(1, 4)))


@st.composite
def autos(draw: st.DrawFn) -> Plan:
    """A plan with entries, perhaps with a budget, and with trials that go on after the last new one."""
    lengths = sorted(draw(st.sets(st.integers(1, 7), min_size=1, max_size=4)))
    go_on, blind = draw(st.sampled_from([(False, False), (True, False), (True, True)]))
    return auto_plan(
        *lengths,
        trials=draw(st.sampled_from([9, 14, 6, 24, 3])),
        divisor=draw(st.sampled_from([2, 3, 1.5])),
        cap=draw(st.sampled_from([0, 0, 2])),
        go_on=go_on,
        blind=blind,
        budget=draw(st.sampled_from([0, 0, 12, 30, 60])),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan of one to three brackets of one to four rungs, perhaps with sources."""
    plan, proposals = draw(_plans()), draw(st.sampled_from([None, None, None, *SEVERAL]))
    if plan.rule is ASYNC and plan.form is PROMOTE and not plan.blind and draw(st.sampled_from([False, False, True])):
        return with_objectives(plan, draw(st.integers(1, 4)), finals=draw(st.booleans()))
    if proposals:
        plan = with_sources(plan, proposals, draw(st.integers(1, 4)), draw(st.booleans()))
    return cost_aware(plan) if learns(plan) and draw(st.booleans()) else plan


@st.composite
def _plans(draw: st.DrawFn) -> Plan:
    if draw(st.sampled_from([False, False, False, True])):
        return draw(autos())
    rule, form = draw(st.sampled_from([(ASYNC, PROMOTE), (ASYNC, STOP), (SYNC, PROMOTE), (POPULATION, PROMOTE)]))
    if rule is POPULATION:
        return draw(_populations())
    top = draw(st.sampled_from([6, 9, 4, 2, 3, 1]))
    brackets = [draw(_bracket(rule, top)) for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3])))]
    divisor = draw(st.sampled_from([2, 3, 1.5, 2.5, 4]))
    plan = Plan(tuple(brackets), rule, form, divisor, draw(st.sampled_from([0, 0, 0, 1, 2, 4])), "epochs")
    if rule is ASYNC and draw(st.sampled_from([False, False, True])):
        return replace(plan, go_on=form is PROMOTE, budget=draw(st.sampled_from([0, 10, 25])))
    return plan
