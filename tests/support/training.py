"""A small network with steps, validation and checkpoints on disk, for training scripts; each step is logged.

A script has one loop of each kind; `run_loop` runs the one that the command line names: LOOP TARGET NAME FOLDER.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from rungway import Assignment, AsyncClient, AsyncTrialRun, Client, TrialRun

PATIENCE = 3
LEAST_GAIN = 1e-3
VALIDATE_EVERY = 100


class Network:
    """One weight, trained by gradient descent on its square. Resumes from a checkpoint."""

    def __init__(self, folder: Path, trial: int, hparams: dict[str, Any], checkpoint: str) -> None:
        self._folder, self._trial, self._rate = folder, trial, hparams["rate"]
        self._log = os.open(folder / "trained", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._state: dict[str, Any] = {"steps": 0, "weight": 1.0, "best": 9.0, "waited": 0}
        if checkpoint:
            self._state = json.loads(Path(checkpoint).read_text())

    def step(self) -> None:
        """Train one step."""
        self._state["weight"] *= 1 - self._rate
        self._state["steps"] += 1
        os.write(self._log, f"{self._trial} {self._state['steps']}\n".encode())

    def validate(self) -> float:
        """The loss; it falls to a floor that depends on the learning rate."""
        return float(self._state["weight"] ** 2 + (self._rate - 0.3) ** 2)

    def is_over(self, loss: float) -> bool:
        """Early stopping: whether the loss has stopped falling. The count is part of the checkpoint."""
        state = self._state
        state["waited"] = 0 if loss < state["best"] - LEAST_GAIN else state["waited"] + 1
        state["best"] = min(state["best"], loss)
        return bool(state["waited"] >= PATIENCE)

    def save(self) -> str:
        """Save a checkpoint; returns its path."""
        path = self._folder / f"{self._trial}-{self._state['steps']}.json"
        path.write_text(json.dumps(self._state))
        return str(path)

    def close(self) -> None:
        """Close the log of steps."""
        os.close(self._log)


def network_of(work: TrialRun | AsyncTrialRun | Assignment, folder: Path) -> "closing[Network]":
    """The network of an assignment, closed at the end of the `with` block."""
    return closing(Network(folder, work.lease.trial, work.hparams, work.checkpoint))


def run_loop(
    trials: Callable[[Client, Path], None],
    ask: Callable[[Client, Path], None],
    async_trials: Callable[[AsyncClient, Path], Awaitable[None]],
    async_ask: Callable[[AsyncClient, Path], Awaitable[None]],
) -> None:
    """The loop "trials", "ask", "async-trials" or "async-ask"."""
    loop, target, experiment, folder = sys.argv[1:]
    if loop.startswith("async-"):
        work = {"async-trials": async_trials, "async-ask": async_ask}[loop]
        asyncio.run(_both(work, target, experiment, Path(folder)))
    else:
        with Client(target, experiment=experiment) as client:
            {"trials": trials, "ask": ask}[loop](client, Path(folder))


async def _both(
    work: Callable[[AsyncClient, Path], Awaitable[None]], target: str, experiment: str, folder: Path
) -> None:
    """Two tasks of one client."""
    async with AsyncClient(target, experiment=experiment) as client:
        await asyncio.gather(work(client, folder), work(client, folder))


def trained(folder: Path) -> dict[int, list[int]]:
    """The steps of each trial in the order of training, by all processes."""
    steps: dict[int, list[int]] = {}
    for line in (folder / "trained").read_text().splitlines():
        trial, step = map(int, line.split())
        steps.setdefault(trial, []).append(step)
    return steps


def losses(folder: Path, hparams: dict[str, Any], most: int) -> list[float]:
    """Train without a service: the loss after each step, until early stopping or `most` steps."""
    network, found = Network(folder, -1, hparams, ""), []
    for _ in range(most):
        network.step()
        found.append(network.validate())
        if network.is_over(found[-1]):
            break
    network.close()
    return found
