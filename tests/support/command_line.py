"""Runs the command line in this process."""

from typing import Any

from typer.testing import CliRunner

from rungway_server.cli.app import app


def run(target: str, *arguments: str, wide: bool = False, **options: Any) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command for the service at `target`; `wide`: lines may be longer than 80."""
    environment = {"RUNGWAY_TARGET": target, "RUNGWAY_EXPERIMENT": None} | options.pop("env", {})
    result = CliRunner().invoke(app, arguments, env=environment, **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    for line in result.stdout.splitlines():
        assert len(line) <= 80 or wide or "--output" in arguments
    return result.exit_code, result.stdout, result.stderr


def on_redis(url: str, *arguments: str, code: int = 0) -> tuple[str, str]:
    """Stdout and stderr of a command that works on this Redis; it has to end with this exit code."""
    ended, out, err = run("", *arguments, wide=True, env={"RUNGWAY_REDIS_URL": url})
    assert ended == code, (out, err)
    return out, err


def words(table: str) -> list[list[str]]:
    """The words of every line."""
    return [line.split() for line in table.splitlines()]
