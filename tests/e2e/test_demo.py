"""The demo as a user runs it: a search with an accident, and nothing left behind, however it ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.support.waiting import SECONDS, wait_until

SMALL = ("--trials", "40", "--epochs", "9", "--output", "json")
WORKERS = 2
"""Of demos in which their number is no point: each imports all that it trains with."""
ENDLESS = ("--trials", "5000", "--workers", str(WORKERS), "--output", "json")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"),
]


class Demo:
    """A running `rungway demo` whose temporary files lie in a folder of this test alone."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder / "t"
        self.folder.mkdir()
        self._said = folder / "said"
        command = [str(Path(sys.executable).parent / "rungway"), "demo", "--out", str(folder / "out"), *arguments]
        with self._said.open("wb") as said:
            environment = os.environ | {"TMPDIR": str(self.folder)}
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=environment)

    def said(self) -> str:
        """What it has said until now."""
        return self._said.read_text()

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not seen\n{self.said()}"
            assert self.process.poll() is None, f"it ended before {what}\n{self.said()}"
            time.sleep(0.1)  # a look at all processes takes a while

    def processes(self, kind: str = "") -> list[int]:
        """The running processes with this folder as working folder or in their command line, but the demo itself."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                working_folder = os.readlink(entry / "cwd")
            except OSError:
                continue
            ours = str(self.folder) in command or working_folder.startswith(str(self.folder))
            if ours and command and kind in command and int(entry.name) != self.process.pid:
                found.append(int(entry.name))
        return found

    def end(self) -> tuple[int, str]:
        """Exit code and standard output, once it has ended."""
        out, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """SIGKILL, if it still runs: its children end with it."""
        self.process.kill()
        self.process.communicate()

    def nothing_is_left(self) -> bool:
        return not self.processes() and not list(self.folder.iterdir())


@pytest.fixture
def start() -> Iterator[Callable[..., Demo]]:
    """Starts a demo in a new folder, with a short name for the path of the socket in it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rw-")))
        yield lambda *arguments: stack.enter_context(Demo(folder, *arguments))


def test_a_killed_workers_trial_goes_on_elsewhere(start: Callable[..., Demo]) -> None:
    demo = start(*SMALL)
    code, out = demo.end()
    assert code == 0, demo.said()
    result = json.loads(out)
    accident = result["accident"]
    assert accident["taken_over"]  # the service says: restarted, another worker, further than at the accident
    assert accident["resumed_by"] != accident["worker"]
    assert accident["resumed_epoch"] in (1, 3)  # from the checkpoint of a rung, not from the start
    assert f"worker {accident['worker']} killed (SIGKILL) with trial {accident['trial']}" in demo.said()
    assert f"trial {accident['trial']} resumed by worker {accident['resumed_by']}" in demo.said()
    assert result["trials"]["started"] == 40
    assert result["rungs"][-1]["epochs"] == 9
    assert result["rungs"][-1]["reached"] >= 3
    assert result["trained_epochs"] < result["full_epochs"] == 360
    assert result["best"]["best_metric"] < 0.1
    assert Path(result["picture"]).read_bytes().startswith(b"\x89PNG")
    assert demo.nothing_is_left()


def test_its_page_is_named_and_stays_until_it_is_ended(start: Callable[..., Demo]) -> None:
    demo = start("--trials", "9", "--epochs", "3", "--workers", str(WORKERS), "--output", "json", "--stay")
    demo.wait_until(lambda: "page: http://localhost:" in demo.said(), "the page")
    demo.wait_until(lambda: "the page stays at" in demo.said(), "the end of the search")
    url = demo.said().partition("the page stays at ")[2].partition(" ")[0]
    assert "<title>Rungway</title>" in httpx.get(url).text
    demo.process.send_signal(signal.SIGINT)
    code, out = demo.end()
    assert code in (0, 1), demo.said()  # 1: so short a search may be over before its accident
    assert json.loads(out)["trials"]["started"] == 9
    assert demo.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_demo_leaves_nothing_behind(start: Callable[..., Demo], number: signal.Signals) -> None:
    demo = start(*ENDLESS)
    demo.wait_until(lambda: " running" in demo.said() and len(demo.processes("demo.worker")) >= WORKERS, "the start")
    assert demo.processes("-server ")
    demo.process.send_signal(number)
    code, _ = demo.end()
    assert code == 130
    assert "interrupted" in demo.said()
    assert demo.nothing_is_left()


def test_a_service_that_is_killed_ends_the_demo_in_order(start: Callable[..., Demo]) -> None:
    demo = start(*ENDLESS)
    demo.wait_until(lambda: " running" in demo.said() and len(demo.processes("demo.worker")) >= WORKERS, "the start")
    (service,) = demo.processes(" serve ")
    os.kill(service, signal.SIGKILL)
    code, _ = demo.end()
    assert code == 1
    assert "the service ended (exit code -9)" in demo.said()
    assert "Traceback" not in demo.said()
    assert demo.nothing_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends the children only on Linux")
def test_nothing_runs_on_when_the_demo_itself_is_killed(start: Callable[..., Demo]) -> None:
    demo = start(*ENDLESS)
    demo.wait_until(lambda: len(demo.processes("demo.worker")) >= WORKERS, "the start")
    demo.process.kill()
    assert demo.end()[0] == -signal.SIGKILL
    wait_until(lambda: not demo.processes())
