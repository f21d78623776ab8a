"""Jobs of `rungway slurm` on a real Slurm of one node: they leave in time, are queued again and finish the search."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rungway import Client, ExperimentState, uniform
from tests.slurm.cluster import Cluster, cluster, missing
from tests.support.agents import script
from tests.support.forked import RUNGWAY
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import wait_until

TRAIN = """
echo "$RUNGWAY_TRIAL $RUNGWAY_FROM_LENGTH $RUNGWAY_CHECKPOINT" >>starts
if [ "$RUNGWAY_TRIAL$RUNGWAY_FROM_LENGTH" = 00 ]; then
    trap 'echo "rungway: epoch=2 error=0.25 checkpoint=at-2"; exit 1' TERM
    echo "$SLURM_JOB_ID" >new; mv new began
    while :; do sleep 0.1; done
fi
echo "rungway: epoch=3 error=$1"
"""


@pytest.fixture(scope="module")
def slurm(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster."""
    if not request.config.getoption("--slurm"):
        pytest.skip("make slurm runs it")
    if why := missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, cluster(Path(folder)) as found:
        yield found


@pytest.mark.parametrize("by", ["scancel", "time limit"])
def test_a_job_leaves_in_time_and_is_queued_again(slurm: Cluster, tmp_path: Path, by: str) -> None:
    """The trial is given back with its last checkpoint, at no cost, and the same job goes on with it."""
    with redis_on_socket() as url, services(url) as (service,), Client(service.address, experiment="search") as client:
        searcher = {"name": "random", "metric": "error", "max_trials": 3, "max_length": {"epochs": 3}}
        client.create_experiment("search", {"hyperparameters": {"rate": uniform(0.1, 0.9)}, "searcher": searcher})
        asked = [str(RUNGWAY), "slurm", "search", "--target", service.address, "--", script(tmp_path, TRAIN), "{rate}"]
        (tmp_path / "job.sh").write_text(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
        # The limits of Slurm are whole minutes, and its signal may come a minute earlier than asked for.
        limits = ["--time=2", "--signal=B:USR1@45"] if by == "time limit" else []
        path = f"--export=ALL,PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
        slurm.run("sbatch", path, *limits, "job.sh", folder=tmp_path)
        wait_until((tmp_path / "began").exists)
        job = (tmp_path / "began").read_text().strip()
        if by == "scancel":
            slurm.run("scancel", "--signal=USR1", "--batch", job)
        wait_until(lambda: slurm.shown(job)["JobState"] in {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"})
        ended = slurm.shown(job)
        assert client.get_experiment().state is ExperimentState.DONE
        trials = client.list_trials()
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1")
    assert [(trial.length, trial.restarts) for trial in trials] == [(3, 0)] * 3
    assert (tmp_path / "starts").read_text().splitlines() == ["0 0 ", "0 2 at-2", "1 0 ", "2 0 "]
