"""Experiments created directly in a store, without the service, from a plan of the test."""

from rungway_server.domain.engine import AskStatus, Assignment, Decision, Lease, Reason, Report, Result
from rungway_server.domain.experiment import ExperimentConfig, parse
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.service.port import Definition, ExperimentRef, ExperimentStore, Store

Said = tuple[Decision, Reason]


def plan(
    lengths: tuple[int, ...] = (1, 3, 9),
    *,
    trials: int = 9,
    cap: int = 0,
    form: DecisionForm = DecisionForm.PROMOTE,
) -> Plan:
    """One bracket with divisor 3."""
    rungs = tuple(Rung(length) for length in lengths)
    return Plan((Bracket(rungs, trials, cap or trials),), PromotionRule.ASYNC, form, 3.0, cap, "epochs")


def config_of(
    plan: Plan,
    *,
    lease_seconds: float = 60.0,
    max_restarts: int = 5,
    pause_after: int = 10,
    seed: int = 7,
    points: int = 0,
) -> ExperimentConfig:
    """A configuration that fits a plan; its space has `points` points, 0 = too many to count."""
    some = {"type": "int", "minval": 1, "maxval": points}
    document = {
        "hyperparameters": {"x": some if points else {"type": "double", "minval": 0.0, "maxval": 1.0}},
        "searcher": {
            "name": "random",
            "metric": "loss",
            "max_trials": plan.max_trials,
            "max_length": {plan.unit: plan.max_length},
        },
        "seed": seed,
        "max_restarts": max_restarts,
        "pause_after_failures": pause_after,
        "lease_seconds": lease_seconds,
    }
    return parse(document)[0]


async def create_planned(
    store: ExperimentStore,
    ref: ExperimentRef,
    plan: Plan,
    *,
    lease_seconds: float = 60.0,
    max_restarts: int = 5,
    pause_after: int = 10,
    points: int = 0,
    request_id: str = "",
) -> Definition:
    """Create an experiment with this plan."""
    limits = {"max_restarts": max_restarts, "pause_after": pause_after, "points": points}
    config = config_of(plan, lease_seconds=lease_seconds, **limits)
    return await store.create(ref, config, plan, (), request_id)


async def ask_for(store: Store, ref: ExperimentRef, count: int = 1) -> list[Assignment]:
    """Ask for `count` trials. Fails unless all of them are assigned."""
    answer = await store.ask(ref, "", count, "w")
    assert answer.status is AskStatus.ASSIGNED
    assert len(answer.assignments) == count
    return list(answer.assignments)


async def tell_one(store: Store, ref: ExperimentRef, lease: Lease, length: int, metric: float) -> Said:
    """Tell one result; returns the decision and its reason."""
    answer = await store.tell(ref, "", [Result(lease, [Report(length, metric)], f"at {length}")])
    return answer.replies[0].decision, answer.replies[0].explanation.reason


async def started(store: Store, ref: ExperimentRef) -> int:
    """How many trials have started."""
    return sum((await store.progress(ref)).started)
