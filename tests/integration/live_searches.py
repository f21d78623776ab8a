"""Searches created through the use cases, for tests of what users do to a live search."""

from collections.abc import Mapping
from typing import Any

from rungway_server.domain.engine import Assignment, EventView, ExperimentState, Reason, Report, Result, TellReply
from rungway_server.service.experiments import ExperimentUseCases, ExperimentView
from rungway_server.service.port import ExperimentRef, Store
from rungway_server.service.trials import TrialUseCases
from tests.support.calls import config
from tests.support.searches import ask_for


def halving(trials: int = 9, **searcher: object) -> dict[str, object]:
    """One bracket of rungs at 1, 3 and 9 epochs, divisor 3, without a cap on the leases."""
    common: dict[str, Any] = {"num_rungs": 3, "divisor": 3, "max_length": {"epochs": 9}, "max_concurrent_trials": 0}
    return config("async_halving", max_trials=trials, **(common | searcher))


def own(rate: float, layers: int = 1) -> dict[str, object]:
    """A configuration of the space of these tests."""
    return {"rate": rate, "layers": layers}


async def create(store: Store, ref: ExperimentRef, document: Mapping[str, object]) -> ExperimentView:
    """Create a search as a user does."""
    return await ExperimentUseCases(store).create(ref, document, "")


async def report(store: Store, ref: ExperimentRef, given: Assignment, metric: float, length: int = 0) -> TellReply:
    """Tell a metric, at the next decision unless a length is given."""
    reports = [Report(length or given.next_decision_length, metric)]
    return (await store.tell(ref, "", [Result(given.lease, reports, "saved")])).replies[0]


async def history_of(store: Store, ref: ExperimentRef, number: int = 0, size: int = 0) -> list[EventView]:
    """All pages of the history of a trial."""
    found: list[EventView] = []
    token = ""
    while True:
        events, token = await TrialUseCases(store).explain(ref, number, size, token)
        assert len(events) <= (size or 100)
        found += events
        if not token:
            return found


async def run_out(store: Store, ref: ExperimentRef) -> int:
    """Do all work that is left, with the same result for each; returns how many new trials started."""
    started = 0
    while given := (await store.ask(ref, "", 1, "w")).assignments:
        started += given[0].explanation.reason in (Reason.NEW_TRIAL, Reason.ENQUEUED)
        await report(store, ref, given[0], 0.5)
    return started


async def state_of(store: Store, ref: ExperimentRef) -> ExperimentState:
    """The state of the search."""
    return (await store.progress(ref)).state


async def rates(store: Store, ref: ExperimentRef, count: int) -> list[object]:
    """The learning rates of the next trials."""
    return [given.hparams["rate"] for given in await ask_for(store, ref, count)]
