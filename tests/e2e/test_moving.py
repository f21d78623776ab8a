"""A namespace moves to another Redis while its workers wait: the recipe of docs/operations.md, with real workers."""

import os
import subprocess
import sys
from pathlib import Path

from rungway import Client
from tests.support.calls import config, unique_name
from tests.support.redis_server import free_port, redis_on_socket
from tests.support.service import Service
from tests.support.waiting import SECONDS, wait_until
from tests.support.worker import Worker, metric_of, start_worker

SEARCH = config("adaptive_asha", max_trials=5000, max_length={"epochs": 9}, divisor=3, max_concurrent_trials=0)
SECTION = "### Move a namespace to another Redis\n"
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def recipe() -> list[str]:
    """The commands of the page, one a line."""
    section = PAGE.read_text(encoding="utf-8").partition(SECTION)[2]
    block = section.partition("```sh\n")[2].partition("```")[0].replace("\\\n", "")
    return [line for line in block.splitlines() if line and not line.startswith("#")]


def typed(command: str, folder: Path, variables: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")} | variables
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), (command, done.stdout, done.stderr)


def served(folder: Path, address: str, url: str) -> Service:
    folder.mkdir()
    service = Service(folder, ("--listen", address, "--http", "off", "--redis", url))
    assert service.address == address
    return service


def told(workers: list[Worker]) -> dict[tuple[int, int], float]:
    """Each acknowledged result: trial and length, and the metric."""
    return {(each["trial"], each["length"]): each["metric"] for worker in workers for each in worker.events("told")}


def test_a_namespace_moves_while_its_workers_wait(tmp_path: Path) -> None:
    address, experiment = f"127.0.0.1:{free_port()}", unique_name("moving")
    commands = recipe()
    (switch,) = [at for at, command in enumerate(commands) if command.startswith("systemctl restart rungway")]
    with redis_on_socket() as old, redis_on_socket() as new:
        service = served(tmp_path / "old", address, old)
        workers: list[Worker] = []
        variables = {"RUNGWAY_TARGET": address, "OLD": old, "NEW": new}
        try:
            with Client(address, experiment=experiment) as client:
                client.create_experiment(experiment, SEARCH)
                workers = [start_worker(tmp_path / f"worker-{n}", address, experiment, 0.02) for n in range(3)]
                wait_until(lambda: len(told(workers)) > 30)
                for command in commands[:switch]:
                    typed(command, tmp_path, variables)
                before = told(workers)
                assert service.terminate() == 0
                service = served(tmp_path / "new", address, new)
                assert told(workers) == before, "workers waited"
                for command in commands[switch + 1 :]:
                    typed(command, tmp_path, variables)
                wait_until(lambda: len(told(workers)) > len(before) + 30)
                client.stop_experiment()
                for worker in workers:
                    worker.wait_for("done")
                results, started = told(workers), client.get_experiment().trials.started
                curves = {
                    (number, report.length): report.metric
                    for number in range(started)
                    for report in client.get_trial(number).curve or ()
                }
            assert results.items() <= curves.items(), "nothing that was told is lost"
            assert all(metric == metric_of(*key) for key, metric in results.items())
            asked = [event for worker in workers for event in worker.events("asked")]
            assert all(event["restarts"] == 0 for event in asked)
        finally:
            service.kill()
            for worker in workers:
                worker.kill()
