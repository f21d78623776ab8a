"""Containers as careful people run them: root read-only, no capability, limits, and no network but loopback."""

import json
import time
import uuid
from contextlib import ExitStack, suppress
from typing import Any

from scripts.image.engine import Engine
from tests.support.waiting import wait_until

HARD = (
    *("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
    *("--memory", "512m", "--pids-limit", "200"),
)
PROBE = ("python", "-I", "-S", "/opt/rungway/healthprobe.py")
OPEN = ("-e", "RUNGWAY_INSECURE=true")
"""For services that only their own network can reach."""


class Container:
    """One container, running or ended."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self.name = engine, name

    def run(self, *words: str, text: str | None = None) -> str:
        """What a command in it writes; it has to succeed."""
        return self._engine.run("exec", *(["-i"] if text else []), self.name, *words, text=text).stdout

    def probe(self, *words: str) -> str:
        """What the probe of HEALTHCHECK says."""
        return self._engine.run("exec", self.name, *PROBE, *words, check=False).stdout.strip()

    def wait_ready(self) -> None:
        """Return when it serves. Raises AssertionError when it ends before."""

        def ready() -> bool:
            assert self.facts()["State"]["Running"], self.log()
            return self.probe() == "ok"

        wait_until(ready)

    def healthy(self) -> bool:
        """Whether HEALTHCHECK says so, by the engine, or at its word where only systemd would run it."""
        if self._engine.name == "podman":
            return self._engine.run("healthcheck", "run", self.name, check=False).returncode == 0
        return str(self.facts()["State"]["Health"]["Status"]) == "healthy"

    def stop(self, seconds: int = 10) -> tuple[int, float]:
        """SIGTERM, and SIGKILL after some seconds; its exit code, and how long it took (seconds)."""
        began = time.monotonic()
        self._engine.run("stop", "-t", str(seconds), self.name)
        return self.code(), time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL; returns when it has ended."""
        self._engine.run("kill", "--signal", "KILL", self.name)
        self.wait()

    def start(self) -> None:
        """Start it again."""
        self._engine.run("start", self.name)

    def wait(self) -> int:
        """Wait until it has ended; its exit code."""
        self._engine.run("wait", self.name)
        return self.code()

    def code(self) -> int:
        return int(self.facts()["State"]["ExitCode"])

    def facts(self) -> Any:
        """What the engine knows of it."""
        return json.loads(self._engine.says("inspect", self.name))[0]

    def log(self) -> str:
        done = self._engine.run("logs", self.name, check=False)
        return done.stdout + done.stderr


class Containers:
    """Makes containers and volumes of one test, which are removed after it."""

    def __init__(self, engine: Engine, image: str, stack: ExitStack) -> None:
        self.engine, self.image, self._stack = engine, image, stack

    def volume(self) -> str:
        """A new, empty volume."""
        name = f"rungway-test-{uuid.uuid4().hex[:12]}"
        self.engine.run("volume", "create", name)
        self._stack.callback(self.engine.run, "volume", "rm", "-f", name, check=False)
        return name

    def start(self, *flags: str, words: tuple[str, ...] = (), beside: Container | None = None) -> Container:
        """A container in the background, with a network of its own, or in that of another one."""
        name = f"rungway-test-{uuid.uuid4().hex[:12]}"
        # podman leaves the checks to timers of systemd; the test asks itself.
        checks = ("--health-interval", "disable") if self.engine.name == "podman" else ("--health-interval", "1s")
        self._stack.callback(self._remove, name)
        network = f"container:{beside.name}" if beside else "none"
        self.engine.run("run", "-d", "--name", name, "--network", network, *checks, *HARD, *flags, self.image, *words)
        return Container(self.engine, name)

    def once(self, *flags: str, words: tuple[str, ...] = (), beside: Container | None = None) -> tuple[int, str]:
        """A container that ends by itself: its exit code, and what it wrote."""
        container = self.start(*flags, words=words, beside=beside)
        return container.wait(), container.log()

    def python(self, text: str, beside: Container, *flags: str) -> str:
        """What a script writes, in a container of its own beside another one."""
        network = ("--network", f"container:{beside.name}")
        command = ("run", "--rm", "-i", "--no-healthcheck", *network, *HARD, *flags, "--entrypoint", "python")
        return self.engine.run(*command, self.image, "-", text=text).stdout

    def _remove(self, name: str) -> None:
        with suppress(RuntimeError):
            self.engine.run("rm", "-f", name)
