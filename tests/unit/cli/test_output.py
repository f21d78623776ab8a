"""What is printed: JSON that every parser reads, and texts of users that cannot disturb a terminal."""

import json
import math
from datetime import UTC, datetime

import pytest
import typer

from rungway import InternalError, InvalidArgument, NotFound, OutcomeUnknown, Report, Unavailable
from rungway_server.cli.output import (
    console,
    errors,
    number,
    plain,
    print_json,
    settings,
    share,
    table,
    text,
    unit_name,
)


def test_numbers_that_json_does_not_know_are_texts(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"b": [math.nan, math.inf, -math.inf], "a": Report(3, math.nan), "at": datetime(2026, 1, 2, tzinfo=UTC)})
    assert json.loads(capsys.readouterr().out) == {
        "a": {"length": 3, "metric": "NaN", "metrics": {}, "cost": None},
        "at": "2026-01-02T00:00:00+00:00",
        "b": ["NaN", "Infinity", "-Infinity"],
    }


def test_mappings_are_sorted_and_numbers_stay_exact() -> None:
    assert list(plain({"b": 0.1 + 0.2, "a": 2**63 - 1}).items()) == [("a", 2**63 - 1), ("b", 0.1 + 0.2)]


def test_control_characters_are_shown_and_markup_is_not_read() -> None:
    assert text("\x1b[31m[red]x\n").plain == "\\x1b[31m[red]x\\n"


def test_short_forms() -> None:
    assert (number(None), number(0.123456789), number(math.nan)) == ("", "0.123457", "nan")
    assert (share(1, 3), share(1, 0)) == ("33.3%", "")
    assert settings({"b": {"lr": 0.00123456, "n": {}}, "a": "x"}) == "a=x b.lr=0.001235 b.n={}"


def test_numbers_are_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = ["1,000,000,000,000"] * 8
    grid = table("Words", *(">N" for _ in numbers))
    grid.add_row("some words that have room on more lines", *numbers)
    console().print("", grid, sep="\n")
    assert capsys.readouterr().out.count(numbers[0]) == len(numbers)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (Unavailable("gone"), 3, "no answer from the service at there"),
        (OutcomeUnknown("gone"), 3, "may have been done or not"),
        (Unavailable("failed to connect to all addresses"), 3, 'is "rungway serve" running there?'),
        (NotFound("no such thing", reason="TRIAL_NOT_FOUND"), 1, "reason: TRIAL_NOT_FOUND"),
        (InternalError("broken"), 1, "error: broken"),
        (InvalidArgument.one("searcher.metric", "missing"), 1, "  searcher.metric: missing"),
    ],
)
def test_errors_become_one_block_and_an_exit_code(
    raised: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as end, errors("there"):
        raise raised
    captured = capsys.readouterr()
    assert end.value.exit_code == code
    assert said in captured.err
    assert captured.out == ""


HOSTILE = "a\x1b[2J\x9b31m\u202eb\x07\r\U000e0001é"


def test_json_has_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({HOSTILE: [HOSTILE]})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {HOSTILE: [HOSTILE]}
    assert all(char.isprintable() or char == "\n" for char in printed)
    assert "é" in printed


def test_errors_and_units_have_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), errors():
        raise InvalidArgument(HOSTILE)
    console().print(table(f">{unit_name(HOSTILE)}"))
    printed = capsys.readouterr()
    assert all(char.isprintable() or char == "\n" for char in printed.out + printed.err)
