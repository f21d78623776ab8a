"""`rungway preview`: the numbers, the forms of output, and refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rungway_server.cli.app import app
from tests.support.command_line import words

EXAMPLES = Path(__file__).parents[3] / "examples"
DETERMINED = str(EXAMPLES / "determined_experiment.yaml")


def run(*arguments: str, **options: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["preview", *arguments], **options)  # type: ignore[arg-type]
    return result.exit_code, result.stdout, result.stderr


def test_a_determined_configuration_of_500_trials() -> None:
    code, out, _ = run(DETERMINED)
    assert code == 0
    assert "adaptive_asha: 500 trials in 3 brackets, up to 1,024 epochs each" in out
    lines = words(out)
    assert ["trials", "354", "110", "36", "500"] in lines
    assert ["4", "266", "266"] in lines
    assert ["64", "17", "21", "27", "65"] in lines
    assert ["1,024", "1", "1", "2", "4"] in lines
    assert ["epochs", "trained", "5,256", "4,976", "5,568", "15,800"] in lines
    assert ["this", "search", "15,800", "3.1%"] in lines
    assert ["random", "search,", "500", "trials", "512,000", "100.0%"] in lines
    assert "note: ignored, they mean nothing here: checkpoint_storage, data, entrypoint" in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_the_same_for_programs() -> None:
    code, out, _ = run(DETERMINED, "--output", "json")
    document = json.loads(out)
    assert code == 0
    assert [bracket["max_trials"] for bracket in document["brackets"]] == [354, 110, 36]
    assert document["brackets"][0]["rungs"] == [4, 16, 64, 256, 1024]
    assert document["total"][0] == {"trials": 266, "length": 4}
    assert (document["total_length"], document["random_search_length"]) == (15_800, 512_000)
    assert document["config"]["searcher"]["divisor"] == 4
    numbers = {"unit", "lower_bound", "max_trials", "max_length", "total_length", "random_search_length"}
    assert set(document) == numbers | {"brackets", "total", "summary", "config", "notes"}


def test_the_file_may_come_from_standard_input() -> None:
    text = "searcher: {name: random, metric: loss, max_trials: 10, max_length: {batches: 100}}\n"
    code, out, _ = run("-", input=text)
    assert code == 0
    assert "random: 10 trials, up to 100 batches each" in out


def test_many_brackets_stay_within_80_columns(tmp_path: Path) -> None:
    searcher = (
        "{name: adaptive_asha, metric: loss, max_trials: 5000, max_length: 1000000, bracket_rungs: [1,2,3,4,5,6,7]}"
    )
    path = tmp_path / "many.yaml"
    path.write_text(f"searcher: {searcher}\n")
    code, out, _ = run(str(path))
    assert code == 0
    assert [f"Bracket {index}" in out for index in range(8)] == [True] * 7 + [False]
    assert max(len(line) for line in out.splitlines()) <= 80


def test_numbers_are_never_cut_and_lengths_need_no_unit(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("searcher: {name: adaptive_asha, metric: loss, max_trials: 1000000, max_length: 1000000}\n")
    code, out, _ = run(str(path))
    assert code == 0
    assert "up to 1,000,000 units each" in out
    assert "Train to (units)" in out
    document = json.loads(run(str(path), "--output", "json")[1])
    for each in [*document["brackets"], {"rows": document["total"]}]:
        assert f"{sum(row['trials'] * row['length'] for row in each['rows']):,}" in out.split()


@pytest.mark.parametrize(
    ("searcher", "floor"),
    [
        ("{name: async_halving, metric: loss, max_trials: 9, max_length: 9, divisor: 3, num_rungs: 2}", True),
        ("{name: async_halving, metric: loss, max_trials: 9, max_length: 9, divisor: 3, num_rungs: 1}", False),
        ("{name: hyperband, metric: loss, max_length: 81, divisor: 3}", False),
        ("{name: random, metric: loss, max_trials: 9, max_length: 9}", False),
    ],
)
def test_figures_that_are_a_floor_say_so(searcher: str, floor: bool) -> None:
    text = f"searcher: {searcher}\n"
    assert ("these figures are a floor" in run("-", input=text)[1]) is floor
    assert json.loads(run("-", "--output", "json", input=text)[1])["lower_bound"] is floor


@pytest.mark.parametrize("more", ["max_trials: 2", "max_trials: 9, stop_once: true"])
def test_figures_that_may_be_too_high_are_no_floor(more: str) -> None:
    text = f"searcher: {{name: async_halving, metric: loss, max_length: 9, divisor: 3, num_rungs: 2, {more}}}\n"
    assert "may train more or less" in " ".join(run("-", input=text)[1].split())
    assert json.loads(run("-", "--output", "json", input=text)[1])["lower_bound"] is False


def test_every_violation_is_listed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "hyperparameters: {lr: {type: double, minval: 2, maxval: 1}}\n"
        "searcher: {name: adaptive_asha, metric: loss, max_trials: 0, max_length: {epochs: 9}, divisr: 3}\n"
    )
    code, out, err = run(str(path))
    assert (code, out) == (1, "")
    lines = err.splitlines()
    assert lines[0] == "error: the configuration is refused"
    fields = [line.partition(":")[0].strip() for line in lines[1:]]
    assert any(field.startswith("hyperparameters.lr") for field in fields)
    assert {"searcher.max_trials", "searcher.divisr"} <= set(fields)


@pytest.mark.parametrize("arguments", [("absent.yaml",), (), (DETERMINED, "--output", "xml"), (DETERMINED, "more")])
def test_wrong_usage_ends_with_2_and_one_block(arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


PBT = """
searcher: {name: pbt, metric: loss, population_size: 20, num_rounds: 5, length_per_round: {epochs: 4}}
"""


def test_a_population_counts_its_clones(tmp_path: Path) -> None:
    """Four of twenty make way after each round but the last; a clone trains from where its parent stood."""
    code, out, _ = run("-", "--workers", "20", "--seconds-per-unit", "60", input=PBT)
    assert code == 0
    assert "pbt: 36 trials, 16 of them clones, up to 20 epochs each" in out
    lines = words(out)
    assert [line for line in lines if len(line) == 2 and line[0] in {"4", "8", "12", "16", "20"}] == [
        ["4", "4"],
        ["8", "4"],
        ["12", "4"],
        ["16", "4"],
        ["20", "20"],
    ]
    assert ["trials", "36"] in lines
    assert ["epochs", "trained", "400"] in lines
    assert ["this", "search", "400", "55.6%"] in lines
    assert "a floor" not in out
    picture = tmp_path / "plan.svg"
    assert run("-", "--plot", str(picture), input=PBT)[0] == 0
    assert "36 trials, 400 epochs in all" in picture.read_text()
