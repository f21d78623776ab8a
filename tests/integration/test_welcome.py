"""What a person reads who types `rungway serve` at a terminal: where it is, and a first search that can be pasted."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import console
from tests.support.redis_server import embedded_binary, redis_on_socket
from tests.support.waiting import SECONDS, wait_while_it_runs

BIN = Path(sys.executable).parent


@contextmanager
def at_a_terminal(*flags: str) -> Iterator[list[str]]:
    """The lines that `rungway serve` writes to a terminal until it is up."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BIN / "rungway", "serve", "--listen", "127.0.0.1:0", *flags],
        stdout=theirs,
        stderr=theirs,
        env={name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")} | embedded_binary(),
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    text = b""

    def is_up() -> bool:
        nonlocal text
        with suppress(BlockingIOError):
            text += os.read(ours, 1 << 16)
        return b"rungway status" in text and text.endswith(b"\n")

    try:
        assert wait_while_it_runs(process, is_up), text
        yield text.decode().replace("\r", "").splitlines()
    finally:
        process.kill()
        process.wait(SECONDS)
        os.close(ours)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_it_says_can_be_pasted(workers: str, tmp_path: Path) -> None:
    with redis_on_socket() as url, at_a_terminal("--redis", url, "--workers", workers) as lines:
        (http,) = re.findall(r"HTTP +(http://localhost:\d+)/", "\n".join(lines))
        typed = [line.strip() for line in lines if re.match(r"  (echo|rungway) ", line)]
        assert len(typed) == 2
        variables = {"PATH": f"{BIN}:{os.environ['PATH']}"}
        created, shown, page = console.printed([*typed, f"curl -s {http}/livez"], tmp_path, variables)
        assert "first" in created
        assert "0 of 4" in shown or "first" in shown
        assert page == "ok\n"


def test_with_tokens_it_says_how_to_make_one() -> None:
    with redis_on_socket() as url, at_a_terminal("--redis", url, "--tokens", "--http", "off") as lines:
        assert any("rungway token create" in line for line in lines)
        assert not any("http://" in line for line in lines)
