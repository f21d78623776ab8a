"""The lines in which a training command tells its results."""

import math

import pytest

from rungway import CurrentTrial, InvalidArgument
from rungway._agent.lines import BadLine, Line, Reader

READER = Reader("epochs", "error")
READ = [
    ("rungway: epochs=3 error=0.12", Line(0.12, 3)),
    ("  rungway: epoch=3 error=1e-3 \r", Line(0.001, 3)),
    ("10%|#   |\rrungway: length=3 metric=-1", Line(-1.0, 3)),
    ("rungway: error=.5", Line(0.5, None)),
    ("rungway: epoch=3.0 error=inf checkpoint='a b.pt'", Line(math.inf, 3, "a b.pt")),
    ("rungway: error=1 epoch=2 loss=low lr=0.1", Line(1.0, 2, metrics={"lr": 0.1}, unknown=("loss",))),
    ("rungway: error=1 metric=2 'val loss=3'", Line(1.0, None, metrics={"metric": 2.0, "val loss": 3.0})),
    ("rungway: error=1 epoch=2 step=640", Line(1.0, 2, metrics={"step": 640.0})),
    ("rungway: error=1 epoch=2 cost=12.5", Line(1.0, 2, cost=12.5)),
    ("the next line of rungway: epoch=3 error=1", None),
    ("rungway epoch=3 error=1", None),
    ("", None),
]
BAD = [
    ("rungway:", "it has no error"),
    ("rungway: epoch=3", "it has no error"),
    ("rungway: epoch=3 error", "got 'error', wanted key=value"),
    ("rungway: epoch = 3 error=1", "got 'epoch', wanted key=value"),
    ("rungway: epoch=3 error=low", "error: got 'low', wanted a number"),
    ("rungway: epoch=0 error=1", "epoch: got '0', wanted an integer of at least 1"),
    ("rungway: epoch=2.5 error=1", "epoch: got '2.5', wanted an integer of at least 1"),
    ("rungway: epoch=nan error=1", "epoch: got 'nan', wanted an integer of at least 1"),
    ("rungway: epoch=three error=1", "epoch: got 'three', wanted a number"),
    ("rungway: epoch=3 epochs=3 error=1", "it has two lengths, epoch and epochs"),
    ("rungway: epoc=3 error=1", "it has no length, but epoc: epoch is meant?"),
    ("rungway: step=3 error=1", "it has no length, but step: lengths of this search are called epochs"),
    ("rungway: Iterations=3 error=1", "it has no length, but Iterations: lengths of this search are called epochs"),
    ("rungway: epoch=3 error=1 cost=much", "cost: got 'much', wanted a number"),
    ("rungway: error=1 error=2", "it has error twice"),
    ("rungway: error=1 checkpoint='a", "no closing quotation"),
]


@pytest.mark.parametrize(("text", "line"), READ)
def test_a_line(text: str, line: Line | None) -> None:
    assert READER.read(text) == line


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_a_line_that_cannot_be_read(text: str, problem: str) -> None:
    with pytest.raises(BadLine) as bad:
        READER.read(text)
    assert str(bad.value) == problem


PATTERN = r"\[(?P<epoch>\d+)\] error (?P<metric>\S+)(?: lr (?P<lr>\S+))?"
REGEX = Reader("epochs", "error", PATTERN)
MATCHED = [
    ("x [3] error 0.12", Line(0.12, 3)),
    ("[3] error 0.12 lr 0.5 end", Line(0.12, 3, metrics={"lr": 0.5})),
    ("[1] error 9\r[3] error 0.12", Line(0.12, 3)),
    ("rungway: epochs=4 error=1", Line(1.0, 4)),
    ("[x] error 1", None),
]
REFUSED = [
    (r"error (?P<metric>\S+)", r"has no group for the length, wanted one named epoch or epochs or length"),
    (r"epoch (?P<length>\d+)", r"has no group for the metric, wanted one named error or metric"),
    (r"(\d+) (\S+)", r"has no group for the length"),
    (r"(?P<length>", r"is no regular expression"),
]


@pytest.mark.parametrize(("text", "line"), MATCHED)
def test_a_line_of_another_program(text: str, line: Line | None) -> None:
    assert REGEX.read(text) == line
    assert REGEX.wants(text) == (line is not None)


@pytest.mark.parametrize(("pattern", "problem"), REFUSED)
def test_a_regular_expression_without_its_groups_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        Reader("epochs", "error", pattern)


def test_a_match_that_is_no_number_is_a_bad_line() -> None:
    with pytest.raises(BadLine, match="metric: got 'low', wanted a number"):
        REGEX.read("[3] error low")


def test_a_metric_may_be_called_as_a_length_is() -> None:
    reader = Reader("batches", "length")
    assert reader.read("rungway: batches=3 length=0.5") == Line(0.5, 3)


def test_one_batch_of_batches() -> None:
    assert Reader("batches", "loss").read("rungway: batch=300 loss=0.5") == Line(0.5, 300)


def test_a_search_without_a_unit_has_lengths() -> None:
    reader = Reader("", "loss")
    assert reader.wanted == "rungway: length=N loss=X"
    assert reader.read("rungway: length=3 loss=0.5") == Line(0.5, 3)


def test_what_a_script_reports_is_what_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    trial = CurrentTrial(0, {}, 0, 9, "")
    trial.report(3, 1 / 3, "a 'b'.pt", metrics={"val loss": 0.1, "lr": math.inf}, cost=2)
    line = READER.read(capsys.readouterr().out)
    assert line == Line(1 / 3, 3, "a 'b'.pt", {"val loss": 0.1, "lr": math.inf}, 2.0)


@pytest.mark.parametrize("name", ["a=b", "two\nlines", ""])
def test_a_name_that_fits_on_no_line_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidArgument, match="got the name"):
        CurrentTrial(0, {}, 0, 9, "").report(3, 0.5, metrics={name: 1.0})
    assert capsys.readouterr().out == ""
