"""Runs a command on a terminal of its own."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.waiting import SECONDS


def on_terminal(command: Sequence[str], cwd: Path) -> str:
    """All that a command shows on a terminal, control sequences included; it must succeed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(ours)
    text = shown.decode(errors="replace")
    assert process.wait(SECONDS) == 0, text
    return text
