"""Every integer option and argument of every command takes 3.0 and 1e3 where it takes 3 and 1000."""

from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from rungway_server.cli.app import app
from rungway_server.cli.whole import Command
from rungway_server.settings import Settings, SettingsError


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if inner := getattr(command, "commands", None):
        for key, each in inner.items():
            yield from commands(each, f"{name} {key}".strip())
    else:
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(app)))
INTEGERS = [
    pytest.param(command, parameter, id=f"{name} {parameter.name}")
    for name, command in COMMANDS.items()
    for parameter in command.params
    if get_type_hints(command.callback).get(parameter.name) in (int, int | None)
]


def test_every_command_is_of_the_class_that_reads_them() -> None:
    assert [name for name, command in COMMANDS.items() if not isinstance(command, Command)] == []
    assert len(INTEGERS) > 25


@pytest.mark.parametrize(("command", "parameter"), INTEGERS)
def test_an_integer_may_be_written_as_a_whole_float(command: Any, parameter: Any) -> None:
    context = typer.Context(command)
    for text, number in (("3.0", 3), ("2e1", 20), ("12", 12)):
        if (parameter.min or 0) <= number <= (parameter.max or number):
            found = parameter.process_value(context, text)
            assert (found, type(found)) == (number, int)
    for text in ("3.5", "1e-1", "nan", "inf", "three", ""):
        with pytest.raises(Exception, match="valid integer"):
            parameter.process_value(context, text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("update", "x", "--max-trials", "0.0"), "--max-trials"),
        (("update", "x", "--max-trials", "2.5"), "--max-trials"),
        (("explain", "x", "-1.0"), "TRIAL"),
        (("best", "x", "-n", "1e4"), "-n"),
        (("trials", "x", "--from", "-1e1"), "--from"),
    ],
)
def test_bounds_hold_for_whole_floats_too(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--target", "127.0.0.1:1"])
    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize("given", [["--namespace", "vision"], ["--namespace=vision"]])
def test_a_namespace_behind_the_command_is_told_its_place(given: list[str]) -> None:
    result = CliRunner().invoke(app, ["status", "digits", *given])
    assert result.exit_code == 2
    assert "--namespace stands before the command" in result.stderr


def test_settings_in_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_WORKERS", "2.0")
    monkeypatch.setenv("RUNGWAY_MOST_EVENTS", "1e6")
    monkeypatch.setenv("RUNGWAY_QUOTA_TRIALS", "5e3")
    settings = Settings.load(request_window_seconds="6e2")
    found = (settings.workers, settings.most_events, settings.quota_trials, settings.request_window_seconds)
    assert found == (2, 1_000_000, 5_000, 600)
    monkeypatch.setenv("RUNGWAY_WORKERS", "2.5")
    with pytest.raises(SettingsError, match="RUNGWAY_WORKERS"):
        Settings.load()
