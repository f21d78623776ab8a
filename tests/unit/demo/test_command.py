"""The demo's search, and what `rungway demo` says where packages are missing."""

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rungway_server.cli.app import app
from rungway_server.cli.files import read_document
from rungway_server.demo.space import experiment_config
from rungway_server.domain.experiment import parse

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_example_file_is_the_demos_search() -> None:
    example, demo = read_document(EXAMPLES / "digits.yaml"), experiment_config(150, 27, 4, 1)
    for key in ("hyperparameters", "searcher", "seed"):
        assert example[key] == demo[key]
    assert parse(demo)[1] == ()


def test_missing_packages_are_named_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("sklearn", "matplotlib") else real(name)
    )
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: the demo needs scikit-learn, matplotlib: pip install 'rungway[all]'\n"


def test_a_place_that_cannot_hold_the_picture_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert "cannot be made" in result.stderr
