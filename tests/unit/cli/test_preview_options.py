"""`rungway preview` with the time it would take, and with a picture."""

import importlib.util
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rungway_server.cli.app import app

EXAMPLES = Path(__file__).parents[3] / "examples"
DETERMINED = str(EXAMPLES / "determined_experiment.yaml")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["preview", *arguments])


def test_the_expected_time_shrinks_with_the_workers() -> None:
    seconds = []
    for workers in ("1", "4"):
        result = run(DETERMINED, "--workers", workers, "--seconds-per-unit", "60", "--output", "json")
        assert result.exit_code == 0
        seconds.append(json.loads(result.stdout)["expected_seconds"])
    # One worker trains everything the preview counts (15,800 epochs), and no promotion comes for nothing.
    assert seconds[0] == pytest.approx(15_800 * 60, rel=0.05)
    assert 3.5 < seconds[0] / seconds[1] <= 4.0
    assert "Expected time with 4 workers: " in run(DETERMINED, "--workers", "4", "--seconds-per-unit", "60").stdout


@pytest.mark.parametrize("arguments", [("--workers", "4"), ("--seconds-per-unit", "60")])
def test_half_of_what_the_time_needs_is_refused(arguments: tuple[str, ...]) -> None:
    result = run(DETERMINED, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "needed together" in result.stderr


@pytest.mark.parametrize(
    "searcher",
    [
        "adaptive_asha, max_trials: 500, max_length: 1024, unit: epochs",
        "hyperband, max_length: 81, unit: epochs, divisor: 3",
        "random, max_trials: 3, max_length: 9, unit: epochs",
    ],
)
def test_a_picture_of_any_plan(searcher: str, tmp_path: Path) -> None:
    file, picture = tmp_path / "search.yaml", tmp_path / "plan.png"
    file.write_text(f"searcher: {{metric: loss, name: {searcher}}}\n")
    result = run(str(file), "--plot", str(picture))
    assert result.exit_code == 0, result.output
    assert f"Written: {picture}" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(("name", "begin"), [("plan.PDF", b"%PDF"), ("plan.svg", b"<?xml")])
def test_a_picture_is_of_the_kind_its_name_says(name: str, begin: bytes, tmp_path: Path) -> None:
    assert run(DETERMINED, "--plot", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / name).read_bytes().startswith(begin)


@pytest.mark.parametrize("name", ["new/plan.png", "plan", "plan.jpeg"])
def test_a_picture_without_a_place_or_a_kind_is_refused(name: str, tmp_path: Path) -> None:
    result = run(DETERMINED, "--plot", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(DETERMINED, "--plot", str(tmp_path / "file" / "plan.png"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be written" in result.stderr
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else real(name))
    result = run(DETERMINED, "--plot", str(tmp_path / "plan.png"))
    assert result.exit_code == 2
    assert result.stderr == "error: pictures need matplotlib: pip install 'rungway[demo]'\n"
