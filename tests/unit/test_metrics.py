"""The number of series, whatever callers name."""

from collections.abc import Iterator
from itertools import product

import pytest
from prometheus_client import generate_latest

from rungway_server.domain.engine import Outcome, Reason, TrialState
from rungway_server.metrics import MOST_NAMESPACES, Metrics
from rungway_server.service.access import ROLES
from rungway_server.store.redis.counting import SearchCounter
from rungway_server.store.redis.scripts import NAMES
from rungway_server.store.redis.totals import NamespaceTotals, Totals
from rungway_server.store_wide import of_namespaces
from tests.support import scraped

_CODES = ("OK", "CANCELLED", "NOT_FOUND", "INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
_DECISIONS = (b"continue", b"pause", b"stop", b"superseded")
_ENDED = (TrialState.COMPLETED, TrialState.STOPPED, TrialState.FAILED, TrialState.INVALID)
_BEYOND = 10_000


def everything(number: int) -> Iterator[tuple[str, list[object], list[object]]]:
    """Each answer and note of each script, many more combinations than there are."""
    reasons = [reason.value.encode() for reason in Reason]
    notes: list[object] = [
        [b"ended", state.value.encode(), end.value.encode()] for state, end in product(_ENDED, Outcome)
    ]
    yield "ask", [b"assigned", 1, 1, 1, *([*range(11), reason] for reason in reasons)], [[b"lapsed"], *notes]
    for reason in reasons:
        yield "ask", [b"wait", 1, reason, 100, b""], []
    yield "ask", [b"done", 1, b"search_done"], []
    replies = [[decision, 0, 0, 0, reason] for decision, reason in product(_DECISIONS, reasons)]
    yield "release", [b"told", number, *replies], []


@pytest.mark.parametrize("processes", [1, 4])
def test_a_flood_of_names_makes_few_series(processes: int) -> None:
    texts = []
    for process in range(processes):
        metrics = Metrics("1.0", ROLES, processes=processes)
        counter = SearchCounter(metrics)
        for name in NAMES:
            metrics.script(name)(0.1)
        for rpcs in (metrics.grpc, metrics.http):
            for rpc, code in product(ROLES, _CODES):
                rpcs.bound(rpc).ok()
                rpcs.failed(rpc, code, "OVERLOADED")
            for number in range(_BEYOND // processes):
                rpcs.failed(f"rungway.v1.SearchService/M{number}", "UNIMPLEMENTED", f"REASON_{number}")
        for number in range(_BEYOND // processes):
            namespace = f"n{process}-{number}"
            if number < 2 * MOST_NAMESPACES:
                for script, answer, notes in everything(number):
                    counter.count(script, namespace, [], answer, notes)
            else:
                counter.count("ask", namespace, [], [b"done", 1, b"search_done"], [])
        texts.append(generate_latest(metrics.registry).decode())
    series = {(name, labels) for text in texts for name, found in scraped.samples(text).items() for labels in found}
    assert len(series) <= 5_000 - 1_300  # those of the store are below
    assert any("_other" in labels for _, labels in series)


def test_what_alerts_look_for_begins_at_0() -> None:
    """Prometheus counts nothing of a series that begins at 1."""
    metrics = Metrics("1.0", ROLES)
    rpc = next(iter(ROLES))
    metrics.grpc.bound(rpc)
    SearchCounter(metrics).count("ask", "vision", [], [b"done", 1, b"search_done"], [])
    assert metrics.registry.get_sample_value("rungway_leases_lapsed_total", {"namespace": "vision"}) == 0
    labels = {"method": rpc, "transport": "grpc", "code": "INTERNAL"}
    assert metrics.registry.get_sample_value("rungway_rpcs_total", labels) == 0


def test_the_store_has_few_series_too() -> None:
    totals = Totals()
    for number in range(_BEYOND):
        found = totals.namespaces[f"n{number}"] = NamespaceTotals(leases=1)
        found.experiments.update(["running", "paused", "stopped", "done"])
        found.trials.update({state.value: number for state in TrialState})
    families = of_namespaces(totals)
    assert sum(len(family.samples) for family in families) <= 1_300
    trials = {tuple(sample.labels.values()): sample.value for family in families[1:2] for sample in family.samples}
    assert trials["n9999", "running"] == 9_999
    assert sum(value for (_, state), value in trials.items() if state == "running") == sum(range(_BEYOND))


def test_namespaces_beyond_the_first_count_together() -> None:
    metrics = Metrics("1.0", ROLES)
    counter = SearchCounter(metrics)
    for number in range(MOST_NAMESPACES + 50):
        counter.count("ask", f"n{number}", [], [b"done", 1, b"search_done"], [])
    asks = scraped.samples(generate_latest(metrics.registry).decode())["rungway_asks_total"]
    assert asks["_other", "done"] == 50
    assert sum(asks.values()) == MOST_NAMESPACES + 50


def test_an_answer_from_memory_is_not_counted_again() -> None:
    metrics = Metrics("1.0", ROLES)
    counter = SearchCounter(metrics)
    told = [b"told", 7, [b"continue", 9, 3, 1, b"between_rungs", 0], [b"superseded", 0, 0, 0, b"lease_lost", 0]]
    args = ["", "id", "", 2, 1, 5, "", "", 2, 1, b"k", 2, b"k", 2, 6, "", "", 1, 1, b"k"]
    counter.count("tell", "n", args, told, [])
    counter.count("tell", "n", args, told, [[b"again", 0]])
    text = generate_latest(metrics.registry).decode()
    assert scraped.of_namespace(text, "rungway_results_total", "n") == {(): 2}
    assert scraped.of_namespace(text, "rungway_verdicts_total", "n") == {
        ("continue", "between_rungs"): 1,
        ("superseded", "lease_lost"): 2,
    }
