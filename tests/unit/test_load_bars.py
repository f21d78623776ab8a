"""How the bars of the load tests are judged, also when rows are missing."""

from dataclasses import replace

import pytest

from loadtests.judging import Bar, at_least, at_most, no_bar
from loadtests.peers import entrants
from loadtests.peers.entrants import Entrant
from loadtests.peers.measured import Measured, bars, contenders


def row(entrant: Entrant, trials: int, pairs_per_second: float | None, note: str = "") -> Measured:
    of = (entrant.peer, entrant.over, entrant.pruner, entrant.clients[0], trials)
    return Measured(*of, pairs_per_second=pairs_per_second, note=note)


def judged(rows: list[Measured]) -> tuple[list[Bar], list[Bar]]:
    """The bars, and what is shown beside them."""
    found = bars(rows)
    return found[:6], found[6:]


ALL = [row(entrant, trials, 100.0) for group, (trials,) in contenders() for entrant in group]


@pytest.mark.parametrize(("measured", "met"), [(8.0, "yes"), (7.999, "no"), (None, "not measured")])
def test_at_least(measured: float | None, met: str) -> None:
    assert at_least("a test", "a bar", 8, measured).met == met


@pytest.mark.parametrize(("measured", "met"), [(8.0, "yes"), (8.001, "no")])
def test_at_most(measured: float, met: str) -> None:
    assert at_most("a test", "a bar", 8, measured).met == met


def test_a_figure_without_a_bar_is_neither_met_nor_missed() -> None:
    assert no_bar("a test", "a figure", 1_234.5) == Bar("a test", "a figure", "-", "1,234", "-")
    assert no_bar("a test", "a figure", None, "why").met == "not measured"


def test_pairs_one_by_one_are_judged_and_pairs_in_batches_are_shown() -> None:
    rows = [replace(one, pairs_per_second=900.0) if "batches" in one.pruner else one for one in ALL]
    one_by_one, batches = judged(rows)
    assert [(one.required, one.measured, one.met) for one in one_by_one] == [
        (">= 25", "1.00", "no"),
        (">= 10", "1.00", "no"),
        (">= 10", "1.00", "no"),
        (">= 5", "1.00", "no"),
        (">= 5", "1.00", "no"),
        (">= 5", "1.00", "no"),
    ]
    assert {(one.required, one.measured, one.met) for one in batches} == {("-", "9.00", "-")}
    assert all("one by one" in one.bar for one in one_by_one)
    assert all("batches of 16" in one.bar for one in batches)


def test_a_bar_is_met_at_its_factor() -> None:
    rows = [replace(one, pairs_per_second=2_500.0) if one.pruner == "asha" else one for one in ALL]
    assert {one.met for one in judged(rows)[0]} == {"yes"}
    assert judged(rows)[0][0].note == "2,500 to 100 per second"


def test_a_missing_peer_says_why_and_the_others_are_judged() -> None:
    gone = row(entrants.VIZIER, 1_000, None, "not installed: no such package")
    one_by_one, batches = judged([one for one in ALL if one.peer != "Vizier"] + [gone])
    for found in (one_by_one, batches):
        assert [one.met == "not measured" for one in found] == [False, False, True, False, False, False]
        assert found[2].measured == "-"
        assert found[2].note == "Vizier not installed: no such package"


def test_the_reason_may_be_that_of_fewer_trials() -> None:
    gone = row(entrants.SYNE_TUNE, 100, None, "failed: out of memory")
    found = judged([one for one in ALL if one.peer != "Syne Tune"] + [gone])[0][5]
    assert (found.met, found.note) == ("not measured", "Syne Tune failed: out of memory")


def test_without_rungway_nothing_is_judged() -> None:
    gone = [row(entrants.RUNGWAY, trials, None, "failed: no service") for trials in (1_000, 10_000)]
    one_by_one, batches = judged([one for one in ALL if one.pruner != "asha"] + gone)
    assert {(one.met, one.note) for one in one_by_one} == {("not measured", "Rungway failed: no service")}
    assert {one.met for one in batches} == {"-"}


def test_a_peer_with_fewer_stored_is_judged_and_its_row_says_so() -> None:
    short = row(entrants.SYNE_TUNE, 10_000, 10.0, "with 6,812 stored, no more in 60 s")
    found = judged([one for one in ALL if one.peer != "Syne Tune"] + [short])[0][5]
    assert (found.measured, found.met) == ("10.00", "yes")
    assert found.note == "100 to 10 per second; Syne Tune with 6,812 stored, no more in 60 s"


def test_with_no_rows_nothing_is_met() -> None:
    assert [one.met for one in bars([])] == ["not measured"] * 12
