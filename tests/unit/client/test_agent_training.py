"""One run of a training command whose output, or whose log, is not as it should be."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from rungway._agent.guard import Guard
from rungway._agent.lines import Reader
from rungway._agent.training import Training

READER = Reader("epochs", "error")
RESULT = "rungway: epochs=1 error=1"
FULL = Path("/dev/full")
"""A file of Linux that nothing can be written to."""


@pytest.fixture
def guard() -> Iterator[Guard]:
    found = Guard(1)
    yield found
    found.close()


def trained(guard: Guard, log: Path, command: str) -> tuple[Training, list[str]]:
    """The run of a command for the shell, and the lines that may be results."""
    training = Training(["sh", "-c", command], {}, log, guard, READER.wants)
    lines = [line for line in training.lines() if line is not None]
    training.end(1)
    return training, lines


def test_a_line_that_does_not_end_takes_little_memory(guard: Guard, tmp_path: Path) -> None:
    """A progress bar writes over itself, and the result comes after it. The log has everything."""
    log = tmp_path / "log"
    bar = "head -c 5000000 /dev/zero | tr '\\0' '#'; "
    training, (line,) = trained(guard, log, f"{bar} printf '\\r{RESULT}\\n'; {bar} exit 3")
    assert line.endswith("\r" + RESULT)
    assert len(line) <= 1 << 16
    assert len(training.how_it_ended()) < 10_000
    assert log.stat().st_size == 10_000_000 + len(f"\r{RESULT}\n")


def test_lines_that_are_no_results_do_not_wait_for_a_reader(guard: Guard, tmp_path: Path) -> None:
    training, lines = trained(guard, tmp_path / "log", f"seq 10000; echo '{RESULT}'; echo end")
    assert lines == [RESULT]
    assert training.tail[-2:] == [RESULT, "end"]


def test_a_log_that_cannot_be_written_is_an_error_before_the_command_runs(guard: Guard, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        trained(guard, tmp_path, f"touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_does_not_end_the_training(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rungway"):
        training, lines = trained(guard, FULL, f"for n in 1 2 3; do echo '{RESULT}'; sleep 0.1; done")
    assert (training.exit_code, lines) == (0, [RESULT] * 3)
    (said,) = caplog.messages
    assert "the rest of its output is lost: No space left on device" in said
