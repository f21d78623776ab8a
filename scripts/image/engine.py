"""Finds docker or podman, and runs it. podman is set up for machines without systemd and with few rights, too."""

import atexit
import os
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

_STEP_SECONDS = 1_800


class NoEngine(Exception):
    """There is no container engine that works here; the message says what was tried."""


@dataclass(frozen=True)
class Engine:
    """A container engine of the command line."""

    name: str
    """"docker" or "podman"."""
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """One command of the engine, with its output. Raises RuntimeError if it fails, unless told
        not to check."""
        done = self.start(*words, capture_output=True, input=text)
        if check and done.returncode:
            raise RuntimeError(
                f"{self.name} {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def show(self, *words: str) -> int:
        """One command of the engine that writes to the terminal; its exit code."""
        return self.start(*words).returncode

    def start(self, *words: str, **how: object) -> subprocess.CompletedProcess[str]:
        """One command of the engine, as subprocess.run starts it."""
        environment = os.environ | self.environment
        command = [*self.command, *words]
        return subprocess.run(command, env=environment, text=True, timeout=_STEP_SECONDS, check=False, **how)  # type: ignore[call-overload, no-any-return]  # its options

    def says(self, *words: str) -> str:
        """The standard output of a command, stripped."""
        return self.run(*words).stdout.strip()

    def has(self, image: str) -> bool:
        """Whether an image is there, without asking a registry."""
        return self.run("image", "inspect", image, check=False).returncode == 0


def find_engine() -> Engine:
    """docker if its daemon answers, else podman. Raises NoEngine."""
    tried = []
    if shutil.which("docker"):
        docker = Engine("docker", ("docker",))
        if docker.run("info", "--format", "{{.ServerVersion}}", check=False).returncode == 0:
            return docker
        tried.append("no daemon answers docker")
    if shutil.which("podman"):
        podman = Engine("podman", ("podman",), {"CONTAINERS_CONF": str(_podman_settings())})
        for each in (podman, Engine("podman", ("podman", "--storage-driver", "vfs"), podman.environment)):
            said = each.run("info", check=False)
            if said.returncode == 0:
                return each
        tried.append(f"podman: {said.stderr.strip().splitlines()[-1:]}")
    raise NoEngine("; ".join(tried) or "neither docker nor podman is installed")


def _podman_settings() -> Path:
    """A file with what podman takes for granted and a machine may not have: systemd, and the right to raise limits."""
    files, processes = (resource.getrlimit(each)[1] for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    processes = min(processes, most) if processes != resource.RLIM_INFINITY else most
    lines = [
        "[containers]",
        f'default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]',
        "[engine]",
    ]
    if not Path("/run/systemd/system").exists():
        lines += ['cgroup_manager = "cgroupfs"', 'events_logger = "file"']
    if shutil.which("runc"):
        lines.append('runtime = "runc"')
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder, "containers.conf")
    path.write_text("\n".join(lines) + "\n")
    return path
