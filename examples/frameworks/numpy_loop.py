"""A training loop without any library: gradient descent with momentum and a cosine schedule.

rungway create examples/frameworks/search.yaml --name numpy
RUNGWAY_EXPERIMENT=numpy RUNGWAY_CHECKPOINTS=checkpoints python examples/frameworks/numpy_loop.py
"""

import math

import numpy as np
from record import record

from rungway import Client, Preempted
from rungway.integrations import trials

STEPS = 12  # in an epoch
rng = np.random.default_rng(0)
x, noise = rng.normal(size=(256, 8)), rng.normal(size=256)
y = x @ np.arange(8) + noise

try:
    for trial in trials(Client()):
        with trial:
            state = {"weights": np.zeros(8), "momentum": np.zeros(8), "step": np.array(0)}
            if folder := trial.restore():
                state = dict(np.load(folder / "state.npz"))
            for epoch in trial.lengths():
                while state["step"] < epoch * STEPS:
                    step = int(state["step"])
                    # The schedule spans the search, not what the trial may train to for now.
                    rate = (
                        trial.hparams["learning_rate"] * (1 + math.cos(math.pi * step / trial.max_length / STEPS)) / 2
                    )
                    some = np.random.default_rng([trial.number, step]).integers(8) + np.arange(0, 256, 8)
                    error = x[some] @ state["weights"] - y[some]
                    state["momentum"] = 0.9 * state["momentum"] + x[some].T @ error / len(some)
                    state["weights"] = state["weights"] - rate * state["momentum"]
                    state["step"] = np.array(step + 1)
                    record(trial.number, step, rate)
                    if trial.must_leave():
                        trial.leave(save=lambda folder: np.savez(folder / "state.npz", **state))
                loss = float(np.mean((x @ state["weights"] - y) ** 2))
                if not trial.report(epoch, loss, save=lambda folder: np.savez(folder / "state.npz", **state)):
                    break
except Preempted as why:
    print(why)
