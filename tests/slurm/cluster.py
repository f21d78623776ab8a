"""A Slurm of one node, this machine, from the packages of the system: munge, slurmctld, slurmd, slurm-client."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.waiting import SECONDS, wait_until

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol")
# A job that is queued again waits as long as its credential is valid, by default for two minutes.
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why there can be no cluster here; empty when there can."""
    if absent := [name for name in NEEDED if shutil.which(name) is None]:
        return f"{', '.join(absent)} not here: apt-get install munge slurmctld slurmd slurm-client"
    return "" if os.geteuid() == 0 else "only root can start a node of Slurm"


class Cluster:
    """The running cluster; its commands find it by the variable SLURM_CONF."""

    def __init__(self, configuration: Path) -> None:
        self.environment = {"SLURM_CONF": str(configuration)}

    def run(self, *command: str, folder: Path | None = None) -> str:
        """The output of one of its commands, which must succeed."""
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def shown(self, job: str) -> dict[str, str]:
        """What is known of a job, by name."""
        return dict(each.partition("=")[::2] for each in self.run("scontrol", "show", "job", "-o", job).split())


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster in an empty folder with a short path, ended with all its jobs."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    controller, daemon = _free_ports()
    configuration = folder / "slurm.conf"
    configuration.write_text(_CONFIGURATION.format(host=host, folder=folder, controller=controller, daemon=daemon))
    munge = [f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    found = Cluster(configuration)
    with ExitStack() as stack:
        for command in (
            ["munged", "--foreground", "--force", f"--key-file={folder}/key", *munge],
            ["slurmctld", "-D", "-f", str(configuration)],
            ["slurmd", "-D", "-f", str(configuration)],
        ):
            stack.enter_context(_daemon(command, folder / f"{command[0]}.log", found.environment))
            if command[0] == "munged":
                wait_until((folder / "munge.socket").exists)
        wait_until(lambda: "idle" in _state(found))
        try:
            yield found
        finally:
            found.run("scancel", "--user=root")


def _state(found: Cluster) -> str:
    done = subprocess.run(
        ["sinfo", "-h", "-o", "%t"], env=os.environ | found.environment, capture_output=True, text=True, check=False
    )
    return done.stdout


@contextmanager
def _daemon(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
