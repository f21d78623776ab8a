"""How the bars of the load tests are judged and compared, also when rows are missing."""

import argparse
from pathlib import Path

import pytest

from loadtests import bars as load_bars
from loadtests.judging import Bar, By, agreement, at_least, at_most, compare, no_bar, read_bars
from loadtests.peers import entrants
from loadtests.peers.entrants import RUNGWAY, Entrant
from loadtests.peers.measured import Measured, bars, contenders
from loadtests.report import write_json


@pytest.mark.parametrize("again", ["--twice", "--against"])
async def test_a_run_is_compared_with_another(
    again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = iter((50.0, 53.0))

    async def measured(_: argparse.Namespace) -> list[Bar]:
        return [at_most("costs", "a cost", By.CPU, 100, next(costs))]

    monkeypatch.setitem(load_bars._TESTS, "costs", measured)
    parser = argparse.ArgumentParser()
    load_bars.add_arguments(parser)
    options = ["--only", "costs", again]
    if again == "--against":
        first, _ = await load_bars.run(parser.parse_args(options[:2]))
        options.append(str(write_json(tmp_path / "first.json", "bars", first)))
    (found,), _ = await load_bars.run(parser.parse_args(options))
    assert found.measured == 53.0
    assert "within 10% of the other run: CPU 1 of 1\n" in capsys.readouterr().out


def row(entrant: Entrant, trials: int, cost: float | None, note: str = "") -> Measured:
    """A peer whose pairs cost so many µs, and take as long."""
    of = (entrant.peer, entrant.over, entrant.pruner, entrant.clients[0], trials)
    return Measured(*of, pairs_per_second=1e6 / cost if cost else None, service_us=cost, note=note)


ALL = [row(entrant, trials, 1_000.0) for group, (trials,) in contenders() for entrant in group]
_RATES = 5


def judged(rows: list[Measured]) -> tuple[list[Bar], list[Bar]]:
    """The bars by CPU time and the one by pairs per second, and what is shown beside them."""
    found = bars(rows)
    return found[:-_RATES], found[-_RATES:]


@pytest.mark.parametrize(("measured", "met"), [(8.0, "yes"), (7.999, "no"), (None, "not measured")])
def test_at_least(measured: float | None, met: str) -> None:
    assert at_least("a test", "a bar", By.CPU, 8, measured).met == met


@pytest.mark.parametrize(("measured", "met"), [(8.0, "yes"), (8.001, "no")])
def test_at_most(measured: float, met: str) -> None:
    assert at_most("a test", "a bar", By.CPU, 8, measured).met == met


def test_a_figure_without_a_bar_is_neither_met_nor_missed() -> None:
    assert no_bar("a test", "a figure", By.CLOCK, 1_234.5) == Bar("a test", "a figure", By.CLOCK, "-", 1_234.5, "-")
    assert no_bar("a test", "a figure", By.CLOCK, None, "why").met == "not measured"


def test_two_runs_are_compared_figure_by_figure() -> None:
    def run(cost: float, lost: float, rate: float) -> list[Bar]:
        return [
            at_most("a test", "a cost", By.CPU, 100, cost),
            at_most("a test", "lost", By.COUNT, 0, lost),
            no_bar("a test", "a rate", By.CLOCK, rate),
        ]

    compared = compare(run(50, 0, 9), run(54, 1, 1))
    assert [(one.bar, one.difference, one.agrees) for one in compared] == [("a cost", 8.0, "yes"), ("lost", 100, "no")]
    assert agreement(compared) == "within 10% of the other run: CPU 1 of 1, count 0 of 1"
    assert compare(run(50, 0, 9), run(55.1, 0, 9))[0].agrees == "no"
    assert agreement(compare([], run(1, 1, 1))).endswith("nothing that both measured")


@pytest.mark.parametrize("text", ["", "[]", '{"results": [{"test": "fleet", "trials": 7}]}', '{"results": 1}'])
def test_only_a_run_of_the_bars_is_compared_with(text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"run\.json is not the JSON file of a run of `bars`"):
        read_bars(file)


def test_pairs_are_judged_by_what_the_service_takes_for_them() -> None:
    found, rates = judged(ALL)
    assert [(one.by, one.required, one.measured, one.met) for one in found] == [
        *[(By.CPU, ">= 10", 1.0, "no")] * 3,
        *[(By.CPU, ">= 50", 1.0, "no")] * 3,
        (By.CPU, ">= 5", 1.0, "no"),
        (By.CLOCK, ">= 5", 1.0, "no"),
    ]
    assert {(one.by, one.required, one.measured, one.met) for one in rates} == {(By.CLOCK, "-", 1_000.0, "-")}
    assert len({one.bar for one in found + rates}) == len(found + rates)


def test_a_bar_is_met_at_its_factor() -> None:
    rows = [row(RUNGWAY, one.trials, 20.0) if one.pruner == "asha" else one for one in ALL]
    found, _ = judged(rows)
    assert [one.met for one in found] == ["yes"] * 6 + ["no"] * 2  # those in process are beside pairs over HTTP
    assert found[0].note == "1,000 to 20 µs"
    rows = [row(entrants.RUNGWAY_HTTP, one.trials, 200.0) if one.pruner == "asha, over HTTP" else one for one in ALL]
    assert [one.met for one in judged(rows)[0]] == ["no"] * 6 + ["yes"] * 2
    assert judged(rows)[0][-1].note == "5,000 to 1,000 per second"


def test_a_missing_peer_says_why_and_the_others_are_judged() -> None:
    gone = row(entrants.VIZIER, 1_000, None, "not installed: no such package")
    found, rates = judged([one for one in ALL if one.peer != "Vizier"] + [gone])
    assert [one.met == "not measured" for one in found] == [False, False, True, False, False, True, False, False]
    assert found[2].measured is None
    assert found[2].note == found[5].note == "Vizier not installed: no such package"
    assert (rates[-1].met, rates[-1].note) == ("not measured", "not installed: no such package")


def test_what_only_the_longer_run_measures_is_judged_when_it_is_there() -> None:
    found, _ = judged([*ALL, row(entrants.OPTUNA_HYPERBAND, 10_000, 6_000.0)])
    assert [(one.met, one.measured) for one in found[6:9]] == [("no", 1.0), ("yes", 6.0), ("no", 1.0)]
    assert "Hyperband" in found[7].bar


def test_without_rungway_nothing_is_judged() -> None:
    gone = [row(entrants.RUNGWAY, trials, None, "failed: no service") for trials in (1_000, 10_000)]
    found, _ = judged([one for one in ALL if one.pruner != "asha"] + gone)
    assert {(one.met, one.note) for one in found[:6]} == {("not measured", "Rungway failed: no service")}
    assert [one.met for one in found[6:]] == ["no", "no"]


def test_a_peer_with_fewer_stored_is_judged_and_its_row_says_so() -> None:
    short = row(entrants.OPTUNA_SHA, 10_000, 5_000.0, "with 6,812 stored, no more in 60 s")
    found = judged([one for one in ALL if not one.is_of(entrants.OPTUNA_SHA, 0)] + [short])[0][6]
    assert (found.measured, found.met) == (5.0, "yes")
    assert found.note == "5,000 to 1,000 µs; Optuna with 6,812 stored, no more in 60 s"


def test_with_no_rows_nothing_is_met() -> None:
    assert [one.met for one in bars([])] == ["not measured"] * _RATES


def test_only_what_was_measured_is_judged() -> None:
    found, _ = judged([one for one in ALL if one.trials == 1_000])
    assert [one.met for one in found] == ["no"] * 3
